//! The catalogue: the name, the labels, the unit and the description of each family. `docs/metrics.md` has the same
//! table, and a test compares both with what a server answers.
//!
//! Names follow the conventions of OpenTelemetry where these have a name, as Prometheus spells them, and begin with
//! `packwright_` otherwise. A counter ends in `_total`, and a unit is a part of the name. The subjects follow each other
//! in the order of this file.

use super::labels::{
    AttemptOutcome, CacheName, CacheResult, CloseCode, ConnectionLimit, ConnectionState, DATABASE_SYSTEM,
    DOCUMENT_NAME, ERROR_CODE, EndpointState, Label, LabelValue as _, Method, NotReadyReason, OperationType, Outcome,
    PoolName, Route, ServedState, SpanOutcome, Statement, StatementError, Status, SubscriptionEnd, TaskKind, Transport,
    UpdateState, VERSION, WebhookEnd, WorkOutcome,
};

/// A family of series: all that have one name.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    pub labels: &'static [Label],
    pub about: &'static str,
}

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Family {
    /// Whether values are times, which are kept in nanoseconds.
    pub(super) fn is_in_seconds(&self) -> bool {
        self.unit == SECONDS
    }
}

/// Times of requests, operations and statements. A page takes about a millisecond.
const TIMES: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Delays of work that is done behind the requests.
const DELAYS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0];
/// Times of attempts to send an event, which end after 15 seconds.
const ATTEMPT_TIMES: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
/// Costs of operations.
const AMOUNTS: &[f64] = &[10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0];

const SECONDS: &str = "seconds";
const BYTES: &str = "bytes";

const fn family(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    labels: &'static [Label],
    about: &'static str,
) -> Family {
    Family { name, kind, unit, labels, about }
}

macro_rules! catalogue {
    ($($name:ident = $text:literal, $kind:expr, $unit:expr, [$($label:expr),*], $about:literal;)*) => {
        $(pub static $name: Family = family($text, $kind, $unit, &[$($label),*], $about);)*

        /// All families.
        pub static CATALOGUE: &[&Family] = &[$(&$name),*];
    };
}

