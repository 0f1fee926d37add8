//! The probes: whether the process is alive, and whether it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::metrics::NotReadyReason;

use super::engine::Engine;
use super::router::HttpState;
use super::shed::QUIET;

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

/// `/readyz`: whether the server can serve.
pub(super) async fn ready(State(state): State<Arc<HttpState>>) -> Response {
    ready_answer(&state.engine, state.options.ended()).await
}

/// A reason why a server isn't ready. The message is a public sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    pub reason: NotReadyReason,
    pub message: String,
}

impl Engine {
    /// Why the server isn't ready.
    pub async fn not_ready(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        if self.is_ending() {
            reasons.push(NotReady { reason: NotReadyReason::Ending, message: "the server ends".into() });
        }
        if self.shed.is_recent() {
            let message = format!("the server refused work for lack of room within the last {} s", QUIET.as_secs());
            reasons.push(NotReady { reason: NotReadyReason::Load, message });
        }
        match tokio::time::timeout(PATIENCE, (self.readiness)()).await {
            Ok(more) => reasons.extend(more),
            Err(_) => {
                let message = "the database doesn't answer".into();
                reasons.push(NotReady { reason: NotReadyReason::Database, message });
            }
        }
        reasons
    }
}

/// The answer of `/readyz`. `ended` returns when the server ends.
pub(super) async fn ready_answer(engine: &Engine, ended: impl Future<Output = ()>) -> Response {
    let reasons = tokio::select! {
        // At once, also while the database is asked.
        biased;
        () = ended => vec![NotReady { reason: NotReadyReason::Ending, message: "the server ends".into() }],
        reasons = engine.not_ready() => reasons,
    };
    let (status, body) = match reasons.first() {
        None => (StatusCode::OK, json!({ "status": "ok" })),
        Some(first) => {
            let all = reasons.iter().map(|of| json!({ "code": of.reason.name(), "message": of.message }));
            let all: Vec<_> = all.collect();
            let body = json!({ "status": "unavailable", "reason": first.message, "reasons": all });
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
