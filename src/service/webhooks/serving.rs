//! Saves the progress of the endpoints that a server serves, and disables them.

use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::log::{Audience, EventData, EventKind};
use crate::domain::webhooks::{DisabledReason, Endpoint, WebhookState};
use crate::metrics::WebhookEnd;
use crate::service::Services;
use crate::service::access::Viewer;
use crate::service::error::Failure;
use crate::service::journal::{Journal, JournalEvent};
use crate::service::webhooks::endpoints::entry;
use crate::store::accounts::write as accounts;
use crate::store::convert::Stored as _;
use crate::store::log::events::{self, Interest};
use crate::store::webhooks::serving::{self, Progress};
use crate::store::webhooks::write;

/// Saves the progress of an endpoint. Returns whether this server still serves it in this revision.
pub(crate) async fn save_progress(
    cx: &Services,
    server: Uuid,
    endpoint: &Endpoint,
    progress: &Progress,
) -> Result<bool, Failure> {
    let tx = cx.db.begin().await?;
    let is_ours = serving::save_progress(&tx, server, endpoint.id, endpoint.revision, progress).await?;
    tx.commit().await?;
    Ok(is_ours)
}

/// Disables an endpoint, in the same transaction as its last progress. Returns whether this server still served it.
pub(crate) async fn disable(
    cx: &Services,
    server: Uuid,
    endpoint: &Endpoint,
    progress: &Progress,
    reason: DisabledReason,
) -> Result<bool, Failure> {
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, endpoint.account_id).await?.ok_or(Failure::NotFound)?;
    if !serving::save_progress(&tx, server, endpoint.id, endpoint.revision, progress).await? {
        // The endpoint was changed meanwhile. Commits its progress, so that delivered events aren't sent again.
        tx.commit().await?;
        return Ok(false);
    }
    let Some(mut after) = write::lock(&tx, account.id, endpoint.id).await? else { return Ok(false) };
    let before = after.state;
    after.disable(reason);
    write::save(&tx, &after).await?;
    let mut journal = Journal::of_scheduler(cx, account.publisher_id, cx.now(&tx));
    let state = |state: WebhookState| Some(state.stored().to_owned());
    journal.append_entry(
        entry("scheduler.disableWebhookEndpoint", &after, &account)
            .change("state", state(before), state(after.state))
            .change("disabledReason", None, Some(reason.stored().to_owned())),
    );
    let is_publisher = account.id == account.publisher_id;
    journal.append_event(JournalEvent {
        audience: if is_publisher { Audience::Publisher } else { Audience::Account },
        account_id: (!is_publisher).then_some(account.id),
        data: EventData { webhook: Some(endpoint.id), ..EventData::default() },
        ..JournalEvent::without_pack(EventKind::WebhookDisabled)
    });
    journal.write(&tx).await?;
    tx.commit().await?;
    cx.metrics.webhooks_disabled.add(ended(reason), 1);
    tracing::warn!(endpoint = %endpoint.id, account = account.shown_id(), account_name = account.name, reason = reason.stored(), "a webhook endpoint was disabled");
    Ok(true)
}

fn ended(reason: DisabledReason) -> WebhookEnd {
    match reason {
        DisabledReason::AttemptsExhausted => WebhookEnd::AttemptsExhausted,
        DisabledReason::Gone => WebhookEnd::Gone,
        DisabledReason::CursorExpired => WebhookEnd::CursorExpired,
        DisabledReason::DocumentRefused => WebhookEnd::DocumentRefused,
    }
}

/// When the event happened that is next for an endpoint after the position `after`. `None` if none waits.
pub(crate) async fn next_waits_since(
    cx: &Services,
    viewer: &Viewer,
    interest: &Interest,
    after: i64,
) -> Result<Option<Instant>, Failure> {
    let next = events::after(&cx.look_up(viewer.scope()), after, interest, 1).await?;
    Ok(next.events.first().map(|event| event.event.occurred_at))
}

/// The position to which an idle endpoint may advance: the end of the log that its account sees. Without that, its
/// position would expire while no event matches its filter. `None` if an event waits after `after`, or the log has
/// none.
pub(crate) async fn advance_place(
    cx: &Services,
    viewer: &Viewer,
    interest: &Interest,
    after: i64,
) -> Result<Option<crate::domain::log::Position>, Failure> {
    let snapshot = cx.look_up(viewer.scope());
    let next = events::after(&snapshot, after, interest, 1).await?;
    if !next.events.is_empty() || next.more_after.is_some() {
        return Ok(None);
    }
    let end = events::position(&snapshot).await?;
    Ok((end.sequence > after).then_some(end))
}
