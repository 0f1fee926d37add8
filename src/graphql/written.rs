//! Parts of answers that are kept as they are written. A part stands in the answer's values as a number, and takes
//! its own place when the answer is written.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ContextSelectionSet, Pos, Value};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::domain::id::PackVersionId;
use crate::store::packs::drafts::DraftOf;

/// A part of an answer, as it is written.
pub type Part = Arc<RawValue>;

/// What a selection asks for, by a hash that nobody can find a second selection for.
type Asked = [u8; 32];

/// The parts of the answer to one request. Attached to requests whose answers may have parts.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    parts: Vec<Part>,
    /// What the selection at a place of the document asks for; `None` when its answer isn't kept.
    asked: Vec<(Pos, Option<Asked>)>,
}

impl Written {
    /// Whether the answer to a document may have parts: the framework merges values that stand under one name, and
    /// can't merge parts.
    #[must_use]
    pub fn suits(document: &ExecutableDocument) -> bool {
        document.operations.iter().all(|(_, operation)| merges_nothing(&operation.node.selection_set.node, document))
    }

    /// A part as it stands among the values.
    pub(super) fn put(&self, part: Part) -> Value {
        let mut state = self.lock();
        state.parts.push(part);
        let number = u32::try_from(state.parts.len() - 1).unwrap_or(u32::MAX);
        Value::Binary(number.to_be_bytes().to_vec().into())
    }

    /// The parts, in the order of their numbers.
    #[must_use]
    pub fn take(&self) -> Vec<Part> {
        std::mem::take(&mut self.lock().parts)
    }

    /// What the selection at hand asks for, as `read` finds it: once for each place of the document.
    pub(super) fn asked(
        &self,
        ctx: &ContextSelectionSet<'_>,
        read: impl FnOnce(&ContextSelectionSet<'_>, &mut Sha256) -> bool,
    ) -> Option<Asked> {
        let place = ctx.item.pos;
        let known = self.lock().asked.iter().find(|(pos, _)| *pos == place).map(|(_, asked)| *asked);
        known.unwrap_or_else(|| {
            let mut hash = Sha256::new();
            let asked = read(ctx, &mut hash).then(|| hash.finalize().into());
            self.lock().asked.push((place, asked));
            asked
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part that a value stands for.
#[must_use]
pub fn part_of<'a>(value: &Value, parts: &'a [Part]) -> Option<&'a Part> {
    let Value::Binary(number) = value else { return None };
    let number = u32::from_be_bytes(number[..].try_into().ok()?);
    parts.get(usize::try_from(number).ok()?)
}

/// Whether no two fields with selections of their own stand under one name. The gate has bounded what fragments
/// spread out to.
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

/// What the rows of a draft are told from, beside what never changes, and what is asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowsOf {
    pub(super) draft: DraftOf,
    pub(super) current: Option<PackVersionId>,
    pub(super) pending: Option<PackVersionId>,
    pub(super) only_with_newer_shareable: bool,
    pub(super) asked: Asked,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<RowsOf, Part> for Bytes {
    fn weight(&self, _: &RowsOf, part: &Part) -> u64 {
        256 + part.get().len() as u64
    }
}

/// The rows of drafts as they were written for answers, by all that they are told from: none is ever out of date.
pub struct Rendered(Cache<RowsOf, Part, Bytes>);

/// How many bytes of rows are kept.
const BYTES: u64 = 32 << 20;
/// About how many drafts these are.
const DRAFTS: usize = 10_000;

impl Default for Rendered {
    fn default() -> Self {
        Self(Cache::with_weighter(DRAFTS, BYTES, Bytes))
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
