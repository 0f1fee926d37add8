//! What stands around each field: the same for all requests.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionFactory};

/// Puts one and the same extension around the fields of each request.
pub(super) struct Around<E>(pub(super) E);

impl<E: Extension + Copy> ExtensionFactory for Around<E> {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.0)
    }
}
