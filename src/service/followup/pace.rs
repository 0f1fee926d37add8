//! How long batches take: what the next one's size follows from, and what an operator is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::batch::{FIRST, next_size};
use crate::service::Settings;

/// What a process has measured of the batches of one kind of work since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many batches were done.
    pub batches: u64,
    /// How many failed as a whole.
    pub failures: u64,
    /// How many installations, accounts or packs the batches came to.
    pub objects: u64,
    /// How long all of them took together, up to their commit.
    pub took: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    done: Done,
    size: Option<u64>,
}

/// What a process has measured of its batches, by kind of work. Each process keeps its own: how quick batches are
/// is a matter of the database and of the kind, and a new process finds it out within a few batches.
#[derive(Debug, Default)]
pub struct Measures(Mutex<BTreeMap<&'static str, Kind>>);

impl Measures {
    /// How many objects the next batch of a kind comes to.
    pub(super) fn size(&self, kind: &'static str, settings: &Settings) -> u64 {
        let most = settings.batch_size;
        if settings.batch_time.is_none() {
            return most;
        }
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.get(kind).and_then(|kind| kind.size).unwrap_or(FIRST).min(most)
    }

    /// Counts a batch that came to `objects` of the `size` that it could have.
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

    /// Counts a batch that failed.
    pub(super) fn count_failure(&self, kind: &'static str) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.entry(kind).or_default().done.failures += 1;
    }

    /// What was measured, by kind of work.
    #[must_use]
    pub fn by_kind(&self) -> BTreeMap<&'static str, Done> {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().map(|(kind, measured)| (*kind, measured.done)).collect()
    }
}
