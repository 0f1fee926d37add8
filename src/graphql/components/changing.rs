//! Making, renaming and deleting components (R67, R69).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::components::component::Component;
use crate::graphql::components::refusal::PackagingError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ComponentType;
use crate::graphql::ids;
use crate::service::components::{ComponentEdit, NewComponent, create_component, delete_component, update_component};

use crate::graphql::mutations::{PayloadField, answer, change, publisher, result_and_errors};

/// Input of `createComponent`.
#[derive(InputObject)]
struct CreateComponentInput {
    /// 1 to 255 characters.
    name: String,
    /// What it is.
    r#type: ComponentType,
    /// A key of your own: 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`, unique among your components; case matters.
    key: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `createComponent`.
#[derive(SimpleObject)]
struct CreateComponentPayload {
    /// The component; null when refused.
    component: PayloadField<Component>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Input of `updateComponent`; a field that is left out stays unchanged.
#[derive(InputObject)]
struct UpdateComponentInput {
    /// The ID of a Component.
    component_id: ID,
    /// A new name, 1 to 255 characters; unchanged when left out or null.
    name: Option<String>,
    /// A key of your own, as in `createComponent`; unchanged when left out, null takes it away.
    key: MaybeUndefined<String>,
}

/// Answer of `updateComponent`.
#[derive(SimpleObject)]
struct UpdateComponentPayload {
    /// The component; null when refused.
    component: PayloadField<Component>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Input of `deleteComponent`.
#[derive(InputObject)]
struct DeleteComponentInput {
    /// The ID of a Component.
    component_id: ID,
}

/// Answer of `deleteComponent`.
#[derive(SimpleObject)]
struct DeleteComponentPayload {
    /// The ID that the component had; null when refused.
    deleted_component_id: Option<ID>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Making, renaming and deleting components.
#[derive(Default)]
pub(in crate::graphql) struct Changing;

#[Object]
impl Changing {
    /// Makes a component. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, KEY_INVALID, KEY_TAKEN.
    async fn create_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new component's name, type and key.")] input: CreateComponentInput,
    ) -> Result<CreateComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let new = NewComponent { name: input.name, component_type: input.r#type.into(), key: input.key };
        let outcome = create_component(ctx.services(), &caller, new, input.client_request_id.as_deref()).await;
        let (component, errors) = answer(ctx, outcome, |id| Component::by_id(ctx, id)).await?;
        Ok(CreateComponentPayload { component, errors })
    }

    /// Renames a component, while no version of it was ever in a pack's version, or changes its key. Codes: NAME_REQUIRED, NAME_TOO_LONG, COMPONENT_IN_USE, KEY_INVALID, KEY_TAKEN.
    async fn update_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The component, and its new name or key.")] input: UpdateComponentInput,
    ) -> Result<UpdateComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::component_id(&input.component_id)?;
        let edit = ComponentEdit { name: input.name, key: change(input.key) };
        let outcome = update_component(ctx.services(), &caller, id, edit).await;
        let (component, errors) = answer(ctx, outcome, |()| Component::by_id(ctx, id)).await?;
        Ok(UpdateComponentPayload { component, errors })
    }

    /// Deletes a component that has neither packages nor publications, deleted ones included, and that no other component's package holds. Codes: COMPONENT_IN_USE.
    async fn delete_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The component to delete.")] input: DeleteComponentInput,
    ) -> Result<DeleteComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::component_id(&input.component_id)?;
        let (done, errors) = result_and_errors(ctx, delete_component(ctx.services(), &caller, id).await)?;
        Ok(DeleteComponentPayload { deleted_component_id: done.map(|()| input.component_id), errors })
    }
}
