//! `/graphql`: GET for queries, POST for all but subscriptions, and the upgrade to a WebSocket.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::gate::OperationKind;
use crate::service::error::Failure;

use super::accept::{self, Media};
use super::answer::{Answer, Phase};
use super::auth::{Credentials, status_of};
use super::limits::{self, Unread};
use super::params;
use super::request::GraphqlRequest;
use super::router::{Front, RequestId};
use super::websocket;

/// Why a request is answered without being executed.
struct Refused {
    status: StatusCode,
    body: Box<Answer>,
    allow: Option<&'static str>,
}

impl Refused {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(Answer::refused(code, message)), allow: None }
    }

    fn bad(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "BAD_USER_INPUT", message)
    }

    fn method(allow: &'static str, message: &str) -> Self {
        Self { allow: Some(allow), ..Self::bad(StatusCode::METHOD_NOT_ALLOWED, message) }
    }
}

/// Answers a request to `/graphql`, whatever its method.
pub(super) async fn handle(
    State(front): State<Arc<Front>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: HttpRequest<Body>,
) -> Response {
    // The media type is settled first, so that each refusal is written in it.
    let media = Media::wanted(request.headers());
    let written = media.unwrap_or(Media::Json);
    if limits::is_foreign(request.headers()) {
        return refuse(
            written,
            Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", "The request comes from a page of another site."),
        );
    }
    if websocket::is_upgrade(request.headers()) && request.method() == Method::GET {
        return websocket::upgrade(front, request_id, request).await;
    }
    let result = match media {
        Some(media) => answer(&front, request_id, media, request).await,
        None => Err(Refused::bad(
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/json or application/graphql-response+json; accept one of them.",
        )),
    };
    result.unwrap_or_else(|refused| refuse(written, refused))
}

async fn answer(front: &Front, request_id: String, media: Media, http: HttpRequest<Body>) -> Result<Response, Refused> {
    let by_get = match *http.method() {
        Method::GET => true,
        Method::POST => false,
        _ => return Err(Refused::method("GET, POST", "Send GET or POST.")),
    };
    let refused = |failure: Failure| Refused {
        status: status_of(&failure),
        body: Box::new(Answer::failed(&failure, &request_id)),
        allow: None,
    };
    let credentials = Credentials::of(http.headers());
    let secret = credentials.secret().map_err(refused)?;
    let caller = front.engine.services.authenticate(secret, Some(request_id.clone())).await.map_err(refused)?;
    let request = if by_get { read_address(&http)? } else { read_body(front, http).await? };
    let admitted = match front.engine.admit(&caller, request) {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(write(status(media, &refused), media, &refused)),
    };
    match admitted.kind() {
        OperationKind::Mutation if by_get => {
            return Err(Refused::method("POST", "A mutation changes things: send it by POST."));
        }
        OperationKind::Subscription => {
            return Err(Refused::bad(
                StatusCode::BAD_REQUEST,
                "Send a subscription over a WebSocket (graphql-transport-ws).",
            ));
        }
        _ => {}
    }
    let answer = front.engine.execute(caller, &request_id, admitted).await;
    Ok(write(status(media, &answer), media, &answer))
}

fn status(media: Media, answer: &Answer) -> StatusCode {
    match (answer.phase, media) {
        (Phase::Failed, _) => StatusCode::INTERNAL_SERVER_ERROR,
        (Phase::Limited, _) => StatusCode::TOO_MANY_REQUESTS,
        (Phase::Refused, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Phase::Refused | Phase::Executed, _) => StatusCode::OK,
    }
}

fn read_address(http: &HttpRequest<Body>) -> Result<GraphqlRequest, Refused> {
    params::from_address(http.uri().query().unwrap_or_default()).map_err(malformed)
}

async fn read_body(front: &Front, http: HttpRequest<Body>) -> Result<GraphqlRequest, Refused> {
    if !accept::is_json(http.headers()) {
        return Err(Refused::bad(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the body as `Content-Type: application/json`, in UTF-8.",
        ));
    }
    let limit = front.options.body_limit;
    let (parts, body) = http.into_parts();
    let body = limits::read(&parts.headers, body, limit).await.map_err(|unread| match unread {
        Unread::TooLarge => Refused::bad(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body is longer than {limit} bytes, the most that is read."),
        ),
        Unread::Broken => Refused::bad(StatusCode::BAD_REQUEST, "The body could not be read to its end."),
    })?;
    params::from_body(&body).map_err(malformed)
}

fn malformed(malformed: params::Malformed) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, malformed.code, malformed.message)
}

fn refuse(media: Media, refused: Refused) -> Response {
    let mut response = write(refused.status, media, &refused.body);
    if let Some(allow) = refused.allow {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if refused.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn write(status: StatusCode, media: Media, answer: &Answer) -> Response {
    let headers = [(header::CONTENT_TYPE, media.content_type()), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_string(answer) {
        Ok(body) => (status, headers, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, headers, FAILED).into_response()
        }
    }
}

/// What is answered when nothing better can be.
pub(super) const FAILED: &str =
    r#"{"errors":[{"message":"The server has failed.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;

/// An answer that is one error, for the other rooms of this house.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    refuse(Media::Json, Refused::new(status, code, message))
}
