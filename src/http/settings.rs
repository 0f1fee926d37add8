//! The options of the HTTP side.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

/// The options of the HTTP side.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The listener's address; `None` for a server that is called within the process, which accepts all loopback names.
    pub listener: Option<SocketAddr>,
    /// The other host names of the server, with or without a port.
    pub public_hosts: Vec<String>,
    /// The other origins whose pages may call it; `*` for all.
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is served. It isn't if there is a listener for operators.
    pub metrics: bool,
    /// Whether `/graphiql` is served.
    pub graphiql: bool,
    /// Whether only trusted documents are executed. `/graphiql` shows a notice then.
    pub trusted_only: bool,
    /// The tokens that `/graphiql` offers.
    pub demo_tokens: Vec<DemoToken>,
    /// An id of the demo's current world, which changes at each reset.
    pub demo_world: Option<String>,
    /// The most bytes of a body with a token. Bodies without one, and WebSocket messages, may have [`SMALL_MAX`] at
    /// most.
    pub body_limit: usize,
    /// The time limit for receiving a body.
    pub body_timeout: Duration,
    /// How often an open event stream or WebSocket sends a sign of life.
    pub keep_alive: Duration,
    /// The time limit for a WebSocket's `connection_init`.
    pub init_timeout: Duration,
    /// How long a WebSocket client may leave a message unread.
    pub send_timeout: Duration,
    /// How long a WebSocket without a token may be open without an operation.
    pub idle_timeout: Duration,
    /// The most open operations of one WebSocket.
    pub max_operations: usize,
    /// Becomes true when the server ends. Queries and mutations of open WebSockets and streams are answered first; then
    /// they are closed.
    pub shutdown: Option<watch::Receiver<bool>>,
}

/// The bytes of the largest call that the rules allow: 250 packages with full manifests and the longest notes, with
/// every character written as an escaped surrogate pair.
pub const BODY_MAX: usize = 24 * 1024 * 1024;
/// The most bytes of a document, a WebSocket message, or a body without a token, which all can't contain such a call.
pub const SMALL_MAX: usize = 1024 * 1024;

impl HttpOptions {
    /// The limit for documents, WebSocket messages, and bodies without a token: at most [`SMALL_MAX`] bytes.
    #[must_use]
    pub fn small_limit(&self) -> usize {
        self.body_limit.min(SMALL_MAX)
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            listener: None,
            public_hosts: Vec::new(),
            cors_origins: Vec::new(),
            metrics: true,
            graphiql: false,
            trusted_only: false,
            demo_tokens: Vec::new(),
            demo_world: None,
            body_limit: BODY_MAX,
            body_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
            init_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            max_operations: 100,
            shutdown: None,
        }
    }
}

impl HttpOptions {
    /// Returns when the server ends.
    pub(super) async fn ended(&self) {
        ended(&mut self.shutdown.clone()).await;
    }
}

/// Returns when the server ends. Waits forever if nothing can end it.
pub(super) async fn ended(shutdown: &mut Option<watch::Receiver<bool>>) {
    if let Some(shutdown) = shutdown
        && shutdown.wait_for(|ending| *ending).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A public token.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct DemoToken {
    /// The name of its owner.
    pub name: &'static str,
    pub secret: &'static str,
}
