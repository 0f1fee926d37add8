//! The queue of spans that wait to be sent.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::span::Finished;
use crate::metrics::{Metrics, SpanOutcome};

/// The most spans of one request to the collector.
pub(super) const BATCH: usize = 512;

/// A bounded queue. Adding a span never waits: if the queue is full, the span is dropped.
pub(super) struct Queue {
    waiting: Mutex<Vec<Finished>>,
    most: usize,
    /// Notified when there is another full batch.
    pub(super) is_full: Notify,
    pub(super) metrics: Arc<Metrics>,
}

impl Queue {
    pub(super) fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), most, is_full: Notify::new(), metrics }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Finished>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a span, or drops it when too many wait.
    pub(super) fn push(&self, span: Finished) {
        let mut waiting = self.waiting();
        if waiting.len() >= self.most {
            drop(waiting);
            self.metrics.trace_spans.add(SpanOutcome::Dropped, 1);
            return;
        }
        waiting.push(span);
        // At each multiple of a batch, so that an exporter that was busy before is notified again.
        if waiting.len().is_multiple_of(BATCH) {
            self.is_full.notify_one();
        }
    }

    /// Takes the oldest spans, at most a batch.
    pub(super) fn take(&self) -> Vec<Finished> {
        let mut waiting = self.waiting();
        if waiting.len() <= BATCH {
            return mem::take(&mut *waiting);
        }
        let rest = waiting.split_off(BATCH);
        mem::replace(&mut *waiting, rest)
    }
}
