//! What becomes of an installation's update: its row, and what is told of it (R25–R27, R29, R30).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Instant;
use crate::domain::event::{Audience, EventData, EventKind};
use crate::domain::id::{PackVersionId, UpdateId};
use crate::domain::installation::{
    Failure, FailureCode, Installation, InstallationUpdate, SkipReason, UpdateMethod, UpdateState,
};
use crate::domain::pack::Pack;
use crate::domain::release::Release;
use crate::store::convert::Stored as _;
use crate::store::write::packs;
use crate::store::write::updates::UpdateRow;
use crate::store::{StoreResult, Tx};

use super::journal::{Entry, Happening, Journal, Subject};

/// A new update of an installation by a release, offered at `now`.
pub(super) fn offered(installation: &Installation, release: &Release, now: Instant) -> UpdateRow {
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
    }
}

/// The numbers of the versions that an installation had before a step, and has after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub before: i32,
    pub after: i32,
}

impl Step {
    /// It isn't moved.
    pub(super) fn stays(number: i32) -> Self {
        Self { before: number, after: number }
    }
}

/// Remembers that an update came to another state.
pub(super) fn tell_update(
    journal: &mut Journal<'_>,
    pack: &Pack,
    update: &InstallationUpdate,
    before: Option<UpdateState>,
    version: Step,
    action: &'static str,
) {
    let kind = match update.state {
        UpdateState::Offered => EventKind::UpdateOffered,
        _ => EventKind::InstallationUpdated,
    };
    // What an update would have brought is not for an account that lost the grant (R45).
    let hidden = update.skip_reason == Some(SkipReason::NotEntitled);
    journal.tell(Happening {
        audience: if hidden { Audience::Publisher } else { Audience::PublisherAndAccount },
        account_id: Some(update.account_id),
        release_id: Some(update.id.release),
        installation_id: Some(update.id.installation),
        update_state: Some(update.state),
        data: EventData { version_number: Some(version.after), ..EventData::default() },
        ..Happening::of(kind, pack)
    });
    let entry = Entry::of(action, Subject::Installation(update.id.installation), pack.name.clone());
    let entry = if hidden { entry } else { entry.concerning(update.account_id) };
    journal.note(
        entry
            .change("update.state", before.map(|s| s.stored().into()), Some(update.state.stored().into()))
            .change("update.how", None, update.how.map(|h| h.stored().into()))
            .change("update.skipReason", None, update.skip_reason.map(|r| r.stored().into()))
            .change("version", Some(version.before.to_string()), Some(version.after.to_string())),
    );
}

/// The numbers of the versions that a batch tells of.
pub(super) struct Numbers(BTreeMap<PackVersionId, i32>);

impl Numbers {
    pub(super) async fn of(tx: &Tx, versions: impl Iterator<Item = PackVersionId>) -> StoreResult<Self> {
        let versions: BTreeSet<_> = versions.collect();
        Ok(Self(packs::version_numbers(tx, &versions.into_iter().collect::<Vec<_>>()).await?))
    }

    pub(super) fn get(&self, version: PackVersionId) -> i32 {
        self.0.get(&version).copied().unwrap_or(0)
    }

    pub(super) fn step(&self, before: PackVersionId, after: PackVersionId) -> Step {
        Step { before: self.get(before), after: self.get(after) }
    }
}

/// An update that its release has come to.
pub(super) fn applied(row: &mut UpdateRow, release: &Release, now: Instant) {
    row.update.state = UpdateState::Applied;
    row.update.how = Some(release.method());
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}

pub(super) fn skip(row: &mut UpdateRow, reason: SkipReason, now: Instant) {
    row.update.state = UpdateState::Skipped;
    row.update.skip_reason = Some(reason);
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}

/// An update of a rollout that was given up before it moved the installation.
pub(super) fn give_up(row: &mut UpdateRow, now: Instant) {
    row.update.state = UpdateState::Failed;
    row.update.failure = Some(Failure { code: FailureCode::Internal, attempts: row.attempts });
    row.update.settled_at = Some(now);
    row.next_attempt_at = None;
}

/// Marks an offer that is taken back while its account has no grant: it was not shown to it, and neither is that
/// it ended (R45).
pub(super) fn hide(row: &mut UpdateRow) {
    row.update.skip_reason = Some(SkipReason::NotEntitled);
}

/// A row that was to be tried again, but is no longer to be moved: gone, or without a grant (R45).
pub(super) fn given_up(mut row: UpdateRow) -> Option<UpdateRow> {
    row.next_attempt_at.take().map(|_| row)
}

/// Takes an update back; `how` when that moved its installation.
pub(super) fn withdraw_row(row: &mut UpdateRow, how: Option<UpdateMethod>, now: Instant) {
    row.update.state = UpdateState::Withdrawn;
    row.update.how = how;
    row.update.settled_at = Some(now);
    row.update.failure = None;
    row.next_attempt_at = None;
}
