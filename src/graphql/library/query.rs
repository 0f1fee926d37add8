//! The fields of `Query` for the process library.

use async_graphql::{Context, Object, Result};

use crate::graphql::connection::{PageArgs, connection, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::interfaces::LibraryProcess;
use crate::graphql::library::available_process::AvailableProcess;
use crate::graphql::library::published_process::PublishedProcess;
use crate::store::library::read as library;
use crate::store::scope::Scope;

connection!("processes", LibraryProcessConnection, LibraryProcessEdge, LibraryProcess);

#[derive(Default)]
pub struct LibraryQuery;

#[Object]
impl LibraryQuery {
    /// Processes shared as templates: all that a publisher has published, or all that are shared with a managed account. By name.
    async fn process_library(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only processes whose name contains this, whatever the case.")] search: Option<String>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<LibraryProcessConnection> {
        let snapshot = ctx.snapshot()?;
        let request = PageArgs::new(first, after, last, before).request(ctx, library::BY_NAME)?;
        let search = searchable(search)?;
        let page = Box::pin(library::page(&snapshot, search.as_deref(), request)).await.or_failure()?;
        Ok(LibraryProcessConnection::of(page, |process| match snapshot.scope() {
            Scope::Publisher(_) => PublishedProcess(process).into(),
            Scope::Managed(_) => AvailableProcess(process).into(),
        }))
    }
}
