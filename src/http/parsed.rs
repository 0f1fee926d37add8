//! Documents as the framework parses them, kept: a client sends the same few again and again.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::gate::Checked;
use crate::graphql::Written;

/// A document by the hash of its text.
type Key = [u8; 32];

/// A document that the framework can execute.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) parsed: Arc<ExecutableDocument>,
    /// Whether its answer may have parts.
    pub(super) suits_parts: bool,
    /// The length of its text.
    length: usize,
}

/// How many bytes a parsed document takes for each of its text's, and not fewer: a field of two bytes is a selection
/// of some hundred.
const BYTES: usize = 128;

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Document> for Bytes {
    fn weight(&self, _: &Key, document: &Document) -> u64 {
        (1_024 + document.length * BYTES) as u64
    }
}

/// Bounded by the bytes of the documents.
pub(super) struct Parsed(Cache<Key, Document, Bytes>);

impl Parsed {
    /// About how many documents there is room for.
    const ITEMS: usize = 64;

    pub(super) fn new(bytes: u64) -> Self {
        Self(Cache::with_weighter(Self::ITEMS, bytes, Bytes))
    }

    /// The document as the gate printed it; `None` for one that the framework can't read.
    pub(super) fn get(&self, checked: &Checked) -> Option<Document> {
        if let Some(document) = self.0.get(&checked.hash) {
            return Some(document);
        }
        let printed = &checked.verdict.as_ref().ok()?.printed;
        let parsed = parse_query(printed).ok()?;
        let suits_parts = Written::suits(&parsed);
        let document = Document { parsed: Arc::new(parsed), suits_parts, length: printed.len() };
        self.0.insert(checked.hash, document.clone());
        Some(document)
    }
}
