//! The filters and orders of a publisher's lists.

use async_graphql::{Context, ID, InputObject, Result};

use super::connection::searchable;
use super::context::ContextExt as _;
use super::enums::{
    ComponentType, DeploymentModel, InstallationType, IntegrationPackOrderField, OrderDirection, PackState,
    PackagedComponentOrderField, ReleaseSchedule, ReleaseState,
};
use super::error::{ResultExt as _, not_found};
use super::ids::{component_id, group_id, pack_id};
use crate::domain::components::VersionKind;
use crate::domain::id::{ComponentId, GroupId, PackId};
use crate::store::components::read as components;
use crate::store::components::versions::{VersionFilter, VersionOrder};
use crate::store::packs::read::{PackField, PackFilter, PackOrder};
use crate::store::releases::read as releases;

/// A filter of packs. A field that is left out doesn't narrow the list.
#[derive(InputObject, Default)]
pub struct IntegrationPackFilter {
    /// The name contains this, whatever the case.
    pub search: Option<String>,
    /// Has this installation type.
    pub installation_type: Option<InstallationType>,
    /// Is in one of these states.
    pub states: Option<Vec<PackState>>,
    /// Has (true) or hasn't (false) a newer shareable version.
    pub has_newer_shareable: Option<bool>,
    /// Has (true) or hasn't (false) a pending release.
    pub has_pending_release: Option<bool>,
    /// Has (true) or hasn't (false) changes that a release would bring.
    pub has_unreleased_changes: Option<bool>,
    /// Is shared with this group: the ID of an AccountGroup.
    pub group_id: Option<ID>,
    /// Has this deployment model.
    pub deployment_model: Option<DeploymentModel>,
}

impl IntegrationPackFilter {
    /// Converts the filter, and looks up its group. Fails with NOT_FOUND for an unknown group, BAD_USER_INPUT for an
    /// invalid search text.
    pub async fn read(self, ctx: &Context<'_>) -> Result<PackFilter> {
        let group = visible_group(ctx, self.group_id).await?;
        Ok(PackFilter {
            search: searchable(self.search)?,
            installation_type: self.installation_type.map(Into::into),
            states: self.states.map(all),
            has_newer: self.has_newer_shareable,
            has_pending: self.has_pending_release,
            has_unreleased_changes: self.has_unreleased_changes,
            deployment_model: self.deployment_model.map(Into::into),
            group,
        })
    }
}

