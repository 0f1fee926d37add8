//! What is told of the updates of one class.

use crate::domain::id::{PackVersionId, UpdateId};
use crate::domain::installation::{Failure, InstallationUpdate, UpdateState};
use crate::domain::pack::Pack;
use crate::domain::release::Release;
use crate::service::journal::Journal;
use crate::service::updates::{Step, tell_update};
use crate::store::write::classes::{Change, Judged};

/// What became of updates that are alike.
pub(super) struct Told<'a> {
    pub pack: &'a Pack,
    pub release: &'a Release,
    pub change: Change,
    pub before: Option<UpdateState>,
    pub version: Step,
    pub action: &'static str,
}

impl Told<'_> {
    fn update(&self, installation: &Judged, from: PackVersionId, now: crate::domain::Instant) -> InstallationUpdate {
        InstallationUpdate {
            id: UpdateId { installation: installation.id, release: self.release.id },
            account_id: installation.account_id,
            publisher_id: self.pack.publisher_id,
            pack_id: self.pack.id,
            state: self.change.state,
            how: self.change.how,
            skip_reason: self.change.skip_reason,
            failure: self.change.failure.map(|code| Failure { code, attempts: 0 }),
            from_version_id: from,
            to_version_id: self.release.version_id,
            offered_at: now,
            settled_at: (self.change.state != UpdateState::Offered).then_some(now),
            applied_by: None,
        }
    }
}

/// Remembers of each installation that its update came to another state.
pub(super) fn tell_all(journal: &mut Journal<'_>, told: &Told<'_>, installations: &[&Judged]) {
    for installation in installations {
        let update = told.update(installation, installation.version_id, journal.now);
        tell_update(journal, told.pack, &update, told.before, told.version, told.action);
    }
}
