//! Builds HTTP responses: status, headers and body.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

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
        let mut response = write(self.status, media, &self.body, None);
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
    let turn = answer.turn.take();
    let mut response = write(status(media, answer.phase), media, &answer, turn);
    match answer.allowance {
        Some(allowance) => add_allowance_headers(response.headers_mut(), allowance),
        None if matches!(answer.phase, Phase::Limited | Phase::Overloaded) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        None => {}
    }
    if answer.is_unavailable() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// The body of an operation's answer. It is dropped when its last byte was passed on, and the operation's turn with it.
struct AnswerBody {
    /// `None` when it was passed on.
    bytes: Option<Bytes>,
    _turn: WorkPermit,
}

impl AnswerBody {
    fn new(bytes: Vec<u8>, mut turn: WorkPermit) -> Self {
        turn.answered(bytes.len());
        Self { bytes: Some(bytes.into()), _turn: turn }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

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
    headers.insert(RATE_LIMIT, decimal(allowance.limit));
    headers.insert(RATE_REMAINING, decimal(allowance.remaining));
    headers.insert(RATE_RESET, decimal(allowance.reset_seconds));
    if let Some(seconds) = allowance.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A number as a header's value. The conversion of the HTTP library takes twice as long.
fn decimal(mut number: u64) -> HeaderValue {
    let (mut digits, mut at) = ([b'0'; 20], 20);
    while at == 20 || number > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    // Digits are always valid.
    HeaderValue::from_bytes(&digits[at..]).unwrap_or(HeaderValue::from_static("0"))
}

/// The approximate number of headers of a finished response.
const HEADERS: usize = 12;
/// A first guess of the bytes of an answer without its parts.
const BESIDE_PARTS: usize = 4_096;

fn write(status: StatusCode, media: Media, answer: &Answer, turn: Option<WorkPermit>) -> Response {
    let parts: usize = answer.parts.iter().map(|part| part.get().len()).sum();
    let mut body = Vec::with_capacity(if parts == 0 { 512 } else { parts + BESIDE_PARTS });
    let (status, body) = match serde_json::to_writer(&mut body, answer) {
        Ok(()) => match turn {
            Some(turn) => (status, Body::new(AnswerBody::new(body, turn))),
            None => (status, Body::from(body)),
        },
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
