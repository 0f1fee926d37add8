//! Caches immutable rows, up to a limit. No entry can be outdated (R5, R22). Drafts can change, so they are cached with
//! their revision. Only reads outside of transactions fill the cache, so that it never has rows that were rolled back.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::{Weighter, sync};

use super::StoreResult;
use crate::domain::components::{Component, ComponentVersion, ManifestEntry};
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, PackId, PackVersionId};
use crate::domain::packs::{ContentItem, DraftRow, PackVersion};
use crate::metrics::CacheName;

/// A cached object, and the account that owns it.
pub(in crate::store) type Owned<T> = (AccountId, Arc<T>);

/// A cache of one type of immutable objects.
pub(in crate::store) struct OwnedCache<K, V>(sync::Cache<K, Owned<V>>);

/// The caches of one database, one for each type of object.
pub(in crate::store) struct Cache {
    /// Only components that are in a pack's version, because all others can be renamed or deleted (R69).
    pub(in crate::store) components: OwnedCache<ComponentId, Component>,
    pub(in crate::store) component_versions: OwnedCache<ComponentVersionId, ComponentVersion>,
    pub(in crate::store) manifests: OwnedCache<ComponentVersionId, Vec<ManifestEntry>>,
    pub(in crate::store) pack_versions: OwnedCache<PackVersionId, PackVersion>,
    pub(in crate::store) contents: OwnedCache<PackVersionId, Vec<ContentItem>>,
    pub(in crate::store) drafts: Drafts,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            components: OwnedCache(sync::Cache::new(20_000)),
            component_versions: OwnedCache(sync::Cache::new(50_000)),
            manifests: OwnedCache(sync::Cache::new(500)),
            pack_versions: OwnedCache(sync::Cache::new(20_000)),
            contents: OwnedCache(sync::Cache::new(2_000)),
            drafts: Drafts::default(),
        }
    }
}

/// The numbers of look-ups that found an object in a cache (hits), and that didn't (misses).
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookups {
    pub hits: u64,
    pub misses: u64,
}

impl Cache {
    /// The look-ups in each cache.
    pub(in crate::store) fn lookups(&self) -> [(CacheName, Lookups); 6] {
        [
            (CacheName::Components, self.components.lookups()),
            (CacheName::ComponentVersions, self.component_versions.lookups()),
            (CacheName::Manifests, self.manifests.lookups()),
            (CacheName::PackVersions, self.pack_versions.lookups()),
            (CacheName::Contents, self.contents.lookups()),
            (CacheName::Drafts, Lookups { hits: self.drafts.0.hits(), misses: self.drafts.0.misses() }),
        ]
    }
}

impl<K: Copy + Eq + Hash, V> OwnedCache<K, V> {
    fn lookups(&self) -> Lookups {
        Lookups { hits: self.0.hits(), misses: self.0.misses() }
    }

    /// The cached object, if it belongs to `owner`.
    pub(in crate::store) fn peek(&self, owner: AccountId, id: &K) -> Option<Arc<V>> {
        self.0.get(id).filter(|(of, _)| *of == owner).map(|(_, value)| value)
    }

    /// The objects among `ids` that belong to `owner`. Loads missing ones with `load`, which must filter by owner.
    pub(in crate::store) async fn get(
        &self,
        owner: AccountId,
        ids: &[K],
        load: impl AsyncFnOnce(Vec<K>) -> StoreResult<Vec<(K, V)>>,
    ) -> StoreResult<HashMap<K, Arc<V>>> {
        self.get_and_keep(owner, ids, load, |_| true).await
    }

    /// Like [`Self::get`], but keeps only objects that `never_change`.
    pub(in crate::store) async fn get_and_keep(
        &self,
        owner: AccountId,
        ids: &[K],
        load: impl AsyncFnOnce(Vec<K>) -> StoreResult<Vec<(K, V)>>,
        never_change: impl Fn(&V) -> bool,
    ) -> StoreResult<HashMap<K, Arc<V>>> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.0.get(id) {
                // Another owner's object is loaded like an unknown one, so that both take the same number of statements
                // (R3).
                Some((of, value)) if of == owner => {
                    found.insert(*id, value);
                }
                _ => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            for (id, value) in load(missing).await? {
                let value = Arc::new(value);
                if never_change(&value) {
                    self.0.insert(id, (owner, value.clone()));
                }
                found.insert(id, value);
            }
        }
        Ok(found)
    }
}

/// The most draft rows in the cache, over all packs.
const ROWS: u64 = 200_000;

/// A draft, with its pack's publisher and its revision.
#[derive(Clone)]
struct Draft(AccountId, i64, Arc<Vec<DraftRow>>);

#[derive(Clone)]
struct Rows;

impl Weighter<PackId, Draft> for Rows {
    fn weight(&self, _: &PackId, Draft(.., rows): &Draft) -> u64 {
        1 + rows.len() as u64
    }
}

/// The drafts of packs, each at the revision that was read last.
pub(in crate::store) struct Drafts(sync::Cache<PackId, Draft, Rows>);

impl Default for Drafts {
    fn default() -> Self {
        Self(sync::Cache::with_weighter(20_000, ROWS, Rows))
    }
}

impl Drafts {
    /// The draft of a publisher's pack, if this revision is cached.
    pub(in crate::store) fn peek(
        &self,
        publisher: AccountId,
        pack: PackId,
        revision: i64,
    ) -> Option<Arc<Vec<DraftRow>>> {
        let Draft(owner, at, rows) = self.0.get(&pack)?;
        (owner == publisher && at == revision).then_some(rows)
    }

    /// Caches a draft. The same statement must have read the revision.
    pub(in crate::store) fn keep(&self, publisher: AccountId, pack: PackId, revision: i64, rows: Arc<Vec<DraftRow>>) {
        self.0.insert(pack, Draft(publisher, revision, rows));
    }
}
