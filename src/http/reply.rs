//! How an answer leaves: its status, its headers, its body.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::service::error::Failure;

use super::accept::Media;
use super::answer::{Allowance, Answer, Phase};
use super::auth::status_of;
use super::login;
use super::workload::Turn;

/// What is answered when nothing better can be.
pub(super) const FAILED: &str =
    r#"{"errors":[{"message":"The server has failed.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;

/// After how many seconds a database that takes no writes may take them again.
const RETRY_AFTER_SECONDS: u64 = 1;

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The headers of an answer that a page of another origin may read.
pub(super) const EXPOSED: &str =
    "X-Request-Id, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

/// Why a request is answered without being executed.
pub(super) struct Refused {
    status: StatusCode,
    body: Box<Answer>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(Answer::refused(code, message)), headers: Vec::new() }
    }

    /// A request that isn't as it should be.
    pub(super) fn bad(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "BAD_USER_INPUT", message)
    }

    /// A method that isn't served.
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

    /// A request for which there is no room now.
    pub(super) fn busy(answer: Box<Answer>) -> Self {
        let status = status(Media::Json, answer.phase);
        Self { status, body: answer, headers: Vec::new() }.with(header::RETRY_AFTER, "1")
    }

    /// A token of a peer that has sent too many wrong ones.
    pub(super) fn too_many_tokens(allowance: Allowance) -> Self {
        let (message, wait) = login::too_many(allowance);
        let mut refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
        refused.headers.push((header::RETRY_AFTER, HeaderValue::from(wait)));
        refused
    }

    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    pub(super) fn reply(self, media: Media) -> Response {
        let mut response = write(self.status, media, &self.body);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// An answer that is one error, for the other rooms of this house.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    Refused::new(status, code, message).reply(Media::Json)
}

/// What the engine answered. Its turn goes with the response, until that has left.
pub(super) fn answered(media: Media, mut answer: Answer) -> Response {
    let mut response = write(status(media, answer.phase), media, &answer);
    match answer.allowance {
        Some(allowance) => tell_allowance(response.headers_mut(), allowance),
        None if matches!(answer.phase, Phase::Limited | Phase::Overloaded) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        None => {}
    }
    if let Some(mut turn) = answer.turn.take() {
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        turn.answered(usize::try_from(bytes).unwrap_or(usize::MAX));
        response.extensions_mut().insert(Leaving(Arc::new(turn)));
    }
    if answer.is_unavailable() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// What an answer keeps until its last byte was passed on.
#[derive(Clone)]
pub(super) struct Leaving(#[expect(dead_code, reason = "dropped when the answer has left")] Arc<Turn>);

fn status(media: Media, phase: Phase) -> StatusCode {
    match (phase, media) {
        (Phase::Failed, _) => StatusCode::INTERNAL_SERVER_ERROR,
        (Phase::Limited, _) => StatusCode::TOO_MANY_REQUESTS,
        (Phase::Overloaded, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Phase::Refused, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Phase::Refused | Phase::Executed, _) => StatusCode::OK,
    }
}

/// Says what the token may still ask for.
pub(super) fn tell_allowance(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(RATE_LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(RATE_REMAINING, HeaderValue::from(allowance.remaining));
    headers.insert(RATE_RESET, HeaderValue::from(allowance.reset_seconds));
    if let Some(seconds) = allowance.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn write(status: StatusCode, media: Media, answer: &Answer) -> Response {
    let headers =
        [(header::CONTENT_TYPE, media.content_type()), (header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept")];
    match serde_json::to_string(answer) {
        Ok(body) => (status, headers, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, headers, FAILED).into_response()
        }
    }
}
