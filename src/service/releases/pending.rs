//! Changes of a pending release: reschedules, promotes, cancels or supersedes it (R29, R30, R35).

use chrono::NaiveDate;

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::{Audience, EventData, EventKind};
use crate::domain::packs::{Pack, PendingRelease};
use crate::domain::releases::{
    Command, Release, ReleaseRefusal, ReleaseState, StageDate, TransitionFault, future_window, pending_due_at,
    reschedule_stages, transition,
};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::{commit, commit_and_begin};
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject, window_facts};
use crate::service::packs::reassess;
use crate::service::releases::opening::{Start, start};
use crate::store::convert::Stored as _;
use crate::store::followup::paused;
use crate::store::followup::tasks::Work;
use crate::store::installations::write_updates as updates;
use crate::store::packs::write as packs;
use crate::store::releases::stages;
use crate::store::releases::write as releases;
use crate::store::{StoreError, Tx};

use super::add_task;
use super::stages::dates_with_valid_names;

/// How a pending release ends before its window.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) enum Ending {
    /// By the mutation with this name.
    Canceled(&'static str),
    SupersededBy(ReleaseId),
}

impl Ending {
    fn command(self) -> Command {
        match self {
            Self::Canceled(_) => Command::Cancel,
            Self::SupersededBy(_) => Command::Supersede,
        }
    }
}

/// A change of a pending release in progress. Its pack is locked, and a due release window was carried out before.
struct Changing<'a> {
    tx: Tx,
    pack: Pack,
    release: Release,
    journal: Journal<'a>,
}

/// Moves a pending release, and early stages of it that haven't opened, to other dates in the same time zone (R30, R35,
/// R55).
///
/// # Errors
/// STAGE_NAME, RELEASE_IN_PROGRESS, NOT_PENDING, those of a date, STAGE_DATES; not found.
pub async fn reschedule_release(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
    date: NaiveDate,
    stage_dates: &[StageDate],
) -> Outcome<(), ReleaseRefusal> {
    let stage_dates = dates_with_valid_names(stage_dates)?;
    let Changing { tx, mut pack, mut release, mut journal } = change(cx, caller, release, Command::Reschedule).await?;
    let before = release.window.clone().ok_or_else(|| Failure::bug("a pending release without a window"))?;
    let zone = cx.zone(Some(&before.time_zone)).ok_or(ReleaseRefusal::TimeZoneRequired)?;
    // The same date keeps its window, because this server may have older time zone data than the window (R42).
    let after = if date == before.date && before.starts_at > journal.now {
        before.clone()
    } else {
        future_window(journal.now, date, &zone, cx.settings.release_days_ahead)?
    };
    let stages = stages::of(&tx, &release).await?;
    let moved = reschedule_stages(&stages, &stage_dates, &after, &zone, cx.settings.release_days_ahead, journal.now)?;
    let is_moved = after.date != before.date;
    if !is_moved && moved == stages {
        return Ok(());
    }
    release.window = Some(after.clone());
    releases::save(&tx, &release).await?;
    let mut entry = Entry::of("rescheduleRelease", Subject::Release(release.id), pack.name.clone()).change(
        "date",
        Some(before.date.to_string()),
        Some(after.date.to_string()),
    );
    for (index, (old, new)) in stages.iter().zip(&moved).enumerate() {
        if old != new {
            stages::save_window(&tx, release.id, index, &new.window).await?;
            let dates = [old, new].map(|stage| Some(stage.window.date.to_string()));
            let [old_date, new_date] = dates;
            entry = entry.change(&format!("stages.{}.date", old.name), old_date, new_date);
        }
    }
    let (starts_at, due_at) = (after.starts_at, pending_due_at(&moved, &after));
    pack.standing.pending = pack.standing.pending.map(|p| PendingRelease { starts_at, due_at, ..p });
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    journal.append_entry(entry);
    let event = JournalEvent {
        data: EventData {
            previous_window: Some(window_facts(&before)),
            window: Some(window_facts(&after)),
            ..EventData::default()
        },
        ..JournalEvent::release(EventKind::ReleaseRescheduled, &pack, release.id)
    };
    // Managed accounts don't see stages, so they get no event about a call that moves only stages.
    let audience = if is_moved { event.audience } else { Audience::Publisher };
    journal.append_event(JournalEvent { audience, ..event });
    Ok(commit(tx, journal).await?)
}

