//! The invariants of releases in stages (section 12 of the rules).

use entity::{installation, release_stage};
use packwright::domain::id::InstallationId;
use packwright::domain::releases::Buckets;

use crate::whole::invariants_rows::Rows;

/// Whether a stage that has opened holds an installation.
fn holds(rows: &Rows, stage: &release_stage::Model, installation: &installation::Model) -> bool {
    match (stage.hundredths, stage.bucket_factor, stage.bucket_shift) {
        (Some(hundredths), Some(factor), Some(shift)) => {
            Buckets { factor, shift }.bucket(InstallationId(installation.id)) < hundredths
        }
        _ => rows.stage_accounts.iter().any(|row| {
            (row.release_id, row.position, row.account_id)
                == (stage.release_id, stage.position, installation.account_id)
        }),
    }
}

/// Stages open in their order, and not after their release has started. Who was moved by a stage is held by one that had
/// opened. A stage that has opened and ended within one step has left nobody behind whom it could move.
pub(crate) fn stages_are_sound(last: &Rows, rows: &Rows, step: &str) {
    for stage in &rows.stages {
        let release = &rows.releases[&stage.release_id];
        assert!(release.has_stages, "{step}: {release:?}");
        assert!(
            stage.completed_at.is_none_or(|at| stage.opened_at.is_some_and(|opened| opened <= at)),
            "{step}: {stage:?}"
        );
        let earlier = rows.stages.iter().filter(|it| it.release_id == stage.release_id && it.position < stage.position);
        for it in earlier {
            let before = |one: Option<_>, other: Option<_>| other.is_none() || one.is_some() && one <= other;
            assert!(before(it.opened_at, stage.opened_at), "{step}: {stage:?} opened before {it:?}");
            assert!(before(it.completed_at, stage.completed_at), "{step}: {stage:?} ended before {it:?}");
        }
        if let (Some(opened), Some(started)) = (stage.opened_at, release.started_at) {
            assert!(opened <= started, "{step}: {stage:?} opened after {release:?}");
        }
    }
    for update in rows.updates.values().filter(|update| update.how.as_deref() == Some("STAGED")) {
        let installation = &rows.installations[&update.installation_id];
        let moved_by = rows.stages.iter().any(|stage| {
            stage.release_id == update.release_id
                && stage.opened_at.is_some_and(|opened| Some(opened) <= update.settled_at)
                && holds(rows, stage, installation)
        });
        assert!(moved_by, "{step}: no stage that had opened holds {update:?}");
    }
    for stage in rows.stages.iter().filter(|stage| stage.completed_at.is_some()) {
        let waited = |it: &&release_stage::Model| {
            (it.release_id, it.position) == (stage.release_id, stage.position) && it.opened_at.is_none()
        };
        if !last.stages.iter().any(|it| waited(&it)) {
            continue;
        }
        let release = &rows.releases[&stage.release_id];
        let here = rows.installations.values().filter(|i| i.pack_id == release.pack_id && i.uninstalled_at.is_none());
        for installation in here.filter(|installation| holds(rows, stage, installation)) {
            let could = |rows: &Rows| rows.is_granted(installation) && rows.is_active(installation);
            let update = rows.updates.get(&(installation.id, release.id));
            let settled = update.is_some_and(|update| update.state != "OFFERED");
            assert!(!could(last) || !could(rows) || settled, "{step}: {stage:?} has left {installation:?} behind");
        }
    }
}
