//! What a connection needs of the server behind it.

use futures_util::future::{BoxFuture, pending};
use futures_util::stream::BoxStream;

use super::machine::Close;
use super::message::Payload;
use crate::http::answer::Answer;
use crate::http::request::GraphqlRequest;

/// Authenticates clients and starts their operations.
pub trait Operations: Send + Sync + 'static {
    /// Authenticates a client by the payload of its first message.
    fn authenticate(&self, payload: Option<Payload>) -> BoxFuture<'_, Result<(), Close>>;

    /// Starts an operation. A refused one has a single answer, which wasn't executed.
    fn start(&self, request: GraphqlRequest) -> BoxFuture<'_, Result<Started, Close>>;

    /// The id of this connection in the log.
    fn request_id(&self) -> &str;

    /// Whether the client gave no token.
    fn is_anonymous(&self) -> bool {
        false
    }

    /// Waits until the client's token isn't valid any more. It is first polled when the client is authenticated.
    fn token_ends(&self) -> BoxFuture<'_, Close> {
        Box::pin(pending())
    }

    /// Notes with which code the server closed the connection; `None` if the client did.
    fn has_closed(&self, _code: Option<u16>) {}
}

/// An operation that has been started.
pub struct Started {
    /// The operation runs only while the stream is polled.
    pub answers: BoxStream<'static, Answer>,
    /// Whether there is a single answer, as for a query or a mutation.
    pub once: bool,
}
