//! The progress of a release, and its completion.

use chrono::Duration;

use crate::domain::Instant;
use crate::domain::id::ReleaseId;
use crate::domain::log::{EventData, EventKind, Progress};
use crate::domain::packs::Pack;
use crate::domain::releases::{Command, Release, ReleaseState, outcome, transition};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::store::convert::Stored as _;
use crate::store::followup::tasks::Work;
use crate::store::followup::{ranges, tasks};
use crate::store::installations::write_counts::ROWS_MAX;
use crate::store::installations::{tallies, write_counts as counts, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::{StoreResult, Tx};

/// Completes a running release. `left` is a lower bound of the number of installations that were not moved; it matters
/// for a rollout that was given up.
pub(in crate::service) async fn complete(
    tx: &Tx,
    journal: &mut Journal<'_>,
    mut pack: Pack,
    mut release: Release,
    left: i64,
) -> Result<(), Failure> {
    let progress = updates::progress(tx, release.id).await?.updates;
    journal.began = release.started_at;
    let command = outcome(progress.failed.max(left), progress.applied);
    end(tx, journal, &mut pack, &mut release, command, "scheduler.completeRelease").await?;
    journal.append_event(JournalEvent {
        data: EventData { progress: Some(progress), ..EventData::default() },
        ..JournalEvent::release(EventKind::ReleaseCompleted, &pack, release.id)
    });
    Ok(())
}

/// Completes a release whose rollout was given up. An account may have become eligible while the release was paused,
/// after a batch had skipped its installation: its catch-up has left the installation to the rollout (R56), which does
/// not come to it any more. So the grants of the pack are compared once more, which lets such installations catch up.
pub(super) async fn complete_given_up(
    services: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    (pack, release): (Pack, Release),
    left: i64,
) -> Result<(), Failure> {
    let (publisher, grants) = (pack.publisher_id, Work::GrantsOfPack(pack.id));
    complete(tx, journal, pack, release, left).await?;
    tasks::add(tx, services.ids.next(), publisher, grants, false, journal.now).await?;
    Ok(())
}

/// Completes a roll back: the former version is in the release's place again (R59).
pub(in crate::service) async fn complete_roll_back(
    tx: &Tx,
    journal: &mut Journal<'_>,
    mut pack: Pack,
    mut release: Release,
) -> Result<(), Failure> {
    journal.began = release.roll_back.map(|it| it.began_at);
    end(tx, journal, &mut pack, &mut release, Command::CompleteRollBack, "scheduler.completeRollBack").await?;
    journal.append_event(JournalEvent::release(EventKind::ReleaseRolledBack, &pack, release.id));
    Ok(())
}

/// Ends a release that moved installations, forward or back.
async fn end(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    command: Command,
    action: &'static str,
) -> Result<(), Failure> {
    let before = release.state;
    release.state =
        transition(before, command).map_err(|fault| Failure::bug(format!("a release can't end: {fault:?}")))?;
    release.ended_at = Some(journal.now);
    // Giving a rollout up ends it even while it is paused.
    release.pause = None;
    releases::save(tx, release).await?;
    pack.standing.running_release = None;
    pack.standing.end_pause();
    packs::save_standing(tx, pack.id, &pack.standing).await?;
    tallies::compact(tx, release, journal.now, ROWS_MAX).await?;
    counts::compact(tx, pack.id, journal.now, ROWS_MAX).await?;
    journal.append_entry(Entry::of(action, Subject::Release(release.id), pack.name.clone()).change(
        "state",
        Some(before.stored().into()),
        Some(release.state.stored().into()),
    ));
    Ok(())
}

/// Announces progress of a rollout or a roll back to the publisher, at most once a second (R50). Unless `is_locked`,
/// the pack is only held, and batches of other ranges may announce at the same moment.
pub(super) async fn announce_progress(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    release: &Release,
    is_locked: bool,
) -> StoreResult<()> {
    // The difference without its sign keeps a clock that was set back from silencing the progress, and a batch that has
    // read the clock a moment before another one from announcing after it.
    let is_recent = |last: Instant| (journal.now - last).abs() < Duration::seconds(1);
    if releases::progressed_at(tx, release.id).await?.is_some_and(is_recent) {
        return Ok(());
    }
    if !is_locked {
        // The next batch that announces waits here until this one has ended. So it counts what this one has counted,
        // and the progress never goes back.
        ranges::lock_release(tx, release.id).await?;
        if releases::progressed_at(tx, release.id).await?.is_some_and(is_recent) {
            return Ok(());
        }
    }
    releases::save_progressed_at(tx, release.id, journal.now).await?;
    let kept = updates::progress(tx, release.id).await?;
    let progress = match release.state {
        ReleaseState::InProgress => Progress { offered: kept.updates.offered + kept.remaining, ..kept.updates },
        state => kept.updates.read_in(state, release.roll_back.map(|it| it.installations)),
    };
    journal.append_event(JournalEvent {
        release_id: Some(release.id),
        data: EventData { progress: Some(progress), ..EventData::default() },
        ..JournalEvent::of(EventKind::ReleaseProgressed, pack)
    });
    Ok(())
}

/// The release of a task together with its pack, which is locked or held. `None` when either is gone, or when the
/// release's state isn't one that `accepts` accepts; then the task has nothing left to do.
pub(in crate::service) async fn pack_and_release(
    tx: &Tx,
    pack: Option<Pack>,
    release: ReleaseId,
    accepts: impl Fn(ReleaseState) -> bool,
) -> Result<Option<(Pack, Release)>, Failure> {
    let Some(pack) = pack else { return Ok(None) };
    let Some(release) = releases::get(tx, pack.id, release).await? else { return Ok(None) };
    Ok(accepts(release.state).then_some((pack, release)))
}
