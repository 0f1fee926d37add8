//! What follows from a decision for installations and accounts, in batches (R49). Each batch is one
//! transaction with its own changes, events and entries, and remembers how far it came, so that whoever
//! is killed, the next one goes on there.

use chrono::Duration;
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::event::{EventData, EventKind};
use crate::domain::id::{InstallationId, ReleaseId};
use crate::domain::installation::FailureCode;
use crate::domain::pack::Pack;
use crate::domain::release::{Release, ReleaseState, outcome, transition};
use crate::store::write::tasks::{self, Task, Turn, Work};
use crate::store::write::turns;
pub use crate::store::write::turns::Turns;
use crate::store::write::{installations, packs, releases, updates};
use crate::store::{DatabaseKind, StoreResult, Tx};

use super::Services;
use super::error::Failure;
use super::journal::{Entry, Happening, Journal, Subject};
use super::release_log::ReleaseLog;

/// The seam at which an installation is moved. What moves one for real is a row of the database, that
/// can't fail alone; here a test can make one fail, and an operator's extension could do more.
pub trait Mover: Send + Sync {
    /// Moves one installation to the version of a release.
    ///
    /// # Errors
    /// Which kind of fault kept it from being moved.
    fn move_installation(&self, installation: InstallationId, release: ReleaseId) -> Result<(), FailureCode>;
}

/// The mover of a server: nothing beside the database has to be moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Mover for NoFaults {
    fn move_installation(&self, _: InstallationId, _: ReleaseId) -> Result<(), FailureCode> {
        Ok(())
    }
}

/// How far one batch brought a task.
pub(super) enum Batch {
    /// There is more; it goes on after this object.
    More(Uuid),
    /// All objects were come to, but some are tried again at this instant.
    Again(Instant, Option<Uuid>),
    /// The task is done.
    Done,
}

/// What a rollout does with the installations that it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It moves them.
    Move,
    /// It was given up: they have failed.
    GiveUp,
}

/// The longest pause between two tries of a task whose batches fail as a whole.
const LONGEST_PAUSE_SECONDS: i64 = 60;

/// A task that a transaction has in hand, for one batch.
pub struct Claimed {
    tx: Tx,
    task: Task,
}

impl Claimed {
    pub(super) fn of(tx: Tx, task: Task) -> Self {
        Self { tx, task }
    }

    /// Which task.
    #[must_use]
    pub fn task(&self) -> Uuid {
        self.task.id
    }
}

/// Why a batch failed as a whole.
#[derive(Debug)]
pub struct BatchFailure {
    pub failure: Failure,
    /// Whether its task was put off, so that nobody takes it before its pause is over.
    pub put_off: bool,
}

impl Services {
    /// Does one batch of a task that is due. Gives whether there was one.
    ///
    /// # Errors
    /// [`Failure`], when the batch failed; the task is put off then, and tried again.
    pub async fn run_one_batch(&self) -> Result<bool, Failure> {
        let Some(claimed) = self.claim_batch(&mut Turns::default()).await? else { return Ok(false) };
        self.run_claimed(claimed).await.map(|()| true).map_err(|failed| failed.failure)
    }

    /// Whether the database takes one writer at a time, of all processes, and lets none of them queue up.
    #[must_use]
    pub fn has_one_writer(&self) -> bool {
        self.db.kind() == DatabaseKind::Sqlite
    }

