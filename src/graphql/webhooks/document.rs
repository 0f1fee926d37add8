//! The check of an endpoint's document. The gate does it, which the schema doesn't know, so it comes as a function.

use std::sync::Arc;

use async_graphql::Context;

use crate::graphql::context::ContextExt as _;

type Check = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Checks a document. The error is a sentence that says what is wrong.
#[derive(Clone)]
pub struct CheckDocument(Arc<Check>);

impl CheckDocument {
    pub fn new(check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }
}

/// The fault of an endpoint's document, as a sentence; `None` if it is valid or absent.
pub(super) fn fault(ctx: &Context<'_>, document: Option<&str>) -> Option<String> {
    let document = document?;
    (ctx.data_of_request().check_document.0)(document).err()
}
