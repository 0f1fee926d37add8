//! Answers to introspection, kept: the schema is the same for as long as the process lives. Tools ask for all of
//! it whenever they start; who asks at the same time waits for the same answer.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::gate::{Checked, Prepared};

/// The document, the operation and the variables' values.
type Key = [u8; 32];

/// The `data` of an answer, as it is written.
pub(super) type Data = Arc<RawValue>;

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Data> for Bytes {
    fn weight(&self, _: &Key, data: &Data) -> u64 {
        256 + data.get().len() as u64
    }
}

/// Bounded by the bytes of the answers.
pub(super) struct Kept(Cache<Key, Data, Bytes>);

impl Kept {
    /// So few that the cache is in one part: an answer may be as large as all of it.
    const ITEMS: usize = 31;

    pub(super) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(Self::ITEMS, bytes, Bytes))
    }

    pub(super) fn key(checked: &Checked, prepared: &Prepared) -> Key {
        let mut hash = Sha256::new();
        hash.update(checked.hash);
        let rest = (&prepared.operation_name, Value::Object(prepared.variables.clone()));
        hash.update(serde_json::to_vec(&rest).unwrap_or_default());
        hash.finalize().into()
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.peek(key).is_some()
    }

    /// The answer that is kept; or what `make` makes, which is kept if it is `Ok`.
    pub(super) async fn get<E>(&self, key: &Key, make: impl Future<Output = Result<Data, E>>) -> Result<Data, E> {
        match self.0.get_value_or_guard_async(key).await {
            Ok(data) => Ok(data),
            Err(guard) => {
                let data = make.await?;
                // Fails only when the entry was removed meanwhile, and nothing removes one.
                let _ = guard.insert(data.clone());
                Ok(data)
            }
        }
    }
}
