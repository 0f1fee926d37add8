//! Records the changed updates of a class of installations.

use crate::domain::installations::UpdateState;
use crate::domain::log::record::Record;
use crate::domain::packs::Pack;
use crate::domain::releases::Release;
use crate::service::followup::updates::{StateChange, Step};
use crate::service::journal::Journal;
use crate::store::installations::changes::Change;
use crate::store::installations::classes::Judged;
use crate::store::installations::section::Section;

/// A change that the updates of a class have in common.
pub(super) struct Told<'a> {
    pub pack: &'a Pack,
    pub release: &'a Release,
    pub change: Change,
    pub before: Option<UpdateState>,
    pub version: Step,
    pub action: &'static str,
    /// The section that the installations are, if they are one.
    pub section: Option<Section>,
}

/// Records the change for each installation of the class.
pub(super) fn tell_all(journal: &mut Journal<'_>, told: &Told<'_>, installations: &[&Judged]) {
    let change = StateChange {
        release: told.release.id,
        before: told.before,
        state: told.change.state,
        how: told.change.how,
        skip_reason: told.change.skip_reason,
        version: told.version.into(),
        action: told.action,
    };
    let record = |installation: &&Judged| Record {
        account_id: installation.account_id,
        installation_id: Some(installation.id),
        version_before: Some(told.version.before),
        name: None,
    };
    let records = installations.iter().map(record).collect();
    journal.tell_all_alike(change.class(journal, told.pack), records, told.section);
}
