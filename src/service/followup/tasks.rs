//! The unfinished follow-ups for operators: list them, run one at once, drop one.

use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::releases::{Release, ReleaseState};
use crate::domain::text;
use crate::service::followup::completion::{complete, complete_given_up, complete_roll_back, pack_and_release};
use crate::service::followup::delete::uninstall_all;
use crate::service::followup::roll_out::walks_again;
use crate::service::followup::runner::run_claimed;
use crate::service::releases::{end_stages, lets_stages_work};
use crate::store::Tx;
use crate::store::followup::read::{OpenTask, OpenTasks, all, by_id};
use crate::store::followup::tasks::{Task, Work};
use crate::store::followup::{numbers, paused, ranges, tasks};
use crate::store::installations::{write as installations, write_updates as updates};
use crate::store::packs::{deletion, write as packs};
use crate::store::releases::{stages, windows, write as releases};

use crate::service::Services;
use crate::service::ending::commit;
use crate::service::error::Failure;
use crate::service::followup::Claimed;
use crate::service::journal::{Entry, Journal, Subject};

/// The most characters of the reason for dropping a task.
const REASON_MAX: usize = 2_000;

/// The result of running a task at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// The task is done.
    Done,
    /// A batch was done, and more follow.
    GoesOn,
    /// This program doesn't know the kind of task. It was made due for another version of the program.
    Due,
}

/// The result of dropping a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The task was removed.
    Gone,
    /// The rollout is given up: batches mark the remaining installations' updates as failed.
    GivesUp,
}

/// The unfinished tasks, oldest first. For the command line.
pub async fn open_tasks(cx: &Services) -> Result<OpenTasks, Failure> {
    Ok(all(&cx.db.whole_server()).await?)
}

/// The work that a server finds when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The unfinished tasks, and those of them whose last batch failed.
    pub(crate) tasks: i64,
    pub(crate) failing_tasks: i64,
    /// The packs whose window has opened.
    pub(crate) windows: i64,
}

/// Counts the work that a server finds when it starts. For its log.
pub(crate) async fn due_at_the_start(cx: &Services, now: Instant) -> Result<Due, Failure> {
    let server = cx.db.whole_server();
    let kinds = numbers::by_kind(&server).await?;
    let (windows, _) = windows::overdue(&server, now).await?;
    let tasks = kinds.iter().map(|kind| kind.open).sum();
    let failing_tasks = kinds.iter().map(|kind| kind.failing).sum();
    Ok(Due { tasks, failing_tasks, windows })
}

/// Runs a batch of a task now, even if it isn't due. For the command line.
///
/// # Errors
/// Not found. Bad input for a task whose row can't be read. The batch's failure, after which the task is postponed
/// again.
pub async fn retry_task(cx: &Services, id: Uuid) -> Result<Retried, Failure> {
    if repaired(cx, id).await?.is_none() {
        return Err(Failure::BadInput(format!(
            "The row {id} of the table task can't be read, even with new instants: drop the task, with \
             `packwright task drop`."
        )));
    }
    let tx = cx.db.begin().await?;
    let row = tasks::lock(&tx, id).await?.ok_or(Failure::NotFound)?;
    let Some(task) = tasks::task_of(&row) else {
        tasks::make_due(&tx, id, cx.now(&tx)).await?;
        tx.commit().await?;
        return Ok(Retried::Due);
    };
    run_claimed(cx, Claimed::of(tx, task)).await.map_err(|failed| failed.failure)?;
    Ok(if by_id(&cx.db.whole_server(), id).await?.is_some() { Retried::GoesOn } else { Retried::Done })
}

/// Loads a task. If its row can't be read, its instants are replaced and it is made due; `None` if it still can't be
/// read.
async fn repaired(cx: &Services, id: Uuid) -> Result<Option<OpenTask>, Failure> {
    if let Ok(open) = by_id(&cx.db.whole_server(), id).await?.ok_or(Failure::NotFound)? {
        return Ok(Some(open));
    }
    let tx = cx.db.begin().await?;
    tasks::repair(&tx, id, cx.now(&tx)).await?;
    tx.commit().await?;
    Ok(by_id(&cx.db.whole_server(), id).await?.and_then(Result::ok))
}

