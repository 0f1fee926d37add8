//! The turn that a subscription takes before it answers an event.

use async_graphql::Context;
use futures_util::future::BoxFuture;

/// Takes the turn of the next answer. If it isn't there at once, the result waits for it.
type Begin = dyn Fn() -> Option<BoxFuture<'static, ()>> + Send + Sync;

/// The turns of a subscription's answers. The transport attaches it to the request, because it bounds how much is
/// answered at a time.
pub struct Turns(Box<Begin>);

impl Turns {
    #[must_use]
    pub fn new(begin: impl Fn() -> Option<BoxFuture<'static, ()>> + Send + Sync + 'static) -> Self {
        Self(Box::new(begin))
    }
}

/// What waits for the turn of the next answer, if it isn't there at once.
pub(super) fn turn(ctx: &Context<'_>) -> Option<BoxFuture<'static, ()>> {
    ctx.data_opt::<Turns>().and_then(|turns| turns.0())
}
