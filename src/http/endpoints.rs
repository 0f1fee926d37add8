//! The payloads of webhook endpoints: each event as the endpoint's subscription answers it (R61).

use std::io;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{ServerError, Value};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::Map;

use crate::gate::{Checked, DocumentRequest, Objection, OperationKind};
use crate::graphql::{Advanced, EventInterest, StreamCursor};
use crate::service::access::{Caller, Viewer};

use super::admission::Admitted;
use super::answer::Answer;
use super::engine::Engine;

/// The document of an endpoint that has none of its own. It selects the fields that all events have, and ids.
const COMMON: &str = "subscription { events { __typename id cursor kind occurredAt actor { kind name } ... on PackEvent { packId packName } ... on ReleaseEvent { release { id } } ... on InstallationEvent { installation { id } update { id } state versionNumber } ... on SharingEvent { group { id } } ... on NewerShareableEvent { version { id } } ... on PackDeletedEvent { uninstalledCount } ... on AccountEvent { account { id } } ... on GroupEvent { groupName group { id } } ... on ComponentEvent { version { id } } ... on WebhookEvent { endpoint { id } } } }";

/// An event for an endpoint.
pub struct EndpointAnswer {
    pub advanced: Advanced,
    /// The answer's `data` as JSON, for the payload: `null` if it is larger than the caller takes. `None` if it
    /// can't be read now.
    pub data: Option<String>,
}

/// Why the stream of an endpoint's events has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointEnd {
    /// The events after the endpoint's cursor are no longer kept.
    Expired,
    /// The gate refuses the endpoint's document.
    Refused,
    /// The stream can't go on now. The caller opens another one at the last position.
    Ended,
}

/// The message for a document that isn't a single plain subscription.
const ONE: &str = "It must have one operation, which is a subscription, without variables and directives.";
/// The message for a subscription of anything but `events` alone.
const EVENTS: &str =
    "Its only field must be `events`, without arguments: the endpoint has its own filter and position.";

impl Engine {
    /// Checks the document of an endpoint: one subscription of `events` alone that the gate lets pass.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check_endpoint_document(&self, text: &str) -> Result<(), String> {
        let named = DocumentRequest { text: Some(text), ..DocumentRequest::default() };
        let checked = self.gate.find(named).map_err(|objection| objection.message)?;
        let document = checked.verdict.as_ref().map_err(|objections| said(objections))?;
        let prepared = self.gate.prepare(document, None, Map::new()).map_err(|objections| said(&objections))?;
        if prepared.kind != OperationKind::Subscription {
            return Err(ONE.into());
        }
        let parsed = self.parsed.get(&checked).ok_or(ONE)?;
        check_root(&parsed.parsed)
    }

    /// The events of an endpoint after a cursor. Each is answered by the endpoint's document, or by the usual one if
    /// `document` is `None`, in the scope of `viewer`. Data of more than `most` bytes isn't written. The stream ends after
    /// its first error.
    pub fn follow_for_endpoint(
        self: &Arc<Self>,
        viewer: Viewer,
        document: Option<&str>,
        after: String,
        interest: EventInterest,
        most: usize,
    ) -> BoxStream<'static, Result<EndpointAnswer, EndpointEnd>> {
        let checked = self.gate.check(document.unwrap_or(COMMON));
        let stream_cursor = Arc::new(StreamCursor::after(Some(after)).limited_to(interest));
        let Some(admitted) = self.admit_endpoint(checked, stream_cursor.clone()) else {
            // The document was valid when it was saved, but this version of the program refuses it.
            return futures_util::stream::iter([Err(EndpointEnd::Refused)]).boxed();
        };
        let answers = self.execute_stream(Caller::Viewer(Box::new(viewer)), "", admitted);
        answers.map(move |answer| read(&answer, stream_cursor.take_advanced(), most)).boxed()
    }

    fn admit_endpoint(&self, checked: Arc<Checked>, stream_cursor: Arc<StreamCursor>) -> Option<Admitted> {
        let document = checked.verdict.as_ref().ok()?;
        let prepared = self.gate.prepare(document, None, Map::new()).ok()?;
        Some(Admitted::of_process(checked, prepared).at(stream_cursor))
    }
}

fn said(objections: &[Objection]) -> String {
    objections.first().map_or_else(String::new, |objection| objection.message.clone())
}

fn check_root(document: &ExecutableDocument) -> Result<(), String> {
    let mut operations = document.operations.iter();
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else { return Err(ONE.into()) };
    let operation = &operation.node;
    let is_plain = operation.variable_definitions.is_empty() && operation.directives.is_empty();
    if operation.ty != OperationType::Subscription || !is_plain {
        return Err(ONE.into());
    }
    match &operation.selection_set.node.items[..] {
        [item] => match &item.node {
            Selection::Field(field)
                if field.node.name.node == "events"
                    && field.node.arguments.is_empty()
                    && field.node.directives.is_empty() =>
            {
                Ok(())
            }
            _ => Err(EVENTS.into()),
        },
        _ => Err(EVENTS.into()),
    }
}

fn code(error: &ServerError) -> Option<&Value> {
    error.extensions.as_ref()?.get("code")
}

/// The event in an answer. An answer that failed for a reason that may pass has no data: the event is read again.
fn read(answer: &Answer, advanced: Option<Advanced>, most: usize) -> Result<EndpointAnswer, EndpointEnd> {
    let has = |codes: &[&str]| {
        let is_one = |error| matches!(code(error), Some(Value::String(code)) if codes.contains(&code.as_str()));
        answer.response.errors.iter().any(is_one)
    };
    if has(&["CURSOR_EXPIRED"]) {
        return Err(EndpointEnd::Expired);
    }
    let advanced = advanced.filter(|advanced| advanced.event.is_some()).ok_or(EndpointEnd::Ended)?;
    if has(&["UNAUTHENTICATED"]) {
        return Err(EndpointEnd::Ended);
    }
    if has(&["UNAVAILABLE", "TIMEOUT"]) {
        return Ok(EndpointAnswer { advanced, data: None });
    }
    let mut data = Bounded { bytes: Vec::new(), most };
    match serde_json::to_writer(&mut data, &answer.response.data) {
        Ok(()) => {}
        Err(error) if error.is_io() => data.bytes = b"null".into(),
        Err(error) => {
            tracing::error!(%error, "the data of a webhook could not be written");
            return Err(EndpointEnd::Ended);
        }
    }
    let data = String::from_utf8(data.bytes).map_err(|_| EndpointEnd::Ended)?;
    Ok(EndpointAnswer { advanced, data: Some(data) })
}

/// Takes no more than `most` bytes, so that an answer that isn't sent isn't written either.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
