//! Builds HTTP responses: status, headers and body.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::service::error::Failure;

use super::accept::Media;
use super::answer::{Allowance, Answer, Phase};
use super::auth::status_of;
use super::login;
use super::workload::WorkPermit;

/// The body when nothing better can be serialized.
pub(super) const FAILED: &str =
    r#"{"errors":[{"message":"The server has failed.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;

/// The header `Retry-After` for a database that accepts no writes at the moment.
const RETRY_AFTER_SECONDS: u64 = 1;

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The headers that pages of other origins may read.
pub(super) const EXPOSED: &str =
    "X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

/// The response to a request that isn't executed.
pub(super) struct Refused {
    status: StatusCode,
    body: Box<Answer>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(Answer::refused(code, message)), headers: Vec::new() }
    }

    /// An invalid request.
    pub(super) fn bad(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "BAD_USER_INPUT", message)
    }

    /// A method that isn't supported.
    pub(super) fn method(allow: &'static str, message: &str) -> Self {
        Self::bad(StatusCode::METHOD_NOT_ALLOWED, message).with(header::ALLOW, allow)
    }

    /// A failure before the document was read.
    pub(super) fn failure(failure: &Failure, request_id: &str) -> Self {
        let (status, body) = (status_of(failure), Box::new(Answer::failed(failure, request_id)));
        let refused = Self { status, body, headers: Vec::new() };
        match status {
            StatusCode::UNAUTHORIZED => {
                refused.with(header::WWW_AUTHENTICATE, r#"Bearer realm="packwright", error="invalid_token""#)
            }
            StatusCode::SERVICE_UNAVAILABLE => refused.with(header::RETRY_AFTER, "1"),
            _ => refused,
        }
    }

    /// A request that has no room at the moment.
    pub(super) fn busy(answer: Box<Answer>) -> Self {
        let status = status(Media::Json, answer.phase);
        Self { status, body: answer, headers: Vec::new() }.with(header::RETRY_AFTER, "1")
    }

    /// A token of a peer that has sent too many invalid ones.
    pub(super) fn too_many_tokens(allowance: Allowance) -> Self {
        let (message, wait) = login::too_many(allowance);
        let mut refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
        refused.headers.push((header::RETRY_AFTER, HeaderValue::from(wait)));
        refused
    }

    /// The same refusal with a further header.
    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// The response. The metrics count its errors.
    pub(super) fn reply(self, media: Media) -> Response {
        let mut response = write(self.status, media, &self.body);
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(RefusedWith(Arc::from(self.body)));
        response
    }
}

/// The answer of a request that was refused, for the metrics.
#[derive(Clone)]
pub(super) struct RefusedWith(pub(super) Arc<Answer>);

/// A response with a single error in JSON.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    Refused::new(status, code, message).reply(Media::Json)
}

/// The response with the engine's answer. It keeps the operation's turn until it was sent.
pub(super) fn answered(media: Media, mut answer: Answer) -> Response {
    let mut response = write(status(media, answer.phase), media, &answer);
    match answer.allowance {
        Some(allowance) => add_allowance_headers(response.headers_mut(), allowance),
        None if matches!(answer.phase, Phase::Limited | Phase::Overloaded) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        None => {}
    }
    if let Some(mut turn) = answer.turn.take() {
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        turn.answered(usize::try_from(bytes).unwrap_or(usize::MAX));
        response.extensions_mut().insert(UntilSent(Arc::new(turn)));
    }
    if answer.is_unavailable() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// Dropped when the response's last byte was passed on.
#[derive(Clone)]
pub(super) struct UntilSent(#[expect(dead_code, reason = "dropped when the answer has left")] Arc<WorkPermit>);

fn status(media: Media, phase: Phase) -> StatusCode {
    match (phase, media) {
        (Phase::Failed, _) => StatusCode::INTERNAL_SERVER_ERROR,
        (Phase::Limited, _) => StatusCode::TOO_MANY_REQUESTS,
        (Phase::Overloaded, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Phase::Refused, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Phase::Refused | Phase::Executed, _) => StatusCode::OK,
    }
}

/// Adds the headers about the rate limit.
pub(super) fn add_allowance_headers(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(RATE_LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(allowance.remaining));
    headers.insert(RATE_RESET, HeaderValue::from(allowance.reset_seconds));
    if let Some(seconds) = allowance.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The approximate number of headers of a finished response.
const HEADERS: usize = 12;
/// A first guess of the bytes of an answer without its parts.
const BESIDE_PARTS: usize = 4_096;

fn write(status: StatusCode, media: Media, answer: &Answer) -> Response {
    let parts: usize = answer.parts.iter().map(|part| part.get().len()).sum();
    let mut body = Vec::with_capacity(if parts == 0 { 512 } else { parts + BESIDE_PARTS });
    let (status, body) = match serde_json::to_writer(&mut body, answer) {
        Ok(()) => (status, Body::from(body)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Body::from(FAILED))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    *response.headers_mut() = headers;
    response
}
