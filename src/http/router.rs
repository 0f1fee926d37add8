//! Which path is answered by whom, and what holds for every answer.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tracing::Instrument as _;

use super::engine::Engine;
use super::limits::Hosts;
use super::{graphiql, graphql, health};

/// How the HTTP side behaves.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where the server listens; `None` for one that is called in its process, which any name of
    /// loopback reaches.
    pub listener: Option<SocketAddr>,
    /// The other hosts that it goes by, with or without a port.
    pub public_hosts: Vec<String>,
    /// Whether `/graphiql` is served.
    pub graphiql: bool,
    /// The tokens that `/graphiql` offers.
    pub demo_tokens: Vec<DemoToken>,
    /// The most bytes of a body or a WebSocket message.
    pub body_limit: usize,
    /// Turns true when the server ends: open WebSockets are closed then.
    pub shutdown: Option<watch::Receiver<bool>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            listener: None,
            public_hosts: Vec::new(),
            graphiql: false,
            demo_tokens: Vec::new(),
            body_limit: 1024 * 1024,
            shutdown: None,
        }
    }
}

/// A token that everybody may know.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct DemoToken {
    /// Whose it is.
    pub name: &'static str,
    pub secret: &'static str,
}

/// What the handlers share.
pub(super) struct Front {
    pub(super) engine: Arc<Engine>,
    pub(super) options: HttpOptions,
    hosts: Hosts,
}

/// The id of a request: the client's, or one of ours.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const REQUEST_ID_MAX: usize = 128;

/// The HTTP side of a server.
pub fn router(engine: Arc<Engine>, options: HttpOptions) -> Router {
    let hosts = Hosts::new(options.listener, &options.public_hosts);
    let graphiql = options.graphiql;
    let front = Arc::new(Front { engine, options, hosts });
    let mut router = Router::new()
        .route("/graphql", any(graphql::handle))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready));
    if graphiql {
        router = router.merge(graphiql::routes());
    }
    router
        .fallback(async || {
            graphql::refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "Nothing is served here; try /graphql.")
        })
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(front.clone(), outermost))
        .with_state(front)
}

/// What holds for every request: an id, a host that is ours, and an answer also when we fail.
async fn outermost(State(front): State<Arc<Front>>, mut request: Request<Body>, next: Next) -> Response {
    let id = request_id(request.headers())
        .unwrap_or_else(|| front.engine.services.ids.unguessable::<uuid::Uuid>().to_string());
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = if front.hosts.admits(&request) {
        request.extensions_mut().insert(RequestId(id.clone()));
        let answer = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(parent: &span, "a handler panicked");
            let headers = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
            (StatusCode::INTERNAL_SERVER_ERROR, headers, graphql::FAILED).into_response()
        })
    } else {
        graphql::refusal(StatusCode::MISDIRECTED_REQUEST, "BAD_USER_INPUT", "The server doesn't go by this host name.")
    };
    tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An id is printable ASCII, so this can't fail.
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The id that the client gave, if it is one that a log and a database can hold.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
    ((1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(allowed)).then(|| id.to_owned())
}
