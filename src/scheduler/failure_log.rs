//! Logs the scheduler's failures, at most one line a second.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::service::error::Failure;
use crate::store::followup::tasks::Work;

/// The pause between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// The objects that a log line names for failed work.
#[derive(Default)]
struct Concerned {
    task: Option<Uuid>,
    kind: Option<&'static str>,
    pack: Option<PackId>,
    release: Option<ReleaseId>,
    account: Option<String>,
}

impl Concerned {
    fn of(work: Work) -> Self {
        let (pack, release, account) = work.names();
        let account = account.map(|account| AccountId(account).shown_as_managed());
        Self { pack: pack.map(PackId), release: release.map(ReleaseId), account, ..Self::default() }
    }
}

/// Logs failures, and counts those that it doesn't log.
#[derive(Default)]
pub(super) struct FailureLog {
    logged_at: Option<Instant>,
    /// The number of failures since the last line.
    unlogged: u64,
}

impl FailureLog {
    /// Logs a failure of work that is neither a task nor a window. `what` names the work.
    pub(super) fn add(&mut self, what: &str, failure: &Failure) {
        self.add_of(what, Concerned::default(), failure);
    }

    /// Logs the failure of a task.
    pub(super) fn add_of_task(&mut self, task: Uuid, work: Work, failure: &Failure) {
        let concerned = Concerned { task: Some(task), kind: Some(work.kind()), ..Concerned::of(work) };
        self.add_of("a batch of a task", concerned, failure);
    }

    /// Logs that a release window couldn't be opened.
    pub(super) fn add_of_window(&mut self, pack: PackId, failure: &Failure) {
        self.add_of("opening a window", Concerned { pack: Some(pack), ..Concerned::default() }, failure);
    }

    fn add_of(&mut self, what: &str, concerned: Concerned, failure: &Failure) {
        let now = Instant::now();
        if self.logged_at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            self.unlogged = self.unlogged.saturating_add(1);
            return;
        }
        let unlogged = std::mem::take(&mut self.unlogged);
        self.logged_at = Some(now);
        let Concerned { task, kind, pack, release, account } = concerned;
        tracing::error!(
            what,
            kind,
            task = task.map(tracing::field::display),
            pack = pack.map(tracing::field::display),
            release = release.map(tracing::field::display),
            account,
            failure = %failure.for_operators(),
            unlogged,
            "due work has failed; it is tried again after a pause"
        );
    }
}
