//! Combines reads that many callers request at the same time. Requests that come during a read are answered by the next
//! one. Every read begins after all requests that it answers, so an answer is never older than its request, and nothing
//! is cached.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{StoreError, StoreResult};

/// The most callers of one read.
const CALLERS_MAX: usize = 1_000;

/// The callers of one kind of read.
pub(in crate::store) struct CombinedReads<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    waiting: Vec<Caller<K, V>>,
    is_running: bool,
}

struct Caller<K, V> {
    key: K,
    answer: oneshot::Sender<StoreResult<Option<V>>>,
}

impl<K, V> Default for CombinedReads<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State { waiting: Vec::new(), is_running: false }))
    }
}

impl<K, V> CombinedReads<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// The result of `read` for `key`, from a read that begins after this call.
    pub(in crate::store) async fn request<F>(
        self: &Arc<Self>,
        key: K,
        read: impl Fn(Vec<K>) -> F + Send + 'static,
    ) -> StoreResult<Option<V>>
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let is_running = {
            let mut state = self.lock();
            state.waiting.push(Caller { key, answer });
            std::mem::replace(&mut state.is_running, true)
        };
        if !is_running {
            // In a separate task, so that a dropped caller doesn't cost the others their answers.
            let worker = Worker(self.clone());
            tokio::spawn(async move { worker.run(read).await });
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("a read ended before its answer".into())))
    }

    fn take(&self) -> Vec<Caller<K, V>> {
        let mut state = self.lock();
        let count = state.waiting.len().min(CALLERS_MAX);
        let rest = state.waiting.split_off(count);
        let callers = std::mem::replace(&mut state.waiting, rest);
        state.is_running = !callers.is_empty();
        callers
    }
}

impl<K, V> CombinedReads<K, V> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one read after the other, until no caller waits.
struct Worker<K, V>(Arc<CombinedReads<K, V>>);

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
            // Lets further requests arrive first, so that one read answers them all.
            tokio::task::yield_now().await;
            let callers = self.0.take();
            if callers.is_empty() {
                return;
            }
            let keys: HashSet<&K> = callers.iter().map(|caller| &caller.key).collect();
            let found = read(keys.into_iter().cloned().collect()).await;
            for Caller { key, answer } in callers {
                let found = found.as_ref().map(|found| found.get(&key).cloned()).map_err(Clone::clone);
                // Fails only if the caller was dropped.
                let _ = answer.send(found);
            }
        }
    }
}

impl<K, V> Drop for Worker<K, V> {
    /// If the task ends early, waiting callers get an error, and the next caller starts another worker.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.is_running {
            state.is_running = false;
            state.waiting.clear();
        }
    }
}
