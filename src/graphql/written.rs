//! Parts of answers that are cached in serialized form. Within the response's values, a placeholder with a number
//! stands for each part. It is replaced by the part when the answer is serialized.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ContextSelectionSet, Pos, Value};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::domain::id::PackVersionId;
use crate::store::packs::drafts::DraftOf;

/// A serialized part of an answer.
pub type Part = Arc<RawValue>;

/// A hash of a selection's content, which is safe against collisions.
type SelectionHash = [u8; 32];

/// The parts of one request's answer. Attached to requests whose answers may contain parts.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    parts: Vec<Part>,
    /// The hash of the selection at a position of the document; `None` if its answer isn't cached.
    hashes: Vec<(Pos, Option<SelectionHash>)>,
}

impl Written {
    /// Whether the answer to a document may contain parts. The framework merges values with the same name, and can't
    /// merge parts.
    #[must_use]
    pub fn allows_parts(document: &ExecutableDocument) -> bool {
        document.operations.iter().all(|(_, operation)| merges_nothing(&operation.node.selection_set.node, document))
    }

    /// Adds a part. Returns the value that stands for it.
    pub(super) fn put(&self, part: Part) -> Value {
        let mut state = self.lock();
        state.parts.push(part);
        let number = u32::try_from(state.parts.len() - 1).unwrap_or(u32::MAX);
        Value::Binary(number.to_be_bytes().to_vec().into())
    }

    /// Removes and returns the parts, in the order of their numbers.
    #[must_use]
    pub fn take(&self) -> Vec<Part> {
        std::mem::take(&mut self.lock().parts)
    }

    /// The hash of the current selection, computed by `read` once per position of the document.
    pub(super) fn selection_hash(
        &self,
        ctx: &ContextSelectionSet<'_>,
        read: impl FnOnce(&ContextSelectionSet<'_>, &mut Sha256) -> bool,
    ) -> Option<SelectionHash> {
        let position = ctx.item.pos;
        let computed =
            self.lock().hashes.iter().find(|(pos, _)| *pos == position).map(|(_, selection_hash)| *selection_hash);
        computed.unwrap_or_else(|| {
            let mut hash = Sha256::new();
            let selection_hash = read(ctx, &mut hash).then(|| hash.finalize().into());
            self.lock().hashes.push((position, selection_hash));
            selection_hash
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part that a value stands for, if it does.
#[must_use]
pub fn part_of<'a>(value: &Value, parts: &'a [Part]) -> Option<&'a Part> {
    let Value::Binary(number) = value else { return None };
    let number = u32::from_be_bytes(number[..].try_into().ok()?);
    parts.get(usize::try_from(number).ok()?)
}

/// Whether all fields with selections have different names within their set. The gate limits how far fragments expand,
/// so this search is bounded.
fn merges_nothing(set: &SelectionSet, document: &ExecutableDocument) -> bool {
    let mut names = Vec::new();
    let mut left = vec![set];
    while let Some(set) = left.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) if field.node.selection_set.node.items.is_empty() => {}
                Selection::Field(field) => {
                    let name = &field.node.response_key().node;
                    if names.contains(&name) || !merges_nothing(&field.node.selection_set.node, document) {
                        return false;
                    }
                    names.push(name);
                }
                Selection::InlineFragment(inline) => left.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let fragment = document.fragments.get(&spread.node.fragment_name.node);
                    left.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                }
            }
        }
    }
    true
}

/// The key of a draft's serialized rows: all data that the rows depend on, and the hash of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowsOf {
    pub(super) draft: DraftOf,
    pub(super) current: Option<PackVersionId>,
    pub(super) pending: Option<PackVersionId>,
    pub(super) only_with_newer_shareable: bool,
    pub(super) selection_hash: SelectionHash,
}

/// Weighs a part in a cache by its approximate memory.
#[derive(Clone)]
pub struct PartMemory;

impl<Key> Weighter<Key, Part> for PartMemory {
    fn weight(&self, _: &Key, part: &Part) -> u64 {
        256 + part.get().len() as u64
    }
}

/// A cache of drafts' rows in serialized form. The key contains everything they depend on, so no entry is ever
/// outdated.
pub struct Rendered(Cache<RowsOf, Part, PartMemory>);

/// The most bytes of cached rows.
const BYTES: u64 = 32 << 20;
/// The approximate number of drafts.
const DRAFTS: usize = 10_000;

impl Default for Rendered {
    fn default() -> Self {
        Self(Cache::with_weighter(DRAFTS, BYTES, PartMemory))
    }
}

impl Rendered {
    pub(super) fn get(&self, of: &RowsOf) -> Option<Part> {
        self.0.get(of)
    }

    pub(super) fn keep(&self, of: RowsOf, part: Part) {
        self.0.insert(of, part);
    }
}
