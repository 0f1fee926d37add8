//! Editing a pack's draft (R11–R16).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::accounts::Privilege;
use crate::domain::id::{ComponentId, PackId};
use crate::domain::packs::{PackRefusal, Removal};
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::packs::integration_pack::IntegrationPack;
use crate::graphql::packs::pack_component::PackComponent;
use crate::graphql::packs::refusal::PackError;
use crate::service::error::Outcome;
use crate::service::packs::{add_components, pin_component, remove_component, restore_component, unpin_component};

use crate::graphql::mutations::{PayloadField, publisher, result_and_errors};

/// Input of `addPackComponents`.
#[derive(InputObject)]
struct AddPackComponentsInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// 1 to 100 IDs of Components.
    component_ids: Vec<ID>,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
}

/// Answer of `addPackComponents`.
#[derive(SimpleObject)]
struct AddPackComponentsPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// The new rows, in the order of the input; null when refused, or when another call has taken one out since.
    components: PayloadField<Vec<PackComponent>>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `removePackComponent`.
#[derive(InputObject)]
struct RemovePackComponentInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// The ID of a Component.
    component_id: ID,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
}

/// Answer of `removePackComponent`.
#[derive(SimpleObject)]
struct RemovePackComponentPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// The marked row; null when it was removed at once.
    component: PayloadField<PackComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `restorePackComponent`.
#[derive(InputObject)]
struct RestorePackComponentInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// The ID of a Component.
    component_id: ID,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
}

/// Answer of `restorePackComponent`.
#[derive(SimpleObject)]
struct RestorePackComponentPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// The row.
    component: PayloadField<PackComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `pinPackComponent`.
#[derive(InputObject)]
struct PinPackComponentInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// The ID of a Component.
    component_id: ID,
    /// The ID of a PackagedComponent of it, or for a legacy pack of a Publication.
    version_id: ID,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
}

/// Answer of `pinPackComponent`.
#[derive(SimpleObject)]
struct PinPackComponentPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// The row.
    component: PayloadField<PackComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `unpinPackComponent`.
#[derive(InputObject)]
struct UnpinPackComponentInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// The ID of a Component.
    component_id: ID,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
}

/// Answer of `unpinPackComponent`.
#[derive(SimpleObject)]
struct UnpinPackComponentPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// The row.
    component: PayloadField<PackComponent>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// The pack, and the row of the component that the call was about, as they are after the call.
async fn pack_and_row(
    ctx: &Context<'_>,
    outcome: Outcome<(), PackRefusal>,
    pack: PackId,
    component: ComponentId,
) -> Result<(PayloadField<IntegrationPack>, PayloadField<PackComponent>, Vec<PackError>)> {
    let (done, errors) = result_and_errors(ctx, outcome)?;
    if done.is_none() {
        return Ok((None, None, errors));
    }
    let (pack, row) =
        futures_util::join!(IntegrationPack::by_id(ctx, pack), PackComponent::of_draft(ctx, pack, component));
    Ok((pack.transpose(), row.transpose(), errors))
}

/// Editing a pack's draft.
#[derive(Default)]
pub(in crate::graphql) struct Draft;

