//! `/graphql/stream`: an operation's answers as server-sent events (`graphql-sse`, distinct connections).
//!
//! The id of an event is its cursor. A client that reconnects sends its last one as `Last-Event-ID`, and the stream
//! continues after it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::gate::OperationKind;
use crate::graphql::StreamCursor;

use super::accept::{self, Media};
use super::answer::{Answer, Phase};
use super::graphql::check_kind;
use super::intake::{self, IncomingRequest};
use super::reply::{FAILED, Refused, answered};
use super::router::HttpState;

/// An empty comment. It shows the client that the stream is open, and keeps proxies from closing it.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// The end of the stream. It has data, because a browser's `EventSource` ignores events without.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers a request to `/graphql/stream` with any method. An invalid request is refused with JSON. The answer to a
/// GraphQL request is a stream, even if it can't be executed.
pub(super) async fn handle(state: &Arc<HttpState>, request_id: &str, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let unacceptable = (!accept::takes_events(&parts.headers))
        .then(|| Refused::bad(StatusCode::NOT_ACCEPTABLE, "Answers here are text/event-stream; accept it."));
    let opened = match intake::read(state, request_id, &parts, body, unacceptable).await {
        Ok(incoming) => open(state.clone(), request_id, &parts, incoming),
        Err(refused) => Err(refused),
    };
    opened.unwrap_or_else(|refused| refused.reply(Media::preferred(&parts.headers).unwrap_or(Media::Json)))
}

fn open(
    state: Arc<HttpState>,
    request_id: &str,
    parts: &Parts,
    IncomingRequest { caller, request, peer, reserved: _reserved }: IncomingRequest,
) -> Result<Response, Refused> {
    let stream_cursor = Arc::new(StreamCursor::after(intake::text(parts.headers.get(LAST_EVENT_ID))));
    let mut is_subscription = false;
    let answers = match state.engine.admit(&caller, peer, request) {
        Ok(admitted) => {
            check_kind(admitted.kind(), intake::by_get(parts))?;
            is_subscription = admitted.kind() == OperationKind::Subscription;
            state.engine.execute_stream(caller, request_id, admitted.at(stream_cursor.clone()))
        }
        // An invalid document is reported as an event, because browsers hide the body of other statuses.
        Err(refused) if refused.phase == Phase::Refused => futures_util::stream::iter([*refused]).boxed(),
        Err(refused) => return Ok(answered(Media::Json, *refused)),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Without this header some proxies buffer events.
        (ACCEL_BUFFERING, "no"),
    ];
    let events = events(state, stream_cursor, answers, is_subscription).map(Ok::<_, Infallible>);
    Ok((headers, Body::from_stream(events)).into_response())
}

/// The stream of events. It writes only as fast as the client reads. A server that ends closes the stream of a
/// subscription without `complete`, so that the client reconnects. A query or a mutation is answered first.
fn events(
    state: Arc<HttpState>,
    stream_cursor: Arc<StreamCursor>,
    mut answers: BoxStream<'static, Answer>,
    is_subscription: bool,
) -> impl Stream<Item = Bytes> {
    async_stream::stream! {
        yield COMMENT;
        let every = state.options.keep_alive;
        let mut silence = interval_at(Instant::now() + every, every);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = state.options.ended(), if is_subscription => return,
                answer = answers.next() => match answer {
                    Some(mut answer) => {
                        let turn = answer.event_turn.take();
                        let event = next(&answer, stream_cursor.take_advanced().map(|advanced| advanced.cursor));
                        drop(answer);
                        yield event;
                        drop(turn);
                    }
                    None => break,
                },
                _ = silence.tick() => yield COMMENT,
            }
        }
        yield COMPLETE;
    }
}

/// An answer as an event. It has an id only if it contains an event of the log.
fn next(answer: &Answer, advanced: Option<String>) -> Bytes {
    let data = serde_json::to_string(answer).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written");
        FAILED.to_owned()
    });
    let cursor = advanced.filter(|_| answer.phase == Phase::Executed);
    let id = cursor.map(|cursor| format!("id: {cursor}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: next\ndata: {data}\n\n"))
}
