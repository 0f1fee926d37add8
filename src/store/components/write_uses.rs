//! Which packs have a component, and which hold a version of it.

use std::collections::BTreeMap;

use entity::{draft_row, integration_pack as pack, pack_version, pack_version_item as item};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use sea_orm::{DbErr, TryGetable as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::packs::DeploymentModel;
use crate::store::convert::Stored as _;
use crate::store::{StoreResult, Tx};

fn col<C: ColumnTrait>(column: C) -> Expr {
    column.into_expr()
}

/// The packs of a deployment model whose draft or content in force holds one of the components.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn packs_with(
    tx: &Tx,
    components: &[ComponentId],
    model: DeploymentModel,
) -> StoreResult<BTreeMap<ComponentId, Vec<PackId>>> {
    let wanted = |column: Expr| tx.among(column, components.iter().map(|id| Uuid::from(*id)));
    let of_model = || col(pack::Column::DeploymentModel).eq(model.stored());
    let (in_draft, in_item) = (col(draft_row::Column::ComponentId), col(item::Column::ComponentId));
    let stored = pending().or(current());
    let drafts = rows([in_draft.clone(), pack_id()], wanted(in_draft).and(of_model()));
    let in_force = items([in_item.clone(), pack_id()], wanted(in_item).and(of_model()).and(stored));
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

/// The packs whose current version or pending release at `now` holds the version, or whose draft is pinned
/// to it (R8): by name, at most as many as `limit`.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn packs_holding(tx: &Tx, version: ComponentVersionId, now: Instant, limit: u64) -> StoreResult<Vec<PackId>> {
    let version = Uuid::from(version);
    // From a window's start on the pending version is the current one, and the former is out of force (R30).
    let not_due = col(pack::Column::PendingStartsAt).is_null().or(col(pack::Column::PendingStartsAt).gt(now));
    let pinned = rows([pack_id()], col(draft_row::Column::PinnedVersionId).eq(version));
    let held = col(item::Column::ComponentVersionId).eq(version).and(pending().or(current().and(not_due)));
    let holding = union(pinned, items([pack_id()], held));
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

/// Whether the pack version at hand is the stored pending one of its pack.
fn pending() -> Expr {
    col(pack::Column::PendingVersionId).eq(col(pack_version::Column::Id))
}

/// Whether it is the stored current one.
fn current() -> Expr {
    col(pack::Column::CurrentVersionId).eq(col(pack_version::Column::Id))
}

fn union(mut one: SelectStatement, other: SelectStatement) -> SelectStatement {
    one.union(UnionType::All, other).take()
}

/// What is asked of the draft rows like that, and of their packs.
fn rows<const N: usize>(what: [Expr; N], like: Expr) -> SelectStatement {
    Query::select()
        .exprs(what)
        .from(draft_row::Entity)
        .inner_join(pack::Entity, pack_id().eq(col(draft_row::Column::PackId)))
        .and_where(like)
        .and_where(col(pack::Column::DeletedAt).is_null())
        .take()
}

/// The same of the items like that of pack versions. From the items to their packs by key: no pack of
/// others is read.
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
