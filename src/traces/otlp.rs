//! The body of a request to a collector: OTLP as JSON. It is written by hand, because a server with traces writes a few
//! spans for each operation, and because nearly all of it are the texts of the same statements: each is escaped once.

use quick_cache::unsync::Cache;
use serde::Serialize;

use super::span::{Finished, Kind, Value};

/// How many texts of statements are kept in their escaped form.
const TEXTS: usize = 256;
/// The bytes of a span, as a first guess.
const SPAN: usize = 512;
/// The end of a body, after the spans.
const TAIL: &[u8] = b"]}]}]}";

/// Writes bodies.
pub(super) struct Bodies {
    /// The beginning of each body, before the spans.
    head: Vec<u8>,
    /// Texts of statements, and how JSON has them.
    texts: Cache<String, Box<[u8]>>,
    /// The bytes of a span in the last body.
    per_span: usize,
}

impl Bodies {
    /// Bodies for the spans of a server that `resource` describes.
    pub(super) fn new(resource: &[(String, String)]) -> Self {
        let mut head = b"{\"resourceSpans\":[{\"resource\":{\"attributes\":[".to_vec();
        for (index, (key, value)) in resource.iter().enumerate() {
            head.extend_from_slice(if index == 0 { b"{\"key\":" } else { b",{\"key\":" });
            json(&mut head, key);
            head.extend_from_slice(b",\"value\":{\"stringValue\":");
            json(&mut head, value);
            head.extend_from_slice(b"}}");
        }
        head.extend_from_slice(b"]},\"scopeSpans\":[{\"scope\":{\"name\":\"packwright\",\"version\":");
        json(&mut head, env!("CARGO_PKG_VERSION"));
        head.extend_from_slice(b"},\"spans\":[");
        Self { head, texts: Cache::new(TEXTS), per_span: SPAN }
    }

    /// The body with these spans.
    pub(super) fn body(&mut self, spans: Vec<Finished>) -> Vec<u8> {
        let count = spans.len().max(1);
        let mut out = Vec::with_capacity(self.head.len() + count * (self.per_span + self.per_span / 8) + TAIL.len());
        out.extend_from_slice(&self.head);
        for (index, span) in spans.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.span(&mut out, span);
        }
        self.per_span = (out.len() - self.head.len()).div_ceil(count);
        out.extend_from_slice(TAIL);
        out
    }

    fn span(&mut self, out: &mut Vec<u8>, span: Finished) {
        out.extend_from_slice(b"{\"traceId\":\"");
        hex(out, &span.trace.to_be_bytes());
        out.extend_from_slice(b"\",\"spanId\":\"");
        hex(out, &span.span.to_be_bytes());
        if let Some(parent) = span.parent {
            out.extend_from_slice(b"\",\"parentSpanId\":\"");
            hex(out, &parent.to_be_bytes());
        }
        out.push(b'"');
        if let Some(state) = &span.state {
            out.extend_from_slice(b",\"traceState\":");
            json(out, &**state);
        }
        // The flags of the W3C's context: the trace is recorded.
        out.extend_from_slice(b",\"flags\":1,\"name\":");
        name(out, span.name);
        out.extend_from_slice(match span.kind {
            Kind::Internal => b",\"kind\":1,\"startTimeUnixNano\":\"",
            Kind::Server => b",\"kind\":2,\"startTimeUnixNano\":\"",
            Kind::Client => b",\"kind\":3,\"startTimeUnixNano\":\"",
        });
        // OTLP's JSON has numbers of 64 bits as texts.
        json(out, &span.began);
        out.extend_from_slice(b"\",\"endTimeUnixNano\":\"");
        json(out, &span.ended);
        out.extend_from_slice(b"\",\"attributes\":[");
        for (index, (key, value)) in span.attributes.into_iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"key\":" } else { b",{\"key\":" });
            name(out, key);
            self.value(out, value);
            out.extend_from_slice(b"}}");
        }
        // 2 is an error.
        out.extend_from_slice(if span.has_failed { b"],\"status\":{\"code\":2}}" } else { b"],\"status\":{}}" });
    }

    fn value(&mut self, out: &mut Vec<u8>, value: Value) {
        if let Value::Number(number) = value {
            out.extend_from_slice(b",\"value\":{\"intValue\":\"");
            json(out, &number);
            return out.push(b'"');
        }
        out.extend_from_slice(b",\"value\":{\"stringValue\":");
        match value {
            Value::Name(text) => name(out, text),
            Value::Text(text) => json(out, &text),
            Value::Statement(text) => self.statement(out, text),
            Value::Hash(hash) => {
                out.push(b'"');
                hex(out, &hash);
                out.push(b'"');
            }
            Value::Number(_) => {}
        }
    }

    fn statement(&mut self, out: &mut Vec<u8>, text: String) {
        if let Some(escaped) = self.texts.get(&text) {
            return out.extend_from_slice(escaped);
        }
        let begin = out.len();
        json(out, &text);
        self.texts.insert(text, Box::from(&out[begin..]));
    }
}

/// Writes a text or a number as JSON has it.
fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Nothing of it can fail: a text or a number is written into memory.
    let _ = serde_json::to_writer(out, value);
}

/// Writes a name that this program gives. No character of it must be escaped.
fn name(out: &mut Vec<u8>, name: &'static str) {
    debug_assert!(name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\'), "{name}");
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

/// Writes bytes as hexadecimal digits.
fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}
