//! The spans of operations. A span belongs to the client's trace if the request names one. Of the document it holds
//! only the hash, and it holds no variables and no tokens.

use axum::http::{HeaderMap, HeaderName};
use serde_json::{Map, Value as Json};

use crate::metrics::Outcome;
use crate::traces::{Context, Kind, Span, Value};

use super::admission::Admitted;
use super::answer::Answer;
use super::engine::Engine;
use super::measured::{code, operation_type, shown_name};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The client's span that the headers of a request name; `None` without one, and when traces are off.
pub(super) fn of_headers(engine: &Engine, headers: &HeaderMap) -> Option<Context> {
    if !engine.services.traces.is_on() {
        return None;
    }
    let mut parents = headers.get_all(PARENT).iter();
    // Several `traceparent` headers contradict each other, so none of them counts.
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Vec<_> = headers.get_all(STATE).iter().filter_map(|state| state.to_str().ok()).collect();
    Context::parse(parent.to_str().ok()?, Some(&states.join(",")))
}

/// The client's span that the first message on a WebSocket names. A browser can't add headers to the upgrade request.
pub(super) fn of_payload(engine: &Engine, payload: &Map<String, Json>) -> Option<Context> {
    if !engine.services.traces.is_on() {
        return None;
    }
    let text = |name: HeaderName| payload.get(name.as_str()).and_then(Json::as_str);
    Context::parse(text(PARENT)?, text(STATE))
}

/// Begins the span of an operation. Operations of the process itself, such as the stream of a webhook endpoint's
/// events, have none.
pub(super) fn begin(engine: &Engine, admitted: &Admitted) -> Span {
    if admitted.is_of_process {
        return Span::default();
    }
    let kind = operation_type(admitted.kind()).name();
    let mut span = engine.services.traces.span(kind, Kind::Server, admitted.trace.as_ref());
    if span.is_recorded() {
        span.set("graphql.operation.type", Value::Name(kind));
        if let Some(name) = shown_name(admitted) {
            span.set("graphql.operation.name", Value::Text(name));
        }
        span.set("packwright.document.hash", Value::Hash(admitted.checked.hash));
    }
    span
}

/// Notes the code of an answer's first error.
pub(super) fn note_error(span: &mut Span, answer: &Answer) {
    if span.is_recorded()
        && let Some(error) = answer.response.errors.first()
    {
        span.set("error.type", Value::Text(code(error).to_owned()));
    }
}

/// Notes how an operation ended. What the client caused is no error of the server.
pub(super) fn end(span: &mut Span, outcome: Outcome) {
    span.set("packwright.outcome", Value::Name(outcome.name()));
    if matches!(outcome, Outcome::Failed | Outcome::Overloaded | Outcome::Timeout) {
        span.has_failed();
    }
}
