//! The routes, and the middleware for all requests.

use std::net::IpAddr;
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
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, DefaultPredicate};
use tracing::Instrument as _;

use crate::service::access::Caller;

use super::accept::Media;
use super::auth::Credentials;
use super::connections::{self, Client, Crowded};
use super::engine::Engine;
use super::login::{Denied, Known};
use super::origin::{Hosts, Origins, cross_site};
use super::refusals::{Reason, Refusals};
use super::reply::{FAILED, Refused, refusal};
use super::settings::HttpOptions;
use super::{graphiql, graphql, health, pages, schema, stream};

/// The state that the handlers share.
pub(super) struct Front {
    pub(super) engine: Arc<Engine>,
    pub(super) options: HttpOptions,
    pub(super) origins: Origins,
    pub(super) refusals: Refusals,
    known: Known,
    hosts: Hosts,
}

impl Front {
    /// Authenticates a request from `peer`.
    pub(super) async fn login(
        &self,
        credentials: &Credentials,
        peer: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Caller, Denied> {
        self.known.login(&self.engine, &self.refusals, credentials, peer, request_id).await
    }
}

/// The id of a request, from the client or generated.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The minimum size of a compressed response, in bytes.
const COMPRESSED_MIN: u64 = 1_024;
/// The most bytes of an id from a client.
const REQUEST_ID_MAX: usize = 128;

/// The router of a server.
pub fn router(engine: Arc<Engine>, options: HttpOptions) -> Router {
    let hosts = Hosts::new(options.listener, &options.public_hosts);
    let origins = Origins::new(&options.cors_origins);
    let graphiql = options.graphiql;
    let schema = schema::Served::of((!options.trusted_only).then(|| engine.sdl()));
    let front = Arc::new(Front { engine, options, origins, refusals: Refusals::default(), known: Known::new(), hosts });
    let mut router = Router::new()
        .route("/graphql", any(graphql::handle))
        .route("/graphql/stream", any(stream::handle))
        .route_layer(middleware::from_fn_with_state(front.clone(), cross_site))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/schema.graphql", get(async move |headers: HeaderMap| schema.answer(&headers)));
    if graphiql {
        router = router.merge(graphiql::routes());
    }
    router
        .fallback(async || refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "Nothing is served here; try /graphql."))
        .method_not_allowed_fallback(async || Refused::method("GET, HEAD", "Send GET.").reply(Media::Json))
        .layer(middleware::from_fn_with_state(front.clone(), pages::lead))
        // Streams of events are never compressed, because compression would delay events. Short answers fit into one
        // packet anyway.
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_MIN))))
        .layer(middleware::from_fn_with_state(front.clone(), outermost))
        .with_state(front)
}

/// Handles what all requests need: an id, the check of the host, and a response even after a panic.
async fn outermost(State(front): State<Arc<Front>>, mut request: Request<Body>, next: Next) -> Response {
    let id = request_id(request.headers())
        .unwrap_or_else(|| front.engine.services.ids.unguessable::<uuid::Uuid>().to_string());
    let client = request.extensions().get::<Client>();
    let crowded = client.and_then(|client| client.place.as_ref().err().copied());
    let peer = client.map(|client| client.address);
    let is_probe = health::is_probe(request.uri().path());
    let client = client.map(|client| tracing::field::display(client.address));
    let span = tracing::info_span!("request", id, client, method = %request.method(), path = request.uri().path());
    let mut response = match crowded {
        // Probes call the server by its address, and get only public data.
        _ if !is_probe && !front.hosts.admits(&request) => {
            let message = front.hosts.refusal(&request);
            front.refusals.note(Reason::Host, peer, &message);
            refusal(StatusCode::MISDIRECTED_REQUEST, "BAD_USER_INPUT", &message)
        }
        Some(Crowded { most }) if !is_probe => {
            let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", connections::crowded(most));
            refused.with(header::RETRY_AFTER, "1").reply(Media::Json)
        }
        _ => {
            request.extensions_mut().insert(RequestId(id.clone()));
            let answer = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
            answer.unwrap_or_else(|_| {
                tracing::error!(parent: &span, "a handler panicked");
                let headers = [(header::CONTENT_TYPE, Media::Json.content_type())];
                (StatusCode::INTERNAL_SERVER_ERROR, headers, FAILED).into_response()
            })
        }
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

/// The client's id, if all of its characters are allowed in logs and the database.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
    ((1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(allowed)).then(|| id.to_owned())
}
