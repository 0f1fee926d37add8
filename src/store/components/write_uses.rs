//! Finds the packs that have a component or contain a version of it.

use std::collections::BTreeMap;

use entity::{draft_row, integration_pack as pack, pack_version, pack_version_item as item};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use sea_orm::{DbErr, TryGetable as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::packs::DeploymentModel;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::packs::is_not_due;
use crate::store::{StoreResult, Tx};

/// The packs of each of these components: their draft or their stored current or pending version has it, and they have
/// the deployment model. A component in no pack is absent.
pub async fn packs_with(
    tx: &Tx,
    components: &[ComponentId],
    model: DeploymentModel,
) -> StoreResult<BTreeMap<ComponentId, Vec<PackId>>> {
    let is_named = |column: Expr| tx.any_of(column, components.iter().map(|id| Uuid::from(*id)));
    let of_model = || col(pack::Column::DeploymentModel).eq(model.stored());
    let (in_draft, in_item) = (col(draft_row::Column::ComponentId), col(item::Column::ComponentId));
    let stored = pending().or(current());
    let drafts = rows([in_draft.clone(), pack_id()], is_named(in_draft).and(of_model()));
    let in_force = items([in_item.clone(), pack_id()], is_named(in_item).and(of_model()).and(stored));
    let select = union(drafts, in_force);
    let mut found: BTreeMap<ComponentId, Vec<PackId>> = BTreeMap::new();
    for row in tx.conn().query_all(&select).await? {
        let id = |index| Uuid::try_get_by_index(&row, index).map_err(DbErr::from);
        found.entry(id(0)?.into()).or_default().push(id(1)?.into());
    }
    for packs in found.values_mut() {
        packs.sort_unstable();
        packs.dedup();
    }
    Ok(found)
}

/// The packs whose current version or pending release at `now` contains the version, or whose draft is pinned to it
/// (R8). Ordered by name, at most `limit`.
pub async fn packs_holding(tx: &Tx, version: ComponentVersionId, now: Instant, limit: u64) -> StoreResult<Vec<PackId>> {
    let version = Uuid::from(version);
    // When the window opens, the pending version becomes the current one, and the former is out of force (R30).
    let pinned = rows([pack_id()], col(draft_row::Column::PinnedVersionId).eq(version));
    let is_in_force =
        col(item::Column::ComponentVersionId).eq(version).and(pending().or(current().and(is_not_due(now))));
    let holding = union(pinned, items([pack_id()], is_in_force));
    let found: Vec<Uuid> = pack::Entity::find()
        .select_only()
        .column(pack::Column::Id)
        .filter(col(pack::Column::Id).in_subquery(holding))
        .order_by_asc(pack::Column::NameKey)
        .order_by_asc(pack::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

fn pack_id() -> Expr {
    col(pack::Column::Id)
}

/// Whether the joined pack version is its pack's stored pending version.
fn pending() -> Expr {
    col(pack::Column::PendingVersionId).eq(col(pack_version::Column::Id))
}

/// Whether the joined pack version is its pack's stored current version.
fn current() -> Expr {
    col(pack::Column::CurrentVersionId).eq(col(pack_version::Column::Id))
}

fn union(mut one: SelectStatement, other: SelectStatement) -> SelectStatement {
    one.union(UnionType::All, other).take()
}

/// Selects `what` from draft rows, joined with their packs, that meet the condition `like`.
fn rows<const N: usize>(what: [Expr; N], like: Expr) -> SelectStatement {
    Query::select()
        .exprs(what)
        .from(draft_row::Entity)
        .inner_join(pack::Entity, pack_id().eq(col(draft_row::Column::PackId)))
        .and_where(like)
        .and_where(col(pack::Column::DeletedAt).is_null())
        .take()
}

/// Selects `what` from items of pack versions, joined with their packs, that meet the condition `like`. The joins lead
/// from items to packs by primary key, so that the database reads no other packs.
fn items<const N: usize>(what: [Expr; N], like: Expr) -> SelectStatement {
    Query::select()
        .exprs(what)
        .from(item::Entity)
        .inner_join(pack_version::Entity, col(pack_version::Column::Id).eq(col(item::Column::PackVersionId)))
        .inner_join(pack::Entity, pack_id().eq(col(pack_version::Column::PackId)))
        .and_where(like)
        .and_where(col(pack::Column::DeletedAt).is_null())
        .take()
}
