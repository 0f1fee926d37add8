//! The probes: whether the process is alive, and whether it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::router::HttpState;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether a path is a probe's. Probes accept any host name.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// `/livez`: the process responds.
pub(super) async fn live() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "status": "ok" }))).into_response()
}

/// `/readyz`: the database can be reached, has all migrations of this program, and the server doesn't end.
pub(super) async fn ready(State(state): State<Arc<HttpState>>) -> Response {
    let ready = async {
        let ready = tokio::time::timeout(PATIENCE, (state.engine.readiness)()).await;
        ready.unwrap_or_else(|_| Err("the database doesn't answer".into()))
    };
    let ready = tokio::select! {
        // At once, also while the database is asked.
        biased;
        () = state.options.ended() => Err("the server ends".into()),
        ready = ready => ready,
    };
    let (status, body) = match ready {
        Ok(()) => (StatusCode::OK, json!({ "status": "ok" })),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "unavailable", "reason": reason })),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
