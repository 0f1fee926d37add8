//! The probes: whether the process is alive, and whether it can serve.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
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

/// The message of a server that ends.
const ENDS: &str = "the server ends";

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
    /// The error of the database, for the log alone.
    pub cause: Option<String>,
}

impl NotReady {
    /// A reason without a cause.
    #[must_use]
    pub fn new(reason: NotReadyReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), cause: None }
    }
}

/// The reasons that were logged last. Only a change of the reasons is logged, and not each probe.
#[derive(Default)]
pub(super) struct LoggedReasons(Mutex<BTreeSet<&'static str>>);

impl LoggedReasons {
    fn log(&self, reasons: &[NotReady]) {
        // The end of the server is logged elsewhere.
        let reasons = || reasons.iter().filter(|of| of.reason != NotReadyReason::Ending);
        let now: BTreeSet<_> = reasons().map(|of| of.reason.name()).collect();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *logged == now {
            return;
        }
        *logged = now;
        drop(logged);
        let joined = |texts: Vec<&str>| texts.join("; ");
        let why = joined(reasons().map(|of| of.message.as_str()).collect());
        if why.is_empty() {
            return tracing::info!("ready again");
        }
        let causes: Vec<_> = reasons().filter_map(|of| of.cause.as_deref()).collect();
        let error = (!causes.is_empty()).then(|| joined(causes));
        tracing::warn!(why, error, "not ready");
    }
}

impl Engine {
    /// Why the server isn't ready.
    pub async fn not_ready(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        if self.is_ending() {
            reasons.push(NotReady::new(NotReadyReason::Ending, ENDS));
        }
        if self.shed.is_recent() {
            let message = format!("the server refused work for lack of room within the last {} s", QUIET.as_secs());
            reasons.push(NotReady::new(NotReadyReason::Load, message));
        }
        match tokio::time::timeout(PATIENCE, (self.readiness)()).await {
            Ok(more) => reasons.extend(more),
            Err(_) => reasons.push(NotReady::new(NotReadyReason::Database, "the database doesn't answer")),
        }
        self.logged_reasons.log(&reasons);
        reasons
    }
}

/// The answer of `/readyz`. `ended` returns when the server ends.
pub(super) async fn ready_answer(engine: &Engine, ended: impl Future<Output = ()>) -> Response {
    let reasons = tokio::select! {
        // The end of the server is checked first, so that it is reported while the database is still being asked.
        biased;
        () = ended => vec![NotReady::new(NotReadyReason::Ending, ENDS)],
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
