//! The loaders: what resolvers ask for one by one is read in batches. One set for each request, each
//! field of a mutation and each event of a subscription; all of a set is told at one instant, from one state of
//! the database.

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
use crate::store::components::uses as package_uses;
use crate::store::components::versions::VersionsKey;
use crate::store::components::{read as components, versions as component_versions};
use crate::store::installations::adoption::{AdoptionOf, CurveKey, Spread};
use crate::store::installations::{adoption, read as installations};
use crate::store::packs::drafts::DraftOf;
use crate::store::packs::read::PacksKey;
use crate::store::packs::{drafts, read as packs, versions as pack_versions};
use crate::store::page::{Page, PageRequest};
use crate::store::releases::read as releases;
use crate::store::releases::read::{FoundRelease, ReleaseFilter};
use crate::store::scope::{ManagedScope, PublisherScope, Scope};
use crate::store::{Db, StoreResult};

/// The most keys of a batch: both databases take as many parameters in a statement.
const BATCH_MAX: usize = 5_000;

/// What every batch needs.
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

/// One batch function behind a door that waits for the other resolvers of the same step.
pub struct Batch<K: Eq + Hash + Clone, V: Clone> {
    read: Arc<Read<K, V>>,
    /// Made when it is first asked: most requests ask few.
    loader: OnceLock<Loader<K, Answer<V>, Run<K, V>>>,
    known: Option<Box<Known<K, V>>>,
}

