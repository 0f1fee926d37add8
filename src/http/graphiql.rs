//! `/graphiql`: the GraphiQL editor, if the build contains it, and a simple query form at `/graphiql/form`, which also
//! replaces a missing editor. All of their files come from this server.

mod editor;
mod receiver;

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::router::HttpState;

const FORM: &str = include_str!("graphiql/form.html");
const SCRIPT: &str = include_str!("graphiql/form.js");
const STYLE: &str = include_str!("graphiql/form.css");
/// The demo's tours are used by both pages.
const TOUR: &str = include_str!("../../graphiql/tour.js");
const STAGES: &str = include_str!("../../graphiql/stages.js");
const WEBHOOKS: &str = include_str!("../../graphiql/webhooks.js");
const ICON: &str = include_str!("../../graphiql/src/icon.svg");

/// The documents of `examples/operations`, by name.
const OPERATIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// The notice for a server with trusted documents.
const NOTICE: &str = "This server executes only the documents that it was started with (--trusted-documents): \
                      paste one of them as it stands. Introspection is none of them, so there is no help with fields.";

/// The content security policy: nothing from other origins, nothing inline, and no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) use receiver::routes as receiver_routes;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    let mut router = Router::new()
        .route("/graphiql", get(page))
        .route("/graphiql/form", get(async || own("text/html; charset=utf-8", FORM)))
        .route("/graphiql/form.js", get(async || own("text/javascript; charset=utf-8", SCRIPT)))
        .route("/graphiql/form.css", get(async || own("text/css; charset=utf-8", STYLE)))
        .route("/graphiql/tour.js", get(async || own("text/javascript; charset=utf-8", TOUR)))
        .route("/graphiql/stages.js", get(async || own("text/javascript; charset=utf-8", STAGES)))
        .route("/graphiql/webhooks.js", get(async || own("text/javascript; charset=utf-8", WEBHOOKS)))
        .route("/graphiql/icon.svg", get(async || own("image/svg+xml", ICON)))
        .route("/graphiql/operations.json", get(operations))
        .route("/graphiql/settings.json", get(settings));
    for asset in editor::assets() {
        let path = format!("/graphiql/{}", asset.name);
        router = router.route(&path, get(async |headers: HeaderMap| asset.response(&headers)));
    }
    router
}

async fn page(headers: HeaderMap) -> Response {
    editor::page().map_or_else(form, |page| page.page(&headers))
}

/// The settings of the pages: the tokens to choose from (only in the demo), the demo's world, so that a page notices a
/// new one, its receiver of webhooks, and a notice about the server.
async fn settings(State(state): State<Arc<HttpState>>) -> Response {
    let mut settings = json!({ "tokens": state.options.demo_tokens });
    if let Some(world) = &state.options.demo_world {
        settings["world"] = world.as_str().into();
    }
    if let Some(receiver) = receiver::address(&state.options) {
        settings["receiver"] = receiver.into();
    }
    if state.options.trusted_only {
        settings["notice"] = NOTICE.into();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(settings)).into_response()
}

/// The documents that can be opened in a tab. Documents with demo mutations are offered only in the demo.
async fn operations(State(state): State<Arc<HttpState>>) -> Response {
    let is_demo = state.options.demo_world.is_some();
    let offered = OPERATIONS.iter().filter(|(name, _)| is_demo || !name.starts_with("mutation.demo"));
    let documents: Vec<_> = offered.map(|(name, document)| json!({ "name": name, "document": document })).collect();
    ([(header::CACHE_CONTROL, "no-cache")], Json(documents)).into_response()
}

/// The form as the page at `/graphiql`.
fn form() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(|| one_level_up(FORM));
    own("text/html; charset=utf-8", &PAGE)
}

/// Adapts a page to the path `/graphiql`, with its files one level below. Links are relative, so that they work behind
/// a proxy that strips a prefix.
fn one_level_up(page: &str) -> String {
    page.replace("=\"./", "=\"./graphiql/")
}

/// A file of the form. It is small, and browsers revalidate it each time.
fn own(content_type: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")];
    (protected(POLICY), headers, text).into_response()
}

/// Headers that isolate a page from other sites.
fn protected(policy: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
}
