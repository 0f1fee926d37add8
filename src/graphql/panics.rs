//! Turns a panic in a resolver into an error of its field.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, NextResolve, ResolveInfo};
use async_graphql::{PathSegment, QueryPathNode, QueryPathSegment, ServerError, ServerResult, Value};
use futures_util::FutureExt as _;

use crate::service::error::Failure;

use super::error;

/// The errors of nullable fields that panicked. Attached to each request: such a field resolves to null, and its error
/// is added to the response.
#[derive(Clone, Default)]
pub struct Panics(Arc<Mutex<Vec<ServerError>>>);

impl Panics {
    /// Removes and returns the errors.
    #[must_use]
    pub fn take(&self) -> Vec<ServerError> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, error: ServerError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }
}

/// Wraps the resolver of each field.
#[derive(Clone, Copy)]
pub(super) struct Guard;

#[async_graphql::async_trait::async_trait]
impl Extension for Guard {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let (pos, path, nullable) = (info.field.name.pos, info.path_node, !info.return_type.ends_with('!'));
        match AssertUnwindSafe(next.run(ctx, info)).catch_unwind().await {
            Ok(result) => result,
            // The panic hook has logged the panic's message.
            Err(_) => {
                let path = segments(path);
                let failed = error::failure(Failure::bug(format!("a resolver panicked at {path:?}")));
                let failed = failed.into_server_error(pos).with_path(path);
                match ctx.data_opt::<Panics>() {
                    Some(panics) if nullable => {
                        panics.put(failed);
                        Ok(None)
                    }
                    _ => Err(failed),
                }
            }
        }
    }
}

fn segments(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let segment = |node: &QueryPathNode<'_>| match node.segment {
        QueryPathSegment::Index(index) => PathSegment::Index(index),
        QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
    };
    let mut path: Vec<PathSegment> = std::iter::once(node).chain(node.parents()).map(segment).collect();
    path.reverse();
    path
}