/// The group that an id in a filter names. Any id is NOT_FOUND for a managed account, which can't see groups.
pub(in crate::graphql) async fn visible_group(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<GroupId>> {
    let Some(id) = id else { return Ok(None) };
    let found = ctx.loaders().sharing.groups.one(group_id(&id)?).await.or_failure()?;
    found.map(|group| Some(group.id)).ok_or_else(|| not_found(&id))
}

/// The publisher's pack that an id in a filter names.
pub(in crate::graphql) async fn visible_own_pack(ctx: &Context<'_>, id: &ID) -> Result<PackId> {
    let pack = ctx.loaders().packs.by_id.one(pack_id(id)?).await.or_failure()?;
    pack.filter(|pack| pack.deleted_at.is_none()).map(|pack| pack.id).ok_or_else(|| not_found(id))
}

/// The order of packs; ties by ID.
#[derive(InputObject, Clone, Copy)]
pub struct IntegrationPackOrder {
    /// The field to order by.
    pub field: IntegrationPackOrderField,
    /// The direction.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub direction: OrderDirection,
}

impl From<IntegrationPackOrder> for PackOrder {
    fn from(order: IntegrationPackOrder) -> Self {
        let field = match order.field {
            IntegrationPackOrderField::Name => PackField::Name,
            IntegrationPackOrderField::CreatedAt => PackField::CreatedAt,
            IntegrationPackOrderField::UpdatedAt => PackField::UpdatedAt,
        };
        Self { field, descending: order.direction == OrderDirection::Desc }
    }
}

/// A filter of components.
#[derive(InputObject, Default)]
pub struct ComponentFilter {
    /// The name contains this, whatever the case.
    pub search: Option<String>,
    /// Is of one of these types.
    pub types: Option<Vec<ComponentType>>,
    /// Can be added to this pack now: the ID of an IntegrationPack.
    pub addable_to_pack_id: Option<ID>,
}

impl ComponentFilter {
    /// Converts the filter, and looks up its pack. Fails with NOT_FOUND for an unknown pack, BAD_USER_INPUT for an
    /// invalid search text.
    pub async fn read(self, ctx: &Context<'_>) -> Result<components::ComponentFilter> {
        let addable_to = match &self.addable_to_pack_id {
            Some(id) => {
                let pack = ctx.loaders().packs.by_id.one(pack_id(id)?).await.or_failure()?;
                Some(pack.as_deref().ok_or_else(|| not_found(id))?.into())
            }
            None => None,
        };
        Ok(components::ComponentFilter { search: searchable(self.search)?, types: self.types.map(all), addable_to })
    }
}

/// A filter of packaged components.
#[derive(InputObject, Default)]
pub struct PackagedComponentFilter {
    /// The component's name or the version label contains this, whatever the case.
    pub search: Option<String>,
    /// Is a package of this component: the ID of a Component.
    pub component_id: Option<ID>,
    /// The component is of one of these types.
    pub types: Option<Vec<ComponentType>>,
    /// Is (true) or isn't (false) shareable.
    pub shareable: Option<bool>,
    /// Deleted ones too.
    #[graphql(default)]
    pub include_deleted: bool,
}

impl PackagedComponentFilter {
    /// Converts the filter, and looks up its component. Fails with NOT_FOUND for an unknown component, BAD_USER_INPUT
    /// for an invalid search text.
    pub async fn read(self, ctx: &Context<'_>) -> Result<VersionFilter> {
        let component = match &self.component_id {
            Some(id) => Some(visible_component(ctx, id).await?),
            None => None,
        };
        self.of(component)
    }

    /// Converts the filter for `component`; ignores the filter's `componentId`. Fails with BAD_USER_INPUT for an
    /// invalid search text.
    pub fn of_component(self, component: ComponentId) -> Result<VersionFilter> {
        self.of(Some(component))
    }

    fn of(self, component: Option<ComponentId>) -> Result<VersionFilter> {
        Ok(VersionFilter {
            kind: VersionKind::Package,
            search: searchable(self.search)?,
            component,
            types: self.types.map(all),
            shareable: self.shareable,
            include_deleted: self.include_deleted,
        })
    }
}

async fn visible_component(ctx: &Context<'_>, id: &ID) -> Result<ComponentId> {
    let found = ctx.loaders().components.by_id.one(component_id(id)?).await.or_failure()?;
    found.map(|component| component.id).ok_or_else(|| not_found(id))
}

/// The order of packaged components; ties by ID.
#[derive(InputObject, Clone, Copy)]
pub struct PackagedComponentOrder {
    /// The field to order by.
    pub field: PackagedComponentOrderField,
    /// The direction.
    #[graphql(default_with = "OrderDirection::Desc")]
    pub direction: OrderDirection,
}

impl From<PackagedComponentOrder> for VersionOrder {
    fn from(order: PackagedComponentOrder) -> Self {
        let descending = order.direction == OrderDirection::Desc;
        match order.field {
            PackagedComponentOrderField::CreatedAt => Self::Created { descending },
            PackagedComponentOrderField::ComponentName => Self::ComponentName { descending },
        }
    }
}

/// A filter of releases.
#[derive(InputObject, Default)]
pub struct ReleaseFilter {
    /// Of this pack: the ID of an IntegrationPack.
    pub pack_id: Option<ID>,
    /// Is in one of these states.
    pub states: Option<Vec<ReleaseState>>,
    /// Was scheduled in this way.
    pub schedule: Option<ReleaseSchedule>,
}

impl ReleaseFilter {
    /// Converts the filter, and looks up its pack. Fails with NOT_FOUND for an unknown pack.
    pub async fn read(self, ctx: &Context<'_>) -> Result<releases::ReleaseFilter> {
        let pack = match &self.pack_id {
            Some(id) => {
                let pack = ctx.loaders().packs.by_id.one(pack_id(id)?).await.or_failure()?;
                Some(pack.ok_or_else(|| not_found(id))?.id)
            }
            None => None,
        };
        Ok(self.of(pack))
    }

    /// Converts the filter for `pack`; ignores the filter's `packId`.
    #[must_use]
    pub fn of_pack(self, pack: PackId) -> releases::ReleaseFilter {
        self.of(Some(pack))
    }

    fn of(self, pack: Option<PackId>) -> releases::ReleaseFilter {
        releases::ReleaseFilter { pack, states: self.states.map(all), schedule: self.schedule.map(Into::into) }
    }
}

/// Converts a list without its duplicates: a request may repeat the few values of an enum many times.
pub(super) fn all<A: Into<B>, B: PartialEq>(many: Vec<A>) -> Vec<B> {
    many.into_iter().map(Into::into).fold(Vec::new(), |mut distinct, value| {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
        distinct
    })
}
