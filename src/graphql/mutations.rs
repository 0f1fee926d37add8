//! The root type of mutations, and helpers for their resolvers. Each subject has files with its inputs, payloads and
//! resolvers. A resolver checks the privilege, reads the ids, calls one use case, and loads the result.

use std::future::Future;

use async_graphql::{Context, MaybeUndefined, MergedObject, Result};

use crate::domain::accounts::Privilege;
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
            crate::graphql::components::Components,
            crate::graphql::components::Changing,
            crate::graphql::components::Deleting,
            crate::graphql::library::Publishing,
            crate::graphql::library::Library,
            crate::graphql::packs::Packs,
            crate::graphql::packs::Draft,
            crate::graphql::releases::Releases,
            crate::graphql::sharing::Groups,
            crate::graphql::sharing::Sharing,
            crate::graphql::accounts::Accounts,
            crate::graphql::accounts::Tokens,
            crate::graphql::accounts::Trusting,
            crate::graphql::installations::Installations,
            crate::graphql::webhooks::Webhooks,
            $($more)?
        );
    };
}

mutation!(Mutation());
mutation!(DemoMutation(crate::graphql::demo::Demo));

/// The result in a payload; `None` when the call was refused. When the result can't be loaded, only this field is null
/// and not the whole payload, because the change is committed.
pub(in crate::graphql) type PayloadField<T> = Option<Result<T>>;

/// The calling publisher, if its role has the privilege (R1).
pub(in crate::graphql) fn publisher(ctx: &Context<'_>, privilege: Privilege) -> Result<Publisher> {
    ctx.end_snapshot();
    let publisher = ctx.publisher()?;
    publisher.viewer.require(privilege).or_failure()?;
    Ok(publisher)
}

/// The calling managed account, if its role has the privilege (R1).
pub(in crate::graphql) fn managed(ctx: &Context<'_>, privilege: Privilege) -> Result<Managed> {
    ctx.end_snapshot();
    let managed = ctx.managed()?;
    managed.viewer.require(privilege).or_failure()?;
    Ok(managed)
}

/// The caller of either kind, if its role has the privilege (R1).
pub(in crate::graphql) fn viewer<'ctx>(ctx: &'ctx Context<'_>, privilege: Privilege) -> Result<&'ctx Viewer> {
    ctx.end_snapshot();
    let viewer = ctx.viewer()?;
    viewer.require(privilege).or_failure()?;
    Ok(viewer)
}

/// Splits the outcome of a use case into its result and the errors of the payload. From here on the request reads the
/// committed state.
pub(in crate::graphql) fn result_and_errors<T, R, E: From<R>>(
    ctx: &Context<'_>,
    outcome: Outcome<T, R>,
) -> Result<(Option<T>, Vec<E>)> {
    ctx.renew();
    match outcome {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Error::Refused(refusals)) => Ok((None, refusals.into_iter().map(E::from).collect())),
        Err(Error::Failed(fault)) => Err(failure_of(ctx, fault)),
    }
}

/// Calls [`result_and_errors`], and loads the object that the payload shows.
pub(in crate::graphql) async fn answer<T, R, E, O, F>(
    ctx: &Context<'_>,
    outcome: Outcome<T, R>,
    show: impl FnOnce(T) -> F,
) -> Result<(PayloadField<O>, Vec<E>)>
where
    E: From<R>,
    F: Future<Output = Result<Option<O>>>,
{
    let (done, errors) = result_and_errors(ctx, outcome)?;
    let field = match done {
        Some(done) => show(done).await.transpose(),
        None => None,
    };
    Ok((field, errors))
}

/// Turns an optional input into an edit: left out is unchanged, null takes the value away.
pub(in crate::graphql) fn change<T>(input: MaybeUndefined<T>) -> Option<Option<T>> {
    match input {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// A count as the schema's `Int`.
pub(in crate::graphql) fn count(many: u64) -> i32 {
    i32::try_from(many).unwrap_or(i32::MAX)
}
