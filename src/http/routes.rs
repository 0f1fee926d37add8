//! What a listener serves: a function from requests to responses.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::header::Entry;
use axum::http::{HeaderValue, Method, Request, header};
use axum::response::Response;
use futures_util::future::{BoxFuture, FutureExt as _};

/// Answers the requests of a listener. It is cheap to clone. A router of the web framework in its place would cost each
/// request some allocations and copies.
#[derive(Clone)]
pub struct Routes(Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response> + Send + Sync>);

impl Routes {
    /// Routes that answer each request so.
    #[must_use]
    pub fn new(answer: impl Fn(Request<Body>) -> BoxFuture<'static, Response> + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    /// Routes that `current` returns, for each request those of its moment.
    #[must_use]
    pub fn replaceable(current: impl Fn() -> Self + Send + Sync + 'static) -> Self {
        Self::new(move |request| current().answer(request))
    }

    /// Answers a request.
    pub fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Response> {
        let is_head = *request.method() == Method::HEAD;
        let answer = (self.0)(request);
        if is_head { answer.map(without_body).boxed() } else { answer }
    }
}

/// The answer to a HEAD: it has the headers of a GET's answer. The HTTP library would leave out the length of an empty
/// body.
fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    if let (Some(length), Entry::Vacant(missing)) = (length, response.headers_mut().entry(header::CONTENT_LENGTH)) {
        missing.insert(HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}
