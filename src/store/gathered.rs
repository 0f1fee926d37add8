//! Reads that many callers ask for at the same time, made together. What is asked for while a read is at work is read
//! by the next one: each read begins after all that it answers was asked for, so that no answer is older than its
//! question, and nothing is kept.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{StoreError, StoreResult};

/// The most callers that one read answers.
const TOGETHER_MAX: usize = 1_000;

/// The callers of one kind of read.
pub(in crate::store) struct Gathered<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    waiting: Vec<Caller<K, V>>,
    is_at_work: bool,
}

struct Caller<K, V> {
    key: K,
    answer: oneshot::Sender<StoreResult<Option<V>>>,
}

impl<K, V> Default for Gathered<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State { waiting: Vec::new(), is_at_work: false }))
    }
}

impl<K, V> Gathered<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// What `read` finds for `key`, in a read that begins after this call.
    pub(in crate::store) async fn ask<F>(
        self: &Arc<Self>,
        key: K,
        read: impl Fn(Vec<K>) -> F + Send + 'static,
    ) -> StoreResult<Option<V>>
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let is_at_work = {
            let mut state = self.lock();
            state.waiting.push(Caller { key, answer });
            std::mem::replace(&mut state.is_at_work, true)
        };
        if !is_at_work {
            // In a task of its own: a caller that goes leaves the others their answers.
            let worker = Worker(self.clone());
            tokio::spawn(async move { worker.run(read).await });
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("a read ended before its answer".into())))
    }

    fn take(&self) -> Vec<Caller<K, V>> {
        let mut state = self.lock();
        let taken = state.waiting.len().min(TOGETHER_MAX);
        let rest = state.waiting.split_off(taken);
        let callers = std::mem::replace(&mut state.waiting, rest);
        state.is_at_work = !callers.is_empty();
        callers
    }
}

impl<K, V> Gathered<K, V> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads for all that wait, one read after the other, until nobody waits.
struct Worker<K, V>(Arc<Gathered<K, V>>);

impl<K, V> Worker<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    async fn run<F>(self, read: impl Fn(Vec<K>) -> F)
    where
        F: Future<Output = StoreResult<HashMap<K, V>>>,
    {
        loop {
            // Requests that have come by now are heard first: one read answers them all.
            tokio::task::yield_now().await;
            let callers = self.0.take();
            if callers.is_empty() {
                return;
            }
            let keys: HashSet<&K> = callers.iter().map(|caller| &caller.key).collect();
            let found = read(keys.into_iter().cloned().collect()).await;
            for Caller { key, answer } in callers {
                let found = found.as_ref().map(|found| found.get(&key).cloned()).map_err(Clone::clone);
                // A caller that has gone hears nothing.
                let _ = answer.send(found);
            }
        }
    }
}

impl<K, V> Drop for Worker<K, V> {
    /// A worker that ends otherwise than by itself leaves nobody waiting, and the next caller begins another.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.is_at_work {
            state.is_at_work = false;
            state.waiting.clear();
        }
    }
}
