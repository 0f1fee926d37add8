//! Reads of components, for their owner.

use std::collections::HashMap;
use std::sync::Arc;

use entity::{component, draft_row, manifest_entry};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::components::{Component, ComponentType, VersionKind};
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::own_key::OwnKey;
use crate::domain::packs::{COMPONENTS_MAX, DeploymentModel, InstallationType, Pack};
use crate::store::column::{by_own_key, col};
use crate::store::convert::Stored as _;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::Scope;
use crate::store::{Snapshot, StoreResult, convert, page};

/// The components with these ids that belong to the reader's account.
pub async fn by_ids(snapshot: &Snapshot, ids: &[ComponentId]) -> StoreResult<HashMap<ComponentId, Arc<Component>>> {
    let owner = snapshot.scope().account_id();
    let load = async |ids: Vec<ComponentId>| {
        let rows = component::Entity::find()
            .filter(snapshot.any_of(col(component::Column::Id), ids.iter().map(|id| id.0)))
            .filter(checked(col(component::Column::OwnerId).eq(owner.0)))
            .all(snapshot.conn())
            .await?;
        rows.into_iter().map(|row| Ok((row.id.into(), convert::component(row)?))).collect()
    };
    snapshot.cache().components.get_and_keep(owner, ids, load, |component| component.in_pack_version).await
}

/// The reader's components with these keys (R67).
pub async fn by_keys(snapshot: &Snapshot, keys: &[OwnKey]) -> StoreResult<HashMap<OwnKey, Arc<Component>>> {
    let rows = component::Entity::find()
        .filter(col(component::Column::OwnerId).eq(snapshot.scope().account_id().0))
        .filter(col(component::Column::Key).is_in(keys.iter().map(OwnKey::as_str)))
        .all(snapshot.conn())
        .await?;
    by_own_key(rows, |row| row.key.as_deref(), |row| convert::component(row).map(Arc::new))
}

/// The facts of a component that can change at any time, so that they aren't cached.
#[derive(Clone, Debug)]
pub struct Changeable {
    /// The owner's own key (R67).
    pub key: Option<String>,
    /// Whether the component can be deleted: it has no version, and no manifest contains it (R69).
    pub deletable: bool,
}

/// The changeable facts of these components.
pub async fn changeable(snapshot: &Snapshot, ids: &[ComponentId]) -> StoreResult<HashMap<ComponentId, Changeable>> {
    let holding = Query::select()
        .expr(Expr::cust("1"))
        .from(manifest_entry::Entity)
        .and_where(col(manifest_entry::Column::ComponentId).eq(col(component::Column::Id)))
        .take();
    let in_use = col(component::Column::NewestAt).is_not_null().or(Expr::exists(holding));
    let in_use: Expr = CaseStatement::new().case(in_use, Expr::cust("1")).finally(Expr::cust("0")).into();
    let rows: Vec<(Uuid, Option<String>, i32)> = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .column(component::Column::Key)
        .column_as(in_use, "in_use")
        .filter(snapshot.any_of(col(component::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(component::Column::OwnerId).eq(snapshot.scope().account_id().0)))
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(|(id, key, in_use)| (id.into(), Changeable { key, deletable: in_use == 0 })).collect())
}

/// A component from the cache, without a query.
#[must_use]
pub fn cached(snapshot: &Snapshot, id: ComponentId) -> Option<Arc<Component>> {
    snapshot.cache().components.peek(snapshot.scope().account_id(), &id)
}

#[derive(FromQueryResult)]
struct LatestRow {
    id: sea_orm::prelude::Uuid,
    latest_shareable_id: Option<sea_orm::prelude::Uuid>,
    latest_publication_id: Option<sea_orm::prelude::Uuid>,
}

/// The newest versions of a component that packs may contain, one of each kind (R7, R19, R52).
#[derive(Clone, Copy, Debug, Default)]
pub struct Latest {
    pub package: Option<ComponentVersionId>,
    pub publication: Option<ComponentVersionId>,
}

impl Latest {
    /// The version of one kind.
    #[must_use]
    pub fn of(self, kind: VersionKind) -> Option<ComponentVersionId> {
        match kind {
            VersionKind::Package => self.package,
            VersionKind::Publication => self.publication,
        }
    }
}

