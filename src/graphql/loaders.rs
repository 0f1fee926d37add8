//! The loaders, which combine the reads of resolvers into batches. There is one set for each request, for each field of
//! a mutation and for each event of a subscription. A set reads everything at one instant, from one state of the
//! database.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ::dataloader::BatchFn;
use ::dataloader::cached::Loader;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::loaders_library::LibraryLoaders;
use super::loaders_logs::LogLoaders;
use super::loaders_managed::ManagedLoaders;
use crate::domain::Instant;
use crate::domain::components::{Component, ComponentVersion, ManifestEntry};
use crate::domain::id::{ComponentId, ComponentVersionId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::adoption::CurvePoint;
use crate::domain::log::event::Progress;
use crate::domain::packs::{ContentItem, DraftRow, Pack, PackVersion};
use crate::domain::releases::Release;
use crate::service::access::Caller;
use crate::service::error::Failure;
use crate::service::{Services, Shared};
use crate::store::components::versions::VersionsKey;
use crate::store::components::{read as components, uses as package_uses, versions as component_versions};
use crate::store::installations::adoption::{AdoptionOf, Spread};
use crate::store::installations::curves::{self, CurveKey};
use crate::store::installations::{adoption, read as installations};
use crate::store::packs::drafts::DraftOf;
use crate::store::packs::read::PacksKey;
use crate::store::packs::{drafts, read as packs, versions as pack_versions};
use crate::store::page::{Page, PageRequest};
use crate::store::releases::read as releases;
use crate::store::releases::read::{FoundRelease, ReleaseFilter};
use crate::store::scope::{ManagedScope, PublisherScope, Scope};
use crate::store::{Db, StoreResult};

/// The most keys of a batch. Both databases accept that many parameters in a statement.
const BATCH_MAX: usize = 5_000;

/// The common data of all batches.
#[derive(Clone)]
pub struct Base {
    pub db: Db,
    /// `None` without a token.
    pub scope: Option<Scope>,
    pub now: Instant,
}

type Answer<V> = Result<Option<V>, Failure>;
type Known<K, V> = dyn Fn(&K) -> Option<V> + Send + Sync;
type Read<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, StoreResult<HashMap<K, V>>> + Send + Sync;

/// A loader for one kind of key. It waits for the other resolvers of the same step, and reads all of their keys
/// together.
pub struct Batch<K: Eq + Hash + Clone, V: Clone> {
    read: Arc<Read<K, V>>,
    /// Built at the first use, because most requests use few loaders.
    loader: OnceLock<Loader<K, Answer<V>, Run<K, V>>>,
    known: Option<Box<Known<K, V>>>,
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
    pub fn new<F>(base: &Base, read: impl Fn(Base, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        let base = base.clone();
        let read = Arc::new(move |keys| read(base.clone(), keys).boxed());
        Self { read, loader: OnceLock::new(), known: None }
    }

    /// Adds a lookup in the process's cache. Keys that it finds need no batch.
    #[must_use]
    pub fn knowing(self, base: &Base, known: impl Fn(&Db, Scope, &K) -> Option<V> + Send + Sync + 'static) -> Self {
        let base = base.clone();
        Self { known: Some(Box::new(move |key| known(&base.db, base.scope?, key))), ..self }
    }

    /// A loader that reads in a publisher's scope, and finds nothing for other callers.
    pub fn of_publisher<F>(
        base: &Base,
        read: impl Fn(Base, PublisherScope, Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(base, move |base, keys| match base.scope {
            Some(Scope::Publisher(scope)) => read(base, scope, keys).boxed(),
            _ => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// A loader that reads in a managed account's scope, and finds nothing for other callers.
    pub fn of_managed<F>(base: &Base, read: impl Fn(Base, ManagedScope, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(base, move |base, keys| match base.scope {
            Some(Scope::Managed(scope)) => read(base, scope, keys).boxed(),
            _ => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// A loader that reads in either scope, and finds nothing without one.
    pub fn scoped<F>(base: &Base, read: impl Fn(Base, Scope, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(base, move |base, keys| match base.scope {
            Some(scope) => read(base, scope, keys).boxed(),
            None => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// Loads the value of a key; `None` if there is none. Fails if the batch fails.
    pub async fn one(&self, key: K) -> Result<Option<V>, Failure> {
        if let Some(known) = self.known.as_ref().and_then(|known| known(&key)) {
            return Ok(Some(known));
        }
        // If the resolver that drives a batch is dropped, because a sibling failed or the client left, the batch is
        // lost. The other resolvers then try once more, and drive it themselves.
        let loader = self.loader();
        match loader.try_load(key.clone()).await {
            Ok(answer) => answer,
            Err(_) => loader.try_load(key).await.map_err(|e| Failure::bug(e.to_string()))?,
        }
    }

    /// Whether the cache has the key's value.
    pub fn is_known(&self, key: &K) -> bool {
        self.known.as_ref().is_some_and(|known| known(key).is_some())
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

/// One set of loaders.
pub struct Loaders {
    base: Arc<Base>,
    /// Loaders for publishers. Some are also used by managed accounts, for what they can see.
    pub publisher: Room<PublisherLoaders>,
    /// Loaders for accounts, groups and installations, and for managed accounts.
    pub managed: Room<ManagedLoaders>,
    pub logs: Room<LogLoaders>,
    /// The process library.
    pub library: Room<LibraryLoaders>,
}

/// The loaders of one area, built at the first use.
pub struct Room<T> {
    base: Arc<Base>,
    make: fn(&Base) -> T,
    made: OnceLock<Box<T>>,
}

impl<T> Room<T> {
    fn new(base: &Arc<Base>, make: fn(&Base) -> T) -> Self {
        Self { base: base.clone(), make, made: OnceLock::new() }
    }
}

impl<T> Deref for Room<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.made.get_or_init(|| Box::new((self.make)(&self.base)))
    }
}

impl Loaders {
    /// A set for a caller, at the current time.
    #[must_use]
    pub fn new(services: &Shared, caller: &Caller) -> Self {
        let Services { db, clock, .. } = &**services;
        let base =
            Arc::new(Base { db: db.snapshot(), scope: caller.viewer().ok().map(|v| v.scope()), now: clock.now() });
        Self {
            publisher: Room::new(&base, PublisherLoaders::new),
            managed: Room::new(&base, ManagedLoaders::new),
            logs: Room::new(&base, LogLoaders::new),
            library: Room::new(&base, LibraryLoaders::new),
            base,
        }
    }

    /// The time that all reads of this set refer to.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.base.now
    }

    /// The database in the state that this set reads, for single reads.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.base.db
    }
}

/// The loaders for publishers. Managed accounts use those for components, versions, contents and releases too.
pub struct PublisherLoaders {
    pub components: Batch<ComponentId, Arc<Component>>,
    /// The newest versions of a component that packs may contain.
    pub latest: Batch<ComponentId, components::Latest>,
    pub component_versions: Batch<ComponentVersionId, Arc<ComponentVersion>>,
    pub component_version_pages: Batch<VersionsKey, Page<Arc<ComponentVersion>>>,
    pub manifests: Batch<ComponentVersionId, Arc<Vec<ManifestEntry>>>,
    /// When a package was deleted. Packages that aren't deleted have no value.
    pub deletions: Batch<ComponentVersionId, Instant>,
    /// Packages that can't be deleted now (R8).
    pub packages_in_use: Batch<ComponentVersionId, ()>,
    pub packs: Batch<PackId, Arc<Pack>>,
    pub pack_pages: Batch<PacksKey, Page<Arc<Pack>>>,
    /// The release whose rollout is moving the pack's installations (R49).
    pub moving: Batch<PackId, ReleaseId>,
    pub drafts: Batch<DraftOf, Arc<Vec<DraftRow>>>,
    pub pack_versions: Batch<PackVersionId, Arc<PackVersion>>,
    pub numbered_versions: Batch<(PackId, i32), Arc<PackVersion>>,
    pub pack_version_pages: Batch<(PackId, PageRequest), Page<Arc<PackVersion>>>,
    pub contents: Batch<PackVersionId, Arc<Vec<ContentItem>>>,
    /// Versions without installations have no value.
    pub installation_counts: Batch<PackVersionId, i64>,
    pub installation_totals: Batch<PackId, i64>,
    /// Releases of deleted packs are included.
    pub releases: Batch<ReleaseId, FoundRelease>,
    pub release_pages: Batch<(ReleaseFilter, PageRequest), Page<Arc<Release>>>,
    pub progress: Batch<ReleaseId, Progress>,
    /// Without installations, these three have no value.
    pub spread: Batch<AdoptionOf, Arc<Spread>>,
    /// The spread of a pack's installations at an instant. A pack without installations then has no value.
    pub spreads_at: Batch<(PackId, Instant), Arc<Spread>>,
    pub account_counts: Batch<AdoptionOf, i64>,
    pub frozen_counts: Batch<AdoptionOf, i64>,
    pub curves: Batch<CurveKey, Vec<CurvePoint>>,
    /// How many failed updates of a release can be retried. A release without any has no value.
    pub retriable: Batch<ReleaseId, u64>,
}

impl PublisherLoaders {
    fn new(base: &Base) -> Self {
        Self {
            components: Batch::scoped(base, async |b, scope, ids| components::by_ids(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| components::known(db, scope, *id)),
            latest: Batch::scoped(base, async |b, scope, ids| components::latest(&b.db, scope, &ids).await),
            component_versions: Batch::of_publisher(base, async |b, scope, ids| {
                component_versions::by_ids(&b.db, scope, &ids).await
            })
            .knowing(base, |db, scope, id| match scope {
                Scope::Publisher(scope) => component_versions::known(db, scope, *id),
                Scope::Managed(_) => None,
            }),
            component_version_pages: Batch::of_publisher(base, async |b, scope, keys| {
                component_versions::pages(&b.db, scope, &keys).await
            }),
            manifests: Batch::of_publisher(base, async |b, scope, ids| {
                component_versions::manifests(&b.db, scope, &ids).await
            }),
            deletions: Batch::of_publisher(base, async |b, scope, ids| {
                package_uses::deletions(&b.db, scope, &ids).await
            }),
            packages_in_use: Batch::of_publisher(base, async |b, scope, ids| {
                Ok(package_uses::in_use(&b.db, scope, b.now, &ids).await?.into_iter().map(|id| (id, ())).collect())
            }),
            packs: Batch::of_publisher(base, async |b, scope, ids| packs::by_ids(&b.db, scope, &ids).await),
            pack_pages: Batch::of_publisher(base, async |b, scope, keys| {
                packs::pages(&b.db, scope, b.now, &keys).await
            }),
            moving: Batch::of_publisher(base, async |b, scope, ids| packs::moving(&b.db, scope, &ids).await),
            drafts: Batch::of_publisher(base, async |b, scope, of| drafts::of_packs(&b.db, scope, &of).await).knowing(
                base,
                |db, scope, of| match scope {
                    Scope::Publisher(scope) => drafts::known(db, scope, *of),
                    Scope::Managed(_) => None,
                },
            ),
            pack_versions: Batch::scoped(base, async |b, scope, ids| pack_versions::by_ids(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| pack_versions::known(db, scope, *id)),
            numbered_versions: Batch::of_publisher(base, async |b, scope, keys| {
                pack_versions::by_numbers(&b.db, scope, &keys).await
            }),
            pack_version_pages: Batch::of_publisher(base, async |b, scope, keys| {
                pack_versions::pages(&b.db, scope, &keys).await
            }),
            contents: Batch::scoped(base, async |b, scope, ids| pack_versions::contents(&b.db, scope, &ids).await)
                .knowing(base, |db, scope, id| pack_versions::known_content(db, scope, *id)),
            installation_counts: Batch::of_publisher(base, async |b, scope, ids| {
                pack_versions::installation_counts(&b.db, scope, &ids).await
            }),
            installation_totals: Batch::of_publisher(base, async |b, scope, ids| {
                installations::totals(&b.db, scope, &ids).await
            }),
            releases: Batch::scoped(base, async |b, scope, ids| releases::by_ids(&b.db, scope, &ids).await),
            release_pages: Batch::of_publisher(base, async |b, scope, keys| {
                releases::pages(&b.db, scope, b.now, &keys).await
            }),
            progress: Batch::of_publisher(base, async |b, scope, ids| releases::progress(&b.db, scope, &ids).await),
            spread: Batch::of_publisher(base, async |b, scope, of| {
                let found = adoption::spread(&b.db, scope, &of).await?;
                Ok(found.into_iter().map(|(of, spread)| (of, Arc::new(spread))).collect())
            }),
            spreads_at: Batch::of_publisher(base, async |b, scope, keys| {
                let found = adoption::spread_at(&b.db, scope, &keys).await?;
                Ok(found.into_iter().map(|(key, spread)| (key, Arc::new(spread))).collect())
            }),
            account_counts: Batch::of_publisher(base, async |b, scope, of| adoption::accounts(&b.db, scope, &of).await),
            frozen_counts: Batch::of_publisher(base, async |b, scope, of| adoption::frozen(&b.db, scope, &of).await),
            curves: Batch::of_publisher(base, async |b, scope, keys| curves::curves(&b.db, scope, &keys).await),
            retriable: Batch::of_publisher(base, async |b, scope, ids| releases::retriable(&b.db, scope, &ids).await),
        }
    }
}
