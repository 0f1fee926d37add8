//! A process of the library, as its publisher sees it.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::LibraryProcessId;
use crate::domain::library;
use crate::graphql::components::PackagedComponent;
use crate::graphql::connection::{PageArgs, int};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::graphql::sharing::{AccountGroupConnection, GroupsOf, groups_connection};
use crate::store::scope::Scope;

/// The type `PublishedProcess`: a process in its publisher's view.
pub struct PublishedProcess(pub(crate) library::LibraryProcess);

impl PublishedProcess {
    /// The process with this id, also a withdrawn one, if the caller is its publisher.
    pub async fn by_id(ctx: &Context<'_>, id: LibraryProcessId) -> Result<Option<Self>> {
        match ctx.scope()? {
            Scope::Publisher(_) => Ok(ctx.loaders().library.processes.one(id).await.or_failure()?.map(Self)),
            Scope::Managed(_) => Ok(None),
        }
    }
}

/// A process in the library, as its publisher sees it.
#[Object]
impl PublishedProcess {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::PublishedProcess(self.0.id).encode()
    }

    /// The process's name.
    pub async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// The version label of the package.
    pub async fn version(&self) -> String {
        self.0.version.clone()
    }

    /// Its purpose; empty when there is none.
    pub async fn description(&self) -> Markdown {
        Markdown(self.0.description.clone())
    }

    /// When it came into the library.
    pub async fn published_at(&self) -> DateTime {
        self.0.published_at.into()
    }

    /// The package; it can't be deleted while it is here.
    async fn packaged_component(&self, ctx: &Context<'_>) -> Result<PackagedComponent> {
        let package = PackagedComponent::by_id(ctx, self.0.component_version_id).await?;
        package.ok_or_else(|| bug("the package of a library process is gone"))
    }

    /// The groups that it is shared with, by name.
    async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AccountGroupConnection> {
        let args = PageArgs::new(first, after, last, before);
        groups_connection(ctx, GroupsOf::Process(self.0.id), None, args).await
    }

    /// How many copies were taken.
    async fn copy_count(&self) -> i32 {
        int(self.0.copy_count)
    }

    /// When it was withdrawn; null while it is offered.
    async fn withdrawn_at(&self) -> Option<DateTime> {
        self.0.withdrawn_at.map(Into::into)
    }

    /// Whether the caller may now withdraw it.
    async fn viewer_can_withdraw(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.0.withdrawn_at.is_none() && ctx.viewer()?.may(Privilege::PackagedComponentManagement))
    }
}
