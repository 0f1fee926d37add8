//! The labels, each with all of its values.

/// A label of a family of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

/// The values of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Exactly these.
    Of(&'static [&'static str]),
    /// Values that only come up while the server runs, at most so many. Further ones are counted together as [`OTHER`].
    AtMost(usize),
}

/// The value of a label for everything that has none of its own.
pub const OTHER: &str = "_OTHER";

/// A value of a label.
pub trait LabelValue: Copy {
    const LABEL: Label;

    /// The index of the value among all values of the label.
    fn place(self) -> usize;
}

/// The values of all labels of one series.
pub trait Labels: Copy {
    const LABELS: &'static [Label];
    /// The number of series that these labels can make.
    const SERIES: usize;

    fn index(self) -> usize;
}

const fn count(label: Label) -> usize {
    match label.values {
        Values::Of(values) => values.len(),
        Values::AtMost(_) => 0,
    }
}

impl Labels for () {
    const LABELS: &'static [Label] = &[];
    const SERIES: usize = 1;

    fn index(self) -> usize {
        0
    }
}

impl<A: LabelValue> Labels for A {
    const LABELS: &'static [Label] = &[A::LABEL];
    const SERIES: usize = count(A::LABEL);

    fn index(self) -> usize {
        self.place()
    }
}

impl<A: LabelValue, B: LabelValue> Labels for (A, B) {
    const LABELS: &'static [Label] = &[A::LABEL, B::LABEL];
    const SERIES: usize = count(A::LABEL) * count(B::LABEL);

    fn index(self) -> usize {
        self.0.place() * count(B::LABEL) + self.1.place()
    }
}

impl<A: LabelValue, B: LabelValue, C: LabelValue> Labels for (A, B, C) {
    const LABELS: &'static [Label] = &[A::LABEL, B::LABEL, C::LABEL];
    const SERIES: usize = count(A::LABEL) * count(B::LABEL) * count(C::LABEL);

    fn index(self) -> usize {
        (self.0.place() * count(B::LABEL) + self.1.place()) * count(C::LABEL) + self.2.place()
    }
}

/// Declares a label whose values are known, as an enum.
macro_rules! label {
    ($(#[$about:meta])* $name:ident = $label:literal { $($variant:ident = $value:literal),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($variant),*
        }

        impl $name {
            const VALUES: &'static [&'static str] = &[$($value),*];
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            #[must_use]
            pub fn name(self) -> &'static str {
                Self::VALUES[self as usize]
            }
        }

        impl LabelValue for $name {
            const LABEL: Label = Label { name: $label, values: Values::Of(Self::VALUES) };

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// The method of an HTTP request.
    Method = "http_request_method" { Get = "GET", Head = "HEAD", Post = "POST", Options = "OPTIONS", Other = "_OTHER" }
}

label! {
    /// The route of an HTTP request. Any other path is one route.
    Route = "http_route" {
        Graphql = "/graphql", Stream = "/graphql/stream", Graphiql = "/graphiql", Schema = "/schema.graphql",
        Live = "/livez", Ready = "/readyz", Metrics = "/metrics", Other = "_OTHER",
    }
}

impl Route {
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            "/graphql" => Self::Graphql,
            "/graphql/stream" => Self::Stream,
            "/schema.graphql" => Self::Schema,
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ if path == "/graphiql" || path.starts_with("/graphiql/") => Self::Graphiql,
            _ => Self::Other,
        }
    }
}

/// The status of an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    const CODES: [u16; 26] = [
        101, 200, 204, 301, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 413, 415, 421, 426, 429, 431, 500,
        501, 503, 504, 505,
    ];
    /// The codes as text, and one value for all others.
    const VALUES: &'static [&'static str] = &[
        "101", "200", "204", "301", "303", "304", "307", "308", "400", "401", "403", "404", "405", "406", "408", "413",
        "415", "421", "426", "429", "431", "500", "501", "503", "504", "505", OTHER,
    ];
}

impl LabelValue for Status {
    const LABEL: Label = Label { name: "http_response_status_code", values: Values::Of(Self::VALUES) };

    fn place(self) -> usize {
        Self::CODES.binary_search(&self.0).unwrap_or(Self::CODES.len())
    }
}

label! {
    /// The type of a GraphQL operation. A request that is refused before its operation is found has an unknown one.
    OperationType = "graphql_operation_type" {
        Query = "query", Mutation = "mutation", Subscription = "subscription", Unknown = "unknown",
    }
}

label! {
    /// How a GraphQL operation ended.
    Outcome = "outcome" {
        Ok = "ok", Errors = "errors", Refused = "refused", Limited = "limited", Overloaded = "overloaded",
        Timeout = "timeout", Failed = "failed", Canceled = "canceled",
    }
}

label! {
    /// The transport of a subscription.
    Transport = "transport" { WebSocket = "websocket", EventStream = "event_stream" }
}

label! {
    /// Why a subscription ended.
    SubscriptionEnd = "reason" {
        Client = "client", Completed = "completed", Refused = "refused", Token = "token",
        CursorExpired = "cursor_expired", ServerEnds = "server_ends", Error = "error",
    }
}

label! {
    /// The code with which a WebSocket was closed by the server.
    CloseCode = "close_code" {
        Client = "client", Normal = "1000", GoingAway = "1001", Invalid = "1007", TooLong = "1009", TryAgain = "1013",
        BadRequest = "4400", Unauthorized = "4401", Forbidden = "4403", Timeout = "4408", Exists = "4409",
        TooMany = "4429", Other = "_OTHER",
    }
}

