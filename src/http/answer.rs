//! The answer of the engine, with the data that transports need.

use std::collections::BTreeMap;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::gate;
use crate::graphql::error::UNAVAILABLE;
use crate::graphql::{Part, part_of};
use crate::service::error::Failure;

use super::auth::failure_response;
use super::workload::{EventPermit, WorkPermit};

/// How far the processing of a request came. Transports choose the status by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not executed, because the document, the variables or the operation are invalid.
    Refused,
    /// Not executed, because the caller has used up its allowance for now.
    Limited,
    /// Not executed, because the server is overloaded.
    Overloaded,
    /// The server failed before execution, or without an answer.
    Failed,
    /// Executed, with or without errors.
    Executed,
}

/// The rate limit of a token or peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The size of the bucket.
    pub limit: u64,
    /// The remaining cost.
    pub remaining: u64,
    /// The seconds until the bucket is full again.
    pub reset_seconds: u64,
    /// The seconds until this request could be charged; only for a refused request.
    pub retry_after_seconds: Option<u64>,
}

/// One answer. Its JSON has `data` only if execution began.
#[derive(Debug)]
pub struct Answer {
    pub response: Response,
    pub phase: Phase,
    /// `None` if requests aren't limited.
    pub allowance: Option<Allowance>,
    /// Serialized `data`, which replaces the response's.
    pub(super) data: Option<Part>,
    /// Serialized parts of the response's `data`.
    pub(super) parts: Vec<Part>,
    /// The content of `extensions.cost`.
    pub(super) cost: Option<Cost>,
    /// Kept until the answer was sent.
    pub(super) turn: Option<WorkPermit>,
    /// The turn of a large answer to an event, kept until the answer was sent.
    pub(super) event_turn: Option<Box<EventPermit>>,
}

impl Answer {
    /// An answer with this response, without any of the rest.
    #[must_use]
    pub fn new(phase: Phase, response: Response) -> Self {
        Self {
            response,
            phase,
            allowance: None,
            data: None,
            parts: Vec::new(),
            cost: None,
            turn: None,
            event_turn: None,
        }
    }

    /// Limits the number of errors, and the characters of their messages. `extensions.errorsLeftOut` has the number of
    /// omitted errors.
    pub(super) fn bounded(mut self, errors: usize, message: usize) -> Self {
        let all = self.response.errors.len();
        if all > errors {
            self.response.errors.truncate(errors);
            self.response.extensions.insert("errorsLeftOut".into(), Value::from(all - errors));
        }
        for error in &mut self.response.errors {
            error.message = gate::shortened(std::mem::take(&mut error.message), message);
        }
        self
    }

    /// An answer with one error, which refuses a request.
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Phase::Refused, error_response(code, message))
    }

    /// Whether an error has the code `UNAVAILABLE`.
    pub(super) fn is_unavailable(&self) -> bool {
        let code = |error: &ServerError| error.extensions.as_ref().and_then(|values| values.get("code").cloned());
        self.response.errors.iter().any(|error| code(error) == Some(Value::from(UNAVAILABLE)))
    }

    /// The answer to a failure outside of the document, such as a refused token.
    #[must_use]
    pub fn failed(failure: &Failure, request_id: &str) -> Self {
        let phase = if matches!(failure, Failure::Fault(_)) { Phase::Failed } else { Phase::Refused };
        Self::new(phase, failure_response(failure, request_id))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // Errors come first, so that readers don't overlook them.
        if !self.response.errors.is_empty() {
            map.serialize_entry("errors", &self.response.errors)?;
        }
        if self.phase == Phase::Executed {
            match &self.data {
                Some(data) => map.serialize_entry("data", data)?,
                None if self.parts.is_empty() => map.serialize_entry("data", &self.response.data)?,
                None => map.serialize_entry("data", &WithParts { value: &self.response.data, parts: &self.parts })?,
            }
        }
        if self.cost.is_some() || !self.response.extensions.is_empty() {
            let (cost, others) = (self.cost, &self.response.extensions);
            map.serialize_entry("extensions", &Extensions { cost, others })?;
        }
        map.end()
    }
}

/// The cost of a request, and the remaining allowance.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    pub(super) requested: u64,
    pub(super) limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reset_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Extensions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    #[serde(flatten)]
    others: &'a BTreeMap<String, Value>,
}

/// A value, some of whose leaves represent parts.
struct WithParts<'a> {
    value: &'a Value,
    parts: &'a [Part],
}

impl Serialize for WithParts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let with_parts = |value| WithParts { value, parts: self.parts };
        match self.value {
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name.as_str(), with_parts(value))))
            }
            Value::List(items) => serializer.collect_seq(items.iter().map(with_parts)),
            value => match part_of(value, self.parts) {
                Some(part) => part.serialize(serializer),
                None => value.serialize(serializer),
            },
        }
    }
}

/// A response with one error and its code.
pub(super) fn error_response(code: &str, message: impl Into<String>) -> Response {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    Response::from_errors(vec![error])
}

/// Adds a code to errors of the framework, which have none, and the request's id to internal errors.
pub(super) fn with_codes(mut response: Response, code: &str, request_id: &str) -> Response {
    for error in &mut response.errors {
        match error.extensions.as_ref().and_then(|values| values.get("code")) {
            None => set_code(error, code),
            Some(Value::String(code)) if code == "INTERNAL_SERVER_ERROR" && !request_id.is_empty() => {
                set(error, "requestId", request_id);
            }
            Some(_) => {}
        }
    }
    response
}

/// Sets the code of an error.
pub(super) fn set_code(error: &mut ServerError, code: &str) {
    set(error, "code", code);
}

/// Sets a field in the extensions of an error.
pub(super) fn set(error: &mut ServerError, name: &str, value: impl Into<Value>) {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set(name, value);
}

/// Whether the framework refused to execute: there is no data, and no error has a path.
pub(super) fn never_began(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.is_empty())
}
