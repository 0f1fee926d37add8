//! `/metrics` on the server's own listener: for administrators of publishers, and for programs on this computer.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::domain::accounts::{AccountKind, Role};
use crate::metrics::CONTENT_TYPE;
use crate::service::access::Caller;
use crate::service::accounts::NamedAccount;
use crate::service::error::Failure;

use super::accept::Media;
use super::auth::Credentials;
use super::connections::Client;
use super::engine::Engine;
use super::login::Denied;
use super::reply::Refused;
use super::router::HttpState;

/// The path of the metrics. Prometheus uses the server's address, so a request with a token may have any host name.
pub(super) const PATH: &str = "/metrics";

/// The headers that proxies add.
const OF_PROXIES: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// Answers a request for the metrics on the server's own listener.
pub(super) async fn answer(state: &HttpState, request_id: &str, request: Request<Body>) -> Response {
    // The body is dropped: a future that holds it couldn't be sent between threads.
    let (parts, _) = request.into_parts();
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Refused::method("GET, HEAD", "Send GET.").reply(Media::Json);
    }
    if !state.options.metrics || !state.engine.metrics.is_on() {
        let message = "The metrics are on the address of --admin-listen, or switched off with --no-metrics.";
        return Refused::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).reply(Media::Json);
    }
    if let Err(refused) = let_in(state, request_id, &parts).await {
        return refused.reply(Media::Json);
    }
    text(&state.engine).await
}

/// The metrics as text.
pub(super) async fn text(engine: &Engine) -> Response {
    let text = engine.metrics.text(&engine.scrape().await);
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn let_in(state: &HttpState, request_id: &str, parts: &Parts) -> Result<(), Refused> {
    let client = parts.extensions.get::<Client>();
    let credentials = Credentials::of(&parts.headers);
    let is_local = client.is_some_and(|client| client.address.is_loopback() && is_direct(&parts.headers));
    if matches!(credentials, Credentials::Absent) && is_local {
        return Ok(());
    }
    let login =
        state.login((&credentials, NamedAccount::Absent), client.map(|client| client.address), request_id).await;
    let caller = login.map_err(|denied| match denied {
        Denied::Failure(failure) => Refused::failure(&failure, request_id),
        Denied::TooMany(allowance) => Refused::too_many_tokens(allowance),
    })?;
    let refused = match &caller {
        Caller::Viewer(viewer)
            if viewer.account.kind == AccountKind::Publisher && viewer.token.role == Role::Administrator =>
        {
            return Ok(());
        }
        Caller::Viewer(_) | Caller::Enrolment(_) => {
            Failure::Forbidden("The metrics are for administrators of a publisher.".into())
        }
        Caller::Anonymous => Failure::Unauthenticated(
            "Send the token of a publisher's administrator, or ask from this computer at 127.0.0.1.",
        ),
    };
    Err(Refused::failure(&refused, request_id))
}

/// Whether a request names this computer, and came through no proxy that says so.
pub(super) fn is_direct(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let is_local = name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]");
    is_local && OF_PROXIES.iter().all(|header| !headers.contains_key(*header))
}
