//! A cache of introspection answers: the schema never changes while the process lives, and tools query all of it
//! whenever they start. Concurrent identical requests wait for one answer.

use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::gate::{Checked, Prepared};
use crate::graphql::{Part, PartMemory};
use crate::metrics::CacheName;

/// A hash of the document, the operation's name and the variables.
type Key = [u8; 32];

/// The cache, bounded by the bytes of the answers.
pub(super) struct Introspections(Cache<Key, Part, PartMemory>);

impl Introspections {
    /// So small a number keeps the cache in a single shard, so that one answer may use all of it.
    const ITEMS: usize = 31;

    pub(super) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(Self::ITEMS, bytes, PartMemory))
    }

    /// The key of a request's answer.
    pub(super) fn key(checked: &Checked, prepared: &Prepared) -> Key {
        let mut hash = Sha256::new();
        hash.update(checked.hash);
        let rest = (&prepared.operation_name, Value::Object(prepared.variables.clone()));
        hash.update(serde_json::to_vec(&rest).unwrap_or_default());
        hash.finalize().into()
    }

    /// The hits and the misses of the cache.
    pub(super) fn lookups(&self) -> (CacheName, u64, u64) {
        (CacheName::Introspection, self.0.hits(), self.0.misses())
    }

    /// Whether the answer is cached. Asking doesn't count as a use.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.peek(key).is_some()
    }

    /// The cached `data` of an answer, or else the one that `make` computes. Only `Ok` is cached.
    pub(super) async fn get<E>(&self, key: &Key, make: impl Future<Output = Result<Part, E>>) -> Result<Part, E> {
        match self.0.get_value_or_guard_async(key).await {
            Ok(data) => Ok(data),
            Err(guard) => {
                let data = make.await?;
                // Fails only when the entry was removed meanwhile, and nothing removes entries.
                let _ = guard.insert(data.clone());
                Ok(data)
            }
        }
    }
}