/// Drops a task, and writes the reason to the publisher's audit log. For the command line. The task's work stays
/// undone, except where other calls would wait for it: for a rollout, a retry or a roll back, the release is completed;
/// a deleted pack's installations are uninstalled without events for each account.
///
/// # Errors
/// Bad input for a reason that is empty or too long; not found.
pub async fn drop_task(cx: &Services, id: Uuid, reason: &str) -> Result<Dropped, Failure> {
    let reason = checked_reason(reason)?;
    let open = repaired(cx, id).await?;
    let tx = cx.db.begin().await?;
    let Some(open) = open else {
        // The publisher, and so the log for an entry, can't be read either.
        tasks::finish(&tx, id).await?;
        tx.commit().await?;
        tracing::warn!(task = %id, reason, "a task that can't be read was dropped");
        return Ok(Dropped::Gone);
    };
    let seen = match open.work {
        Some(Work::Stage(_, release)) => opened_stages(&tx, release).await?,
        _ => None,
    };
    // Waits for batches of the task, and of the other ranges of its release, that are running.
    let (row, others) = ranges::lock(&tx, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_command_line(cx, open.publisher.0, cx.now(&tx));
    let mut entry = drop_entry(&open).change("task", Some(row.kind.clone()), None).set("reason", reason);
    let mut dropped = Dropped::Gone;
    if let Some(task) = tasks::task_of(&row) {
        if let Work::Delete(pack) = task.work {
            let count = uninstall_silently(cx, &tx, pack).await?;
            entry = entry.change("installations", Some(count.to_string()), None);
        }
        dropped = match end_work(cx, &tx, &mut journal, (&task, &others), seen).await {
            Err(Failure::Overtaken) => {
                drop((journal, tx));
                return Err(stage_has_opened(cx, id).await?);
            }
            ended => ended?,
        };
    }
    if dropped == Dropped::Gone {
        tasks::finish(&tx, id).await?;
    }
    journal.append_entry(entry);
    commit(tx, journal).await?;
    if dropped == Dropped::GivesUp
        && let Err(failure) = retry_task(cx, id).await
    {
        tracing::warn!(task = %id, failure = %failure.for_operators(), "the rollout is given up by the next server that looks");
    }
    Ok(dropped)
}

/// Ends what calls would wait for, when a task is dropped. `others` are the other ranges of its release, and `seen` are
/// the stages that had opened before the task was locked.
///
/// # Errors
/// [`Failure::Overtaken`] if another stage has opened since.
async fn end_work(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    (task, others): (&Task, &[Task]),
    seen: Option<OpenedStages>,
) -> Result<Dropped, Failure> {
    match task.work.whole() {
        Work::RollOut(pack, release) | Work::Retry(pack, release) | Work::GiveUp(pack, release) => {
            if let Some(running) = end_release_of(cx, tx, journal, task, (pack, release)).await? {
                // One task gives all ranges up. It leaves the installations alone that another range has moved.
                let after = given_up_after(&running, others.iter().chain([task]));
                ranges::change_work(tx, task.id, Work::GiveUp(pack, release), after, journal.now).await?;
                ranges::drop_all(tx, others).await?;
                return Ok(Dropped::GivesUp);
            }
        }
        Work::RollBack(pack, release) => {
            end_roll_back(tx, journal, pack, release).await?;
            ranges::drop_all(tx, others).await?;
        }
        Work::Stage(pack, release) => {
            if end_stages_of(tx, journal, (pack, release), seen).await? {
                // The rollout hasn't begun, so all of its installations are given up.
                paused::begin(tx, task, Work::GiveUp(pack, release), journal.now).await?;
                return Ok(Dropped::GivesUp);
            }
        }
        // Installations that weren't moved back keep their version, as when a roll back is dropped.
        Work::Withdraw(_, release) => updates::give_up_attempts(tx, release).await?,
        // `drop_task` has uninstalled the installations.
        Work::Delete(_)
        // No call waits for these tasks: reads derive offers, grants and names that no batch has stored, and the next
        // task of the same kind stores them.
        | Work::Offer(..)
        | Work::GrantsOfPack(_)
        | Work::GrantsOfAccount(_)
        | Work::CatchUp(_)
        | Work::Rename(_)
        // `whole` returns no range.
        | Work::RollOutRange(..)
        | Work::RollBackRange(..) => {}
    }
    Ok(Dropped::Gone)
}

fn checked_reason(reason: &str) -> Result<String, Failure> {
    let reason = text::prose(reason.trim(), REASON_MAX).ok().filter(|reason| !reason.is_empty());
    let why = format!("Give a reason of 1 to {REASON_MAX} characters: the publisher's audit log keeps it.");
    reason.ok_or(Failure::BadInput(why))
}

/// Completes the release of a task that moves installations to it. Returns the release instead if batches must first
/// give up the installations that the rollout hasn't reached.
async fn end_release_of(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    task: &Task,
    (pack, release): (PackId, ReleaseId),
) -> Result<Option<Release>, Failure> {
    let pack = packs::lock_any(tx, pack).await?;
    let running = |state| state == ReleaseState::InProgress;
    let Some((pack, release)) = pack_and_release(tx, pack, release, running).await? else {
        return Ok(None);
    };
    let work = task.work.whole();
    if matches!(work, Work::RollOut(..)) {
        return Ok(Some(release));
    }
    updates::give_up_attempts(tx, release.id).await?;
    if matches!(work, Work::Retry(..)) && has_new_behind(&release, task) {
        return Ok(Some(release));
    }
    if matches!(work, Work::GiveUp(..)) {
        // A rollout that was being given up has left installations unmoved, even if no update of them says so. The
        // release counts at least one failure.
        complete_given_up(cx, tx, journal, (pack, release), 1).await?;
    } else {
        complete(tx, journal, pack, release, 0).await?;
    }
    Ok(None)
}

/// Whether there may be installations with the former version where a task of a rollout has passed: accounts may have
/// installed it while the release was paused. After a resume the task would have come to all installations once more.
fn has_new_behind(release: &Release, task: &Task) -> bool {
    release.is_paused() || walks_again(task, release)
}

/// The installation after which a rollout is given up; `None` from the beginning. It is the first one that the rollout,
/// or one of its ranges, hasn't gone beyond.
fn given_up_after<'a>(release: &Release, ranges: impl Iterator<Item = &'a Task> + Clone) -> Option<Uuid> {
    if ranges.clone().any(|range| has_new_behind(release, range)) {
        return None;
    }
    ranges.map(|range| range.resume_after).min().flatten()
}

