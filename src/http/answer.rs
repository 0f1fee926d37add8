//! What a client is told, and what a transport needs to know of it.

use std::collections::BTreeMap;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::gate;
use crate::graphql::error::UNAVAILABLE;
use crate::graphql::{Part, part_of};
use crate::service::error::Failure;

use super::auth::failure_response;
use super::kept::Data;
use super::workload::Turn;

/// How far a request came: transports answer by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Refused before it was executed: its document, its variables or its operation are at fault.
    Refused,
    /// Not executed now: its token has asked for too much within a short time.
    Limited,
    /// Not executed now: the server has too much at work.
    Overloaded,
    /// A fault of ours before anything was executed, or that left no answer.
    Failed,
    /// Executed, with or without errors.
    Executed,
}

/// What a token may still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The most that it may ask for at once.
    pub limit: u64,
    /// What is left of it now.
    pub remaining: u64,
    /// In how many seconds all of it is there again.
    pub reset_seconds: u64,
    /// In how many seconds enough of it is there for this request; only for one that is refused.
    pub retry_after_seconds: Option<u64>,
}

/// One answer. As JSON it has `data` only where execution began.
#[derive(Debug)]
pub struct Answer {
    pub response: Response,
    pub phase: Phase,
    /// `None` where requests are not limited.
    pub allowance: Option<Allowance>,
    /// The `data` as it is written, in the place of the response's.
    pub(super) data: Option<Data>,
    /// What stands in the response's `data` as it is written.
    pub(super) parts: Vec<Part>,
    /// What `extensions.cost` tells.
    pub(super) cost: Option<Cost>,
    /// Kept until the answer has left.
    pub(super) turn: Option<Turn>,
}

impl Answer {
    /// What was executed, or why not.
    #[must_use]
    pub fn new(phase: Phase, response: Response) -> Self {
        Self { response, phase, allowance: None, data: None, parts: Vec::new(), cost: None, turn: None }
    }

    /// With at most so many errors, their messages of at most so many characters; `extensions` tell how many
    /// were left out.
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

    /// One error, with which a request is refused.
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Phase::Refused, error_response(code, message))
    }

    /// Whether something of it could not be done at the moment.
    pub(super) fn is_unavailable(&self) -> bool {
        let code = |error: &ServerError| error.extensions.as_ref().and_then(|values| values.get("code").cloned());
        self.response.errors.iter().any(|error| code(error) == Some(Value::from(UNAVAILABLE)))
    }

    /// A failure beside the document, such as a token that is refused.
    #[must_use]
    pub fn failed(failure: &Failure, request_id: &str) -> Self {
        let phase = if matches!(failure, Failure::Fault(_)) { Phase::Failed } else { Phase::Refused };
        Self::new(phase, failure_response(failure, request_id))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // First, so that nobody overlooks them.
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

/// What a request was counted as, and what its token may still ask for.
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

/// A value in which some stand for parts.
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

/// An answer that is one error with a code.
pub(super) fn error_response(code: &str, message: impl Into<String>) -> Response {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    Response::from_errors(vec![error])
}

/// Gives a code to each error that the framework made, our own bring theirs; and to a fault of ours the
/// request's id.
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

pub(super) fn set_code(error: &mut ServerError, code: &str) {
    set(error, "code", code);
}

pub(super) fn set(error: &mut ServerError, name: &str, value: impl Into<Value>) {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set(name, value);
}

/// Whether the framework refused to execute: nothing has a value, and no error a place in the answer.
pub(super) fn never_began(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.is_empty())
}
