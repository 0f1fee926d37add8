//! The turns in which the answers to the events of a subscription or an endpoint are made. One event can be answered for
//! many subscriptions at the same time, and each document decides how large its answer is. So an answer takes units of
//! its owner's share before it is made, and keeps those of its size until it was sent. Small answers take none.

use std::mem::size_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::Value;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use crate::graphql::Turns;

use super::workload::{EventPermit, EventShare};

/// The highest cost of a document that selects little: one long text alone costs more.
const SMALL_COST: u64 = 20;
/// An answer of more bytes counts until it was sent.
const SMALL_BYTES: usize = 8 * 1024;

/// The turns of one subscription.
pub(super) struct EventTurns {
    cost: u64,
    share: EventShare,
    /// Whether the last answer was large. Then the next one takes a turn whatever its document costs.
    was_large: AtomicBool,
    /// The turn of the answer that is being made.
    turn: Mutex<Option<EventPermit>>,
}

impl EventTurns {
    pub(super) fn new(cost: u64, share: EventShare) -> Arc<Self> {
        Arc::new(Self { cost, share, was_large: AtomicBool::new(false), turn: Mutex::default() })
    }

    /// What the subscription calls before each answer.
    pub(super) fn for_resolvers(self: &Arc<Self>) -> Turns {
        let turns = self.clone();
        Turns::new(move || turns.take_or_wait())
    }

    fn turn(&self) -> MutexGuard<'_, Option<EventPermit>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn of the next answer, or returns what waits for it. An event that is shown again keeps its turn.
    fn take_or_wait(self: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let is_small = self.cost <= SMALL_COST && !self.was_large.load(Ordering::Relaxed);
        if is_small || self.turn().is_some() {
            return None;
        }
        if let Some(permit) = self.share.try_take(self.cost) {
            *self.turn() = Some(permit);
            return None;
        }
        let turns = self.clone();
        let waiting = async move {
            // A stream is polled only while its client reads. The turn is waited for in a task, because a place in the
            // queue that nobody polls would keep all others waiting.
            let mut task = JoinSet::new();
            let of_task = turns.clone();
            task.spawn(async move { of_task.share.take(of_task.cost).await.ok() });
            let permit = task.join_next().await.and_then(Result::ok).flatten();
            *turns.turn() = permit;
        };
        Some(waiting.boxed())
    }

    /// The answer was made. Returns the turn that a large answer keeps until it was sent.
    pub(super) fn answered(&self, data: &Value) -> Option<Box<EventPermit>> {
        let bytes = bytes_of(data);
        let is_large = bytes > SMALL_BYTES;
        self.was_large.store(is_large, Ordering::Relaxed);
        let mut permit = self.turn().take().filter(|_| is_large)?;
        permit.answered(bytes);
        Some(Box::new(permit))
    }
}

/// The approximate memory of a value, in bytes.
fn bytes_of(value: &Value) -> usize {
    let within = match value {
        Value::Null | Value::Number(_) | Value::Boolean(_) => 0,
        Value::String(text) => text.len(),
        Value::Enum(name) => name.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(items) => items.iter().map(bytes_of).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + bytes_of(value)).sum(),
    };
    size_of::<Value>() + within
}
