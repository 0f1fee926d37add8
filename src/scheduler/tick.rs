//! One pass of the scheduler. Tests call it directly after they move the clock.

use std::panic::{AssertUnwindSafe, resume_unwind};

use chrono::Duration;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Scheduler;
use super::backoffs::Backoffs;
use super::failure_log::FailureLog;
use crate::domain::Instant;
use crate::domain::id::PackId;
use crate::service::Shared;
use crate::service::accounts::save_token_uses;
use crate::service::error::Failure;
use crate::service::followup::{BatchFailure, Claimed, Turns, batches_at_once, claim_batch, has_one_writer};
use crate::service::log::{Cutoffs, begin_pruning, cut_audit, prune_events};
use crate::service::releases::{Initiator, open_if_due, recompute_windows, reload_time_zones};
use crate::store::followup::tasks::Work;
use crate::store::followup::turns;
use crate::store::releases::windows::{self, Publishers};
use crate::traces::{self, Kind};

/// How many due packs one query reads.
const PAGE: u64 = 100;
/// How long windows are opened before batches get their turn. Each window waits for a commit, and batches don't.
const OPENING: std::time::Duration = std::time::Duration::from_millis(100);
/// How long batches may run without a gap on SQLite, which has one writer. Another process, such as `packwright token
/// create`, tries to get the write lock every 100 ms for 10 s, so the gap must be longer, and there must be several.
const BURST: std::time::Duration = std::time::Duration::from_secs(3);
const GAP: std::time::Duration = std::time::Duration::from_millis(120);

/// A periodic duty of the scheduler, which is neither a task nor a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chore {
    FollowZones,
    FindWindows,
    SaveTokenUses,
    PruneLogs,
}

impl Chore {
    /// The chore's name in the log.
    fn name(self) -> &'static str {
        match self {
            Self::FollowZones => "computing windows by newer time zone data",
            Self::FindWindows => "finding the windows that have opened",
            Self::SaveTokenUses => "saving when tokens were used",
            Self::PruneLogs => "removing old rows",
        }
    }
}

/// The state that a scheduler keeps between passes.
#[derive(Default)]
pub(super) struct State {
    turns: Turns,
    tasks: Backoffs<Uuid>,
    windows: Backoffs<PackId>,
    chores: Backoffs<Chore>,
    failure_log: FailureLog,
    pruned_at: Option<Instant>,
    /// Events before this instant are being pruned; `None` when the pruning is done.
    pruning_until: Option<Instant>,
    /// The same for audit entries.
    cutting_until: Option<Instant>,
    zones_read_at: Option<Instant>,
    windows_computed_at: Option<Instant>,
}

impl State {
    /// The tasks that this scheduler can't do now: tasks that rest, and tasks whose rows can't be read.
    fn tasks_aside(&mut self, now: Instant) -> Vec<Uuid> {
        [&*self.tasks.backing_off(now), self.turns.unreadable()].concat()
    }
}

/// Whether `at` is less than `span` before `now`. False if `at` is after `now`: then the clock was set back.
fn within(span: Duration, at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now && now - at < span)
}

/// Whether `at` is less than an hour before `now`.
fn recent(at: Option<Instant>, now: Instant) -> bool {
    within(Duration::hours(1), at, now)
}

/// Returns when the server is told to end. Waits forever if the sender is gone, because then nothing tells it.
async fn told_to_end(mut ending: watch::Receiver<bool>) {
    if ending.wait_for(|ending| *ending).await.is_err() {
        std::future::pending().await
    }
}

/// Counts a batch as in progress until this value is dropped.
struct RunningBatch(watch::Sender<usize>);

impl RunningBatch {
    fn begin(running: watch::Sender<usize>) -> Self {
        running.send_modify(|count| *count += 1);
        Self(running)
    }
}

impl Drop for RunningBatch {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Runs one batch.
async fn run_claimed(services: Shared, claimed: Claimed, counted: RunningBatch) -> Ran {
    let (task, work) = (claimed.task(), claimed.work());
    let ended = AssertUnwindSafe(crate::service::followup::run_claimed(&services, claimed)).catch_unwind().await;
    drop(counted);
    Ran { task, work, ended }
}

/// The result of a batch.
struct Ran {
    task: Uuid,
    work: Work,
    /// The outer error is a panic's payload.
    ended: std::thread::Result<Result<(), BatchFailure>>,
}

/// The result of a pass.
#[derive(Default)]
pub(super) struct PassOutcome {
    /// When the next pass should run; `None` when no work has a time.
    pub(super) next: Option<Instant>,
    /// The first failure of a window, a task or a chore. The failed work rests.
    failed: Option<Failure>,
    /// Why the pass could do no work at all.
    pub(super) halted: Option<Failure>,
}

impl PassOutcome {
    /// Records a failure, unless an earlier one is recorded.
    fn fails(&mut self, failure: Failure) {
        self.failed.get_or_insert(failure);
    }
}

impl Scheduler {
    /// Does all work that is due now: opens windows, the oldest first, and runs tasks until no task is due. Returns
    /// when to call it next; `None` when no work has a time.
    ///
    /// # Errors
    /// The first [`Failure`]. The rest of the work was done, and the failed work will be tried again after its rest.
    pub async fn tick(&self) -> Result<Option<Instant>, Failure> {
        let (_never, ending) = watch::channel(false);
        let passed = self.pass(&ending).await;
        match passed.failed.or(passed.halted) {
            Some(failure) => Err(failure),
            None => Ok(passed.next),
        }
    }