/// Starts a pending release now instead of in its window (R30).
///
/// # Errors
/// RELEASE_IN_PROGRESS, NOT_PENDING, RELEASE_PAUSED; not found.
pub async fn promote_release(cx: &Services, caller: &Publisher, release: ReleaseId) -> Outcome<(), ReleaseRefusal> {
    let Changing { tx, mut pack, mut release, mut journal } = change(cx, caller, release, Command::Promote).await?;
    let follow = start(cx, &tx, &mut journal, &mut pack, &mut release, Start::Promoted).await?;
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    Ok(commit_and_begin(cx, tx, journal, follow).await?)
}

/// Cancels a pending release, and moves installations that applied it early back to the current version (R30).
///
/// # Errors
/// RELEASE_IN_PROGRESS, NOT_PENDING; not found.
pub async fn cancel_release(cx: &Services, caller: &Publisher, release: ReleaseId) -> Outcome<(), ReleaseRefusal> {
    let Changing { tx, mut pack, mut release, mut journal } = change(cx, caller, release, Command::Cancel).await?;
    end_pending(&tx, &mut journal, &mut pack, &mut release, Ending::Canceled("cancelRelease")).await?;
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    reassess(cx, &tx, &pack).await?;
    let moves = updates::any_applied(&tx, release.id).await?;
    let task = add_task(cx, &tx, &pack, Work::Withdraw(pack.id, release.id), moves, journal.now).await?;
    Ok(commit_and_begin(cx, tx, journal, [task]).await?)
}

/// Begins a change of a pending release, and checks that the release's state allows it.
async fn change<'a>(
    cx: &'a Services,
    caller: &Publisher,
    release: ReleaseId,
    command: Command,
) -> Outcome<Changing<'a>, ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_change(cx, caller, pack, release, command)).await
}

async fn try_change<'a>(
    cx: &'a Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
    command: Command,
) -> Outcome<Changing<'a>, ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    let pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    match transition(release.state_at(journal.now), command) {
        Ok(_) if command == Command::Promote && release.is_paused() => Err(ReleaseRefusal::Paused.into()),
        Ok(_) => Ok(Changing { tx, pack, release, journal }),
        Err(TransitionFault::InProgress) => {
            Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(release.id) }.into())
        }
        Err(_) => Err(ReleaseRefusal::NotPending.into()),
    }
}

/// Ends a pending release before its window: it is canceled or superseded (R29, R30, R47). A rollout that is paused can
/// be superseded too (R56). The caller must save the changed `pack.standing`.
pub(in crate::service) async fn end_pending(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    ending: Ending,
) -> Result<(), StoreError> {
    let before = release.state;
    let was_running = before == ReleaseState::InProgress;
    let command = if was_running { Command::SupersedePaused } else { ending.command() };
    release.state = transition(before, command)
        .map_err(|fault| StoreError::Fault(format!("a pending release can't be ended: {fault:?}")))?;
    release.ended_at = Some(journal.now);
    release.pause = None;
    releases::save(tx, release).await?;
    if was_running {
        paused::drop_all(tx, release.id).await?;
        pack.standing.running_release = None;
    }
    pack.standing.pending = None;
    pack.standing.end_pause();
    let (kind, action, superseded_by) = match ending {
        Ending::Canceled(action) => (EventKind::ReleaseCanceled, action, None),
        Ending::SupersededBy(by) => (EventKind::ReleaseSuperseded, "releaseIntegrationPack", Some(by)),
    };
    journal.append_entry(Entry::of(action, Subject::Release(release.id), pack.name.clone()).change(
        "state",
        Some(before.stored().into()),
        Some(release.state.stored().into()),
    ));
    journal.append_event(JournalEvent {
        data: EventData { superseded_by, ..EventData::default() },
        ..JournalEvent::release(kind, pack, release.id)
    });
    Ok(())
}
