//! Outcomes: accounts report whether their applied updates work (R57).

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, OutcomeReportId, PackId, UpdateId};
use crate::domain::installations::UpdateState;

/// The most characters of a report's comment.
pub(crate) const COMMENT_MAX: usize = 2_000;

/// How an update went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpdateOutcome {
    Works,
    Broken,
}

/// An account's report of how an update went. An account may report again: all reports are kept, and the newest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeReport {
    pub id: OutcomeReportId,
    pub update: UpdateId,
    pub account_id: AccountId,
    pub publisher_id: AccountId,
    pub pack_id: PackId,
    pub outcome: UpdateOutcome,
    pub comment: String,
    pub reported_at: Instant,
    pub reported_by: Actor,
    /// The account's name when it reported.
    pub account_name: String,
}

/// Whether an account may report how an update went: it is applied, and the installation exists and still has the
/// update's version.
#[must_use]
pub fn may_report(update: UpdateState, is_live: bool, has_version: bool) -> bool {
    update == UpdateState::Applied && is_live && has_version
}

/// How the applied updates of a release went, by the newest report of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    pub applied: i64,
    pub works: i64,
    pub broken: i64,
}

impl OutcomeCounts {
    /// The number of applied updates without a report.
    #[must_use]
    pub fn unreported(&self) -> i64 {
        self.applied - self.works - self.broken
    }
}
