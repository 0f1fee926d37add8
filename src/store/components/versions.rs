//! Reads of packages with their manifests, and of publications, for their publisher.

use std::collections::HashMap;
use std::sync::Arc;

use entity::{component, component_version as version, manifest_entry, pack_version, pack_version_item as item};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order as Way, Query, SelectStatement, SubQueryStatement};
use sea_orm::{ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QueryTrait as _};

use crate::domain::components::{ComponentType, ComponentVersion, ManifestEntry, VersionKind};
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::store::column::col;
use crate::store::components::read::of_types;
use crate::store::convert::{Stored as _, from_json};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult, convert, page};

/// The versions with these ids, including deleted ones.
pub async fn by_ids(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, Arc<ComponentVersion>>> {
    let owner = snapshot.scope().publisher_id();
    let load = async |ids: Vec<ComponentVersionId>| {
        let rows = version::Entity::find()
            .filter(snapshot.any_of(col(version::Column::Id), ids.iter().map(|id| id.0)))
            .filter(checked(col(version::Column::OwnerId).eq(owner.0)))
            .all(snapshot.conn())
            .await?;
        rows.into_iter().map(|row| Ok((row.id.into(), convert::component_version(row)?))).collect()
    };
    snapshot.cache().component_versions.get(owner, ids, load).await
}

/// A version from the cache, without a query.
#[must_use]
pub fn cached(snapshot: &Snapshot<PublisherScope>, id: ComponentVersionId) -> Option<Arc<ComponentVersion>> {
    snapshot.cache().component_versions.peek(snapshot.scope().publisher_id(), &id)
}

/// The manifests of these versions, in the order in which the entries were given.
pub async fn manifests(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, Arc<Vec<ManifestEntry>>>> {
    let owner = snapshot.scope().publisher_id();
    let load = async |ids: Vec<ComponentVersionId>| {
        let of_owner = Query::select()
            .column(version::Column::Id)
            .from(version::Entity)
            .and_where(snapshot.any_of(col(version::Column::Id), ids.iter().map(|id| id.0)))
            .and_where(checked(col(version::Column::OwnerId).eq(owner.0)))
            .take();
        let rows = manifest_entry::Entity::find()
            .filter(col(manifest_entry::Column::ComponentVersionId).in_subquery(of_owner))
            .order_by_asc(manifest_entry::Column::Position)
            .all(snapshot.conn())
            .await?;
        let mut manifests: HashMap<ComponentVersionId, Vec<ManifestEntry>> = HashMap::new();
        for row in rows {
            let entry = ManifestEntry {
                component_id: row.component_id.into(),
                revision: row.revision,
                extensibility: from_json(&row.extensibility)?,
            };
            manifests.entry(row.component_version_id.into()).or_default().push(entry);
        }
        Ok(manifests.into_iter().collect())
    };
    snapshot.cache().manifests.get(owner, ids, load).await
}

/// For each of these versions, which a pack's next release would contain: the version of the same component and kind
/// with the highest numeric label above its own that is shareable, isn't deleted, and was never in a version of the
/// pack (R34). A version without a higher one is absent.
pub async fn higher_unreleased(
    snapshot: &Snapshot<PublisherScope>,
    pack: PackId,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, ComponentVersionId>> {
    let (next, higher) = (Alias::new("next"), Alias::new("higher"));
    let of = |table: &Alias, column: version::Column| Expr::col((table.clone(), column));
    let is_held = Query::select()
        .expr(Expr::val(1))
        .from(item::Entity)
        .inner_join(pack_version::Entity, col(pack_version::Column::Id).eq(col(item::Column::PackVersionId)))
        .and_where(col(item::Column::ComponentVersionId).eq(of(&higher, version::Column::Id)))
        .and_where(col(pack_version::Column::PackId).eq(pack.0))
        .take();
    let highest = Query::select()
        .expr(of(&higher, version::Column::Id))
        .from_as(version::Entity, higher.clone())
        .and_where(of(&higher, version::Column::ComponentId).eq(of(&next, version::Column::ComponentId)))
        .and_where(of(&higher, version::Column::NumericKey).gt(of(&next, version::Column::NumericKey)))
        .and_where(of(&higher, version::Column::Kind).eq(of(&next, version::Column::Kind)))
        .and_where(of(&higher, version::Column::Shareable).eq(true))
        .and_where(of(&higher, version::Column::DeletedAt).is_null())
        .and_where(Expr::exists(is_held).not())
        .order_by_expr(of(&higher, version::Column::NumericKey), Way::Desc)
        .limit(1)
        .take();
    let found = Query::select()
        .expr_as(of(&next, version::Column::Id), "next")
        .expr_as(Expr::from(SubQueryStatement::from(highest)), "higher")
        .from_as(version::Entity, next.clone())
        .and_where(snapshot.any_of(of(&next, version::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(of(&next, version::Column::OwnerId).eq(snapshot.scope().publisher_id().0)))
        .take();
    let rows = snapshot.conn().query_all(&found).await?;
    let rows = rows.iter().map(|row| Ok((row.try_get("", "next")?, row.try_get("", "higher")?)));
    let rows: Vec<(Uuid, Option<Uuid>)> = rows.collect::<Result<_, DbErr>>()?;
    Ok(rows.into_iter().filter_map(|(next, higher)| Some((next.into(), higher?.into()))).collect())
}

/// A filter on packages, or on publications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VersionFilter {
    pub kind: VersionKind,
    /// A text that the component's name or the version's label contains.
    pub search: Option<String>,
    pub component: Option<ComponentId>,
    /// Types of the component.
    pub types: Option<Vec<ComponentType>>,
    pub shareable: Option<bool>,
    /// Include deleted versions (R8).
    pub include_deleted: bool,
}

/// The order of a list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionOrder {
    Created {
        descending: bool,
    },
    /// By the component's name; newest first within a name.
    ComponentName {
        descending: bool,
    },
    /// Publications, newest first.
    Published,
}

impl VersionOrder {
    /// The default order.
    pub const NEWEST: Self = Self::Created { descending: true };

    /// The form of cursors into lists in this order.
    #[must_use]
    pub fn form(self) -> CursorForm {
        use KeyKind::{Id, Instant, Text};
        match self {
            Self::Created { descending } => CursorForm::new("package", &[Instant, Id]).reversed(descending),
            Self::Published => CursorForm::new("publication", &[Instant, Id]).reversed(true),
            Self::ComponentName { descending } => {
                CursorForm::new("package.component", &[Text, Instant, Id]).reversed(descending)
            }
        }
    }

    fn order(self) -> Order<version::Model> {
        let (created, id) = (col(version::Column::CreatedAt), col(version::Column::Id));
        match self {
            Self::Created { .. } | Self::Published => {
                Order::new(self.form(), vec![created, id], |row| vec![Key::Instant(row.created_at), Key::Id(row.id)])
            }
            Self::ComponentName { descending } => {
                let way = if descending { Way::Desc } else { Way::Asc };
                let columns =
                    vec![(col(version::Column::ComponentNameKey), way), (created, Way::Desc), (id, Way::Desc)];
                Order::mixed(self.form(), columns, |row| {
                    vec![Key::Text(row.component_name_key.clone()), Key::Instant(row.created_at), Key::Id(row.id)]
                })
            }
        }
    }
}

/// A page of a list of packages or publications.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionsKey {
    pub filter: VersionFilter,
    pub order: VersionOrder,
    pub page: PageRequest,
}

fn filtered(scope: PublisherScope, filter: &VersionFilter) -> SelectStatement {
    let owner = scope.publisher_id();
    let own = col(version::Column::OwnerId).eq(owner.0);
    let own = match filter.component {
        None => own,
        // Lets the database use the index on a component's versions.
        Some(component) => col(version::Column::ComponentId).eq(component.0).and(checked(own)),
    };
    let mut select =
        version::Entity::find().filter(own).filter(col(version::Column::Kind).eq(filter.kind.stored())).into_query();
    let of_type = |types: &Vec<ComponentType>| {
        let components = Query::select()
            .column(component::Column::Id)
            .from(component::Entity)
            .and_where(col(component::Column::OwnerId).eq(owner.0))
            .and_where(of_types(col(component::Column::ComponentType), types))
            .take();
        col(version::Column::ComponentId).in_subquery(components)
    };
    let found = |search: &String| {
        contains(col(version::Column::ComponentNameKey), search).or(contains(col(version::Column::VersionKey), search))
    };
    select
        .and_where_option((!filter.include_deleted).then(|| col(version::Column::DeletedAt).is_null()))
        .and_where_option(filter.search.as_ref().map(found))
        .and_where_option(filter.types.as_ref().map(of_type))
        .and_where_option(filter.shareable.map(|shareable| col(version::Column::Shareable).eq(shareable)));
    select
}

/// Pages of lists of packages and publications.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[VersionsKey],
) -> StoreResult<HashMap<VersionsKey, Page<Arc<ComponentVersion>>>> {
    let queries = keys.iter().map(|key| {
        let (select, order) = (filtered(snapshot.scope(), &key.filter), key.order.order());
        (key.clone(), ListQuery { select, order, request: key.page.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    let read = |row| convert::component_version(row).map(Arc::new);
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(read)?))).collect()
}
