//! Pauses and resumes releases (R56).

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::Pack;
use crate::domain::releases::{Pause, REASON_MAX, Release, ReleaseRefusal, decide_pause, decide_resume};
use crate::domain::text::{self, TextFault};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::{commit, commit_and_begin};
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::store::followup::paused;
use crate::store::installations::tallies;
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::{StoreResult, Tx};

use super::stages::lets_stages_work;

/// Pauses a release: no installation is moved to its version until it is resumed (R56).
///
/// # Errors
/// REASON_REQUIRED, ALREADY_PAUSED, NOT_PAUSABLE; not found.
pub(crate) async fn pause_release(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
    reason: &str,
) -> Outcome<(), ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_pause(cx, caller, pack, release, reason)).await
}

async fn try_pause(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
    reason: &str,
) -> Outcome<(), ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    // Each batch that moves installations, and each early application, holds the pack. Once this lock is taken, all of
    // them have ended, and the next one finds the pause.
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let reason = checked_reason(reason)?;
    decide_pause(&release, journal.now)?;
    journal.append_entry(
        Entry::of("pauseRelease", Subject::Release(release.id), pack.name.clone())
            .change("isPaused", Some("false".into()), Some("true".into()))
            .set("reason", &reason),
    );
    let pause = Pause { at: journal.now, reason, by: journal.actor().clone(), figures: None };
    pause_with(&tx, &mut journal, &mut pack, &mut release, pause).await?;
    Ok(commit(tx, journal).await?)
}

/// Pauses a release of a locked pack, and announces it.
pub(super) async fn pause_with(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    pause: Pause,
) -> StoreResult<()> {
    journal.append_event(JournalEvent {
        data: EventData { reason: Some(pause.reason.clone()), ..EventData::default() },
        ..JournalEvent::release(EventKind::ReleasePaused, pack, release.id)
    });
    release.pause = Some(pause);
    releases::save(tx, release).await?;
    pack.standing.pause(release.previous_version_id);
    packs::save_standing(tx, pack.id, &pack.standing).await
}

/// Checks and trims a reason.
pub(super) fn checked_reason(reason: &str) -> Outcome<String, ReleaseRefusal> {
    match text::prose(reason.trim(), REASON_MAX) {
        Ok(reason) if !reason.is_empty() => Ok(reason),
        Err(TextFault::ControlCharacter) => Err(Failure::BadInput(CONTROL_CHARACTER.into()).into()),
        Ok(_) | Err(TextFault::Empty | TextFault::TooLong) => Err(ReleaseRefusal::ReasonRequired.into()),
    }
}

/// Resumes a paused release. If its window has passed meanwhile, it opens at once (R56).
///
/// # Errors
/// NOT_PAUSED; not found.
pub(crate) async fn resume_release(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
) -> Outcome<(), ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_resume(cx, caller, pack, release)).await?;
    // A failure doesn't fail the command, because the scheduler does the same.
    if let Err(failure) = cx.open_what_is_due(touched).await {
        tracing::warn!(%pack, failure = %failure.for_operators(), "a window didn't open yet; the scheduler will try again");
    }
    Ok(())
}

async fn try_resume(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
) -> Outcome<(), ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    let tasks = paused::lock(&tx, release).await?;
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    if let Err(refusal) = decide_resume(&release) {
        if !lets_stages_work(release.state) {
            // Whatever ended the release meanwhile had to leave the locked tasks. Deferred as they are, they would
            // stay for minutes.
            paused::drop_all(&tx, release.id).await?;
            tx.commit().await?;
        }
        return Err(refusal.into());
    }
    if !paused::are_all(&tx, release.id, &tasks).await? {
        // Meanwhile another call has resumed the release, its rollout has begun, and it was paused again.
        return Err(Failure::Overtaken.into());
    }
    let resumed_at = tallies::instant_of_resume(&tx, &release, journal.now).await?;
    release.pause = None;
    release.resumed_at = Some(resumed_at);
    // The halt rule counts only updates that are executed from now on (R58).
    release.halted_at = None;
    tallies::begin_figures_anew(&tx, &release, journal.now).await?;
    releases::save(&tx, &release).await?;
    pack.standing.end_pause();
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    paused::go_on(&tx, &tasks, journal.now, resumed_at).await?;
    journal.append_entry(Entry::of("resumeRelease", Subject::Release(release.id), pack.name.clone()).change(
        "isPaused",
        Some("true".into()),
        Some("false".into()),
    ));
    journal.append_event(JournalEvent::release(EventKind::ReleaseResumed, &pack, release.id));
    // A task that has begun has no first batch. To ask for it would wait for the batch at hand, of one range after the
    // other.
    let new = tasks.into_iter().filter(|task| task.resume_after.is_none()).map(|task| task.id);
    Ok(commit_and_begin(cx, tx, journal, new).await?)
}
