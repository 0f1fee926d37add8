//! The check of an endpoint's document. The gate does it, which the schema doesn't know, so it comes as a function.

use std::sync::Arc;

use async_graphql::Context;

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
    match ctx.data_opt::<CheckDocument>() {
        Some(check) => (check.0)(document).err(),
        None => Some("This server can't check documents.".into()),
    }
}
