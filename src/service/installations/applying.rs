//! Applies updates early (R26).

use std::sync::atomic::AtomicBool;

use crate::domain::Instant;
use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, UpdateId};
use crate::domain::installations::{
    EarlyApplyDecision, Installation, InstallationRefusal, UpdateMethod, UpdateState, decide_early_apply,
};
use crate::domain::packs::Pack;
use crate::service::Services;
use crate::service::access::Managed;
use crate::service::ending::commit;
use crate::service::error::{Failure, Outcome};
use crate::service::followup::{VersionChange, offered, record_update};
use crate::service::instant::Touched;
use crate::service::journal::Journal;
use crate::service::releases::{hold_to_judge, judge_step};
use crate::store::Tx;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{tallies, write as installations, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::releases::stages::is_in_open_stage;
use crate::store::releases::write as releases;
use crate::store::sharing::write_grants as grants;

/// Applies an offered update early (R26). Returns whether it had been applied before this call.
///
/// # Errors
/// NOT_ENTITLED, UPDATE_WITHDRAWN, RELEASE_IN_PROGRESS, RELEASE_PAUSED; not found.
pub async fn apply_early(cx: &Services, caller: &Managed, update: UpdateId) -> Outcome<bool, InstallationRefusal> {
    caller.viewer.require(Privilege::ApplyUpdates)?;
    let pack =
        installations::pack_of_own(&cx.look_up(caller.scope), update.installation).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.scope.publisher_id(), pack);
    let alone = AtomicBool::new(false);
    cx.after_due_windows(touched, || try_apply_early(cx, caller, pack, update, &alone)).await
}

async fn try_apply_early(
    cx: &Services,
    caller: &Managed,
    pack: PackId,
    update: UpdateId,
    alone: &AtomicBool,
) -> Outcome<bool, InstallationRefusal> {
    let tx = cx.db.begin().await?;
    let (mut pack, mut release) = hold_to_judge(&tx, pack, update.release, alone).await?;
    let installation =
        installations::lock_own(&tx, &caller.scope, update.installation).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.instant(&tx, [&pack])?);
    let row = own_update(&tx, caller, &pack, &installation, update, journal.now).await?;
    let entitled = !grants::entitled(&tx, pack.id, &[caller.id()]).await?.is_empty();
    let was_offered = installation.version_id != release.version_id
        && release.taken_back_at().is_some_and(|end| installation.installed_at <= end);
    if row.is_none() && was_offered {
        // Readers saw the offer although no batch had saved it. It ended with the release.
        let refusal = if entitled { InstallationRefusal::UpdateWithdrawn } else { InstallationRefusal::NotEntitled };
        return Err(refusal.into());
    }
    let mut row = row.filter(|row| row.update.id == update).ok_or(Failure::NotFound)?;
    let in_open_stage = is_in_open_stage(&tx, &release, installation.id, journal.now).await?;
    match decide_early_apply(
        row.update.state,
        release.state_at(journal.now),
        release.is_paused(),
        entitled,
        in_open_stage,
    ) {
        EarlyApplyDecision::AlreadyApplied => return Ok(true),
        EarlyApplyDecision::Withdrawn => return Err(InstallationRefusal::UpdateWithdrawn.into()),
        EarlyApplyDecision::NotEntitled => return Err(InstallationRefusal::NotEntitled.into()),
        EarlyApplyDecision::InProgress => return Err(InstallationRefusal::ReleaseInProgress.into()),
        EarlyApplyDecision::Paused => return Err(InstallationRefusal::ReleasePaused.into()),
        EarlyApplyDecision::Apply => {}
    }
    cx.mover
        .move_installation(installation.id, release.id)
        .map_err(|code| Failure::Unavailable(format!("an installation could not be moved: {code:?}")))?;
    let before = row.update.state;
    row.update.state = UpdateState::Applied;
    row.update.how = Some(UpdateMethod::Early);
    row.update.settled_at = Some(release.settles_at(journal.now));
    row.update.applied_by = Some(journal.actor().clone());
    let version_change = VersionChange {
        before: packs::version_number(&tx, installation.version_id).await?,
        after: packs::version_number(&tx, release.version_id).await?,
    };
    record_update(&mut journal, &pack, &row.update, Some(before), version_change, "applyPendingUpdate");
    updates::save(&tx, &[row], journal.now).await?;
    installations::move_to(&tx, &[installation.id], release.version_id, journal.now).await?;
    judge_step(cx, &tx, &mut journal, &mut pack, &mut release).await?;
    commit(tx, journal).await?;
    Ok(false)
}

/// An update of the caller's installation, even if no batch has saved it yet; `None` if the installation has no update
/// that can be applied.
async fn own_update(
    tx: &Tx,
    caller: &Managed,
    pack: &Pack,
    installation: &Installation,
    update: UpdateId,
    now: Instant,
) -> Result<Option<UpdateRow>, Failure> {
    match updates::own(tx, &caller.scope, update).await? {
        Some(row) => Ok(Some(row)),
        None if installation.uninstalled_at.is_none() => derived_update(tx, pack, installation, &[], now).await,
        None => Ok(None),
    }
}

/// The update of an installation that no batch has saved yet: by the pending release or by the running one (R49).
pub(super) async fn derived_update(
    tx: &Tx,
    pack: &Pack,
    installation: &Installation,
    update_rows: &[UpdateRow],
    now: Instant,
) -> Result<Option<UpdateRow>, Failure> {
    let standing = pack.standing.at(now);
    let Some(id) = standing.pending.map(|p| p.release_id).or(standing.running_release) else { return Ok(None) };
    let Some(release) = releases::get(tx, pack.id, id).await? else { return Ok(None) };
    let concerned = release.version_id != installation.version_id
        && release.previous_version_id.is_some()
        && !release.state.is_taken_back();
    if !concerned || update_rows.iter().any(|row| row.update.id.release == id) {
        return Ok(None);
    }
    let there = updates::of_release(tx, id, &[installation.id]).await?;
    let entitled = !grants::entitled(tx, pack.id, &[installation.account_id]).await?.is_empty();
    if !there.is_empty() {
        return Ok(None);
    }
    if !entitled {
        // The account never saw the update, so it ends without an event. Only the release's number of expected updates
        // changes.
        tallies::add_remaining(tx, (id, pack.id), now, -1).await?;
        return Ok(None);
    }
    Ok(Some(offered(installation, &release, release.created_at.max(installation.installed_at))))
}