    /// Like [`Scheduler::tick`], but takes no further work once `ending` is true, and reports both kinds of failures.
    pub(super) async fn pass(&self, ending: &watch::Receiver<bool>) -> PassOutcome {
        let mut state = self.state.lock().await;
        let mut passed = PassOutcome::default();
        state.turns.retry_unreadable();
        let zones = self.follow_zones(&mut state).await;
        if let Err(failure) = self.work(&mut state, &mut passed, ending).await {
            passed.halted = Some(failure);
            return passed;
        }
        // The failure is reported only if the pass could work. Otherwise the database is the cause of both failures.
        if let Err(failure) = zones {
            state.failure_log.add(Chore::FollowZones.name(), &failure);
            state.chores.failed(Chore::FollowZones, self.services.clock.now());
            passed.fails(failure);
        }
        if *ending.borrow() {
            return passed;
        }
        self.run_chores(&mut state, &mut passed).await;
        match self.next(&mut state).await {
            Ok(next) => passed.next = next,
            Err(failure) => passed.halted = Some(failure),
        }
        passed
    }

    /// Starts to prune the logs once an hour. Each pass then prunes a part, until all old rows are gone.
    async fn prune_logs(&self, state: &mut State, now: Instant) -> Result<(), Failure> {
        if !recent(state.pruned_at, now) {
            let Cutoffs { events, entries } = begin_pruning(&self.services).await?;
            (state.pruning_until, state.cutting_until) = (Some(events), entries);
            state.pruned_at = Some(now);
        }
        if let Some(until) = state.pruning_until
            && prune_events(&self.services, until).await?
        {
            state.pruning_until = None;
        }
        // Audit entries come after the events, because a batch's records stay until the batch's events were pruned.
        if let (None, Some(until)) = (state.pruning_until, state.cutting_until)
            && cut_audit(&self.services, until).await?
        {
            state.cutting_until = None;
        }
        Ok(())
    }

    /// Reads the time zone data once an hour, and moves pending windows whose instants differ by newer data (R42). Once
    /// a minute it looks for releases that a server with older data made. It is the first step of a pass, so that a
    /// window that moved into the past opens at once.
    async fn follow_zones(&self, state: &mut State) -> Result<(), Failure> {
        let (now, by) = (self.services.clock.now(), Initiator::Scheduler);
        if state.chores.is_backing_off(Chore::FollowZones, now) {
            return Ok(());
        }
        if !recent(state.zones_read_at, now) {
            reload_time_zones(&self.services, by).await?;
            state.zones_read_at = Some(now);
        } else if within(Duration::minutes(1), state.windows_computed_at, now) {
            return Ok(());
        } else {
            recompute_windows(&self.services, by).await?;
        }
        state.windows_computed_at = Some(now);
        state.chores.succeeded(Chore::FollowZones);
        Ok(())
    }

    /// Opens windows and runs tasks in turn, so that no window waits for the end of a long rollout. On PostgreSQL
    /// several batches run at the same time. Returns when no work is due.
    ///
    /// # Errors
    /// The [`Failure`] because of which no task could be taken.
    async fn work(
        &self,
        state: &mut State,
        passed: &mut PassOutcome,
        ending: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut since = tokio::time::Instant::now();
        // Each batch runs in a Tokio task. If opening a window held a batch up in the middle, PostgreSQL would end the
        // batch's idle transaction.
        let mut running = JoinSet::new();
        loop {
            if has_one_writer(&self.services) && since.elapsed() >= BURST {
                tokio::select! {
                    () = tokio::time::sleep(GAP) => {}
                    () = told_to_end(ending.clone()) => return Ok(()),
                }
                since = tokio::time::Instant::now();
            }
            let free = batches_at_once(&self.services).saturating_sub(running.len());
            let opened = self.open_windows(state, passed, ending, free).await;
            let are_left = matches!(opened, Ok(true));
            let mut halted = None;
            while running.len() < batches_at_once(&self.services) && !*ending.borrow() {
                let now = self.services.clock.now();
                state.turns.excluded = state.tasks.backing_off(now);
                match claim_batch(&self.services, &mut state.turns).await {
                    Ok(Some(claimed)) => {
                        let counted = RunningBatch::begin(self.running.clone());
                        running.spawn(run_claimed(self.services.clone(), claimed, counted));
                    }
                    Ok(None) => break,
                    Err(failure) => {
                        halted = Some(failure);
                        break;
                    }
                }
            }
            // The failure is reported only if tasks can be taken. Otherwise the database is the cause of both failures.
            if let (Err(failure), None) = (opened, &halted)
                && !*ending.borrow()
            {
                state.failure_log.add(Chore::FindWindows.name(), &failure);
                state.chores.failed(Chore::FindWindows, self.services.clock.now());
                passed.fails(failure);
            }
            match running.join_next().await {
                Some(Ok(ran)) => self.has_run(state, passed, ran),
                // This can't happen: the Tokio task catches panics itself, and no code aborts it.
                Some(Err(error)) => return Err(Failure::bug(format!("a batch did not end: {error}"))),
                None if !are_left || halted.is_some() || *ending.borrow() => return halted.map_or(Ok(()), Err),
                None => {}
            }
        }
    }

