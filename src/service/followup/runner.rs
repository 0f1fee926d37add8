//! Runs batches: claims a task, does its batch and saves how it continues, in one transaction.

use chrono::Duration;
use uuid::Uuid;

use crate::metrics::{TaskKind, WorkOutcome};
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::releases::ReleaseLog;
use crate::store::followup::ranges::Range;
use crate::store::followup::tasks::{NextRun, Task, Work};
pub use crate::store::followup::turns::Turns;
use crate::store::followup::{paused, ranges, tasks, turns};
use crate::store::{DatabaseKind, Tx};
use crate::traces::{Kind, Span, Value, within};

use super::catch_up::CatchUp;
use super::delete::Delete;
use super::grants::{GrantsOfAccount, GrantsOfPack};
use super::offer::Offer;
use super::rename::Rename;
use super::retry::Retry;
use super::roll_back::RollBack;
use super::roll_out::{Mode, RollOut};
use super::stage::OpenStages;
use super::withdraw::Withdraw;
use super::{Batch, FollowUp as _, Next};

/// The longest pause before a task whose batch failed as a whole is tried again.
const AFTER_FAILURES_MAX_SECONDS: i64 = 60;

/// The most batches that a process runs at the same time. More would only wait for the processor and for the logs.
const BATCHES_AT_ONCE: usize = 4;

/// A task that a transaction has locked for one batch.
pub struct Claimed {
    tx: Tx,
    task: Task,
    alone: bool,
}

impl Claimed {
    /// A task that `tx` has locked. Its batch runs in this transaction.
    pub(in crate::service) fn of(tx: Tx, task: Task) -> Self {
        Self { tx, task, alone: true }
    }

    /// The task's id.
    #[must_use]
    pub fn task(&self) -> Uuid {
        self.task.id
    }

    /// The task's work.
    #[must_use]
    pub fn work(&self) -> Work {
        self.task.work
    }
}

/// Why a batch failed as a whole.
#[derive(Debug)]
pub struct BatchFailure {
    pub failure: Failure,
    /// Whether the task was postponed. If not, it is still due at once.
    pub postponed: bool,
}

/// Runs one batch of a due task. Returns false if no task was due. When the batch fails, its task is postponed and
/// tried again.
pub async fn run_one_batch(cx: &Services) -> Result<bool, Failure> {
    let Some(claimed) = claim_batch(cx, &mut Turns::default()).await? else { return Ok(false) };
    run_claimed(cx, claimed).await.map(|()| true).map_err(|failed| failed.failure)
}

/// Whether the database allows only one writer at a time, of all processes, and doesn't queue the others.
#[must_use]
pub(crate) fn has_one_writer(cx: &Services) -> bool {
    cx.db.kind() == DatabaseKind::Sqlite
}

/// How many batches this process runs at the same time: one if the database has one writer, because they would wait for
/// each other. Otherwise commands keep nearly half of the write connections, 2 of 5.
#[must_use]
pub fn batches_at_once(cx: &Services) -> usize {
    if has_one_writer(cx) { 1 } else { cx.db.writers().div_ceil(2).clamp(1, BATCHES_AT_ONCE) }
}

/// Claims the task whose turn it is.
pub async fn claim_batch(cx: &Services, turns: &mut Turns) -> Result<Option<Claimed>, Failure> {
    let tx = cx.db.begin().await?;
    // Read after `begin`, which may wait for other writers.
    let now = cx.clock.now();
    Ok(turns::claim(&tx, now, turns).await?.map(|task| Claimed { tx, task, alone: !turns.excluded.is_empty() }))
}

/// Runs the first batch of a task that a command has just created, so that a small install base is done before the
/// command answers. A failure doesn't fail the command, because the scheduler tries again.
pub(in crate::service) async fn run_first_batch(cx: &Services, task: Uuid) {
    match try_first_batch(cx, task).await {
        // A window opens first, or the batch begins again without an account that was suspended.
        Ok(()) | Err(Failure::Overtaken) => {}
        Err(failure) => {
            let failure = failure.for_operators();
            tracing::warn!(%task, failure, "a first batch failed; the scheduler will try again");
        }
    }
}

async fn try_first_batch(cx: &Services, task: Uuid) -> Result<(), Failure> {
    let tx = cx.db.begin().await?;
    let Some(task) = tasks::claim_new(&tx, task).await? else { return Ok(()) };
    run_claimed(cx, Claimed::of(tx, task)).await.map_err(|failed| failed.failure)
}

/// Runs one batch of a claimed task. When it fails, the task is postponed, so that other tasks get their turn.
pub async fn run_claimed(cx: &Services, Claimed { tx, task, alone }: Claimed) -> Result<(), BatchFailure> {
    let (began, kind) = (std::time::Instant::now(), TaskKind::of(task.work.kind()));
    let mut trace = begin_trace(cx, &task, kind);
    let count = |outcome| cx.metrics.batches.took((kind, outcome), began.elapsed());
    let place = trace.place();
    let mut done = within(place, work(cx, tx, &task, Attempt { alone, locks_pack: false })).await;
    if matches!(done, Err(Failure::Overtaken)) && task.work.is_range() {
        done = within(trace.place(), work_again(cx, &task, alone)).await;
    }
    match done {
        Ok(()) => {
            count(WorkOutcome::Done);
            Ok(())
        }
        // A release window has opened meanwhile, or an account was suspended. The batch begins again.
        Err(failure @ Failure::Overtaken) => Err(BatchFailure { failure, postponed: false }),
        Err(failure) => {
            count(WorkOutcome::Failed);
            trace.has_failed();
            cx.follow_ups.count_failure(task.work.whole().kind(), &cx.settings);
            let failures = task.failures.saturating_add(1);
            let pause = Duration::seconds((1_i64 << failures.clamp(0, 6)).min(AFTER_FAILURES_MAX_SECONDS));
            let (why, again) = (failure.for_operators(), cx.clock.now() + pause);
            let postponed = tasks::postpone(&cx.db, task.id, failures, &why, again).await;
            Err(BatchFailure { failure, postponed: postponed.is_ok() })
        }
    }
}

