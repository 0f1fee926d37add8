//! Events that are stored as records: which of them a reader may see, and their content (R50).

use entity::{log_batch, log_record};
use sea_orm::sea_query::{Expr, ExprTrait as _};

use crate::domain::installations::UpdateState;
use crate::domain::log::{Audience, Event};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::log::events::Interest;
use crate::store::log::record_rows;
use crate::store::log::records::{Found, Located, Log, PositionRange, RecordQuery};
use crate::store::page::{Key, PageRequest};
use crate::store::scope::Scope;
use crate::store::{StoreResult, tolerant};

use log_batch::Column as B;
use log_record::Column as R;

/// The records that match a reader's interest. Events of releases are never stored as records, because there are few.
pub(in crate::store) fn query(scope: Scope, interest: &Interest) -> RecordQuery {
    let kinds: Vec<_> = interest.kinds().iter().copied().filter(|kind| !kind.is_of_release()).collect();
    let mut check = col(B::Kind).is_in(kinds.iter().map(|kind| kind.stored())).and(readable()).and(visible(scope));
    for (column, id) in
        [(col(B::PackId), interest.pack_id.map(|id| id.0)), (col(B::ReleaseId), interest.release_id.map(|id| id.0))]
    {
        if let Some(id) = id {
            check = check.and(column.eq(id));
        }
    }
    let by_kind = |column: Expr| kinds.iter().map(|kind| column.clone().and(col(B::Kind).eq(kind.stored()))).collect();
    if let Some(id) = interest.account_id {
        check = check.and(col(R::AccountId).eq(id.0));
    }
    let found = match (scope, interest.installation_id, interest.account_id) {
        _ if kinds.is_empty() => Found::Nothing,
        (_, Some(id), _) => Found::Records(col(R::InstallationId).eq(id.0)),
        (_, None, Some(id)) => Found::Records(col(R::AccountId).eq(id.0)),
        (Scope::Managed(by), None, None) => Found::Records(col(R::AccountId).eq(by.account_id().0)),
        (Scope::Publisher(by), None, None) => {
            let of_publisher = col(B::PublisherId).eq(by.publisher_id().0);
            Found::Batches(match (interest.release_id, interest.pack_id) {
                (Some(id), _) => vec![col(B::ReleaseId).eq(id.0)],
                (None, Some(id)) => by_kind(col(B::PackId).eq(id.0)),
                (None, None) if interest.kinds.is_some() => by_kind(of_publisher),
                (None, None) => vec![of_publisher],
            })
        }
    };
    RecordQuery { log: Log::Events, found, check }
}

/// The condition that this program can read a batch. A newer version may have written batches with unknown states.
pub(in crate::store) fn readable() -> Expr {
    let update_state = || col(B::UpdateState);
    update_state().is_null().or(update_state().is_in(UpdateState::NAMES.iter().copied()))
}

/// The condition that a reader may see a batch's event. No batch has the audience [`Audience::PublisherAndInstalled`].
fn visible(scope: Scope) -> Expr {
    match scope {
        Scope::Publisher(by) => col(B::PublisherId).eq(by.publisher_id().0).and(to_publisher()),
        Scope::Managed(by) => col(R::AccountId).eq(by.account_id().0).and(to_account()),
    }
}

/// The condition that a batch's events are for their publisher.
pub(in crate::store) fn to_publisher() -> Expr {
    col(B::Audience).is_in(TO_PUBLISHER.map(|audience| audience.stored()))
}

/// The condition that a batch's events are for the account of their record.
pub(in crate::store) fn to_account() -> Expr {
    col(B::Audience).is_in(TO_ACCOUNT.map(|audience| audience.stored()))
}

const TO_PUBLISHER: [Audience; 2] = [Audience::Publisher, Audience::PublisherAndAccount];
const TO_ACCOUNT: [Audience; 2] = [Audience::Account, Audience::PublisherAndAccount];

/// Whether a reader may see an event from a record.
pub(in crate::store) fn may_see(scope: Scope, event: &Event) -> bool {
    let event = &event.event;
    match scope {
        Scope::Publisher(by) => event.publisher_id == by.publisher_id() && TO_PUBLISHER.contains(&event.audience),
        Scope::Managed(by) => event.account_id == Some(by.account_id()) && TO_ACCOUNT.contains(&event.audience),
    }
}

/// The stretch of the log that a request needs.
pub(in crate::store) fn range(request: &PageRequest) -> PositionRange {
    let position = |keys: &Option<Vec<Key>>| match keys.as_deref() {
        Some([Key::Number(position)]) => Some(*position),
        _ => None,
    };
    let (after, before) = (position(&request.after), position(&request.before));
    PositionRange { after, before, from_end: request.backward, size: request.size }
}

/// The event of a record; `None`, and a log line, if this program can't read it.
pub(in crate::store) fn read(located: &Located) -> Option<Event> {
    try_read(located).map_err(|why| tolerant::skip("log_record", located.sequence, &why)).ok().flatten()
}

fn try_read(located: &Located) -> StoreResult<Option<Event>> {
    let Some(record) = located.record() else { return Ok(None) };
    let class = record_rows::class_of_events(&located.batch)?;
    let event = class.event_of(&record_rows::record(record.clone()), located.id());
    Ok(event.map(|event| Event { sequence: located.sequence, event }))
}
