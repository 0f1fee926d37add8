//! Pauses, resumes and tests endpoints, and rotates their secrets (R63, R64, R66).

use chrono::Duration;
use tokio::time::{Instant as Moment, timeout_at};

use crate::domain::Instant;
use crate::domain::accounts::Privilege;
use crate::domain::id::{EventId, WebhookId, encode_id};
use crate::domain::instant;
use crate::domain::log::EventKind;
use crate::domain::webhooks::{Delivery, OVERLAP_MAX, WebhookRefusal, WebhookState};
use crate::service::Services;
use crate::service::access::Viewer;
use crate::service::error::{Failure, Outcome};
use crate::service::journal::Journal;
use crate::service::webhooks::delivering::{Payload, try_once};
use crate::service::webhooks::endpoints::{Begin, entry, is_own};
use crate::service::webhooks::turns::Pace;
use crate::service::webhooks::{key, secrets};
use crate::store::accounts::write as accounts;
use crate::store::convert::Stored as _;
use crate::store::webhooks::{serving, write};

/// A change of an endpoint's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Pause,
    Resume,
}

impl Change {
    /// The action in the audit log.
    fn action(self) -> &'static str {
        match self {
            Self::Pause => "pauseWebhookEndpoint",
            Self::Resume => "resumeWebhookEndpoint",
        }
    }
}

/// Pauses an endpoint: the server sends it nothing until it is resumed.
///
/// # Errors
/// ALREADY_PAUSED; not found.
pub(crate) async fn pause(cx: &Services, caller: &Viewer, id: WebhookId) -> Outcome<(), WebhookRefusal> {
    change_state(cx, caller, id, Change::Pause, None).await
}

/// Resumes an endpoint, where it stopped or after a cursor. The next attempt is made at once.
///
/// # Errors
/// NOT_PAUSED, CURSOR_EXPIRED; not found.
pub(crate) async fn resume(
    cx: &Services,
    caller: &Viewer,
    id: WebhookId,
    begin: Option<Begin>,
) -> Outcome<(), WebhookRefusal> {
    change_state(cx, caller, id, Change::Resume, begin).await
}

async fn change_state(
    cx: &Services,
    caller: &Viewer,
    id: WebhookId,
    change: Change,
    begin: Option<Begin>,
) -> Outcome<(), WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let before = write::lock(&tx, account.id, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let mut after = before.clone();
    match (change, begin) {
        (Change::Pause, _) => after.pause(),
        (Change::Resume, Some(Begin::After(place))) => after.resume_after(place),
        (Change::Resume, Some(Begin::Expired)) => after.resume().and(Err(WebhookRefusal::CursorExpired)),
        (Change::Resume, None) => after.resume(),
    }?;
    write::save(&tx, &after).await?;
    let state = |state: WebhookState| Some(state.stored().to_owned());
    journal.append_entry(entry(change.action(), &after, &account).change(
        "state",
        state(before.state),
        state(after.state),
    ));
    journal.write(&tx).await?;
    tx.commit().await?;
    cx.webhooks.changed.notify_one();
    Ok(())
}

/// Gives an endpoint a new secret, and returns it, which happens only this once. The former secret signs too, for
/// `overlap_seconds`.
///
/// # Errors
/// OVERLAP_OUT_OF_BOUNDS; not found.
pub(crate) async fn rotate(
    cx: &Services,
    caller: &Viewer,
    id: WebhookId,
    overlap_seconds: i32,
) -> Outcome<String, WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let key = key(cx).await?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let endpoint = write::lock(&tx, account.id, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let overlap = Duration::seconds(overlap_seconds.into());
    if overlap < Duration::zero() || overlap > OVERLAP_MAX {
        return Err(WebhookRefusal::OverlapOutOfBounds.into());
    }
    let secret = secrets::new_secret();
    let former = write::secret(&tx, id).await?.filter(|_| overlap > Duration::zero());
    let former = former.map(|former| (former, journal.now + overlap));
    let until = former.as_ref().map(|(_, until)| instant::to_text(*until));
    write::save_secrets(&tx, id, secrets::seal(&key, id, &secret)?, former).await?;
    journal.append_entry(entry("rotateWebhookSecret", &endpoint, &account).change("formerSecretUntil", None, until));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Sends an event of the kind WEBHOOK_TEST to an endpoint, and returns the delivery. `cursor` is that of the log's end.
///
/// # Errors
/// Not found.
pub(crate) async fn send_test(
    cx: &Services,
    caller: &Viewer,
    id: WebhookId,
    cursor: &str,
    now: Instant,
) -> Outcome<Delivery, WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    // The wait for a slot and for the answer share one deadline, so that the caller gets the result in time.
    let began = Moment::now();
    if !is_own(cx, caller, id).await? {
        return Err(Failure::NotFound.into());
    }
    let served = serving::load(&cx.db.whole_server(), id).await?.ok_or(Failure::NotFound)?;
    let event: EventId = cx.ids.next();
    let data = format!(
        r#"{{"events":{{"__typename":"WebhookEvent","id":"{}","cursor":"{cursor}","kind":"WEBHOOK_TEST","occurredAt":"{}","endpoint":{{"id":"{}"}}}}}}"#,
        encode_id("evt", event.0.as_bytes()),
        instant::to_text(now),
        encode_id("hook", id.0.as_bytes()),
    );
    let payload = Payload::new(event, EventKind::WebhookTest, now, cursor, Some(&data));
    let turn = cx.webhooks.turns.take(caller.account.id, Pace::Unproven);
    let turn = timeout_at(began + cx.webhooks.test_limit / 3, turn).await;
    let _turn = turn.map_err(|_| Failure::Unavailable("all slots for deliveries are in use".into()))?;
    let tried = try_once(cx, &served, &payload, 1, now, Some(began + cx.webhooks.test_limit)).await?;
    let tx = cx.db.begin().await?;
    if write::lock(&tx, caller.account.id, id).await?.is_some() {
        write::add_attempts(&tx, id, std::slice::from_ref(&tried.delivery)).await?;
        tx.commit().await?;
    }
    Ok(tried.delivery)
}