catalogue! {
    // HTTP.
    HTTP_REQUESTS = "http_server_request_duration_seconds", Kind::Histogram(TIMES), SECONDS,
        [Method::LABEL, Route::LABEL, Status::LABEL],
        "Time from the head of a request to the head of its response.";
    HTTP_ACTIVE = "http_server_active_requests", Kind::Gauge, "requests", [],
        "Requests that wait for the head of their response.";
    CONNECTIONS = "packwright_http_connections", Kind::Gauge, "connections", [],
        "Connections of clients that are open.";
    CONNECTIONS_REFUSED = "packwright_http_connections_refused_total", Kind::Counter, "connections",
        [ConnectionLimit::LABEL],
        "Connections that were refused because the server, or their peer, had as many as it may have.";

    // Operations.
    OPERATIONS = "graphql_server_operation_duration_seconds", Kind::Histogram(TIMES), SECONDS,
        [OperationType::LABEL, Outcome::LABEL],
        "Time of a query or mutation, including the wait for its turn. A request that is refused before has the type unknown, and the time of its checks.";
    DOCUMENTS = "packwright_trusted_document_duration_seconds", Kind::Histogram(TIMES), SECONDS, [DOCUMENT_NAME],
        "Time of a query or mutation, by its name in the trusted documents; no series if there are none.";
    OPERATIONS_ACTIVE = "packwright_operations_active", Kind::Gauge, "operations", [OperationType::LABEL],
        "Queries and mutations in progress.";
    OPERATIONS_WAITING = "packwright_operations_waiting", Kind::Gauge, "operations", [],
        "Queries and mutations that wait for their turn.";
    COSTS = "packwright_operation_cost", Kind::Histogram(AMOUNTS), "cost", [OperationType::LABEL],
        "Cost of the operations that were admitted.";
    WORK_IN_PROGRESS = "packwright_work_in_progress", Kind::Gauge, "cost", [],
        "Cost of the operations in progress, and of answers that have not left.";
    WORK_MAX = "packwright_work_max", Kind::Gauge, "cost", [],
        "The most cost of operations in progress, as --max-work says.";
    ERRORS = "packwright_errors_total", Kind::Counter, "errors", [ERROR_CODE],
        "Errors in answers by their extensions.code.";

    // Subscriptions.
    SUBSCRIPTIONS = "packwright_subscriptions_active", Kind::Gauge, "subscriptions", [Transport::LABEL],
        "Subscriptions that are open.";
    SUBSCRIPTIONS_ENDED = "packwright_subscriptions_ended_total", Kind::Counter, "subscriptions",
        [Transport::LABEL, SubscriptionEnd::LABEL],
        "Subscriptions that have ended, by the reason.";
    WEBSOCKETS = "packwright_websockets_active", Kind::Gauge, "connections", [],
        "WebSockets that are open.";
    WEBSOCKETS_CLOSED = "packwright_websockets_closed_total", Kind::Counter, "connections", [CloseCode::LABEL],
        "WebSockets that have ended, by the code with which the server closed them; client if the client ended them.";

    // The database.
    DATABASE_UP = "packwright_database_up", Kind::Gauge, "", [],
        "1 if the database answered when it was asked for the numbers of this page, else 0.";
    // The conventions have `db.client.connection.count`, but only histograms may end in `_count` here.
    POOL_CONNECTIONS = "packwright_database_connections", Kind::Gauge, "connections",
        [PoolName::LABEL, ConnectionState::LABEL],
        "Connections to the database, used or idle.";
    POOL_MAX = "db_client_connection_max", Kind::Gauge, "connections", [PoolName::LABEL],
        "The most connections to the database.";
    POOL_PENDING = "db_client_connection_pending_requests", Kind::Gauge, "requests", [PoolName::LABEL],
        "Work that waits for a connection to the database.";
    POOL_WAITS = "db_client_connection_wait_time_seconds", Kind::Histogram(TIMES), SECONDS, [PoolName::LABEL],
        "Time to get a connection to the database.";
    POOL_TIMEOUTS = "db_client_connection_timeouts_total", Kind::Counter, "timeouts", [PoolName::LABEL],
        "Waits for a connection to the database that were given up.";
    STATEMENTS = "db_client_operation_duration_seconds", Kind::Histogram(TIMES), SECONDS,
        [Statement::LABEL, StatementError::LABEL],
        "Time of a statement, by its first word.";
    DATABASE_SIZE = "packwright_database_size_bytes", Kind::Gauge, BYTES, [],
        "Size of the database.";
    DISK_FREE = "packwright_database_filesystem_free_bytes", Kind::Gauge, BYTES, [],
        "Free space of the file system that has the SQLite file; nothing with PostgreSQL.";
    DISK_SIZE = "packwright_database_filesystem_size_bytes", Kind::Gauge, BYTES, [],
        "Size of the file system that has the SQLite file; nothing with PostgreSQL.";

    // The scheduler.
    PASSES = "packwright_scheduler_pass_duration_seconds", Kind::Histogram(DELAYS), SECONDS, [WorkOutcome::LABEL],
        "Time of a pass of the scheduler; a pass that failed could do nothing.";
    WINDOWS_DUE = "packwright_windows_due", Kind::Gauge, "packs", [],
        "Packs with a window that has opened and was not carried out yet.";
    WINDOWS_LATE = "packwright_windows_lag_seconds", Kind::Gauge, SECONDS, [],
        "Time since the oldest of the windows in packwright_windows_due has opened; 0 if there is none.";
    WINDOWS_OPENED = "packwright_windows_opened_total", Kind::Counter, "windows", [],
        "Windows that this server carried out.";
    WINDOW_LAGS = "packwright_window_lag_seconds", Kind::Histogram(DELAYS), SECONDS, [],
        "Time between the start of a window and its release, of windows that this server carried out.";
    BATCHES = "packwright_task_batch_duration_seconds", Kind::Histogram(TIMES), SECONDS,
        [TaskKind::LABEL, WorkOutcome::LABEL],
        "Time of a batch of a task.";
    TASK_OBJECTS = "packwright_task_objects_total", Kind::Counter, "objects", [TaskKind::LABEL],
        "Installations, accounts or packs that batches of this server have processed; of ROLL_OUT and ROLL_OUT_RANGE, the rate of rollouts.";
    TASKS = "packwright_tasks", Kind::Gauge, "tasks", [TaskKind::LABEL],
        "Tasks that are not done.";
    TASKS_FAILING = "packwright_tasks_failing", Kind::Gauge, "tasks", [TaskKind::LABEL],
        "Tasks whose last batch failed.";
    TASK_FAILURES = "packwright_task_failures_max", Kind::Gauge, "failures", [TaskKind::LABEL],
        "The most failures in a row of a task.";
    TASK_AGE = "packwright_task_age_seconds", Kind::Gauge, SECONDS, [TaskKind::LABEL],
        "Age of the oldest task that is not done.";
    TASK_LAG = "packwright_tasks_lag_seconds", Kind::Gauge, SECONDS, [TaskKind::LABEL],
        "Time since the task that waits longest was due; 0 if none is due.";
    ROLLOUTS = "packwright_releases_in_progress", Kind::Gauge, "releases", [],
        "Releases in progress.";
    ROLLOUT_UPDATES = "packwright_rollout_updates", Kind::Gauge, "updates", [UpdateState::LABEL],
        "Updates of the releases in progress, by their state.";

    // The event log.
    EVENT_LAGS = "packwright_event_log_lag_seconds", Kind::Histogram(DELAYS), SECONDS, [],
        "Time from an event until this server has read it for its subscribers.";
    EVENTS_UNREAD = "packwright_event_log_unread_events", Kind::Gauge, "events", [],
        "Events that this server has not read for its subscribers yet; 0 without subscribers.";
    EVENT_LOG_SIZE = "packwright_event_log_events", Kind::Gauge, "events", [],
        "Positions of the event log that are kept.";
    EVENT_LOG_POSITION = "packwright_event_log_position", Kind::Gauge, "position", [],
        "Position of the newest event.";
    EVENT_LOG_AGE = "packwright_event_log_oldest_age_seconds", Kind::Gauge, SECONDS, [],
        "Age of the oldest event that is kept; 0 if the log is empty.";

    // Webhooks.
    WEBHOOK_ATTEMPTS = "packwright_webhook_attempt_duration_seconds", Kind::Histogram(ATTEMPT_TIMES), SECONDS,
        [AttemptOutcome::LABEL],
        "Time of an attempt to send an event to an endpoint, by its outcome. Test events count, too.";
    WEBHOOK_ATTEMPTS_ACTIVE = "packwright_webhook_attempts_active", Kind::Gauge, "attempts", [],
        "Attempts in progress.";
    WEBHOOK_ATTEMPTS_WAITING = "packwright_webhook_attempts_waiting", Kind::Gauge, "attempts", [],
        "Attempts that are due and wait for their turn, because the server makes as many as it may.";
    WEBHOOK_LAGS = "packwright_webhook_delivery_lag_seconds", Kind::Histogram(DELAYS), SECONDS, [],
        "Time from an event until an endpoint of this server has taken it. For an event that is sent again it also counts from the event's commit.";
    WEBHOOK_OLDEST = "packwright_webhook_oldest_waiting_seconds", Kind::Gauge, SECONDS, [ServedState::LABEL],
        "Age of the oldest event that an endpoint of this server was not sent yet, by the endpoint's state; 0 if none waits.";
    WEBHOOK_ENDPOINTS = "packwright_webhook_endpoints", Kind::Gauge, "endpoints", [EndpointState::LABEL],
        "Endpoints of all accounts.";
    WEBHOOK_UNSERVED = "packwright_webhook_endpoints_unserved", Kind::Gauge, "endpoints", [],
        "Endpoints that should get events, and that no running server serves.";
    WEBHOOKS_DISABLED = "packwright_webhook_endpoints_disabled_total", Kind::Counter, "endpoints", [WebhookEnd::LABEL],
        "Endpoints that this server has given up.";

    // Caches.
    CACHE_REQUESTS = "packwright_cache_requests_total", Kind::Counter, "requests",
        [CacheName::LABEL, CacheResult::LABEL],
        "Look-ups in the server's caches.";

    // Traces.
    TRACE_SPANS = "packwright_trace_spans_total", Kind::Counter, "spans", [SpanOutcome::LABEL],
        "Spans of traces: exported; dropped, because too many waited; lost, because the collector did not answer; or refused by it.";

    // The server.
    READY = "packwright_ready", Kind::Gauge, "", [],
        "1 if the server is ready, as /readyz answers, else 0.";
    NOT_READY = "packwright_not_ready", Kind::Gauge, "", [NotReadyReason::LABEL],
        "1 for each reason why the server isn't ready.";
    BUILD_INFO = "packwright_build_info", Kind::Gauge, "", [VERSION, DATABASE_SYSTEM],
        "1, with the version of the program and the kind of its database.";
    PROCESS_CPU = "process_cpu_seconds_total", Kind::Counter, SECONDS, [],
        "Processor time of the process.";
    PROCESS_MEMORY = "process_resident_memory_bytes", Kind::Gauge, BYTES, [],
        "Memory of the process that is in RAM.";
    PROCESS_VIRTUAL_MEMORY = "process_virtual_memory_bytes", Kind::Gauge, BYTES, [],
        "Address space of the process.";
    PROCESS_THREADS = "process_threads", Kind::Gauge, "threads", [],
        "Threads of the process.";
    PROCESS_OPEN_FILES = "process_open_fds", Kind::Gauge, "files", [],
        "Open files and connections of the process.";
    PROCESS_MAX_FILES = "process_max_fds", Kind::Gauge, "files", [],
        "The most files and connections that the process may have open.";
    PROCESS_START = "process_start_time_seconds", Kind::Gauge, SECONDS, [],
        "Time at which the process started, in seconds since 1970.";
}
