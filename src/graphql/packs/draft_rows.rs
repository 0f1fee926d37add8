//! The field with a draft's rows. Its serialized answer is cached, and reused as long as the data that it depends on is
//! the same.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use sha2::{Digest as _, Sha256};

use crate::domain::packs::PackStanding;
use crate::graphql::context::ContextExt as _;
use crate::graphql::packs::pack_component::PackComponent;
use crate::graphql::written::{RowsOf, Written};
use crate::store::packs::drafts::DraftOf;

/// The rows of a draft, with the pack's standing.
pub struct DraftRows {
    pub(in crate::graphql) of: DraftOf,
    pub(in crate::graphql) standing: PackStanding,
    pub(in crate::graphql) only_with_newer_shareable: bool,
}

impl OutputType for DraftRows {
    fn type_name() -> Cow<'static, str> {
        Vec::<PackComponent>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<PackComponent>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<PackComponent>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let Some((written, selection_hash)) = selection_hash(ctx) else { return Box::pin(self.read(ctx, field)).await };
        let rows = RowsOf {
            draft: self.of,
            current: self.standing.current_version,
            pending: self.standing.pending.map(|pending| pending.version_id),
            only_with_newer_shareable: self.only_with_newer_shareable,
            selection_hash,
        };
        let rendered = &ctx.data_of_request().rendered;
        if let Some(part) = rendered.get(&rows) {
            return Ok(written.put(part));
        }
        // Boxed, so that this future is small when the answer is cached.
        let value = Box::pin(self.read(ctx, field)).await?;
        let has_failed = || ctx.query_env.errors.lock().map_or(true, |errors| !errors.is_empty());
        match serde_json::value::to_raw_value(&value) {
            // An answer with errors isn't cached, because the next read may succeed. Neither is one that was read
            // outside of a snapshot, because it may belong to another revision.
            Ok(part) if !has_failed() && ctx.data_of_request().loaders().packs.drafts.is_cached(&self.of) => {
                rendered.keep(rows, part.into());
            }
            _ => {}
        }
        Ok(value)
    }
}

impl DraftRows {
    async fn read(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let rows = PackComponent::draft(&ctx.data_of_request().loaders(), self.of, self.standing).await;
        let mut rows = rows.map_err(|error| ctx.set_error_path(error.into_server_error(field.pos)))?;
        rows.retain(|row| !self.only_with_newer_shareable || row.newer_shareable());
        OutputType::resolve(&rows, ctx, field).await
    }
}

/// The hash of the selection, if its answer can be cached: the answer may have parts, and the selected fields depend
/// only on the cache's key.
fn selection_hash<'a>(ctx: &'a ContextSelectionSet<'_>) -> Option<(&'a Written, [u8; 32])> {
    let written = ctx.data_opt::<Written>()?;
    let read = |ctx: &ContextSelectionSet<'_>, hash: &mut Sha256| never_changes(ctx, &ctx.item.node, Of::Row, hash);
    Some((written, written.selection_hash(ctx, read)?))
}

/// The kind of object that a selection belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Row,
    Component,
    Version,
}

impl Of {
    /// The kind of object that a field leads to; `Some(None)` for a scalar. `None` for a field whose value can change
    /// while the draft and the versions in force stay the same.
    fn under(self, field: &str) -> Option<Option<Self>> {
        match (self, field) {
            (_, "__typename") => Some(None),
            (Self::Row, "component") | (Self::Version, "component") => Some(Some(Self::Component)),
            (Self::Row, "inThisContent" | "current" | "pending" | "next" | "latestShareable") => {
                Some(Some(Self::Version))
            }
            (Self::Row, "newerShareableAvailable" | "pinned" | "markedForRemoval") => Some(None),
            (Self::Component, "id" | "name" | "type" | "createdAt") => Some(None),
            (Self::Version, "id" | "version" | "shareable" | "notes" | "createdAt" | "revision") => Some(None),
            _ => None,
        }
    }
}

/// Whether all selected fields depend only on the cache's key. The selection is added to the hash.
fn never_changes(ctx: &ContextSelectionSet<'_>, set: &SelectionSet, of: Of, hash: &mut Sha256) -> bool {
    // Names can't contain the characters between them, so different selections have different texts.
    hash.update("{");
    for selection in &set.items {
        let goes_on = match &selection.node {
            Selection::Field(Positioned { node: field, .. }) => {
                let Some(under) = of.under(&field.name.node) else { return false };
                let is_plain = field.arguments.is_empty() && field.directives.is_empty();
                hash.update(format!("{}:{},", field.response_key().node, field.name.node));
                is_plain && under.is_none_or(|under| never_changes(ctx, &field.selection_set.node, under, hash))
            }
            Selection::InlineFragment(Positioned { node: inline, .. }) => {
                let on = inline.type_condition.as_ref().map_or("", |condition| &condition.node.on.node);
                hash.update(format!("...{on}"));
                inline.directives.is_empty() && never_changes(ctx, &inline.selection_set.node, of, hash)
            }
            Selection::FragmentSpread(Positioned { node: spread, .. }) => {
                let Some(fragment) = ctx.query_env.fragments.get(&spread.fragment_name.node) else { return false };
                let fragment = &fragment.node;
                hash.update(format!("...{}", fragment.type_condition.node.on.node));
                spread.directives.is_empty() && never_changes(ctx, &fragment.selection_set.node, of, hash)
            }
        };
        if !goes_on {
            return false;
        }
    }
    hash.update("}");
    true
}
