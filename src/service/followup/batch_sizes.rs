//! Measures how long batches take, to choose the next one's size and to inform operators.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::batch::{FIRST, LEAST, next_size};
use crate::service::Settings;

/// The batches of one kind of work that this process has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// The number of successful batches.
    pub batches: u64,
    /// The number of batches that failed as a whole.
    pub failures: u64,
    /// The number of installations, accounts or packs that they processed.
    pub objects: u64,
    /// Their total duration, including the commits.
    pub took: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    done: BatchCounts,
    size: Option<u64>,
}

/// The measurements of a process, by kind of work. They aren't shared between processes, because the speed depends only
/// on the database and the kind, and a new process learns it within a few batches.
#[derive(Debug, Default)]
pub struct BatchSizes(Mutex<BTreeMap<&'static str, Kind>>);

impl BatchSizes {
    /// The most objects for the next batch of a kind.
    pub(super) fn size(&self, kind: &'static str, settings: &Settings) -> u64 {
        let most = settings.batch_size;
        if settings.batch_time.is_none() {
            return most;
        }
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.get(kind).and_then(|kind| kind.size).unwrap_or(FIRST).min(most)
    }

    /// Counts a batch that processed `objects` of at most `size`.
    pub(super) fn count(&self, kind: &'static str, settings: &Settings, size: u64, objects: u64, took: Duration) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(kind).or_default();
        kind.done.batches += 1;
        kind.done.objects = kind.done.objects.saturating_add(objects);
        kind.done.took += took;
        if let Some(target) = settings.batch_time {
            kind.size = Some(next_size(size, objects, took, target, settings.batch_size));
        }
    }

    /// Counts a batch that failed. The next one has half its size, because it may have been too large: for a
    /// statement's values, or for a time limit.
    pub(super) fn count_failure(&self, kind: &'static str, settings: &Settings) {
        let failed = self.size(kind, settings);
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(kind).or_default();
        kind.done.failures += 1;
        if settings.batch_time.is_some() {
            kind.size = Some((failed / 2).max(LEAST));
        }
    }

    /// The measurements by kind of work.
    #[must_use]
    pub fn by_kind(&self) -> BTreeMap<&'static str, BatchCounts> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().map(|(kind, measured)| (*kind, measured.done)).collect()
    }
}
