//! `/graphiql`: a query form of our own. All that it needs comes from this server.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::router::Front;

const PAGE: &str = include_str!("graphiql/index.html");
const SCRIPT: &str = include_str!("graphiql/form.js");
const TOUR: &str = include_str!("graphiql/tour.js");
const STYLE: &str = include_str!("graphiql/form.css");

/// Nothing of another origin, nothing inline, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Front>> {
    Router::new()
        .route("/graphiql", get(async || asset("text/html; charset=utf-8", PAGE)))
        .route("/graphiql/form.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/graphiql/tour.js", get(async || asset("text/javascript; charset=utf-8", TOUR)))
        .route("/graphiql/form.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/graphiql/settings.json", get(settings))
}

/// What the page is told: the tokens to choose from; none outside the demo.
async fn settings(State(front): State<Arc<Front>>) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "tokens": front.options.demo_tokens }))).into_response()
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, text).into_response()
}
