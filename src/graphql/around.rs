//! Adds an extension to all requests.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionFactory};

/// Creates the same extension for each request.
pub(super) struct Around<E>(pub(super) E);

impl<E: Extension + Copy> ExtensionFactory for Around<E> {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.0)
    }
}