/// The newest version of each kind that is shareable and not deleted, for each of these components.
pub async fn latest(snapshot: &Snapshot, ids: &[ComponentId]) -> StoreResult<HashMap<ComponentId, Latest>> {
    let rows = component::Entity::find()
        .select_only()
        .column(component::Column::Id)
        .column(component::Column::LatestShareableId)
        .column(component::Column::LatestPublicationId)
        .filter(snapshot.any_of(col(component::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(component::Column::OwnerId).eq(snapshot.scope().account_id().0)))
        .into_model::<LatestRow>()
        .all(snapshot.conn())
        .await?;
    let latest = |row: &LatestRow| Latest {
        package: row.latest_shareable_id.map(Into::into),
        publication: row.latest_publication_id.map(Into::into),
    };
    Ok(rows.into_iter().map(|row| (row.id.into(), latest(&row))).collect())
}

/// A filter on components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ComponentFilter {
    /// A text that the name contains.
    pub search: Option<String>,
    pub types: Option<Vec<ComponentType>>,
    /// The pack to which the component can be added now.
    pub addable_to: Option<AddableTo>,
}

/// The properties of a pack that decide which components can be added (R11, R12, R14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddableTo {
    pack_id: PackId,
    installation_type: InstallationType,
    deployment_model: DeploymentModel,
    full: bool,
}

impl From<&Pack> for AddableTo {
    fn from(pack: &Pack) -> Self {
        Self {
            pack_id: pack.id,
            installation_type: pack.installation_type,
            deployment_model: pack.deployment_model,
            full: usize::try_from(pack.assessment.component_count).is_ok_and(|rows| rows >= COMPONENTS_MAX),
        }
    }
}

/// The form of cursors into lists of [`page()`].
pub const BY_NAME: CursorForm = CursorForm::new("component", &[KeyKind::Text, KeyKind::Id]);

fn by_name() -> Order<component::Model> {
    Order::new(BY_NAME, vec![col(component::Column::NameKey), col(component::Column::Id)], |row| {
        vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
    })
}

/// A condition that is never true, for an empty list or a full pack.
pub(in crate::store) fn nothing() -> Expr {
    Expr::cust("1 = 0")
}

/// The condition that a component has one of these types. Without a type it is never true.
pub(in crate::store) fn of_types(column: Expr, types: &[ComponentType]) -> Expr {
    if types.is_empty() { nothing() } else { column.is_in(types.iter().map(|t| t.stored())) }
}

fn addable(to: AddableTo) -> Expr {
    if to.full {
        return nothing();
    }
    let types = [ComponentType::Process, ComponentType::ApiService];
    let allowed = match to.installation_type {
        InstallationType::Single => types.as_slice(),
        InstallationType::Multi => &types[..1],
    };
    let newest = match to.deployment_model {
        DeploymentModel::Packaged => component::Column::LatestShareableId,
        DeploymentModel::Legacy => component::Column::LatestPublicationId,
    };
    let in_draft = Query::select()
        .expr(Expr::cust("1"))
        .from(draft_row::Entity)
        .and_where(col(draft_row::Column::PackId).eq(to.pack_id.0))
        .and_where(col(draft_row::Column::ComponentId).eq(col(component::Column::Id)))
        .take();
    of_types(col(component::Column::ComponentType), allowed)
        .and(col(newest).is_not_null())
        .and(Expr::exists(in_draft).not())
}

fn filtered(scope: Scope, filter: &ComponentFilter) -> SelectStatement {
    let mut select =
        component::Entity::find().filter(col(component::Column::OwnerId).eq(scope.account_id().0)).into_query();
    select
        .and_where_option(filter.search.as_ref().map(|search| contains(col(component::Column::NameKey), search)))
        .and_where_option(filter.types.as_ref().map(|types| of_types(col(component::Column::ComponentType), types)))
        .and_where_option(filter.addable_to.map(addable));
    select
}

/// A page of the components of the reader's account, by name.
pub async fn page(
    snapshot: &Snapshot,
    filter: &ComponentFilter,
    request: PageRequest,
) -> StoreResult<Page<Arc<Component>>> {
    let query = ListQuery { select: filtered(snapshot.scope(), filter), order: by_name(), request };
    page::page(snapshot.reader(), query).await?.try_map(|row| convert::component(row).map(Arc::new))
}
