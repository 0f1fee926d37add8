//! A factory of extensions of the GraphQL framework.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionFactory};

/// Creates the same extension for each request.
pub(super) struct SameExtension<E>(pub(super) E);

impl<E: Extension + Copy> ExtensionFactory for SameExtension<E> {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.0)
    }
}
