//! Publishing components for legacy packs (R52).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::components::PackagingError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::library::publication::Publication;
use crate::service::library::publish_component;

use crate::graphql::mutations::{PayloadField, answer, publisher};

/// Input of `publishComponent`.
#[derive(InputObject)]
struct PublishComponentInput {
    /// The ID of a Component: a PROCESS or API_SERVICE.
    component_id: ID,
    /// The notes, at most 4,000 characters; fixed at creation.
    notes: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `publishComponent`.
#[derive(SimpleObject)]
struct PublishComponentPayload {
    /// The publication; null when refused.
    publication: PayloadField<Publication>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// Publishing components.
#[derive(Default)]
pub(in crate::graphql) struct Publishing;

#[Object]
impl Publishing {
    /// Publishes a component for legacy packs. Codes: TYPE_NOT_SHAREABLE, NOTES_TOO_LONG, CLIENT_REQUEST_ID_REUSED.
    async fn publish_component(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The component to publish, and the notes of the publication.")] input: PublishComponentInput,
    ) -> Result<PublishComponentPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let component = ids::component_id(&input.component_id)?;
        let outcome = publish_component(ctx.services(), &caller, component, input.notes, input.client_request_id).await;
        let (publication, errors) = answer(ctx, outcome, |id| Publication::by_id(ctx, id)).await?;
        Ok(PublishComponentPayload { publication, errors })
    }
}
