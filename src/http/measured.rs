//! Counts requests, operations, their errors and subscriptions for the metrics, and adds the account and the operation
//! to the lines of the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{ServerError, Value};
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tokio::sync::watch;

use crate::gate::{OperationKind, shortened};
use crate::metrics::{
    Active, CacheName, Method, Metrics, OTHER, OperationType, Outcome, Route, Sample, Status, SubscriptionEnd,
    Transport,
};

use crate::service::access::Caller;
use crate::traces::{Span, Value as TraceValue};

use super::admission::Admitted;
use super::answer::{Answer, Phase};
use super::engine::Engine;
use super::refusals::Reason;
use super::reply::RefusedWith;
use super::traced;
use super::workload::Busy;

pub(super) fn operation_type(kind: OperationKind) -> OperationType {
    match kind {
        OperationKind::Query => OperationType::Query,
        OperationKind::Mutation => OperationType::Mutation,
        OperationKind::Subscription => OperationType::Subscription,
    }
}

/// The code of an error.
pub(super) fn code(error: &ServerError) -> &str {
    match error.extensions.as_ref().and_then(|values| values.get("code")) {
        Some(Value::String(code)) => code,
        _ => OTHER,
    }
}

/// Counts the errors of an answer by their codes.
pub(super) fn count_errors(metrics: &Metrics, answer: &Answer) {
    for error in &answer.response.errors {
        metrics.errors.add(code(error));
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let errors = &answer.response.errors;
    match answer.phase {
        Phase::Refused => Outcome::Refused,
        Phase::Limited => Outcome::Limited,
        Phase::Overloaded => Outcome::Overloaded,
        Phase::Failed => Outcome::Failed,
        Phase::Executed if errors.is_empty() => Outcome::Ok,
        Phase::Executed if errors.iter().any(|error| code(error) == "TIMEOUT") => Outcome::Timeout,
        Phase::Executed => Outcome::Errors,
    }
}

/// The most characters of an operation's name in the log.
const NAME_MAX: usize = 100;

/// The operation's name for the log, shortened, and without control characters.
pub(super) fn shown_name(admitted: &Admitted) -> Option<String> {
    let name = admitted.prepared.operation_name.as_deref()?;
    let is_shown = |c: &char| !c.is_control();
    Some(shortened(name.chars().filter(is_shown).take(NAME_MAX + 1).collect(), NAME_MAX))
}

/// The span of an operation, within the one of its request: each line of the log has both.
pub(super) fn span(caller: &Caller, admitted: &Admitted, trace: &Span) -> tracing::Span {
    let account = || match caller {
        Caller::Anonymous => None,
        Caller::Enrolment(enrolment) => Some(enrolment.account.shown_id()),
        Caller::Viewer(viewer) => Some(viewer.account.shown_id()),
    };
    // The values of a span that isn't logged are never made.
    tracing::info_span!("operation", account = account(), operation = shown_name(admitted), trace_id = trace.trace_id())
}

impl Engine {
    /// Remembers that work was refused because all owners together have too much of it.
    pub(super) fn note_shed(&self, busy: Busy) {
        if busy == Busy::Server {
            self.shed.refused();
        }
    }

    /// The samples for a scrape.
    pub async fn scrape(&self) -> Vec<Sample> {
        (self.scrape)().await
    }

    /// The cost of the operations in progress, and its limit.
    #[must_use]
    pub fn work_in_progress(&self) -> (usize, usize) {
        self.workload.in_progress()
    }

    /// The hits and the misses of each cache of documents.
    #[must_use]
    pub fn lookups(&self) -> [(CacheName, u64, u64); 3] {
        let (hits, misses) = self.gate.lookups();
        let documents = (CacheName::Documents, hits, misses);
        [documents, self.parsed.lookups(), self.introspections.lookups()]
    }

    /// Gives the engine the value that becomes true when the server ends.
    pub(super) fn ends_with(&self, ending: Option<watch::Receiver<bool>>) {
        if let Some(ending) = ending {
            let _ = self.ending.set(ending);
        }
    }

    /// Whether the server ends.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.get().is_some_and(|ending| *ending.borrow())
    }

    /// Logs that a privilege was missing, at most once a minute for each peer.
    pub(super) fn log_refusal(&self, admitted: &Admitted, answer: &Answer) {
        if let Some(error) = answer.response.errors.iter().find(|error| code(error) == "FORBIDDEN") {
            self.refusals.note(Reason::Privilege, admitted.peer, &error.message);
        }
    }
}

/// Counts a request that wasn't admitted.
pub(super) fn count_refused(engine: &Engine, peer: Option<IpAddr>, answer: &Answer, began: tokio::time::Instant) {
    count_errors(&engine.metrics, answer);
    if let (Phase::Limited, Some(error)) = (answer.phase, answer.response.errors.first()) {
        engine.refusals.note(Reason::Allowance, peer, &error.message);
    }
    engine.metrics.operations.took((OperationType::Unknown, outcome(answer)), began.elapsed());
}