    fn has_run(&self, state: &mut State, passed: &mut PassOutcome, Ran { task, work, ended }: Ran) {
        let now = self.services.clock.now();
        match ended {
            Ok(Ok(())) => state.tasks.succeeded(task),
            Ok(Err(BatchFailure { failure, postponed })) => {
                if !postponed {
                    state.tasks.failed(task, now);
                }
                if !matches!(failure, Failure::Overtaken) {
                    state.failure_log.add_of_task(task, work, &failure);
                    passed.fails(failure);
                }
            }
            // The server restarts the scheduler after the panic. The backoff outlives that, so the task then rests.
            Err(panic) => {
                state.tasks.failed(task, now);
                resume_unwind(panic);
            }
        }
    }

    /// Opens windows that are due for at most [`OPENING`], `at_once` of them at the same time, and at least one. Returns
    /// whether some may be left.
    async fn open_windows(
        &self,
        state: &mut State,
        passed: &mut PassOutcome,
        ending: &watch::Receiver<bool>,
        at_once: usize,
    ) -> Result<bool, Failure> {
        let is_backing_off = state.chores.is_backing_off(Chore::FindWindows, self.services.clock.now());
        if is_backing_off || !self.services.clock.is_trusted() {
            return Ok(false);
        }
        let mut until = None;
        loop {
            let now = self.services.clock.now();
            let backing_off = state.windows.backing_off(now);
            let limit = PAGE.saturating_add(u64::try_from(backing_off.len()).unwrap_or(PAGE));
            let due = windows::due(&self.services.db.whole_server(), Publishers::All, now, limit).await?;
            state.chores.succeeded(Chore::FindWindows);
            let until = *until.get_or_insert_with(|| tokio::time::Instant::now() + OPENING);
            let is_over = || *ending.borrow() || tokio::time::Instant::now() >= until;
            let mut opened = 0;
            let due = due.into_iter().filter(|pack| !backing_off.contains(pack)).take_while(|_| !is_over());
            let open = |pack| async move {
                let trace = self.services.traces.span("window", Kind::Internal, None);
                let opened = open_if_due(&self.services, Publishers::All, pack, now);
                (pack, traces::within(trace.place(), opened).await)
            };
            let mut opening = stream::iter(due.map(open)).buffer_unordered(at_once.max(1));
            while let Some((pack, ended)) = opening.next().await {
                match ended {
                    Ok(found) => {
                        state.windows.succeeded(pack);
                        opened += u32::from(found.is_some());
                    }
                    Err(failure) => {
                        state.windows.failed(pack, self.services.clock.now());
                        state.failure_log.add_of_window(pack, &failure);
                        passed.fails(failure);
                    }
                }
            }
            if opened == 0 || is_over() {
                return Ok(opened > 0);
            }
        }
    }

    async fn run_chores(&self, state: &mut State, passed: &mut PassOutcome) {
        let now = self.services.clock.now();
        for chore in [Chore::SaveTokenUses, Chore::PruneLogs] {
            if state.chores.is_backing_off(chore, now) {
                continue;
            }
            let done = match chore {
                Chore::SaveTokenUses => save_token_uses(&self.services).await,
                Chore::PruneLogs => self.prune_logs(state, now).await,
                _ => continue,
            };
            match done {
                Ok(()) => state.chores.succeeded(chore),
                Err(failure) => {
                    state.chores.failed(chore, now);
                    state.failure_log.add(chore.name(), &failure);
                    passed.fails(failure);
                }
            }
        }
    }

    /// When a task that this scheduler can do is due next.
    pub(super) async fn next_task(&self) -> Result<Option<Instant>, Failure> {
        let aside = self.state.lock().await.tasks_aside(self.services.clock.now());
        Ok(turns::next_due(&self.services.db.whole_server(), &aside).await?)
    }

    /// When work that this scheduler can do is due next.
    async fn next(&self, state: &mut State) -> Result<Option<Instant>, Failure> {
        let now = self.services.clock.now();
        // Work that rests is due at the end of its rest.
        let window = windows::next(&self.services.db.whole_server(), &state.windows.backing_off(now)).await?;
        let task = turns::next_due(&self.services.db.whole_server(), &state.tasks_aside(now)).await?;
        let backoffs = [state.tasks.next_end(now), state.chores.next_end(now), state.windows.next_end(now)];
        Ok(window.into_iter().chain(task).chain(backoffs.into_iter().flatten()).min())
    }
}
