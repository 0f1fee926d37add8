//! Reads of the changeable facts about packages: whether a package is deleted, and whether it is in use (R8). They are
//! never cached.

use std::collections::{HashMap, HashSet};

use entity::{
    component_version as version, draft_row, integration_pack as pack, library_process, pack_version,
    pack_version_item as item,
};
use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, TryGetable as _};

use crate::domain::Instant;
use crate::domain::id::ComponentVersionId;
use crate::store::column::col;
use crate::store::library::is_offered;
use crate::store::packs::is_not_due;
use crate::store::page::checked;
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult};

/// The times of deletion of these packages. A package that isn't deleted is absent.
pub async fn deletions(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, Instant>> {
    let rows: Vec<(Uuid, Option<DateTimeUtc>)> = version::Entity::find()
        .select_only()
        .column(version::Column::Id)
        .column(version::Column::DeletedAt)
        .filter(snapshot.any_of(col(version::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(version::Column::OwnerId).eq(snapshot.scope().publisher_id().0)))
        .filter(col(version::Column::DeletedAt).is_not_null())
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().filter_map(|(id, at)| Some((id.into(), at?))).collect())
}

/// The packages among `ids` that can't be deleted at `now`: a pack's current version or pending release contains the
/// package, a draft is pinned to it, or the process library offers it.
pub async fn in_use(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashSet<ComponentVersionId>> {
    let select = pinned(snapshot, ids)
        .union(UnionType::All, in_force(snapshot, ids))
        .union(UnionType::All, in_library(snapshot, ids))
        .take();
    let rows = snapshot.conn().query_all(&select).await?;
    rows.iter().map(|row| Ok(Uuid::try_get_by_index(row, 0).map_err(DbErr::from)?.into())).collect()
}

/// A pack of the publisher that isn't deleted.
fn own(scope: PublisherScope) -> Expr {
    checked(col(pack::Column::PublisherId).eq(scope.publisher_id().0).and(col(pack::Column::DeletedAt).is_null()))
}

fn pinned(snapshot: &Snapshot<PublisherScope>, ids: &[ComponentVersionId]) -> SelectStatement {
    Query::select()
        .column((draft_row::Entity, draft_row::Column::PinnedVersionId))
        .from(draft_row::Entity)
        .inner_join(pack::Entity, col(pack::Column::Id).eq(col(draft_row::Column::PackId)))
        .and_where(snapshot.any_of(col(draft_row::Column::PinnedVersionId), ids.iter().map(|id| id.0)))
        .and_where(own(snapshot.scope()))
        .take()
}

fn in_library(snapshot: &Snapshot<PublisherScope>, ids: &[ComponentVersionId]) -> SelectStatement {
    Query::select()
        .column((library_process::Entity, library_process::Column::ComponentVersionId))
        .from(library_process::Entity)
        .and_where(snapshot.any_of(col(library_process::Column::ComponentVersionId), ids.iter().map(|id| id.0)))
        .and_where(checked(col(library_process::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .and_where(is_offered())
        .take()
}

fn in_force(snapshot: &Snapshot<PublisherScope>, ids: &[ComponentVersionId]) -> SelectStatement {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let is = |column| col(column).eq(col(pack_version::Column::Id));
    // When the window opens, the pending version becomes the current one (R30).
    Query::select()
        .column((item::Entity, item::Column::ComponentVersionId))
        .from(item::Entity)
        .inner_join(pack_version::Entity, col(pack_version::Column::Id).eq(col(item::Column::PackVersionId)))
        .inner_join(pack::Entity, col(pack::Column::Id).eq(col(pack_version::Column::PackId)))
        .and_where(snapshot.any_of(col(item::Column::ComponentVersionId), ids.iter().map(|id| id.0)))
        .and_where(own(scope))
        .and_where(is(pack::Column::PendingVersionId).or(is(pack::Column::CurrentVersionId).and(is_not_due(now))))
        .take()
}
