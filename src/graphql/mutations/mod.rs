//! The mutations: for each family its inputs, payloads and resolvers in one file. A resolver checks the
//! privilege, reads the ids, calls one use case, and shows what was committed.

mod accounts;
mod components;
mod deleting;
pub mod demo;
mod draft;
mod groups;
mod installations;
mod library;
mod packs;
mod publishing;
mod releases;
mod sharing;
mod tokens;

use std::future::Future;

use async_graphql::{Context, MergedObject, Result};

use crate::domain::account::Privilege;
use crate::service::access::{Managed, Publisher, Viewer};
use crate::service::error::{Error, Outcome};

use super::context::ContextExt as _;
use super::error::{ResultExt as _, failure_of};

macro_rules! mutation {
    ($root:ident($($more:ty)?)) => {
        /// Everything that can be changed. Each mutation does one thing, whole or not at all. Codes in a description are those of the payload's `errors`, in order of what is checked first.
        /// A mutation without the privilege that it needs gets the GraphQL error FORBIDDEN.
        #[derive(MergedObject, Default)]
        #[graphql(name = "Mutation")]
        pub struct $root(
            components::Components,
            deleting::Deleting,
            publishing::Publishing,
            library::Library,
            packs::Packs,
            draft::Draft,
            releases::Releases,
            groups::Groups,
            sharing::Sharing,
            accounts::Accounts,
            tokens::Tokens,
            installations::Installations,
            $($more)?
        );
    };
}

mutation!(Mutation());
mutation!(DemoMutation(demo::Demo));

/// What a payload shows: nothing when it was refused. A fault in reading it again nulls it alone, not
/// the payload, because the change is made.
type Shown<T> = Option<Result<T>>;

/// A publisher that has the privilege (R1).
fn publisher(ctx: &Context<'_>, privilege: Privilege) -> Result<Publisher> {
    ctx.end_snapshot();
    let publisher = ctx.publisher()?;
    publisher.viewer.require(privilege).or_failure()?;
    Ok(publisher)
}

/// A managed account that has the privilege (R1).
fn managed(ctx: &Context<'_>, privilege: Privilege) -> Result<Managed> {
    ctx.end_snapshot();
    let managed = ctx.managed()?;
    managed.viewer.require(privilege).or_failure()?;
    Ok(managed)
}

/// An account of either kind that has the privilege (R1).
fn viewer<'ctx>(ctx: &'ctx Context<'_>, privilege: Privilege) -> Result<&'ctx Viewer> {
    ctx.end_snapshot();
    let viewer = ctx.viewer()?;
    viewer.require(privilege).or_failure()?;
    Ok(viewer)
}

/// What came of a use case: done, or refused with the area's errors. What is read from here on is what
/// was committed.
fn settle<T, R, E: From<R>>(ctx: &Context<'_>, outcome: Outcome<T, R>) -> Result<(Option<T>, Vec<E>)> {
    ctx.renew();
    match outcome {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Error::Refused(refusals)) => Ok((None, refusals.into_iter().map(E::from).collect())),
        Err(Error::Failed(fault)) => Err(failure_of(ctx, fault)),
    }
}

/// [`settle`], and then what the payload shows of it.
async fn answer<T, R, E, O, F>(
    ctx: &Context<'_>,
    outcome: Outcome<T, R>,
    show: impl FnOnce(T) -> F,
) -> Result<(Shown<O>, Vec<E>)>
where
    E: From<R>,
    F: Future<Output = Result<Option<O>>>,
{
    let (done, errors) = settle(ctx, outcome)?;
    let shown = match done {
        Some(done) => show(done).await.transpose(),
        None => None,
    };
    Ok((shown, errors))
}

/// A count as the schema tells it.
fn count(many: u64) -> i32 {
    i32::try_from(many).unwrap_or(i32::MAX)
}