/// The span of a batch.
fn begin_trace(cx: &Services, task: &Task, kind: TaskKind) -> Span {
    let mut trace = cx.traces.span("batch", Kind::Internal, task.trace.as_ref());
    if trace.is_recorded() {
        trace.set("packwright.task.kind", Value::Name(kind.name()));
        trace.set("packwright.task.id", Value::Text(task.id.to_string()));
    }
    trace
}

/// How a batch is tried.
#[derive(Clone, Copy)]
struct Attempt {
    alone: bool,
    locks_pack: bool,
}

/// Begins the batch of a range again, with its pack locked. An installation was added in the middle of the batch, the
/// release has got a halt rule, or the batch needs the pack for itself. Otherwise the range could be overtaken again and
/// again.
async fn work_again(cx: &Services, task: &Task, alone: bool) -> Result<(), Failure> {
    let tx = cx.db.begin().await?;
    let found = tasks::lock(&tx, task.id).await?.as_ref().and_then(tasks::task_of);
    // Another server may have done the batch meanwhile, or an operator may have dropped the task.
    let is_same =
        |found: &Task| found.work == task.work && found.resume_after == task.resume_after && found.until == task.until;
    match found.filter(is_same) {
        Some(found) => work(cx, tx, &found, Attempt { alone, locks_pack: true }).await,
        None => Ok(()),
    }
}

async fn work(cx: &Services, tx: Tx, task: &Task, attempt: Attempt) -> Result<(), Failure> {
    let (began, kind) = (std::time::Instant::now(), task.work.kind());
    // A range's batches cost what the whole work's batches cost, so that they don't begin small.
    let measured = task.work.whole().kind();
    let size = cx.follow_ups.size(measured, &cx.settings);
    let mut journal = Journal::of_scheduler(cx, task.publisher_id, cx.now(&tx));
    journal.task = Some(task.id);
    let Attempt { alone, locks_pack } = attempt;
    let mut batch = Batch { services: cx, tx: &tx, journal, task, size, alone, locks_pack, processed: 0 };
    let next = run_batch(task.work, &mut batch).await?;
    let Batch { journal, processed, .. } = batch;
    let (now, more) = (journal.now, i64::try_from(processed).unwrap_or(i64::MAX));
    match next {
        Next::More(resume_after) => {
            tasks::advance(&tx, task, Some(resume_after), more, NextRun::Next(now)).await?;
        }
        // Never at once: a task without progress must not keep other tasks from their turn.
        Next::Again(at, resume_after) => {
            let pause_ends = at.clamp(now + Duration::seconds(1), now + tasks::LONGEST_PAUSE);
            tasks::advance(&tx, task, resume_after, 0, NextRun::After(pause_ends)).await?;
        }
        Next::Split(last, begins) => {
            let further: Vec<_> = begins.into_iter().map(|after| Range { task: cx.ids.next(), after }).collect();
            ranges::split(&tx, task, (last, more), &further, now).await?;
        }
        Next::Join => ranges::join(&tx, task, more, now).await?,
        Next::Then(work) => paused::begin(&tx, task, work, now).await?,
        Next::Done => tasks::finish(&tx, task.id).await?,
    }
    let log = ReleaseLog::of(&journal);
    journal.write(&tx).await?;
    tx.commit().await?;
    let took = began.elapsed();
    cx.follow_ups.count(measured, &cx.settings, size, processed, took);
    cx.metrics.task_objects.add(TaskKind::of(kind), processed);
    tracing::debug!(kind, task = %task.id, size, objects = processed, ?took, "a batch is done");
    log.write();
    Ok(())
}

/// Runs the step of a task. Tasks of kinds that this program doesn't know are never claimed.
async fn run_batch(work: Work, batch: &mut Batch<'_>) -> Result<Next, Failure> {
    match work {
        Work::Offer(pack, release) => Offer { pack, release }.run_batch(batch).await,
        Work::RollOut(pack, release) | Work::RollOutRange(pack, release) => {
            RollOut { pack, release, mode: Mode::Move }.run_batch(batch).await
        }
        Work::GiveUp(pack, release) => RollOut { pack, release, mode: Mode::GiveUp }.run_batch(batch).await,
        Work::Stage(pack, release) => OpenStages { pack, release }.run_batch(batch).await,
        Work::Retry(pack, release) => Retry { pack, release }.run_batch(batch).await,
        Work::Withdraw(pack, release) => Withdraw { pack, release }.run_batch(batch).await,
        Work::RollBack(pack, release) | Work::RollBackRange(pack, release) => {
            RollBack { pack, release }.run_batch(batch).await
        }
        Work::GrantsOfPack(pack) => GrantsOfPack { pack }.run_batch(batch).await,
        Work::GrantsOfAccount(account) => GrantsOfAccount { account }.run_batch(batch).await,
        Work::CatchUp(account) => CatchUp { account }.run_batch(batch).await,
        Work::Rename(pack) => Rename { pack }.run_batch(batch).await,
        Work::Delete(pack) => Delete { pack }.run_batch(batch).await,
    }
}