impl CloseCode {
    #[must_use]
    pub fn of(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::GoingAway,
            1007 => Self::Invalid,
            1009 => Self::TooLong,
            1013 => Self::TryAgain,
            4400 => Self::BadRequest,
            4401 => Self::Unauthorized,
            4403 => Self::Forbidden,
            4408 => Self::Timeout,
            4409 => Self::Exists,
            4429 => Self::TooMany,
            _ => Self::Other,
        }
    }
}

label! {
    /// Which limit refused a connection.
    ConnectionLimit = "limit" { Server = "server", Peer = "peer" }
}

label! {
    /// The connections to the database, by their use.
    PoolName = "db_client_connection_pool_name" { Read = "read", Write = "write", Apart = "apart" }
}

label! {
    /// The state of a connection to the database.
    ConnectionState = "db_client_connection_state" { Used = "used", Idle = "idle" }
}

label! {
    /// The first word of a statement.
    Statement = "db_operation_name" {
        Select = "SELECT", Insert = "INSERT", Update = "UPDATE", Delete = "DELETE", With = "WITH", Copy = "COPY",
        Begin = "BEGIN", Commit = "COMMIT", Rollback = "ROLLBACK", Other = "_OTHER",
    }
}

impl Statement {
    #[must_use]
    pub fn of(sql: &str) -> Self {
        let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        match word {
            "SELECT" => Self::Select,
            "INSERT" => Self::Insert,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "WITH" => Self::With,
            "COPY" => Self::Copy,
            "BEGIN" => Self::Begin,
            "COMMIT" => Self::Commit,
            "ROLLBACK" => Self::Rollback,
            _ => Self::Other,
        }
    }
}

label! {
    /// How a statement failed; empty if it didn't.
    StatementError = "error_type" { None = "", Failed = "failed", Timeout = "timeout", Unavailable = "unavailable" }
}

label! {
    /// How a pass of the scheduler, or a batch, ended.
    WorkOutcome = "outcome" { Done = "done", Failed = "failed" }
}

label! {
    /// What became of a span.
    SpanOutcome = "outcome" {
        Exported = "exported", Dropped = "dropped", Lost = "lost", Refused = "refused",
    }
}

label! {
    /// The kind of a task, as the database stores it.
    TaskKind = "kind" {
        Offer = "OFFER", RollOut = "ROLL_OUT", RollOutRange = "ROLL_OUT_RANGE", Stage = "STAGE", Retry = "RETRY", GiveUp = "GIVE_UP",
        Withdraw = "WITHDRAW", RollBack = "ROLL_BACK", RollBackRange = "ROLL_BACK_RANGE", GrantsOfPack = "GRANTS_OF_PACK",
        GrantsOfAccount = "GRANTS_OF_ACCOUNT", CatchUp = "CATCH_UP", Rename = "RENAME", Delete = "DELETE",
        Other = "_OTHER",
    }
}

impl TaskKind {
    /// The kind of a task by its stored name.
    #[must_use]
    pub fn of(stored: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.name() == stored).unwrap_or(Self::Other)
    }
}

label! {
    /// The state of updates in releases in progress.
    UpdateState = "state" {
        Offered = "offered", Applied = "applied", Skipped = "skipped", Failed = "failed", Withdrawn = "withdrawn",
    }
}

label! {
    /// What came of an attempt to send an event to a webhook endpoint.
    AttemptOutcome = "outcome" { Taken = "taken", Status = "status", Timeout = "timeout", Connection = "connection" }
}

label! {
    /// The state of a webhook endpoint.
    EndpointState = "state" { Active = "active", Failing = "failing", Paused = "paused", Disabled = "disabled" }
}

label! {
    /// Whether the last attempt for a webhook endpoint failed, of an endpoint that is sent events.
    ServedState = "state" { Active = "active", Failing = "failing" }
}

label! {
    /// Why a webhook endpoint was disabled.
    WebhookEnd = "reason" {
        AttemptsExhausted = "attempts_exhausted", Gone = "gone", CursorExpired = "cursor_expired",
        DocumentRefused = "document_refused",
    }
}

label! {
    /// A cache.
    CacheName = "cache" {
        Documents = "documents", Parsed = "parsed_documents", Introspection = "introspection", Tokens = "tokens",
        Components = "components", ComponentVersions = "component_versions", Manifests = "manifests",
        PackVersions = "pack_versions", Contents = "contents", Drafts = "drafts",
    }
}

label! {
    /// Whether a cache had what was asked for.
    CacheResult = "result" { Hit = "hit", Miss = "miss" }
}

label! {
    /// Why a server isn't ready.
    NotReadyReason = "reason" {
        Ending = "ending", Database = "database", Writes = "writes", Migrations = "migrations", Clock = "clock",
        EventLog = "event_log", Load = "load",
    }
}

/// The labels whose values come up while the server runs.
pub const ERROR_CODE: Label = Label { name: "code", values: Values::AtMost(200) };
pub const DOCUMENT_NAME: Label = Label { name: "graphql_operation_name", values: Values::AtMost(1_000) };
pub const VERSION: Label = Label { name: "version", values: Values::AtMost(1) };
pub const DATABASE_SYSTEM: Label = Label { name: "db_system_name", values: Values::Of(&["sqlite", "postgresql"]) };
