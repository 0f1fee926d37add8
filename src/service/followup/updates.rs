//! Changes the rows of installations' updates, and records the changes in the logs (R25–R27, R29, R30).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Instant;
use crate::domain::id::{PackVersionId, ReleaseId, UpdateId};
use crate::domain::installations::{
    Failure, FailureCode, Installation, InstallationUpdate, SkipReason, UpdateMethod, UpdateState,
};
use crate::domain::log::{Audience, Change, Class, EntryClass, EventClass, EventKind, Record, VersionAfter};
use crate::domain::packs::Pack;
use crate::domain::releases::Release;
use crate::store::convert::Stored as _;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::packs::write as packs;
use crate::store::{StoreResult, Tx};

use crate::service::journal::Journal;

/// A new update of an installation by a release, offered at `now`.
pub(in crate::service) fn offered(installation: &Installation, release: &Release, now: Instant) -> UpdateRow {
    UpdateRow {
        update: InstallationUpdate {
            id: UpdateId { installation: installation.id, release: release.id },
            account_id: installation.account_id,
            publisher_id: installation.publisher_id,
            pack_id: installation.pack_id,
            state: UpdateState::Offered,
            how: None,
            skip_reason: None,
            failure: None,
            from_version_id: installation.version_id,
            to_version_id: release.version_id,
            offered_at: now,
            settled_at: None,
            applied_by: None,
        },
        stored: None,
        attempts: 0,
        next_attempt_at: None,
        outcome: None,
    }
}

/// The version numbers of an installation before and after a step.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct VersionChange {
    pub before: i32,
    pub after: i32,
}

impl VersionChange {
    /// The numbers for a step that doesn't move the installation.
    pub(in crate::service) fn stays(number: i32) -> Self {
        Self { before: number, after: number }
    }
}

impl From<VersionChange> for VersionAfter {
    fn from(change: VersionChange) -> Self {
        if change.before == change.after { Self::Same } else { Self::Number(change.after) }
    }
}

/// Records that an update has changed its state.
pub(in crate::service) fn record_update(
    journal: &mut Journal<'_>,
    pack: &Pack,
    update: &InstallationUpdate,
    before: Option<UpdateState>,
    version: VersionChange,
    action: &'static str,
) {
    let change = StateChange {
        release: update.id.release,
        before,
        state: update.state,
        how: update.how,
        skip_reason: update.skip_reason,
        version: version.into(),
        action,
    };
    let record = Record {
        account_id: update.account_id,
        installation_id: Some(update.id.installation),
        version_before: Some(version.before),
        name: None,
    };
    journal.append_record(change.class(journal, pack), record);
}

/// A change of state that is the same for the updates of several installations.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct StateChange {
    pub(in crate::service) release: ReleaseId,
    /// `None` for updates that are new.
    pub(in crate::service) before: Option<UpdateState>,
    pub(in crate::service) state: UpdateState,
    pub(in crate::service) how: Option<UpdateMethod>,
    pub(in crate::service) skip_reason: Option<SkipReason>,
    /// The installations' version after the change.
    pub(in crate::service) version: VersionAfter,
    pub(in crate::service) action: &'static str,
}

impl StateChange {
    /// The class of events and entries for [`Journal::append_records`].
    pub(in crate::service) fn class(self, journal: &Journal<'_>, pack: &Pack) -> Class {
        let kind = match self.state {
            UpdateState::Offered => EventKind::UpdateOffered,
            _ => EventKind::InstallationUpdated,
        };
        // An account without the grant must not learn about the update (R45).
        let hidden = self.skip_reason == Some(SkipReason::NotEntitled);
        let field = |field: &str, before: Option<&str>, after: Option<&str>| {
            let text = |value: Option<&str>| value.map(Into::into);
            let change =
                || Change { field: field.into(), before: text(before), after: text(after), of: None, private: false };
            (before != after).then(change)
        };
        let changes = [
            field("update.state", self.before.map(|state| state.stored()), Some(self.state.stored())),
            field("update.how", None, self.how.map(|how| how.stored())),
            field("update.skipReason", None, self.skip_reason.map(|reason| reason.stored())),
        ];
        Class {
            release_id: Some(self.release),
            event: Some(EventClass {
                kind,
                audience: if hidden { Audience::Publisher } else { Audience::PublisherAndAccount },
                update_state: Some(self.state),
            }),
            entry: Some(EntryClass {
                action: self.action.into(),
                for_account: !hidden,
                changes: changes.into_iter().flatten().collect(),
            }),
            version: self.version,
            ..journal.class(pack)
        }
    }
}

/// The numbers of the versions that a batch records.
pub(in crate::service) struct VersionNumbers(BTreeMap<PackVersionId, i32>);

impl VersionNumbers {
    /// Reads the numbers of versions.
    pub(in crate::service) async fn of(tx: &Tx, versions: impl Iterator<Item = PackVersionId>) -> StoreResult<Self> {
        let versions: BTreeSet<_> = versions.collect();
        Ok(Self(packs::version_numbers(tx, &versions.into_iter().collect::<Vec<_>>()).await?))
    }

    /// The number of a version; 0 if it wasn't read.
    pub(in crate::service) fn get(&self, version: PackVersionId) -> i32 {
        self.0.get(&version).copied().unwrap_or(0)
    }

    /// The numbers of two versions, for the record of a move.
    pub(in crate::service) fn change(&self, before: PackVersionId, after: PackVersionId) -> VersionChange {
        VersionChange { before: self.get(before), after: self.get(after) }
    }
}

/// Marks an update as applied by its release or by a stage of it.
pub(in crate::service) fn applied(row: &mut UpdateRow, how: UpdateMethod, now: Instant) {
    row.update.state = UpdateState::Applied;
    row.update.how = Some(how);
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}

/// Marks an update as skipped.
pub(in crate::service) fn skip(row: &mut UpdateRow, reason: SkipReason, now: Instant) {
    row.update.state = UpdateState::Skipped;
    row.update.skip_reason = Some(reason);
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}

/// Ends the attempts of a stage, because the installation may not be moved now. A later stage begins anew (R55).
pub(in crate::service) fn leave_to_later(row: &mut UpdateRow) {
    row.update.failure = None;
    row.attempts = 0;
    row.next_attempt_at = None;
}

/// Marks an update as failed, because its rollout was given up before it moved the installation.
pub(in crate::service) fn give_up(row: &mut UpdateRow, now: Instant) {
    row.update.state = UpdateState::Failed;
    row.update.failure = Some(Failure { code: FailureCode::Internal, attempts: row.attempts });
    row.update.settled_at = Some(now);
    row.next_attempt_at = None;
}

/// Hides a withdrawn offer from an account without the grant. The account didn't see the offer, so it must not see its
/// end (R45).
pub(in crate::service) fn hide(row: &mut UpdateRow) {
    row.update.skip_reason = Some(SkipReason::NotEntitled);
}

/// Marks an update as withdrawn. `how` is set if its installation was moved back.
pub(in crate::service) fn withdraw_row(row: &mut UpdateRow, how: Option<UpdateMethod>, now: Instant) {
    row.update.state = UpdateState::Withdrawn;
    row.update.how = how;
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}
