//! For browsers: `/`, `/graphiql/`, `/graphql` and `/graphql/` redirect to GraphiQL, or show a page that explains the
//! server if GraphiQL isn't served. Programs that accept JSON get the API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::router::Front;
use super::{accept, params};

const PAGE: &str = include_str!("pages/nothing.html");

/// The content security policy: only the page's own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Redirects a browser that opens an address; other requests pass. It runs before the check of origins, because a
/// browser that follows a link from another site only gets a page.
pub(super) async fn lead(State(front): State<Arc<Front>>, request: Request<Body>, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // Relative redirects, so that they work behind a proxy that strips a prefix. They depend on the slash at the end.
    let lead = match request.uri().path() {
        "/graphql/" | "/graphiql/" => Some("../graphiql"),
        "/" | "/graphql" | "/graphiql" => Some("graphiql"),
        _ => None,
    };
    let is_page = request.uri().path() == "/graphiql" && front.options.graphiql;
    let asks = names_document(request.uri().query().unwrap_or_default()) || is_upgrade(request.headers());
    match lead {
        Some(to) if is_read && !asks && !is_page && wants_page(request.headers()) => {
            if front.options.graphiql {
                let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept")];
                return (StatusCode::SEE_OTHER, headers).into_response();
            }
            nothing(request.uri().path() == "/graphiql" || request.uri().path() == "/graphiql/")
        }
        Some(to) if is_read && request.uri().path() == "/graphiql/" && front.options.graphiql => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Whether the query string contains a document. Parameters that other sites add, for tracking, don't count.
fn names_document(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| params::NAME_A_DOCUMENT.contains(&&*name))
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// Browsers accept HTML by name; programs don't.
fn wants_page(headers: &HeaderMap) -> bool {
    accept::names_html(headers)
}

fn nothing(is_missing: bool) -> Response {
    let status = if is_missing { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (status, headers, PAGE).into_response()
}
