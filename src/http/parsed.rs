//! A cache of documents that the framework has parsed, because clients send the same few again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::gate::Checked;
use crate::graphql::Written;
use crate::metrics::CacheName;

/// The hash of a document's text.
type Key = [u8; 32];

/// A document that the framework can execute.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) parsed: Arc<ExecutableDocument>,
    /// Whether its answer may contain serialized parts.
    pub(super) allows_parts: bool,
    pub(super) reads: Arc<Reads>,
    /// The bytes of its printed text.
    length: usize,
}

/// How many executions of a document have read at most once, in a row up to the last one.
#[derive(Default)]
pub(super) struct Reads(AtomicU32);

impl Reads {
    /// How many such executions in a row it takes until the next one is expected to read once, too. The number is high,
    /// because a wrong guess executes the request twice and charges its caller twice.
    const IN_A_ROW: u32 = 8;

    /// Whether the next execution will probably read at most once.
    pub(super) fn expect_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::IN_A_ROW
    }

    /// Records how often an execution has read.
    pub(super) fn record(&self, reads: u32) {
        if reads > 1 {
            self.0.store(0, Ordering::Relaxed);
        } else if !self.expect_one() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The memory of a parsed document per byte of its text: a field of two bytes becomes a selection of some hundred
/// bytes.
const BYTES: usize = 128;

/// Weighs a document by its approximate memory.
#[derive(Clone)]
struct DocumentMemory;

impl Weighter<Key, Document> for DocumentMemory {
    fn weight(&self, _: &Key, document: &Document) -> u64 {
        (1_024 + document.length * BYTES) as u64
    }
}

/// The cache, bounded by the memory of the documents.
pub(super) struct Parsed(Cache<Key, Document, DocumentMemory>);

impl Parsed {
    /// The approximate number of documents that fit.
    const ITEMS: usize = 64;

    pub(super) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(Self::ITEMS, bytes, DocumentMemory))
    }

    /// The hits and the misses of the cache.
    pub(super) fn lookups(&self) -> (CacheName, u64, u64) {
        (CacheName::Parsed, self.0.hits(), self.0.misses())
    }

    /// The parsed document that the gate printed; `None` if the framework can't parse it.
    pub(super) fn get(&self, checked: &Checked) -> Option<Document> {
        if let Some(document) = self.0.get(&checked.hash) {
            return Some(document);
        }
        let printed = &checked.verdict.as_ref().ok()?.printed;
        let parsed = parse_query(printed).ok()?;
        let allows_parts = Written::allows_parts(&parsed);
        let document =
            Document { parsed: Arc::new(parsed), allows_parts, reads: Arc::default(), length: printed.len() };
        self.0.insert(checked.hash, document.clone());
        Some(document)
    }
}