    /// Takes the task whose turn it is.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn claim_batch(&self, turns: &mut Turns) -> Result<Option<Claimed>, Failure> {
        let tx = self.db.begin().await?;
        // Read once this is the one that writes.
        let now = self.clock.now();
        Ok(turns::claim(&tx, now, turns).await?.map(|task| Claimed { tx, task }))
    }

    /// Does the first batch of a task that a command has just made, so that a small install base is
    /// finished when the call answers. A failure is no failure of the command: the scheduler goes on.
    pub(super) async fn run_first_batch(&self, task: Uuid) {
        if let Err(failure) = self.try_first_batch(task).await {
            tracing::warn!(%task, ?failure, "a first batch failed; the scheduler will try again");
        }
    }

    async fn try_first_batch(&self, task: Uuid) -> Result<(), Failure> {
        let tx = self.db.begin().await?;
        let Some(task) = tasks::claim_new(&tx, task).await? else { return Ok(()) };
        self.run_claimed(Claimed { tx, task }).await.map_err(|failed| failed.failure)
    }

    /// Does one batch of a task at hand. When it fails, its task is put off, so that others get their turn.
    ///
    /// # Errors
    /// [`BatchFailure`].
    pub async fn run_claimed(&self, Claimed { tx, task }: Claimed) -> Result<(), BatchFailure> {
        match self.work(tx, &task).await {
            Ok(()) => Ok(()),
            // A window has opened meanwhile: once it is carried out, the batch has its turn.
            Err(failure @ Failure::Overtaken) => Err(BatchFailure { failure, put_off: false }),
            Err(failure) => {
                let failures = task.failures.saturating_add(1);
                let pause = Duration::seconds((1_i64 << failures.clamp(0, 6)).min(LONGEST_PAUSE_SECONDS));
                let (why, again) = (format!("{failure:?}"), self.clock.now() + pause);
                let put_off = tasks::put_off(&self.db, task.id, failures, &why, again).await;
                Err(BatchFailure { failure, put_off: put_off.is_ok() })
            }
        }
    }

    async fn work(&self, tx: Tx, task: &Task) -> Result<(), Failure> {
        let mut journal = Journal::of_scheduler(self, task.publisher_id, self.now(&tx));
        journal.task = Some(task.id);
        let batch = match task.work {
            Work::Offer(pack, release) => self.offer(&tx, &mut journal, task, pack, release).await?,
            Work::RollOut(pack, release) => self.roll_out(&tx, &mut journal, task, pack, release, Reach::Move).await?,
            Work::GiveUp(pack, release) => self.roll_out(&tx, &mut journal, task, pack, release, Reach::GiveUp).await?,
            Work::Retry(pack, release) => self.retry(&tx, &mut journal, task, pack, release).await?,
            Work::Withdraw(pack, release) => self.withdraw(&tx, &mut journal, task, pack, release).await?,
            Work::GrantsOfPack(pack) => self.grants_of_pack(&tx, &mut journal, task, pack).await?,
            Work::GrantsOfAccount(account) => self.grants_of_account(&tx, &mut journal, task, account).await?,
            Work::CatchUp(account) => self.account_catches_up(&tx, &mut journal, task, account).await?,
            Work::Rename(pack) => self.rename_batch(&tx, task, pack).await?,
            Work::Delete(pack) => self.uninstall_everywhere(&tx, &mut journal, task, pack).await?,
        };
        let now = journal.now;
        match batch {
            Batch::More(done_to) => {
                let more = i64::try_from(self.settings.batch_size).unwrap_or(i64::MAX);
                tasks::advance(&tx, task, Some(done_to), more, Turn::Next(now)).await?;
            }
            // Never at once again: a task that can't get on must not keep the others from their turn.
            Batch::Again(at, done_to) => {
                let pause_ends = at.clamp(now + Duration::seconds(1), now + tasks::LONGEST_PAUSE);
                tasks::advance(&tx, task, done_to, 0, Turn::After(pause_ends)).await?;
            }
            Batch::Done => tasks::finish(&tx, task.id).await?,
        }
        let log = ReleaseLog::of(&journal);
        journal.write(&tx).await?;
        tx.commit().await?;
        log.write();
        Ok(())
    }

    /// Whether a batch that came to `found` objects was the last one, and where the next one begins.
    pub(super) fn after_batch(&self, found: usize, last: Option<Uuid>) -> Option<Uuid> {
        last.filter(|_| u64::try_from(found).is_ok_and(|found| found >= self.settings.batch_size))
    }

    /// Ends a release whose last installation was come to, or that is ended with at least so many that it didn't
    /// move.
    pub(super) async fn complete(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        mut pack: Pack,
        mut release: Release,
        left: i64,
    ) -> Result<(), Failure> {
        let progress = updates::progress(tx, release.id).await?;
        let before = release.state;
        release.state = transition(before, outcome(progress.failed.max(left), progress.applied))
            .map_err(|fault| Failure::bug(format!("a rollout can't end: {fault:?}")))?;
        release.ended_at = Some(journal.now);
        journal.began = release.started_at;
        releases::save(tx, &release).await?;
        pack.standing.running_release = None;
        packs::save_standing(tx, pack.id, &pack.standing).await?;
        use crate::store::convert::Stored as _;
        journal.note(Entry::of("scheduler.completeRelease", Subject::Release(release.id), pack.name.clone()).change(
            "state",
            Some(before.stored().into()),
            Some(release.state.stored().into()),
        ));
        journal.tell(Happening {
            data: EventData { progress: Some(progress), ..EventData::default() },
            ..Happening::release(EventKind::ReleaseCompleted, &pack, release.id)
        });
        Ok(())
    }

    /// Announces progress of a rollout to the publisher, at most once a second (R50).
    pub(super) async fn announce_progress(
        &self,
        tx: &Tx,
        journal: &mut Journal<'_>,
        pack: &Pack,
        release: &Release,
        task: &Task,
    ) -> StoreResult<()> {
        let last = releases::progressed_at(tx, release.id).await?;
        // A clock that was set back since must not silence it.
        if last.is_some_and(|last| last <= journal.now && journal.now - last < Duration::seconds(1)) {
            return Ok(());
        }
        releases::save_progressed_at(tx, release.id, journal.now).await?;
        let mut progress = updates::progress(tx, release.id).await?;
        let known = progress.total();
        let in_all = match task.update_count {
            Some(in_all) => in_all,
            None => {
                let in_all = known + installations::without_update(tx, pack.id, release.id, release.version_id).await?;
                tasks::save_update_count(tx, task.id, in_all).await?;
                in_all
            }
        };
        progress.offered += (in_all - known).max(0);
        journal.tell(Happening {
            release_id: Some(release.id),
            data: EventData { progress: Some(progress), ..EventData::default() },
            ..Happening::of(EventKind::ReleaseProgressed, pack)
        });
        Ok(())
    }

    /// Gives the installations of a renamed SINGLE pack its name's key.
    async fn rename_batch(&self, tx: &Tx, task: &Task, pack: crate::domain::id::PackId) -> Result<Batch, Failure> {
        let Some(pack) = packs::hold(tx, pack).await? else { return Ok(Batch::Done) };
        let found = installations::batch(tx, pack.id, task.done_to, self.settings.batch_size).await?;
        let ids: Vec<_> = found.iter().filter(|i| i.override_name.is_none()).map(|i| i.id).collect();
        installations::save_name_key(tx, &ids, &crate::domain::text::key(&pack.name)).await?;
        Ok(self.after_batch(found.len(), found.last().map(|i| i.id.into())).map_or(Batch::Done, Batch::More))
    }

    /// A pack, locked or held, and one of its releases in the state that a task is for; `None` when that has
    /// passed.
    pub(super) async fn pack_and_release(
        &self,
        tx: &Tx,
        pack: Option<Pack>,
        release: ReleaseId,
        wanted: impl Fn(ReleaseState) -> bool,
    ) -> Result<Option<(Pack, Release)>, Failure> {
        let Some(pack) = pack else { return Ok(None) };
        let Some(release) = releases::get(tx, pack.id, release).await? else { return Ok(None) };
        Ok(wanted(release.state).then_some((pack, release)))
    }
}
