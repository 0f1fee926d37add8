//! For browsers: `/`, `/graphiql/`, `/graphql` and `/graphql/` redirect to GraphiQL, or show a page that explains the
//! server if GraphiQL isn't served. Programs that accept JSON get the API.

use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::settings::HttpOptions;
use super::{accept, params};

const PAGE: &str = include_str!("pages/nothing.html");

/// The content security policy: only the page's own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The page or the redirect for a browser that opens an address; `None` for other requests. It comes before the check
/// of origins, because a browser that follows a link from another site only gets a page.
pub(super) fn lead<B>(options: &HttpOptions, request: &Request<B>) -> Option<Response> {
    let (path, is_read) = (request.uri().path(), matches!(*request.method(), Method::GET | Method::HEAD));
    // Relative redirects, so that they work behind a proxy that strips a prefix. They depend on the slash at the end.
    let to = match path {
        "/graphql/" | "/graphiql/" => "../graphiql",
        "/" | "/graphql" | "/graphiql" => "graphiql",
        _ => return None,
    };
    let is_page = path == "/graphiql" && options.graphiql;
    let asks = || names_document(request.uri().query().unwrap_or_default()) || is_upgrade(request.headers());
    if is_read && !is_page && wants_page(request.headers()) && !asks() {
        if options.graphiql {
            let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept")];
            return Some((StatusCode::SEE_OTHER, headers).into_response());
        }
        return Some(nothing(path == "/graphiql" || path == "/graphiql/"));
    }
    let is_redirected = is_read && path == "/graphiql/" && options.graphiql;
    is_redirected.then(|| (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
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
