//! `/graphql`: queries by GET, queries and mutations by POST, and the upgrade to a WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, Request as HttpRequest, StatusCode};
use axum::response::Response;

use crate::gate::OperationKind;

use super::accept::Media;
use super::intake::{self, IncomingRequest};
use super::reply::{Refused, answered};
use super::router::HttpState;
use super::websocket;

/// Answers a request to `/graphql` with any method.
pub(super) async fn handle(state: &Arc<HttpState>, request_id: &str, request: HttpRequest<Body>) -> Response {
    if websocket::is_upgrade(request.headers()) && request.method() == Method::GET {
        return Box::pin(websocket::upgrade(state.clone(), request_id.to_owned(), request)).await;
    }
    let (parts, body) = request.into_parts();
    // The media type is chosen first, because refusals use it too.
    let media = Media::preferred(&parts.headers);
    let written = media.unwrap_or(Media::Json);
    let unacceptable = media.is_none().then(|| {
        let message = "Answers are application/json or application/graphql-response+json; accept one of them.";
        Refused::bad(StatusCode::NOT_ACCEPTABLE, message)
    });
    let incoming = intake::read(state, request_id, &parts, body, unacceptable).await;
    let answer = match incoming {
        Ok(incoming) => answer(state, request_id, written, &parts, incoming).await,
        Err(refused) => Err(refused),
    };
    answer.unwrap_or_else(|refused| refused.reply(written))
}

async fn answer(
    state: &HttpState,
    request_id: &str,
    media: Media,
    parts: &Parts,
    IncomingRequest { caller, request, peer, reserved: _reserved }: IncomingRequest,
) -> Result<Response, Refused> {
    let admitted = match state.engine.admit(&caller, peer, request) {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(answered(media, *refused)),
    };
    check_kind(admitted.kind(), intake::by_get(parts))?;
    if admitted.kind() == OperationKind::Subscription {
        let message = "Open a subscription over a WebSocket (graphql-transport-ws), or at /graphql/stream.";
        return Err(Refused::bad(StatusCode::BAD_REQUEST, message));
    }
    Ok(answered(media, state.engine.execute(caller, request_id, admitted).await))
}

/// Checks that the method allows the operation: a GET must not change anything.
pub(super) fn check_kind(kind: OperationKind, by_get: bool) -> Result<(), Refused> {
    if by_get && kind == OperationKind::Mutation {
        return Err(Refused::method("POST", "A mutation changes things: send it by POST."));
    }
    Ok(())
}
