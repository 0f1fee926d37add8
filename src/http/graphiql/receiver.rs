//! The demo's receiver of webhooks, at `/graphiql/receiver`. It accepts deliveries and shows them on a page, which
//! checks the signatures.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::Stream;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, interval_at, timeout};

use super::super::reply::refusal;
use super::super::router::HttpState;
use super::super::settings::HttpOptions;
use super::own;

const PAGE: &str = include_str!("receiver.html");
const SCRIPT: &str = include_str!("receiver.js");
const STYLE: &str = include_str!("receiver.css");

/// The receiver's path.
const PATH: &str = "/graphiql/receiver";
/// The most deliveries that are kept.
const KEPT: usize = 100;
/// The most bytes of a delivery's body: twice the largest payload (R62).
const BODY_MAX: usize = 128 * 1024;
/// The most bytes of a header that is shown.
const HEADER_MAX: usize = 1_024;

/// The deliveries so far, each as a server-sent event.
struct Deliveries {
    kept: Mutex<VecDeque<Bytes>>,
    news: broadcast::Sender<Bytes>,
}

impl Deliveries {
    fn add(&self, event: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // An error means that no page is open.
        let _ = self.news.send(event);
    }

    /// The kept deliveries, and a channel that gets each later one.
    fn follow(&self) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.news.subscribe())
    }
}

/// The address to which the demo's webhooks can be sent; `None` if the server can't be reached at a loopback address.
pub(super) fn address(options: &HttpOptions) -> Option<String> {
    let listener = options.listener.filter(|listener| listener.ip().is_loopback())?;
    options.demo_world.as_ref().map(|_| format!("http://{listener}{PATH}"))
}

pub(in crate::http) fn routes() -> Router<Arc<HttpState>> {
    let deliveries = Arc::new(Deliveries { kept: Mutex::default(), news: broadcast::channel(KEPT).0 });
    let shown = deliveries.clone();
    let take = async move |State(state): State<Arc<HttpState>>, headers: HeaderMap, body: Body| {
        take(&state, &deliveries, &headers, body).await
    };
    let show = async move |State(state): State<Arc<HttpState>>| show(state, &shown);
    Router::new()
        .route(PATH, get(async || own("text/html; charset=utf-8", PAGE)).post(take))
        .route("/graphiql/receiver.js", get(async || own("text/javascript; charset=utf-8", SCRIPT)))
        .route("/graphiql/receiver.css", get(async || own("text/css; charset=utf-8", STYLE)))
        .route("/graphiql/receiver/deliveries", get(show))
}

/// Accepts a delivery with any signature, because the page checks it. A page of another site can't send these headers
/// without a preflight request, and the server allows none.
async fn take(state: &HttpState, deliveries: &Deliveries, headers: &HeaderMap, body: Body) -> Response {
    let bad = |message| refusal(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message);
    let header = |name: &str| headers.get(name)?.to_str().ok().filter(|value| value.len() <= HEADER_MAX);
    let (Some(id), Some(timestamp), Some(signature)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return bad("Send the headers of Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.");
    };
    let Ok(read) = timeout(state.options.body_timeout, to_bytes(body, BODY_MAX)).await else {
        return refusal(StatusCode::REQUEST_TIMEOUT, "BAD_USER_INPUT", "The body came too slowly.");
    };
    let Ok(body) = read else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "BAD_USER_INPUT", "Send a body of at most 128 KiB.");
    };
    let Ok(body) = std::str::from_utf8(&body) else { return bad("Send a body in UTF-8.") };
    let data = json!({ "id": id, "timestamp": timestamp, "signature": signature, "body": body });
    deliveries.add(format!("event: delivery\ndata: {data}\n\n").into());
    StatusCode::NO_CONTENT.into_response()
}

/// A stream of server-sent events: the kept deliveries, and then each new one.
fn show(state: Arc<HttpState>, deliveries: &Deliveries) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    let (kept, news) = deliveries.follow();
    (headers, Body::from_stream(events(state, kept, news))).into_response()
}

fn events(
    state: Arc<HttpState>,
    kept: Vec<Bytes>,
    mut news: broadcast::Receiver<Bytes>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let every = state.options.keep_alive;
        let mut silence = interval_at(Instant::now() + every, every);
        yield Ok(Bytes::from_static(b":\n\n"));
        for event in kept {
            yield Ok(event);
        }
        loop {
            tokio::select! {
                () = state.options.ended() => return,
                event = news.recv() => match event {
                    Ok(event) => yield Ok(event),
                    // A page that reads too slowly misses some.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                _ = silence.tick() => yield Ok(Bytes::from_static(b":\n\n")),
            }
        }
    }
}
