//! The place of the work of an asynchronous task in a trace: the span to which its statements and further spans belong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::context::Context;
use super::span::{Finished, Kind, Shared, Value};
use crate::clock::system_nanos;
use crate::metrics::{Statement, StatementError};

/// The most statements of one span that are recorded. The span says how many were left out.
const STATEMENTS_MAX: u32 = 250;
/// The most bytes of a statement's text.
const TEXT_MAX: usize = 2_048;

/// The data of a span that its children need.
pub(super) struct Inner {
    pub(super) context: Context,
    pub(super) shared: Arc<Shared>,
    statements: AtomicU32,
}

/// A span, as the parent of spans and statements that begin now.
#[derive(Clone)]
pub struct Place(pub(super) Arc<Inner>);

tokio::task_local! {
    static CURRENT: Option<Place>;
}

impl Place {
    pub(super) fn new(context: Context, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner { context, shared, statements: AtomicU32::new(0) }))
    }

    /// How many statements weren't recorded, because the span had too many.
    pub(super) fn left_out(&self) -> u32 {
        self.0.statements.load(Ordering::Relaxed).saturating_sub(STATEMENTS_MAX)
    }

    /// Polls a future with this place as the present one.
    pub fn poll<T>(this: Option<&Self>, poll: impl FnOnce() -> T) -> T {
        match this {
            Some(place) => CURRENT.sync_scope(Some(place.clone()), poll),
            None => poll(),
        }
    }
}

/// Runs a future with a place as the present one.
pub fn within<W: Future>(place: Option<Place>, work: W) -> impl Future<Output = W::Output> + use<W> {
    CURRENT.scope(place, work)
}

/// The present place; `None` without traces, and outside of any span.
pub(super) fn current() -> Option<Place> {
    CURRENT.try_with(Clone::clone).ok()?
}

/// The `traceparent` of the present span, if its trace is recorded. It is stored with work that is done later, so that
/// the work belongs to the same trace.
#[must_use]
pub fn recorded_parent() -> Option<String> {
    let place = current()?;
    Some(&place.0.context).filter(|context| context.is_recorded()).map(ToString::to_string)
}

/// Records an SQL statement that took the duration `took`. `text` must have placeholders instead of values.
pub fn statement(system: &'static str, kind: Statement, text: &str, took: Duration, error: StatementError) {
    let Some(place) = current().filter(|place| place.0.context.is_sampled) else { return };
    let inner = &place.0;
    if inner.statements.fetch_add(1, Ordering::Relaxed) >= STATEMENTS_MAX {
        return;
    }
    let (has_failed, is_known) = (error != StatementError::None, kind != Statement::Other);
    let mut attributes = Vec::with_capacity(4);
    attributes.push(("db.system.name", Value::Name(system)));
    if is_known {
        attributes.push(("db.operation.name", Value::Name(kind.name())));
    }
    attributes.push(("db.query.text", Value::Statement(shortened(text))));
    if has_failed {
        attributes.push(("error.type", Value::Name(error.name())));
    }
    let end = system_nanos();
    inner.shared.queue.push(Finished {
        trace: inner.context.trace,
        span: inner.shared.span_id(),
        parent: Some(inner.context.span),
        state: inner.context.state.clone(),
        name: if is_known { kind.name() } else { "SQL" },
        kind: Kind::Client,
        began: end.saturating_sub(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)),
        ended: end,
        attributes,
        has_failed,
    });
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &text[..end])
}
