//! Deleting packages and restoring them (R8).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::components::packaged_component::PackagedComponent;
use crate::graphql::components::refusal::PackagingError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::service::components::{delete_package, restore_package};

use crate::graphql::mutations::{PayloadField, answer, publisher};

/// Input of `deletePackagedComponent`.
#[derive(InputObject)]
struct DeletePackagedComponentInput {
    /// The ID of a PackagedComponent.
    packaged_component_id: ID,
}

/// Answer of `deletePackagedComponent`.
#[derive(SimpleObject)]
struct DeletePackagedComponentPayload {
    /// The deleted package; null when refused.
    packaged_component: PayloadField<PackagedComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Input of `restorePackagedComponent`.
#[derive(InputObject)]
struct RestorePackagedComponentInput {
    /// The ID of a PackagedComponent.
    packaged_component_id: ID,
}

/// Answer of `restorePackagedComponent`.
#[derive(SimpleObject)]
struct RestorePackagedComponentPayload {
    /// The restored package; null when refused.
    packaged_component: PayloadField<PackagedComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Deleting and restoring packages.
#[derive(Default)]
pub(in crate::graphql) struct Deleting;

#[Object]
impl Deleting {
    /// Deletes a packaged component; its label stays in use. Codes: ALREADY_DELETED, PACKAGE_IN_USE.
    async fn delete_packaged_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The packaged component to delete.")] input: DeletePackagedComponentInput,
    ) -> Result<DeletePackagedComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::packaged_component_id(&input.packaged_component_id)?;
        let outcome = delete_package(ctx.services(), &caller, id).await;
        let (packaged_component, errors) = answer(ctx, outcome, |()| PackagedComponent::by_id(ctx, id)).await?;
        Ok(DeletePackagedComponentPayload { packaged_component, errors })
    }

    /// Restores a deleted packaged component. Codes: NOT_DELETED.
    async fn restore_packaged_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The deleted packaged component to restore.")] input: RestorePackagedComponentInput,
    ) -> Result<RestorePackagedComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::packaged_component_id(&input.packaged_component_id)?;
        let outcome = restore_package(ctx.services(), &caller, id).await;
        let (packaged_component, errors) = answer(ctx, outcome, |()| PackagedComponent::by_id(ctx, id)).await?;
        Ok(RestorePackagedComponentPayload { packaged_component, errors })
    }
}
