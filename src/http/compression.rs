//! Compresses responses for clients that accept it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::Response;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};
use tower_http::compression::{Compression, DefaultPredicate};
use tower_service::Service;

/// The minimum size of a compressed response, in bytes. Short answers fit into one packet anyway.
const COMPRESSED_MIN: u64 = 1_024;

/// The content codings that a client accepts: its headers `Accept-Encoding`.
pub(super) struct Encodings(Vec<HeaderValue>);

impl Encodings {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::ACCEPT_ENCODING).iter().cloned().collect())
    }

    /// The response in the coding that the client prefers.
    pub(super) async fn apply(self, mut response: Response) -> Response {
        if self.0.is_empty() {
            // A cache must not give a client of another kind this response.
            if suits().should_compress(&response) {
                response.headers_mut().append(header::VARY, HeaderValue::from(header::ACCEPT_ENCODING));
            }
            return response;
        }
        let mut request = Request::new(());
        for value in self.0 {
            request.headers_mut().append(header::ACCEPT_ENCODING, value);
        }
        // A client that accepts no known coding gets the response as it is: the request was executed already, so a
        // refusal would be wrong.
        let status = response.status();
        let mut compression = Compression::new(Given(Some(response))).compress_when(suits());
        let mut response = match compression.call(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        };
        *response.status_mut() = status;
        response
    }
}

/// Streams of events are never compressed, because compression would delay events.
fn suits() -> And<SizeAbove, DefaultPredicate> {
    SizeAbove::new(COMPRESSED_MIN).and(DefaultPredicate::new())
}

/// Answers a request with a response that is there already.
struct Given(Option<Response>);

impl Service<Request<()>> for Given {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(self.0.take().unwrap_or_default()))
    }
}
