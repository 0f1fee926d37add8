//! Spans, and the handle that begins them.

use std::sync::Arc;
use std::time::Instant;

use super::context::Context;
use super::export::Exporter;
use super::place::{Place, current};
use super::queue::Queue;
use super::settings::TraceSettings;
use crate::clock::system_nanos;
use crate::ids::HashedIds;
use crate::metrics::Metrics;

/// The role of a span, with the number that OTLP gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A name that this program gives.
    Name(&'static str),
    Text(String),
    /// The text of a statement: the same ones come again and again.
    Statement(String),
    /// A hash, which is told in hexadecimal digits.
    Hash([u8; 32]),
    Number(i64),
}

/// A span that has ended.
pub(super) struct Finished {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) parent: Option<u64>,
    pub(super) state: Option<Arc<str>>,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) has_failed: bool,
}

/// How many attributes most spans have at most.
const ATTRIBUTES: usize = 6;

/// Data that all spans of a server share.
pub(super) struct Shared {
    pub(super) queue: Arc<Queue>,
    ids: HashedIds,
    /// A trace that begins here is recorded if the last 56 bits of its id are below this number.
    below: u64,
}

impl Shared {
    /// A new id of a span, which is never zero.
    pub(super) fn span_id(&self) -> u64 {
        self.ids.next_short().max(1)
    }
}

/// The handle that begins spans. Traces are off unless the settings name a collector.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Shared>>);

impl Traces {
    /// A handle that records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// A handle that records spans, and the exporter, which must run to send them.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn on(settings: TraceSettings, metrics: Arc<Metrics>) -> Result<(Self, Exporter), String> {
        let queue = Arc::new(Queue::new(settings.queue, metrics));
        // 2^56 is exact as a float.
        let below = (settings.ratio.clamp(0.0, 1.0) * (1_u64 << 56) as f64) as u64;
        let exporter = Exporter::new(queue.clone(), settings)?;
        Ok((Self(Some(Arc::new(Shared { queue, ids: HashedIds::default(), below }))), exporter))
    }

    /// Whether spans are recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a span. Its parent is the present span, else `parent`; without either it begins a new trace.
    #[must_use]
    pub fn span(&self, name: &'static str, kind: Kind, parent: Option<&Context>) -> Span {
        let Some(shared) = &self.0 else { return Span::default() };
        let present = current();
        let parent = present.as_ref().map(|place| &place.0.context).or(parent);
        let (trace, is_sampled) = match parent {
            Some(parent) => (parent.trace, parent.is_sampled),
            None => {
                let trace = shared.ids.next().max(1);
                (trace, (trace as u64 & ((1 << 56) - 1)) < shared.below)
            }
        };
        let state = parent.and_then(|parent| parent.state.clone());
        let context = Context { trace, span: shared.span_id(), is_sampled, state };
        Span(Some(Box::new(Open {
            place: Place::new(context, shared.clone()),
            name,
            kind,
            parent: parent.map(|parent| parent.span),
            began: (system_nanos(), Instant::now()),
            attributes: Vec::with_capacity(if is_sampled { ATTRIBUTES } else { 0 }),
            has_failed: false,
        })))
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Traces").field(&self.is_on()).finish()
    }
}

/// A span that ends when it is dropped. Without traces it is empty.
#[derive(Default)]
pub struct Span(Option<Box<Open>>);

struct Open {
    place: Place,
    name: &'static str,
    kind: Kind,
    parent: Option<u64>,
    began: (u64, Instant),
    attributes: Vec<(&'static str, Value)>,
    has_failed: bool,
}

impl Span {
    /// Whether the span will be sent. Otherwise computing its attributes is a waste.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.place.0.context.is_sampled)
    }

    /// The span as the parent of others.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.0.as_ref().map(|open| open.place.clone())
    }

    /// The span's context, to be passed on to another program.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|open| open.place.0.context.clone())
    }

    /// The trace's id for the log; `None` if the span isn't sent.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let open = self.0.as_ref().filter(|open| open.place.0.context.is_sampled)?;
        Some(format!("{:032x}", open.place.0.context.trace))
    }

    /// Sets an attribute, if the span will be sent.
    pub fn set(&mut self, name: &'static str, value: Value) {
        if self.is_recorded()
            && let Some(open) = &mut self.0
        {
            open.attributes.push((name, value));
        }
    }

    /// Marks the span as failed.
    pub fn has_failed(&mut self) {
        if let Some(open) = &mut self.0 {
            open.has_failed = true;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { place, name, kind, parent, began: (began, since), mut attributes, has_failed } = *open;
        let context = &place.0.context;
        if !context.is_sampled {
            return;
        }
        let left_out = place.left_out();
        if left_out > 0 {
            attributes.push(("packwright.statements.left_out", Value::Number(left_out.into())));
        }
        place.0.shared.queue.push(Finished {
            trace: context.trace,
            span: context.span,
            parent,
            state: context.state.clone(),
            name,
            kind,
            began,
            ended: began.saturating_add(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            attributes,
            has_failed,
        });
    }
}
