//! How the HTTP side behaves.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

/// How the HTTP side behaves.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where the server listens; `None` for one that is called in its process, which any name of
    /// loopback reaches.
    pub listener: Option<SocketAddr>,
    /// The other hosts that it goes by, with or without a port.
    pub public_hosts: Vec<String>,
    /// The other origins whose pages may speak to it; `*` for all.
    pub cors_origins: Vec<String>,
    /// Whether `/graphiql` is served.
    pub graphiql: bool,
    /// Whether nothing but trusted documents is executed, which `/graphiql` says.
    pub trusted_only: bool,
    /// The tokens that `/graphiql` offers.
    pub demo_tokens: Vec<DemoToken>,
    /// What tells this world of the demo from the one that it was before it began anew.
    pub demo_world: Option<String>,
    /// The most bytes of the body of a request with a token. Without one, and for a WebSocket message,
    /// [`SMALL_MAX`] at most.
    pub body_limit: usize,
    /// How long a body may take to come.
    pub body_timeout: Duration,
    /// How often an open stream of events or a WebSocket says that it is still there.
    pub keep_alive: Duration,
    /// How long the client of a WebSocket may take to say who it is.
    pub init_timeout: Duration,
    /// How long the client of a WebSocket may leave a message unread.
    pub send_timeout: Duration,
    /// How long a WebSocket without a token may be open without an operation.
    pub idle_timeout: Duration,
    /// The most open operations of one WebSocket.
    pub max_operations: usize,
    /// Turns true when the server ends: open WebSockets and streams are closed then.
    pub shutdown: Option<watch::Receiver<bool>>,
}

/// As many bytes as the largest call takes that the rules allow: 250 packages with full manifests and the longest
/// notes, each character written as an escaped pair of surrogates.
pub const BODY_MAX: usize = 24 * 1024 * 1024;
/// The most bytes of what can't hold such a call: a document, a WebSocket message, and a body without a token.
pub const SMALL_MAX: usize = 1024 * 1024;

impl HttpOptions {
    /// The most bytes of a document, a WebSocket message, or a body without a token.
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
    /// Comes to an end when the server does.
    pub(super) async fn ended(&self) {
        ended(&mut self.shutdown.clone()).await;
    }
}

/// Comes to an end when the server does; waits for ever when nobody can end it.
pub(super) async fn ended(shutdown: &mut Option<watch::Receiver<bool>>) {
    if let Some(shutdown) = shutdown
        && shutdown.wait_for(|ending| *ending).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A token that everybody may know.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct DemoToken {
    /// Whose it is.
    pub name: &'static str,
    pub secret: &'static str,
}
