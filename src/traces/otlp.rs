//! The body of a request to a collector: OTLP as JSON.

use serde::{Serialize, Serializer};

use super::span::{Finished, Kind, Value};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: Hex<u128>,
    span_id: Hex<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<Hex<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    /// The flags of the W3C's context: the trace is recorded.
    flags: u32,
    name: &'static str,
    kind: u8,
    start_time_unix_nano: Decimal<u64>,
    end_time_unix_nano: Decimal<u64>,
    attributes: Vec<Attribute<'a>>,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    /// 2 is an error, and 0 is unset.
    #[serde(skip_serializing_if = "is_unset")]
    code: u8,
}

fn is_unset(code: &u8) -> bool {
    *code == 0
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Any<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Any<'a> {
    StringValue(&'a str),
    IntValue(Decimal<i64>),
}

/// An id as hexadecimal digits.
struct Hex<T>(T);

impl Serialize for Hex<u128> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl Serialize for Hex<u64> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

/// A number of 64 bits. OTLP's JSON has such numbers as texts.
struct Decimal<T>(T);

impl<T: std::fmt::Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn attribute<'a>((key, value): &'a (&'static str, Value)) -> Attribute<'a> {
    let value = match value {
        Value::Name(name) => Any::StringValue(name),
        Value::Text(text) => Any::StringValue(text),
        Value::Number(number) => Any::IntValue(Decimal(*number)),
    };
    Attribute { key, value }
}

fn span(finished: &Finished) -> Span<'_> {
    Span {
        trace_id: Hex(finished.trace),
        span_id: Hex(finished.span),
        parent_span_id: finished.parent.map(Hex),
        trace_state: finished.state.as_deref(),
        flags: 1,
        name: finished.name,
        kind: match finished.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: Decimal(finished.began),
        end_time_unix_nano: Decimal(finished.ended),
        attributes: finished.attributes.iter().map(attribute).collect(),
        status: Status { code: if finished.has_failed { 2 } else { 0 } },
    }
}

/// The body with these spans.
pub(super) fn body(resource: &[(String, String)], spans: &[Finished]) -> Vec<u8> {
    let attributes = resource.iter().map(|(key, value)| Attribute { key, value: Any::StringValue(value) }).collect();
    let scope = Scope { name: "packwright", version: env!("CARGO_PKG_VERSION") };
    let scope_spans = [ScopeSpans { scope, spans: spans.iter().map(span).collect() }];
    let body = Body { resource_spans: [ResourceSpans { resource: Resource { attributes }, scope_spans }] };
    let mut written = Vec::with_capacity(spans.len() * 512);
    // Nothing of it can fail: all keys are texts.
    let _ = serde_json::to_writer(&mut written, &body);
    written
}
