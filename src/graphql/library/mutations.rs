//! The process library (R53).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::components::Component;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids;
use crate::graphql::library::published_process::PublishedProcess;
use crate::graphql::library::refusal::LibraryError;
use crate::graphql::scalars::Markdown;
use crate::service::library::{NewProcess, copy_from_library, publish_to_library, withdraw_from_library};

use crate::graphql::mutations::{PayloadField, answer, managed, publisher};

/// Input of `publishToProcessLibrary`.
#[derive(InputObject)]
struct PublishToProcessLibraryInput {
    /// The ID of a PackagedComponent. If it is in the library already, the groups and the description replace the former ones.
    packaged_component_id: ID,
    /// At most 100 IDs of AccountGroups that it is shared with, all of them; may be empty.
    group_ids: Vec<ID>,
    /// Its purpose, at most 20,000 characters.
    #[graphql(default_with = "Markdown(String::new())")]
    description: Markdown,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `publishToProcessLibrary`.
#[derive(SimpleObject)]
struct PublishToProcessLibraryPayload {
    /// The process in the library; null when refused.
    published_process: PayloadField<PublishedProcess>,
    /// Why it was refused; empty when it was done.
    errors: Vec<LibraryError>,
}

/// Input of `withdrawFromProcessLibrary`.
#[derive(InputObject)]
struct WithdrawFromProcessLibraryInput {
    /// The ID of a PublishedProcess.
    process_id: ID,
}

/// Answer of `withdrawFromProcessLibrary`.
#[derive(SimpleObject)]
struct WithdrawFromProcessLibraryPayload {
    /// The withdrawn process; null when refused.
    published_process: PayloadField<PublishedProcess>,
    /// Why it was refused; empty when it was done.
    errors: Vec<LibraryError>,
}

/// Input of `copyFromProcessLibrary`.
#[derive(InputObject)]
struct CopyFromProcessLibraryInput {
    /// The ID of an AvailableProcess.
    process_id: ID,
    /// The copy's name, 1 to 255 characters; the process's when left out.
    name: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `copyFromProcessLibrary`.
#[derive(SimpleObject)]
struct CopyFromProcessLibraryPayload {
    /// The copy; null when refused.
    component: PayloadField<Component>,
    /// Why it was refused; empty when it was done.
    errors: Vec<LibraryError>,
}

/// Publishing, withdrawing and copying processes.
#[derive(Default)]
pub(in crate::graphql) struct Library;

#[Object]
impl Library {
    /// Publishes a shareable process as a template, or changes the groups and the description of a published one. Codes: CLIENT_REQUEST_ID_REUSED, NOT_A_PROCESS, NOT_SHAREABLE, PACKAGE_DELETED, DESCRIPTION_TOO_LONG, TOO_MANY.
    async fn publish_to_process_library(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The packaged process, its description as a template, and the groups that may copy it.")]
        input: PublishToProcessLibraryInput,
    ) -> Result<PublishToProcessLibraryPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        NewProcess::check_may(&caller.viewer, input.group_ids.len()).or_failure()?;
        let package = ids::package_or_nothing(&input.packaged_component_id);
        let new = NewProcess { package, groups: ids::group_ids(&input.group_ids), description: input.description.0 };
        let outcome = publish_to_library(ctx.services(), &caller, new, input.client_request_id.as_deref()).await;
        let (published_process, errors) = answer(ctx, outcome, |id| PublishedProcess::by_id(ctx, id)).await?;
        Ok(PublishToProcessLibraryPayload { published_process, errors })
    }

    /// Withdraws a process from the library; accounts keep their copies. Codes: ALREADY_WITHDRAWN.
    async fn withdraw_from_process_library(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The library process to withdraw.")] input: WithdrawFromProcessLibraryInput,
    ) -> Result<WithdrawFromProcessLibraryPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::published_process_id(&input.process_id)?;
        let outcome = withdraw_from_library(ctx.services(), &caller, id).await;
        let (published_process, errors) = answer(ctx, outcome, |()| PublishedProcess::by_id(ctx, id)).await?;
        Ok(WithdrawFromProcessLibraryPayload { published_process, errors })
    }

    /// Managed account: takes a copy of a library process as a component of its own. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG.
    async fn copy_from_process_library(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The library process to copy, and the name of the component that is made of it.")]
        input: CopyFromProcessLibraryInput,
    ) -> Result<CopyFromProcessLibraryPayload> {
        let caller = managed(ctx, Privilege::PackagedComponentManagement)?;
        let id = ids::available_process_id(&input.process_id)?;
        let outcome = copy_from_library(ctx.services(), &caller, id, input.name, input.client_request_id).await;
        let (component, errors) = answer(ctx, outcome, |id| Component::by_id(ctx, id)).await?;
        Ok(CopyFromProcessLibraryPayload { component, errors })
    }
}
