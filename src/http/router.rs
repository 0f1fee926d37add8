//! The routes, and the steps that all requests need. Requests to the API pass through plain functions instead of layers
//! of the web framework: each layer would cost two allocations and a copy of the request.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tracing::Instrument as _;

use crate::ids::HashedIds;
use crate::service::access::Caller;
use crate::service::accounts::NamedAccount;

use super::accept::Media;
use super::auth::Credentials;
use super::compression::Encodings;
use super::connections::{self, Client, TooManyConnections};
use super::engine::Engine;
use super::login::{Denied, ValidTokens};
use super::measured::MeasuredRequest;
use super::origin::{Hosts, Origins, cross_site};
use super::refusals::{Reason, Refusals};
use super::reply::{FAILED, Refused, refusal};
use super::routes::Routes;
use super::settings::HttpOptions;
use super::{graphiql, graphql, health, metrics, pages, schema, stream};

/// The state that the handlers share.
pub(super) struct HttpState {
    pub(super) engine: Arc<Engine>,
    pub(super) options: HttpOptions,
    pub(super) origins: Origins,
    pub(super) refusals: Refusals,
    valid_tokens: ValidTokens,
    hosts: Hosts,
    request_ids: HashedIds,
}

impl HttpState {
    /// Authenticates a request from `peer`.
    pub(super) async fn login(
        &self,
        credentials: (&Credentials, NamedAccount),
        peer: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Caller, Denied> {
        self.valid_tokens.login(&self.engine, &self.refusals, credentials, peer, request_id).await
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The most bytes of an id from a client.
const REQUEST_ID_MAX: usize = 128;

/// The routes of a server.
pub fn router(engine: Arc<Engine>, options: HttpOptions) -> Routes {
    let hosts = Hosts::new(options.listener, &options.public_hosts);
    let origins = Origins::new(&options.cors_origins);
    engine.ends_with(options.shutdown.clone());
    let graphiql = options.graphiql;
    let schema = schema::ServedSchema::of((!options.trusted_only).then(|| engine.sdl()));
    let state = Arc::new(HttpState {
        engine,
        options,
        origins,
        refusals: Refusals::default(),
        valid_tokens: ValidTokens::new(),
        hosts,
        request_ids: HashedIds::default(),
    });
    let mut pages = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/schema.graphql", get(async move |headers: HeaderMap| schema.answer(&headers)));
    if graphiql {
        pages = pages.merge(graphiql::routes());
        if state.options.demo_world.is_some() {
            pages = pages.merge(graphiql::receiver_routes());
        }
    }
    let pages = pages
        .fallback(async || refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "Nothing is served here; try /graphql."))
        .method_not_allowed_fallback(async || Refused::method("GET, HEAD", "Send GET.").reply(Media::Json))
        .with_state(state.clone());
    let entrance = Arc::new(Entrance { state, pages: TowerToHyperService::new(pages) });
    Routes::new(move |request| entrance.clone().answer(request))
}

/// The service that gets every request first.
struct Entrance {
    state: Arc<HttpState>,
    /// The routes other than the API's.
    pages: TowerToHyperService<Router>,
}

impl Entrance {
    /// Answers a request. Each gets an id, its host is checked, and even a panic leads to a response.
    fn answer(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response> {
        Box::pin(async move { self.admit(request).await })
    }

    async fn admit(&self, request: Request<Body>) -> Response {
        let state = &self.state;
        let id = request_id(request.headers()).unwrap_or_else(|| new_request_id(&state.request_ids));
        let client = request.extensions().get::<Client>();
        let measured = MeasuredRequest::begin(&state.engine, &request);
        let too_many_connections = client.and_then(|client| client.slot.as_ref().err().copied());
        let peer = client.map(|client| client.address);
        let is_probe = health::is_probe(request.uri().path());
        let client = client.map(|client| tracing::field::display(client.address));
        let span = tracing::info_span!("request", id, client, method = %request.method(), path = request.uri().path());
        let mut response = match too_many_connections {
            // Probes call the server by its address, and get only public data.
            _ if !is_probe && !is_by_token(&request) && !state.hosts.admits(&request) => {
                let message = state.hosts.refusal(&request);
                span.in_scope(|| state.refusals.note(Reason::Host, peer, &message));
                refusal(StatusCode::MISDIRECTED_REQUEST, "BAD_USER_INPUT", &message)
            }
            Some(TooManyConnections { most }) if !is_probe => {
                let refused = Refused::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "RATE_LIMITED",
                    connections::too_many_connections(most),
                );
                refused.with(header::RETRY_AFTER, "1").reply(Media::Json)
            }
            _ => {
                let answer = pin!(self.route(&id, request));
                let answer = AssertUnwindSafe(answer).catch_unwind();
                answer.instrument(span.clone()).await.unwrap_or_else(|_| {
                    tracing::error!(parent: &span, "a handler panicked");
                    let headers = [(header::CONTENT_TYPE, Media::Json.content_type())];
                    (StatusCode::INTERNAL_SERVER_ERROR, headers, FAILED).into_response()
                })
            }
        };
        measured.end(&mut response);
        tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // An id is printable ASCII, so this can't fail.
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }

    async fn route(&self, id: &str, mut request: Request<Body>) -> Response {
        let encodings = Encodings::of(request.headers());
        let response = match pages::lead(&self.state.options, &request) {
            Some(page) => page,
            None => match request.uri().path() {
                "/graphql" => {
                    cross_site(&self.state, request, |request| graphql::handle(&self.state, id, request)).await
                }
                metrics::PATH => metrics::answer(&self.state, id, request).await,
                "/graphql/stream" => {
                    cross_site(&self.state, request, |request| stream::handle(&self.state, id, request)).await
                }
                _ => {
                    // The web framework would empty the body, by whose size the coding is chosen. The HTTP library
                    // sends no body in answer to a HEAD.
                    if *request.method() == Method::HEAD {
                        *request.method_mut() = Method::GET;
                    }
                    match self.pages.call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    }
                }
            },
        };
        encodings.apply(response).await
    }
}

/// Whether a request is for the metrics and brings a token. Its host isn't checked: Prometheus uses the server's
/// address, and a page of another site has no token.
fn is_by_token(request: &Request<Body>) -> bool {
    request.uri().path() == metrics::PATH && request.headers().contains_key(header::AUTHORIZATION)
}

/// The id of a request to which its client gave none.
fn new_request_id(ids: &HashedIds) -> String {
    uuid::Builder::from_random_bytes(ids.next().to_be_bytes()).into_uuid().to_string()
}

/// The client's id, if all of its characters are allowed in logs and the database.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
    ((1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(allowed)).then(|| id.to_owned())
}
