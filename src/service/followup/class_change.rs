//! A class is a set of installations of a batch that change in the same way. Their changes are written together.

use std::collections::BTreeMap;

use crate::domain::id::{InstallationId, PackVersionId};
use crate::domain::installations::{FailureCode, ReachedState};
use crate::domain::log::Record;
use crate::domain::packs::Pack;
use crate::domain::releases::Release;
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::followup::updates::{StateChange, VersionNumbers};
use crate::service::journal::Journal;
use crate::store::Tx;
use crate::store::installations::changes::{Change, Changes};
use crate::store::installations::classes::InstallationFacts;
use crate::store::installations::section::{Members, Section};
use crate::store::installations::write as installations;
use crate::store::installations::write_counts::Move;

/// The installations that could not be moved.
pub(super) type Failed = BTreeMap<InstallationId, FailureCode>;

/// Moves installations. An installation that can't be moved leaves `members` for `failed`.
pub(super) fn move_each(cx: &Services, release: &Release, members: &mut Vec<&InstallationFacts>, failed: &mut Failed) {
    members.retain(|installation| match cx.mover.move_installation(installation.id, release.id) {
        Ok(()) => true,
        Err(code) => {
            failed.insert(installation.id, code);
            false
        }
    });
}

/// A change of the updates of a class, and of its installations' version.
pub(super) struct ClassChange<'a> {
    pub tx: &'a Tx,
    pub pack: &'a Pack,
    pub release: &'a Release,
    pub numbers: &'a VersionNumbers,
    pub change: Change,
    /// The state of the updates until now; `None` if the installations have none.
    pub before: Option<ReachedState>,
    /// The version of the installations until now.
    pub from: PackVersionId,
    /// Their version afterwards.
    pub to: PackVersionId,
    pub action: &'static str,
    /// The section that consists of exactly these installations, if there is one.
    pub section: Option<Section>,
}

impl ClassChange<'_> {
    /// Writes the updates and the version of the class, and records the change for each installation.
    pub(super) async fn write(
        self,
        journal: &mut Journal<'_>,
        changes: &mut Changes<'_>,
        members: &[&InstallationFacts],
    ) -> Result<(), Failure> {
        let ids: Vec<_> = members.iter().map(|installation| installation.id).collect();
        let changing = self.section.map_or(Members::Listed(&ids), Members::All);
        changes.make(self.before, self.change, changing).await?;
        if self.to != self.from {
            let movement = Move { pack: self.pack.id, from: self.from, to: self.to, at: journal.now };
            installations::move_alike(self.tx, changing, movement).await?;
        }
        self.record(journal, members);
        Ok(())
    }

    fn record(&self, journal: &mut Journal<'_>, members: &[&InstallationFacts]) {
        let version = self.numbers.change(self.from, self.to);
        let change = StateChange {
            release: self.release.id,
            before: self.before.map(|(state, _)| state),
            state: self.change.state,
            how: self.change.how,
            skip_reason: self.change.skip_reason,
            version: version.into(),
            action: self.action,
        };
        let record = |installation: &&InstallationFacts| Record {
            account_id: installation.account_id,
            installation_id: Some(installation.id),
            version_before: Some(version.before),
            name: None,
        };
        let records = members.iter().map(record).collect();
        journal.append_records(change.class(journal, self.pack), records, self.section);
    }
}
