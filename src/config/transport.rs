//! The settings of connections, requests and answers.

use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use super::hosts;
use super::numbers::number;

/// The settings of connections, requests and answers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Transport")]
pub struct TransportArgs {
    /// A website whose pages may call this server from a browser, such as https://app.example.com; * for every website.
    /// Without this option pages of other websites are refused. May be given several times; the variable takes a list
    /// with commas
    #[arg(long, value_name = "ORIGIN", env = "PACKWRIGHT_CORS_ORIGIN", value_delimiter = ',', value_parser = hosts::origin)]
    pub cors_origin: Vec<String>,

    /// The address of a reverse proxy in front of this server, or a network of them, such as 10.0.0.0/8. The server
    /// believes its header X-Forwarded-For, which says where a request came from. May be given several times; the
    /// variable takes a list with commas
    #[arg(long, value_name = "NETWORK", env = "PACKWRIGHT_TRUSTED_PROXIES", value_delimiter = ',', value_parser = hosts::proxies)]
    pub trusted_proxies: Vec<IpNet>,

    /// How many connections may be open at a time. Any further one is answered with status 503
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = number::<u32>(1..=1_000_000, 10_000))]
    pub max_connections: u32,

    /// How many connections one client address may have open at a time. Any further one is answered with status 429.
    /// For clients behind a trusted proxy, requests that are being answered are counted instead
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_CONNECTIONS_PER_PEER", default_value_t = 1_000, value_parser = number::<u32>(1..=1_000_000, 1_000))]
    pub max_connections_per_peer: u32,

    /// How many seconds a client may take to send the request line and the headers. After that it is answered with
    /// status 408
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_HEADER_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub header_timeout: Duration,

    /// How many bytes the request line and the headers may have together. More are answered with status 431
    #[arg(long, value_name = "BYTES", env = "PACKWRIGHT_HEADER_LIMIT", default_value_t = 64 * 1024, value_parser = number::<u32>(1024..=1024 * 1024, 64 * 1024))]
    pub header_limit: u32,

    /// How many seconds a client may take to send a request's body. After that it is answered with status 408
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_BODY_TIMEOUT", default_value = "15", value_parser = seconds)]
    pub body_timeout: Duration,

    /// How many bytes the body of a request with a token may have. More are answered with status 413. The largest call
    /// that the rules allow is createPackagedComponents with 250 full packages; it has fewer bytes than the default. A
    /// request without a token, a document and a WebSocket message may have 1 MiB, or this many bytes if that is less
    #[arg(long, value_name = "BYTES", env = "PACKWRIGHT_BODY_LIMIT", default_value_t = 24 * 1024 * 1024, value_parser = bytes)]
    pub body_limit: usize,

    /// How many seconds a connection stays open without a request, and a WebSocket that has shown no token and runs no
    /// operation. Load balancers often keep theirs for 60 seconds; choose more, so that they close first
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_IDLE_TIMEOUT", default_value = "75", value_parser = seconds)]
    pub idle_timeout: Duration,

    /// How many seconds a client may take to accept the next part of an answer. After that the connection is closed
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_WRITE_TIMEOUT", default_value = "30", value_parser = seconds)]
    pub write_timeout: Duration,

    /// The time between two signs of life that the server sends on a WebSocket or an event stream, in seconds. A
    /// WebSocket whose client doesn't answer two of them in a row is closed
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_KEEP_ALIVE", default_value = "15", value_parser = seconds)]
    pub keep_alive: Duration,

    /// How many seconds the client of a WebSocket may take to send `connection_init`, the message that carries its
    /// token
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_WEBSOCKET_INIT_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub websocket_init_timeout: Duration,

    /// How many seconds the client of a WebSocket may leave a message unread. After that the WebSocket is closed
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_WEBSOCKET_SEND_TIMEOUT", default_value = "15", value_parser = seconds)]
    pub websocket_send_timeout: Duration,

    /// How many operations may be open on one WebSocket at a time
    #[arg(long, value_name = "N", env = "PACKWRIGHT_WEBSOCKET_OPERATIONS", default_value_t = 100, value_parser = number::<u32>(1..=10_000, 100))]
    pub websocket_operations: u32,
}

impl TransportArgs {
    /// The settings in force: names and values.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let seconds = |duration: Duration| duration.as_secs_f64().to_string();
        let networks: Vec<_> = self.trusted_proxies.iter().map(ToString::to_string).collect();
        vec![
            ("cors-origin", self.cors_origin.join(",")),
            ("trusted-proxies", networks.join(",")),
            ("max-connections", self.max_connections.to_string()),
            ("max-connections-per-peer", self.max_connections_per_peer.to_string()),
            ("header-timeout", seconds(self.header_timeout)),
            ("header-limit", self.header_limit.to_string()),
            ("body-timeout", seconds(self.body_timeout)),
            ("body-limit", self.body_limit.to_string()),
            ("idle-timeout", seconds(self.idle_timeout)),
            ("write-timeout", seconds(self.write_timeout)),
            ("keep-alive", seconds(self.keep_alive)),
            ("websocket-init-timeout", seconds(self.websocket_init_timeout)),
            ("websocket-send-timeout", seconds(self.websocket_send_timeout)),
            ("websocket-operations", self.websocket_operations.to_string()),
        ]
    }
}

/// Parses a time in seconds, such as 15 or 0.5.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 15 or 0.5".to_owned())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err("write between 0.1 and 86400 seconds, such as 15".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Parses the limit of a body. Below 1024 bytes not even a small document fits.
fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| (1024..=1024 * 1024 * 1024).contains(bytes));
    bytes.ok_or_else(|| "write a number of bytes between 1024 and 1073741824, such as 1048576".to_owned())
}
