//! A process of the library, as a managed account sees it, and the origin of a copy.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::LibraryProcessId;
use crate::domain::library;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{DateTime, Markdown};
use crate::store::scope::Scope;

/// The type `AvailableProcess`: a process that is shared with the caller.
pub struct AvailableProcess(pub(crate) library::LibraryProcess);

impl AvailableProcess {
    /// The process with this id, if it is shared with the caller.
    pub async fn by_id(ctx: &Context<'_>, id: LibraryProcessId) -> Result<Option<Self>> {
        match ctx.scope()? {
            Scope::Managed(_) => Ok(ctx.loaders().library.processes.one(id).await.or_failure()?.map(Self)),
            Scope::Publisher(_) => Ok(None),
        }
    }
}

/// A process in the library, as a managed account sees it that it is shared with.
#[Object]
impl AvailableProcess {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::AvailableProcess(self.0.id).encode()
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

    /// The name of the account that publishes it.
    async fn publisher_name(&self, ctx: &Context<'_>) -> Result<String> {
        ctx.loaders().accounts.publisher_name.must(()).await.or_failure()
    }

    /// Whether the caller may now take a copy.
    async fn viewer_can_copy(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.viewer()?.may(Privilege::PackagedComponentManagement))
    }
}

/// The type `LibraryCopySource`: the process from which a component was copied.
pub struct LibraryCopySource(pub(crate) library::CopySource);

/// The origin of a copied component, as it was when it was copied.
#[Object]
impl LibraryCopySource {
    /// The process's name in the library.
    async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// The version label.
    async fn version(&self) -> String {
        self.0.version.clone()
    }

    /// The library process; null when it was withdrawn or is no longer shared with the account.
    async fn process(&self, ctx: &Context<'_>) -> Option<Result<AvailableProcess>> {
        AvailableProcess::by_id(ctx, self.0.process_id).await.transpose()
    }
}
