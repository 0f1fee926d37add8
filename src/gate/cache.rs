//! A cache of verdicts, because clients send the same few documents again and again. It is limited by memory. The key
//! is a SHA-256 hash, so that nobody can make a text that gets the verdict of another.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::Weighter;
use sha2::{Digest as _, Sha256};

use super::{Document, Objection};

/// A verdict on one text.
#[derive(Debug)]
pub struct Checked {
    pub hash: [u8; 32],
    /// The document, or why it can't be executed.
    pub verdict: Result<Document, Vec<Objection>>,
    registered: AtomicBool,
}

impl Checked {
    /// Lets clients name the document by its hash, while it is in the cache.
    pub(super) fn register(&self) {
        self.registered.store(true, Ordering::Relaxed);
    }
}

/// The cache of verdicts, by the hash of the text. When it is full, the least useful verdicts are evicted.
pub(super) struct Cache(quick_cache::sync::Cache<[u8; 32], Arc<Checked>, VerdictMemory>);

/// Weighs a verdict by its approximate memory.
#[derive(Clone)]
struct VerdictMemory;

impl Weighter<[u8; 32], Arc<Checked>> for VerdictMemory {
    fn weight(&self, _: &[u8; 32], checked: &Arc<Checked>) -> u64 {
        let of_verdict = match &checked.verdict {
            Ok(document) => document.bytes(),
            Err(objections) => objections.iter().map(|objection| 128 + objection.message.capacity()).sum(),
        };
        (256 + of_verdict) as u64
    }
}

impl Cache {
    /// A typical verdict's size in bytes.
    const USUAL: u64 = 2_048;

    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / Self::USUAL).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self(quick_cache::sync::Cache::with_weighter(items, bytes, VerdictMemory))
    }

    /// The hits and the misses.
    pub(super) fn lookups(&self) -> (u64, u64) {
        (self.0.hits(), self.0.misses())
    }

    /// The approximate memory of the cached verdicts, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    /// The cached verdict on a text, else the one of `judge`, which is then cached.
    pub(super) fn get_or_judge(
        &self,
        text: &str,
        judge: impl FnOnce() -> Result<Document, Vec<Objection>>,
    ) -> Arc<Checked> {
        let hash = sha256(text);
        let checked = || Arc::new(Checked { hash, verdict: judge(), registered: AtomicBool::new(false) });
        // Concurrent requests for one text wait for the same verdict. A second one would replace the first and forget
        // that the document was registered.
        let Ok(checked) = self.0.get_or_insert_with(&hash, || Ok::<_, Infallible>(checked()));
        checked
    }

    /// The cached verdict that clients may name by this hash: its document was sent together with its hash before.
    pub(super) fn registered(&self, hash: &[u8; 32]) -> Option<Arc<Checked>> {
        self.0.get(hash).filter(|checked| checked.registered.load(Ordering::Relaxed))
    }
}

/// The hash that identifies a document.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
