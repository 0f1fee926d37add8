//! Batches: a resolver's read waits for the other resolvers of the same step, and one read answers them all.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use ::dataloader::BatchFn;
use ::dataloader::cached::Loader;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::service::error::Failure;
use crate::store::scope::{ManagedScope, PublisherScope};
use crate::store::sharing::many::VisibleToMany;
use crate::store::{Snapshot, StoreResult};

/// The most keys of a batch. Both databases accept that many parameters in a statement.
const BATCH_MAX: usize = 5_000;

/// The data from which all batches of a set of loaders read.
pub struct Base {
    /// `None` without a token. Nothing is found then.
    pub snapshot: Option<Snapshot>,
    /// Data that was read at once for all accounts that are shown the same event.
    pub seen: Option<Arc<VisibleToMany>>,
}

impl Base {
    /// The snapshot for reads of publishers; `None` for other callers.
    #[must_use]
    pub fn of_publisher(&self) -> Option<Snapshot<PublisherScope>> {
        self.snapshot.as_ref()?.of_publisher()
    }

    /// The snapshot for reads of managed accounts; `None` for other callers.
    #[must_use]
    pub fn of_managed(&self) -> Option<Snapshot<ManagedScope>> {
        self.snapshot.as_ref()?.of_managed()
    }
}

type Answer<V> = Result<Option<V>, Failure>;
/// The value of a key, `Some(None)` if it is known that there is none, or `None` if it must be read.
type CacheLookup<K, V> = dyn Fn(&K) -> Option<Option<V>> + Send + Sync;
type Read<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, StoreResult<HashMap<K, V>>> + Send + Sync;

/// A loader for one kind of key. It waits for the other resolvers of the same step, and reads all of their keys
/// together.
pub struct Batch<K: Eq + Hash + Clone, V: Clone> {
    read: Arc<Read<K, V>>,
    /// Built at the first use, because most requests use few loaders.
    loader: OnceLock<Loader<K, Answer<V>, Run<K, V>>>,
    look_up: Option<Box<CacheLookup<K, V>>>,
}

/// How often other resolvers of a step may run before a batch is read. A step with many resolvers needs more than one
/// turn, because the runtime limits how much a task does per turn.
const TURNS: usize = 4;

struct Run<K, V>(Arc<Read<K, V>>);

impl<K: Eq + Hash + Clone, V: Clone> BatchFn<K, Answer<V>> for Run<K, V> {
    async fn load(&mut self, keys: &[K]) -> HashMap<K, Answer<V>> {
        match (self.0)(keys.to_vec()).await {
            Ok(mut found) => keys.iter().map(|key| (key.clone(), Ok(found.remove(key)))).collect(),
            Err(error) => {
                let failure = Failure::from(error);
                keys.iter().map(|key| (key.clone(), Err(failure.clone()))).collect()
            }
        }
    }
}

impl<K, V> Batch<K, V>
where
    K: Eq + Hash + Clone + Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A loader with a function that reads a batch.
    pub fn new<F>(read: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        let read = Arc::new(move |keys| read(keys).boxed());
        Self { read, loader: OnceLock::new(), look_up: None }
    }

    /// A loader that reads from a snapshot, and finds nothing without one.
    fn from<S, F>(
        snapshot: Option<Snapshot<S>>,
        read: impl Fn(Snapshot<S>, Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        S: Copy + Send + Sync + 'static,
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(move |keys| match &snapshot {
            Some(snapshot) => read(snapshot.clone(), keys).boxed(),
            None => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// Adds a lookup in the process's cache. Keys that it finds need no batch.
    #[must_use]
    pub fn with_cache<S: Copy + Send + Sync + 'static>(
        self,
        snapshot: Option<Snapshot<S>>,
        look_up: impl Fn(&Snapshot<S>, &K) -> Option<V> + Send + Sync + 'static,
    ) -> Self {
        self.with_answers(snapshot, move |snapshot, key| look_up(snapshot, key).map(Some))
    }

    /// Adds a lookup that can also say that a key has no value. Keys that it knows need no batch.
    #[must_use]
    pub fn with_answers<S: Copy + Send + Sync + 'static>(
        self,
        snapshot: Option<Snapshot<S>>,
        look_up: impl Fn(&Snapshot<S>, &K) -> Option<Option<V>> + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Some(Box::new(move |key| look_up(snapshot.as_ref()?, key))), ..self }
    }

    /// A loader that reads in a publisher's scope, and finds nothing for other callers.
    pub fn of_publisher<F>(
        base: &Base,
        read: impl Fn(Snapshot<PublisherScope>, Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::from(base.of_publisher(), read)
    }

    /// A loader that reads in a managed account's scope, and finds nothing for other callers.
    pub fn of_managed<F>(
        base: &Base,
        read: impl Fn(Snapshot<ManagedScope>, Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::from(base.of_managed(), read)
    }

    /// A loader that reads in either scope, and finds nothing without one.
    pub fn scoped<F>(base: &Base, read: impl Fn(Snapshot, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::from(base.snapshot.clone(), read)
    }

    /// Loads the value of a key; `None` if there is none. Fails if the batch fails.
    pub async fn one(&self, key: K) -> Result<Option<V>, Failure> {
        if let Some(known) = self.look_up.as_ref().and_then(|look_up| look_up(&key)) {
            return Ok(known);
        }
        // Boxed, because every field that loads something holds this future, and the framework copies the largest
        // future of a type's fields for each of them.
        Box::pin(self.load(key)).await
    }

    async fn load(&self, key: K) -> Result<Option<V>, Failure> {
        // If the resolver that drives a batch is dropped, because a sibling failed or the client left, the batch is
        // lost. The other resolvers then try once more, and drive it themselves.
        let loader = self.loader();
        match loader.try_load(key.clone()).await {
            Ok(answer) => answer,
            Err(_) => loader.try_load(key).await.map_err(|e| Failure::bug(e.to_string()))?,
        }
    }

    /// Whether the cache has the key's value.
    pub fn is_cached(&self, key: &K) -> bool {
        self.look_up.as_ref().is_some_and(|look_up| look_up(key).flatten().is_some())
    }

    fn loader(&self) -> &Loader<K, Answer<V>, Run<K, V>> {
        self.loader
            .get_or_init(|| Loader::new(Run(self.read.clone())).with_max_batch_size(BATCH_MAX).with_yield_count(TURNS))
    }

    /// Loads the value of a key that must exist.
    ///
    /// # Errors
    /// The batch's failure; an internal failure if there is no value.
    pub async fn must(&self, key: K) -> Result<V, Failure> {
        let found = self.one(key.clone()).await?;
        found.ok_or_else(|| Failure::bug(format!("nothing is known of {key:?}")))
    }

    /// Loads the values of keys, in their order. Keys without a value are left out.
    pub async fn many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<V>, Failure> {
        let found = futures_util::future::try_join_all(keys.into_iter().map(|key| self.one(key))).await?;
        Ok(found.into_iter().flatten().collect())
    }
}
