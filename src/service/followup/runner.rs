//! Who does a batch: the task is claimed, its batch done, and what comes next is written down, in one transaction.

use chrono::Duration;
use uuid::Uuid;

use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::Journal;
use crate::service::release_log::ReleaseLog;
use crate::store::write::tasks::{self, Task, Turn, Work};
use crate::store::write::turns;
pub use crate::store::write::turns::Turns;
use crate::store::{DatabaseKind, Tx};

use super::{Batch, Reach};

/// The longest pause between two tries of a task whose batches fail as a whole.
const LONGEST_PAUSE_SECONDS: i64 = 60;

/// A task that a transaction has in hand, for one batch.
pub struct Claimed {
    tx: Tx,
    task: Task,
}

impl Claimed {
    pub(in crate::service) fn of(tx: Tx, task: Task) -> Self {
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
    pub(in crate::service) async fn run_first_batch(&self, task: Uuid) {
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
}
