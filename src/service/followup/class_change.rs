//! Records the changed updates of a class of installations.

use crate::domain::installations::UpdateState;
use crate::domain::log::Record;
use crate::domain::packs::Pack;
use crate::domain::releases::Release;
use crate::service::followup::updates::{StateChange, VersionChange};
use crate::service::journal::Journal;
use crate::store::installations::changes::Change;
use crate::store::installations::classes::InstallationFacts;
use crate::store::installations::section::Section;

/// A change that the updates of a class have in common.
pub(super) struct ClassChange<'a> {
    pub pack: &'a Pack,
    pub release: &'a Release,
    pub change: Change,
    pub before: Option<UpdateState>,
    pub version: VersionChange,
    pub action: &'static str,
    /// The section that the installations are, if they are one.
    pub section: Option<Section>,
}

/// Records the change for each installation of the class.
pub(super) fn record_change(
    journal: &mut Journal<'_>,
    class_change: &ClassChange<'_>,
    installations: &[&InstallationFacts],
) {
    let change = StateChange {
        release: class_change.release.id,
        before: class_change.before,
        state: class_change.change.state,
        how: class_change.change.how,
        skip_reason: class_change.change.skip_reason,
        version: class_change.version.into(),
        action: class_change.action,
    };
    let record = |installation: &&InstallationFacts| Record {
        account_id: installation.account_id,
        installation_id: Some(installation.id),
        version_before: Some(class_change.version.before),
        name: None,
    };
    let records = installations.iter().map(record).collect();
    journal.append_records(change.class(journal, class_change.pack), records, class_change.section);
}
