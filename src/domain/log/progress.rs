//! How far a release has come (R25).

use std::ops::{AddAssign, Mul, Neg};

use crate::domain::installations::{UpdateMethod, UpdateState, effective_state};
use crate::domain::releases::ReleaseState;

/// The number of a release's updates in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    pub offered: i64,
    pub applied: i64,
    /// The updates among `applied` that accounts applied early.
    pub applied_early: i64,
    /// The updates among `applied` that early stages applied.
    #[serde(default)]
    pub applied_staged: i64,
    pub skipped: i64,
    pub failed: i64,
    pub withdrawn: i64,
    /// The updates among `withdrawn` whose installation was moved back.
    #[serde(default)]
    pub moved_back: i64,
    /// How many installations a roll back has to move in all; `None` unless the release is being rolled back (R59).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_move_back: Option<i64>,
}

impl AddAssign for Progress {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.applied += other.applied;
        self.applied_early += other.applied_early;
        self.applied_staged += other.applied_staged;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.withdrawn += other.withdrawn;
        self.moved_back += other.moved_back;
    }
}

impl Mul<i64> for Progress {
    type Output = Self;

    fn mul(self, count: i64) -> Self {
        Self {
            offered: self.offered * count,
            applied: self.applied * count,
            applied_early: self.applied_early * count,
            applied_staged: self.applied_staged * count,
            skipped: self.skipped * count,
            failed: self.failed * count,
            withdrawn: self.withdrawn * count,
            moved_back: self.moved_back * count,
            to_move_back: self.to_move_back,
        }
    }
}

impl Neg for Progress {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            offered: -self.offered,
            applied: -self.applied,
            applied_early: -self.applied_early,
            applied_staged: -self.applied_staged,
            skipped: -self.skipped,
            failed: -self.failed,
            withdrawn: -self.withdrawn,
            moved_back: -self.moved_back,
            to_move_back: self.to_move_back,
        }
    }
}

impl Progress {
    /// The progress of a release without updates.
    pub const NONE: Self = Self {
        offered: 0,
        applied: 0,
        applied_early: 0,
        applied_staged: 0,
        skipped: 0,
        failed: 0,
        withdrawn: 0,
        moved_back: 0,
        to_move_back: None,
    };

    /// The progress of a single update with this state and method.
    #[must_use]
    pub fn of_one(state: UpdateState, how: Option<UpdateMethod>) -> Self {
        match state {
            UpdateState::Offered => Self { offered: 1, ..Self::NONE },
            UpdateState::Applied => {
                let by = |method| i64::from(how == Some(method));
                Self {
                    applied: 1,
                    applied_early: by(UpdateMethod::Early),
                    applied_staged: by(UpdateMethod::Staged),
                    ..Self::NONE
                }
            }
            UpdateState::Skipped => Self { skipped: 1, ..Self::NONE },
            UpdateState::Failed => Self { failed: 1, ..Self::NONE },
            UpdateState::Withdrawn => {
                let is_back = matches!(how, Some(UpdateMethod::CanceledBack | UpdateMethod::RolledBack));
                Self { withdrawn: 1, moved_back: i64::from(is_back), ..Self::NONE }
            }
        }
    }

    /// The progress that a reader sees while the release is in this state. Canceling, superseding or rolling back a
    /// release withdraws its offers at once, although batches store that later (R49). `to_move_back` is the number of
    /// installations that the release's roll back has to move, if there is a roll back.
    #[must_use]
    pub fn read_in(mut self, release: ReleaseState, to_move_back: Option<i64>) -> Self {
        self.to_move_back = to_move_back.filter(|_| release == ReleaseState::RollingBack);
        if effective_state(UpdateState::Offered, release) == UpdateState::Withdrawn {
            self.withdrawn += std::mem::take(&mut self.offered);
        }
        self
    }

    /// The number of installations that the release concerns.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.offered + self.applied + self.skipped + self.failed + self.withdrawn
    }

    /// How much of the release is done, in percent. A rollout has done the updates that are no longer offered; a roll
    /// back has done the installations that it moved back. 100 when the release concerns no installation.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people; installations are far below 2^52")]
    pub fn percent(&self) -> f64 {
        let (done, total) = match self.to_move_back {
            // Installations may have been made since the roll back began, so it may have moved more than the total.
            Some(total) => (self.moved_back.min(total), total),
            None => (self.total() - self.offered, self.total()),
        };
        if total == 0 { 100.0 } else { done as f64 * 100.0 / total as f64 }
    }
}
