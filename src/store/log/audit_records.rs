//! Audit entries that are stored as records: which of them a reader may see, and their content (R51).

use entity::{log_batch, log_record};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _};

use crate::domain::accounts::ActorKind;
use crate::domain::log::{INSTALLATION, Recorded};
use crate::store::column::col;
use crate::store::log::audit::AuditFilter;
use crate::store::log::record_rows;
use crate::store::log::records::{Found, Located, Log, PositionRange, RecordQuery};
use crate::store::page::{Key, PageRequest};
use crate::store::scope::Scope;
use crate::store::{StoreError, StoreResult};

use log_batch::Column as B;
use log_record::Column as R;

/// The records that match a reader's filter. All of them are about installations, and their actor is the scheduler.
pub(in crate::store) fn query(scope: Scope, filter: &AuditFilter) -> RecordQuery {
    let mut check = match scope {
        Scope::Publisher(by) => col(B::PublisherId).eq(by.publisher_id().0),
        Scope::Managed(by) => col(R::AccountId).eq(by.account_id().0).and(col(B::ForAccount).eq(true)),
    };
    if let Some(from) = filter.from {
        check = check.and(col(B::OccurredAt).gte(from));
    }
    if let Some(to) = filter.to {
        check = check.and(col(B::OccurredAt).lt(to));
    }
    if let Some(actions) = &filter.actions {
        check = check.and(col(B::Action).is_in(actions));
    }
    RecordQuery { log: Log::Entries, found: found(scope, filter), check }
}

fn found(scope: Scope, filter: &AuditFilter) -> Found {
    let by_another = filter.actor_kind.is_some_and(|kind| kind != ActorKind::Scheduler) || filter.token.is_some();
    if by_another || filter.actions.as_ref().is_some_and(Vec::is_empty) {
        return Found::Nothing;
    }
    match (&filter.subject, scope) {
        (Some(subject), _) => match Uuid::parse_str(&subject.id) {
            Ok(id) if subject.type_name == INSTALLATION => Found::Records(col(R::InstallationId).eq(id)),
            _ => Found::Nothing,
        },
        (None, Scope::Managed(by)) => Found::Records(col(R::AccountId).eq(by.account_id().0)),
        (None, Scope::Publisher(by)) => {
            let of_publisher = || col(B::PublisherId).eq(by.publisher_id().0);
            let by_action = |action: &String| -> Expr { of_publisher().and(col(B::Action).eq(action)) };
            match &filter.actions {
                Some(actions) => Found::Batches(actions.iter().map(by_action).collect()),
                None => Found::Batches(vec![of_publisher()]),
            }
        }
    }
}

/// Whether a reader may see the audit entry of a record.
pub(in crate::store) fn may_see(scope: Scope, located: &Located) -> bool {
    match scope {
        Scope::Publisher(by) => located.batch.publisher_id == by.publisher_id().0,
        Scope::Managed(by) => {
            located.batch.for_account && located.record().is_some_and(|record| record.account_id == by.account_id().0)
        }
    }
}

/// The stretch of the log that a request needs. The list is newest first, so its `after` is the stretch's `before`.
/// `between` has the first and the last position of the filter's time span.
pub(in crate::store) fn range(request: &PageRequest, between: Option<(i64, i64)>) -> PositionRange {
    let position = |keys: &Option<Vec<Key>>| match keys.as_deref() {
        Some([Key::Number(position)]) => Some(*position),
        _ => None,
    };
    let after = position(&request.before).into_iter().chain(between.map(|(first, _)| first - 1)).max();
    let before = position(&request.after).into_iter().chain(between.map(|(_, last)| last + 1)).min();
    PositionRange { after, before, from_end: !request.backward, size: request.size }
}

/// The audit entry of a record.
pub(in crate::store) fn read(located: &Located) -> StoreResult<Recorded> {
    let class = record_rows::class_of_entries(&located.batch)?;
    let record = located.record().cloned().map(record_rows::record);
    let entry = record.and_then(|record| class.entry_of(&record, located.id()));
    entry.ok_or_else(|| StoreError::Fault(format!("the record {} has no audit entry", located.sequence)))
}
