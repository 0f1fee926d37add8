//! The metrics that a server records while it works.

use super::catalogue as families;
use super::cells::{Counters, Gauges, Histograms, NamedCounters, NamedHistograms, Recorded};
use super::labels::{
    AttemptOutcome, CloseCode, ConnectionLimit, Method, OperationType, Outcome, PoolName, Route, SpanOutcome,
    Statement, StatementError, Status, SubscriptionEnd, TaskKind, Transport, WebhookEnd, WorkOutcome,
};
use super::text::{self, Sample};

/// Declares the recorded families, so that none is forgotten when they are written.
macro_rules! recorded {
    ($($name:ident: $type:ty = $family:ident),* $(,)?) => {
        /// The metrics of one server. They are off in a process that doesn't serve.
        pub struct Metrics {
            is_on: bool,
            $(pub $name: $type,)*
        }

        impl Metrics {
            fn new(is_on: bool) -> Self {
                Self { is_on, $($name: <$type>::new(&families::$family, is_on),)* }
            }

            fn recorded(&self) -> Vec<&dyn Recorded> {
                vec![$(&self.$name),*]
            }
        }
    };
}

recorded! {
    http_requests: Histograms<(Method, Route, Status)> = HTTP_REQUESTS,
    http_active: Gauges<()> = HTTP_ACTIVE,
    connections: Gauges<()> = CONNECTIONS,
    connections_refused: Counters<ConnectionLimit> = CONNECTIONS_REFUSED,
    operations: Histograms<(OperationType, Outcome)> = OPERATIONS,
    documents: NamedHistograms = DOCUMENTS,
    operations_active: Gauges<OperationType> = OPERATIONS_ACTIVE,
    operations_waiting: Gauges<()> = OPERATIONS_WAITING,
    costs: Histograms<OperationType> = COSTS,
    errors: NamedCounters = ERRORS,
    subscriptions: Gauges<Transport> = SUBSCRIPTIONS,
    subscriptions_ended: Counters<(Transport, SubscriptionEnd)> = SUBSCRIPTIONS_ENDED,
    websockets: Gauges<()> = WEBSOCKETS,
    websockets_closed: Counters<CloseCode> = WEBSOCKETS_CLOSED,
    pool_pending: Gauges<PoolName> = POOL_PENDING,
    pool_waits: Histograms<PoolName> = POOL_WAITS,
    pool_timeouts: Counters<PoolName> = POOL_TIMEOUTS,
    statements: Histograms<(Statement, StatementError)> = STATEMENTS,
    passes: Histograms<WorkOutcome> = PASSES,
    windows_opened: Counters<()> = WINDOWS_OPENED,
    window_lags: Histograms<()> = WINDOW_LAGS,
    batches: Histograms<(TaskKind, WorkOutcome)> = BATCHES,
    task_objects: Counters<TaskKind> = TASK_OBJECTS,
    event_lags: Histograms<()> = EVENT_LAGS,
    webhook_attempts: Histograms<AttemptOutcome> = WEBHOOK_ATTEMPTS,
    webhook_attempts_active: Gauges<()> = WEBHOOK_ATTEMPTS_ACTIVE,
    webhook_attempts_waiting: Gauges<()> = WEBHOOK_ATTEMPTS_WAITING,
    webhook_lags: Histograms<()> = WEBHOOK_LAGS,
    webhooks_disabled: Counters<WebhookEnd> = WEBHOOKS_DISABLED,
    trace_spans: Counters<SpanOutcome> = TRACE_SPANS,
}

impl Metrics {
    /// Metrics that are recorded.
    #[must_use]
    pub fn on() -> Self {
        Self::new(true)
    }

    /// Metrics that aren't recorded.
    #[must_use]
    pub fn off() -> Self {
        Self::new(false)
    }

    /// Whether the metrics are recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The text for a scrape, with samples that were read for it.
    #[must_use]
    pub fn text(&self, samples: &[Sample]) -> String {
        text::write(&self.recorded(), samples)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::off()
    }
}