/// Measures a query or a mutation. One that is dropped before its end counts as canceled.
pub(super) struct Measured<'a> {
    engine: &'a Engine,
    admitted: &'a Admitted,
    began: tokio::time::Instant,
    outcome: Outcome,
    /// How long it took; `None` until it has ended.
    took: Option<Duration>,
    pub(super) trace: Span,
}

impl<'a> Measured<'a> {
    pub(super) fn begin(engine: &'a Engine, admitted: &'a Admitted, began: tokio::time::Instant) -> Self {
        engine.metrics.costs.amount(operation_type(admitted.kind()), admitted.prepared.cost);
        let trace = traced::begin(engine, admitted);
        Self { engine, admitted, began, outcome: Outcome::Canceled, took: None, trace }
    }

    /// How long the operation took. It ends now.
    pub(super) fn took(&mut self) -> Duration {
        *self.took.get_or_insert_with(|| self.began.elapsed())
    }

    /// Records the outcome and the errors of the answer, and passes it on.
    pub(super) fn end(&mut self, answer: Answer) -> Answer {
        self.outcome = outcome(&answer);
        traced::note_error(&mut self.trace, &answer);
        count_errors(&self.engine.metrics, &answer);
        answer
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let (metrics, took) = (&self.engine.metrics, self.took());
        metrics.operations.took((operation_type(self.admitted.kind()), self.outcome), took);
        traced::end(&mut self.trace, self.outcome);
        if self.engine.has_trusted_names {
            let name = self.admitted.prepared.operation_name.as_deref();
            metrics.documents.took(name.unwrap_or(OTHER), took);
        }
    }
}

/// Measures an HTTP request until the head of its response.
pub(super) struct MeasuredRequest<'a> {
    metrics: &'a Metrics,
    method: Method,
    route: Route,
    began: Instant,
    _active: Active,
}

impl<'a> MeasuredRequest<'a> {
    pub(super) fn begin(engine: &'a Engine, request: &Request<Body>) -> Self {
        let method = match *request.method() {
            axum::http::Method::GET => Method::Get,
            axum::http::Method::HEAD => Method::Head,
            axum::http::Method::POST => Method::Post,
            axum::http::Method::OPTIONS => Method::Options,
            _ => Method::Other,
        };
        let metrics = &*engine.metrics;
        let (route, active) = (Route::of(request.uri().path()), metrics.http_active.enter(()));
        Self { metrics, method, route, began: Instant::now(), _active: active }
    }

    /// The response's head is there.
    pub(super) fn end(self, response: &mut Response) {
        if let Some(RefusedWith(answer)) = response.extensions_mut().remove() {
            count_errors(self.metrics, &answer);
        }
        let status = Status(response.status().as_u16());
        self.metrics.http_requests.took((self.method, self.route, status), self.began.elapsed());
    }
}

/// Counts an open subscription, and why it ended.
pub(super) struct OpenSubscription {
    engine: Arc<Engine>,
    transport: Transport,
    _active: Active,
    /// Why it ended, if that is known.
    end: Option<SubscriptionEnd>,
    pub(super) trace: Span,
}

impl OpenSubscription {
    pub(super) fn begin(engine: &Arc<Engine>, admitted: &Admitted) -> Self {
        // Only an event stream has a cursor: its events have ids.
        let transport = if admitted.stream_cursor.is_some() { Transport::EventStream } else { Transport::WebSocket };
        engine.metrics.costs.amount(OperationType::Subscription, admitted.prepared.cost);
        let active = engine.metrics.subscriptions.enter(transport);
        Self { engine: engine.clone(), transport, _active: active, end: None, trace: traced::begin(engine, admitted) }
    }

    /// Notes an item of the subscription, or its end, and passes it on.
    pub(super) fn note(&mut self, answer: Option<Answer>) -> Option<Answer> {
        let Some(answer) = answer else {
            self.end.get_or_insert(SubscriptionEnd::Completed);
            return None;
        };
        count_errors(&self.engine.metrics, &answer);
        traced::note_error(&mut self.trace, &answer);
        self.end = match answer.response.errors.first().map(code) {
            None => None,
            Some("UNAUTHENTICATED" | "FORBIDDEN") => Some(SubscriptionEnd::Token),
            Some("CURSOR_EXPIRED") => Some(SubscriptionEnd::CursorExpired),
            Some(_) if answer.phase == Phase::Refused => Some(SubscriptionEnd::Refused),
            Some(_) => Some(SubscriptionEnd::Error),
        };
        Some(answer)
    }
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        let end = match self.end {
            None if self.engine.is_ending() => SubscriptionEnd::ServerEnds,
            None => SubscriptionEnd::Client,
            Some(end) => end,
        };
        self.engine.metrics.subscriptions_ended.add((self.transport, end), 1);
        self.trace.set("packwright.subscription.end", TraceValue::Name(end.name()));
    }
}