#[Object]
impl Draft {
    /// Adds components to the draft, each at its newest shareable version, all or none. Codes: STALE_REVISION, EMPTY_LIST, COMPONENT_ALREADY_IN_PACK, COMPONENT_TYPE_NOT_ALLOWED, API_SERVICE_IN_MULTI, NO_SHAREABLE_VERSION, PACK_FULL.
    async fn add_pack_components(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The pack, the components to add to its draft, and the draft's revision if it must not have changed."
        )]
        input: AddPackComponentsInput,
    ) -> Result<AddPackComponentsPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let (pack, added) = (ids::pack_or_nothing(&input.pack_id), ids::component_ids(&input.component_ids));
        let outcome = add_components(ctx.services(), &caller, pack, added.clone(), input.expected_revision).await;
        let (done, errors) = result_and_errors(ctx, outcome)?;
        if done.is_none() {
            return Ok(AddPackComponentsPayload { integration_pack: None, components: None, errors });
        }
        let (pack, rows) = futures_util::join!(IntegrationPack::by_id(ctx, pack), rows(ctx, pack, &added));
        Ok(AddPackComponentsPayload { integration_pack: pack.transpose(), components: rows.transpose(), errors })
    }

    /// Marks a component for removal by the next release; a component that was never released is removed at once. Codes: STALE_REVISION, COMPONENT_NOT_IN_PACK, MARKED_FOR_REMOVAL.
    async fn remove_pack_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and the component that its next release leaves out.")]
        input: RemovePackComponentInput,
    ) -> Result<RemovePackComponentPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let (pack, row) = (ids::pack_or_nothing(&input.pack_id), ids::component_or_nothing(&input.component_id));
        let outcome = remove_component(ctx.services(), &caller, pack, row, input.expected_revision).await;
        // A row that was deleted is no longer in the draft, so the payload shows none.
        let outcome = outcome.map(|(Removal::Mark | Removal::Drop)| ());
        let (integration_pack, component, errors) = pack_and_row(ctx, outcome, pack, row).await?;
        Ok(RemovePackComponentPayload { integration_pack, component, errors })
    }

    /// Removes the mark for removal. Codes: STALE_REVISION, COMPONENT_NOT_IN_PACK, NOT_MARKED_FOR_REMOVAL.
    async fn restore_pack_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and the component that its next release keeps after all.")]
        input: RestorePackComponentInput,
    ) -> Result<RestorePackComponentPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let (pack, row) = (ids::pack_or_nothing(&input.pack_id), ids::component_or_nothing(&input.component_id));
        let outcome = restore_component(ctx.services(), &caller, pack, row, input.expected_revision).await;
        let (integration_pack, component, errors) = pack_and_row(ctx, outcome, pack, row).await?;
        Ok(RestorePackComponentPayload { integration_pack, component, errors })
    }

    /// Pins a component to one version, older ones included. Codes: STALE_REVISION, COMPONENT_NOT_IN_PACK, MARKED_FOR_REMOVAL, VERSION_OF_OTHER_COMPONENT, NOT_SHAREABLE, VERSION_DELETED, WRONG_DEPLOYMENT_MODEL.
    async fn pin_pack_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, the component, and the version that it stays at.")] input: PinPackComponentInput,
    ) -> Result<PinPackComponentPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let (pack, row) = (ids::pack_or_nothing(&input.pack_id), ids::component_or_nothing(&input.component_id));
        let version = ids::version_id_or_nothing(&input.version_id);
        let outcome = pin_component(ctx.services(), &caller, pack, row, version, input.expected_revision).await;
        let (integration_pack, component, errors) = pack_and_row(ctx, outcome, pack, row).await?;
        Ok(PinPackComponentPayload { integration_pack, component, errors })
    }

    /// Lets a component follow its newest shareable version again. Codes: STALE_REVISION, COMPONENT_NOT_IN_PACK, NOT_PINNED.
    async fn unpin_pack_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and the component that follows its newest shareable version again.")]
        input: UnpinPackComponentInput,
    ) -> Result<UnpinPackComponentPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let (pack, row) = (ids::pack_or_nothing(&input.pack_id), ids::component_or_nothing(&input.component_id));
        let outcome = unpin_component(ctx.services(), &caller, pack, row, input.expected_revision).await;
        let (integration_pack, component, errors) = pack_and_row(ctx, outcome, pack, row).await?;
        Ok(UnpinPackComponentPayload { integration_pack, component, errors })
    }
}

/// The draft's rows of these components, in the order of `components`; `None` if one of them is gone.
async fn rows(ctx: &Context<'_>, pack: PackId, components: &[ComponentId]) -> Result<Option<Vec<PackComponent>>> {
    let rows = components.iter().map(|component| PackComponent::of_draft(ctx, pack, *component));
    Ok(try_join_all(rows).await?.into_iter().collect())
}