/// How often the other resolvers of a step get their turn before a batch is read. A step of many takes more than one:
/// the runtime lets a task do so much at a time.
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
    /// A batch function over what every batch needs.
    pub fn new<F>(base: &Base, read: impl Fn(Base, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        let base = base.clone();
        let read = Arc::new(move |keys| read(base.clone(), keys).boxed());
        Self { read, loader: OnceLock::new(), known: None }
    }

    /// The same with a look at what the process knows already: what is there needs no batch.
    #[must_use]
    pub fn knowing(self, base: &Base, known: impl Fn(&Db, Scope, &K) -> Option<V> + Send + Sync + 'static) -> Self {
        let base = base.clone();
        Self { known: Some(Box::new(move |key| known(&base.db, base.scope?, key))), ..self }
    }

    /// One that reads in a publisher's scope; without one it finds nothing.
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

    /// One that reads in a managed account's scope; without one it finds nothing.
    pub fn of_managed<F>(base: &Base, read: impl Fn(Base, ManagedScope, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(base, move |base, keys| match base.scope {
            Some(Scope::Managed(scope)) => read(base, scope, keys).boxed(),
            _ => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// One that reads in either scope; without one it finds nothing.
    pub fn scoped<F>(base: &Base, read: impl Fn(Base, Scope, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StoreResult<HashMap<K, V>>> + Send + 'static,
    {
        Self::new(base, move |base, keys| match base.scope {
            Some(scope) => read(base, scope, keys).boxed(),
            None => std::future::ready(Ok(HashMap::new())).boxed(),
        })
    }

    /// What the key names, if anything.
    ///
    /// # Errors
    /// What the batch failed with.
    pub async fn one(&self, key: K) -> Result<Option<V>, Failure> {
        if let Some(known) = self.known.as_ref().and_then(|known| known(&key)) {
            return Ok(Some(known));
        }
        // When the resolver that drives a batch is dropped (a sibling failed, a client left), the batch is
        // lost and the others hear that there is no answer: they ask once more, and drive it themselves.
        let loader = self.loader();
        match loader.try_load(key.clone()).await {
            Ok(answer) => answer,
            Err(_) => loader.try_load(key).await.map_err(|e| Failure::bug(e.to_string()))?,
        }
    }

    /// Whether what the key names is known without a batch.
    pub fn is_known(&self, key: &K) -> bool {
        self.known.as_ref().is_some_and(|known| known(key).is_some())
    }

    fn loader(&self) -> &Loader<K, Answer<V>, Run<K, V>> {
        self.loader
            .get_or_init(|| Loader::new(Run(self.read.clone())).with_max_batch_size(BATCH_MAX).with_yield_count(TURNS))
    }

    /// What the key names, and must name.
    ///
    /// # Errors
    /// What the batch failed with; a fault when there is nothing.
    pub async fn must(&self, key: K) -> Result<V, Failure> {
        let found = self.one(key.clone()).await?;
        found.ok_or_else(|| Failure::bug(format!("nothing is known of {key:?}")))
    }

    /// What the keys name, in their order; what names nothing is left out.
    ///
    /// # Errors
    /// What a batch failed with.
    pub async fn many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<V>, Failure> {
        let found = futures_util::future::try_join_all(keys.into_iter().map(|key| self.one(key))).await?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// One set of loaders.
pub struct Loaders {
    base: Arc<Base>,
    /// What only a publisher reads, and what both readers reach through what they may see.
    pub publisher: Room<PublisherLoaders>,
    /// Accounts, groups, installations, and what a managed account reads.
    pub managed: Room<ManagedLoaders>,
    pub logs: Room<LogLoaders>,
    /// The process library.
    pub library: Room<LibraryLoaders>,
}

/// The loaders of one room, made when one of them is first asked.
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
    /// A set for a caller, at the clock's instant.
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

    /// The instant that everything of this set is told at.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.base.now
    }

    /// The database in the state that all of this set is told from, for what is read once.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.base.db
    }
}

/// What a publisher reads; and, of its versions, contents and releases, what a managed account reaches
/// through its own.
pub struct PublisherLoaders {
    pub components: Batch<ComponentId, Arc<Component>>,
    /// The newest versions of a component that packs may hold.
    pub latest: Batch<ComponentId, components::Latest>,
    pub component_versions: Batch<ComponentVersionId, Arc<ComponentVersion>>,
    pub component_version_pages: Batch<VersionsKey, Page<Arc<ComponentVersion>>>,
    pub manifests: Batch<ComponentVersionId, Arc<Vec<ManifestEntry>>>,
    /// When a package was deleted that is.
    pub deletions: Batch<ComponentVersionId, Instant>,
    /// Packages that can't be deleted now (R8).
    pub packages_in_use: Batch<ComponentVersionId, ()>,
    pub packs: Batch<PackId, Arc<Pack>>,
    pub pack_pages: Batch<PacksKey, Page<Arc<Pack>>>,
    /// The release by which a pack's installations are being moved (R49).
    pub moving: Batch<PackId, ReleaseId>,
    pub drafts: Batch<DraftOf, Arc<Vec<DraftRow>>>,
    pub pack_versions: Batch<PackVersionId, Arc<PackVersion>>,
    pub numbered_versions: Batch<(PackId, i32), Arc<PackVersion>>,
    pub pack_version_pages: Batch<(PackId, PageRequest), Page<Arc<PackVersion>>>,
    pub contents: Batch<PackVersionId, Arc<Vec<ContentItem>>>,
    /// A version that no installation has has none.
    pub installation_counts: Batch<PackVersionId, i64>,
    pub installation_totals: Batch<PackId, i64>,
    /// Those of deleted packs too.
    pub releases: Batch<ReleaseId, FoundRelease>,
    pub release_pages: Batch<(ReleaseFilter, PageRequest), Page<Arc<Release>>>,
    pub progress: Batch<ReleaseId, Progress>,
    /// What has no installation has none of these three.
    pub spread: Batch<AdoptionOf, Arc<Spread>>,
    /// What a pack's installations were at an instant; a pack that had none then has none.
    pub spreads_at: Batch<(PackId, Instant), Arc<Spread>>,
    pub account_counts: Batch<AdoptionOf, i64>,
    pub frozen_counts: Batch<AdoptionOf, i64>,
    pub curves: Batch<CurveKey, Vec<CurvePoint>>,
    /// How many failed updates of a release can be tried again; a release without any has none.
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
            curves: Batch::of_publisher(base, async |b, scope, keys| adoption::curves(&b.db, scope, &keys).await),
            retriable: Batch::of_publisher(base, async |b, scope, ids| releases::retriable(&b.db, scope, &ids).await),
        }
    }
}