/// Completes a roll back that an operator gave up. The installations that it hasn't moved keep their version until a
/// later release moves them, or until they catch up.
async fn end_roll_back(tx: &Tx, journal: &mut Journal<'_>, pack: PackId, release: ReleaseId) -> Result<(), Failure> {
    let pack = packs::lock_any(tx, pack).await?;
    let rolling_back = |state| state == ReleaseState::RollingBack;
    let Some((pack, release)) = pack_and_release(tx, pack, release, rolling_back).await? else { return Ok(()) };
    updates::give_up_attempts(tx, release.id).await?;
    complete_roll_back(tx, journal, pack, release).await
}

/// The state of a release, and how many of its early stages have opened.
type OpenedStages = (ReleaseState, usize);

async fn opened_stages(tx: &Tx, release: ReleaseId) -> Result<Option<OpenedStages>, Failure> {
    let Some(release) = releases::get_all(tx, &[release]).await?.pop() else { return Ok(None) };
    let stages = stages::of(tx, &release).await?;
    Ok(Some((release.state, stages.iter().filter(|stage| stage.opened_at.is_some()).count())))
}

/// Makes a stage's task due that was not dropped, because another stage of its release has opened meanwhile. The call
/// that has opened it found the task locked, and relies on it. Returns what to tell the operator.
async fn stage_has_opened(cx: &Services, task: Uuid) -> Result<Failure, Failure> {
    let tx = cx.db.begin().await?;
    if tasks::lock(&tx, task).await?.is_some() {
        tasks::make_due(&tx, task, cx.now(&tx)).await?;
    }
    tx.commit().await?;
    let why = "A stage of the release has opened meanwhile, so the task was not dropped: list the tasks, and drop it \
               if that is still right.";
    Ok(Failure::Unavailable(why.into()))
}

/// Completes the open stages of a release. Later stages move the installations that these have left. Returns whether
/// the rollout, which would have followed in the same task, must be given up.
///
/// # Errors
/// [`Failure::Overtaken`] if the release isn't as it was `seen` before the task was locked.
async fn end_stages_of(
    tx: &Tx,
    journal: &mut Journal<'_>,
    (pack, release): (PackId, ReleaseId),
    seen: Option<OpenedStages>,
) -> Result<bool, Failure> {
    let pack = packs::lock_any(tx, pack).await?;
    if seen != opened_stages(tx, release).await? {
        return Err(Failure::Overtaken);
    }
    let Some((pack, release)) = pack_and_release(tx, pack, release, lets_stages_work).await? else {
        return Ok(false);
    };
    end_stages(tx, journal, &pack, &release).await?;
    if release.state == ReleaseState::Scheduled {
        // Without the task, no batch would end these attempts.
        updates::give_up_attempts(tx, release.id).await?;
    }
    Ok(release.state == ReleaseState::InProgress)
}

/// Uninstalls a deleted pack's remaining installations, so that its names are free again. Returns their number.
async fn uninstall_silently(cx: &Services, tx: &Tx, pack: PackId) -> Result<u64, Failure> {
    let Some(pack) = deletion::lock_deleted(tx, pack).await? else { return Ok(0) };
    let mut count = 0;
    loop {
        let found = installations::batch(tx, pack.id, None, cx.settings.batch_size).await?;
        if found.is_empty() {
            return Ok(count);
        }
        count += u64::try_from(found.len()).unwrap_or(0);
        // This journal is never written: one entry covers all installations.
        let mut discarded = Journal::of_command_line(cx, pack.publisher_id, cx.now(tx));
        let found: Vec<_> = found.into_iter().map(|installation| (installation, true)).collect();
        uninstall_all(tx, &mut discarded, &pack, &found).await?;
    }
}

/// An audit entry whose subject is the object of a dropped task.
fn drop_entry(open: &OpenTask) -> Entry {
    let name = |named: &Option<(PackId, String)>| named.as_ref().map(|(_, name)| name.clone());
    let (subject, name) = match (&open.release, &open.pack, &open.account) {
        (Some(release), pack, _) => (Subject::Release(*release), name(pack)),
        (None, Some((id, _)), _) => (Subject::IntegrationPack(*id), name(&open.pack)),
        (None, None, Some((id, name))) => (Subject::ManagedAccount(*id), Some(name.clone())),
        (None, None, None) => (Subject::PublisherAccount(open.publisher.0), Some(open.publisher.1.clone())),
    };
    Entry::of("commandLine.dropTask", subject, name)
}
