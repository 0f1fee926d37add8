//! Tells a supervisor such as systemd how the server is: `Type=notify` and `WatchdogSec=`. The protocol is lines of text
//! in datagrams to the socket that NOTIFY_SOCKET names.

use std::time::Duration;

/// The supervisor; nobody when NOTIFY_SOCKET isn't set.
#[derive(Debug)]
pub(super) struct Supervisor {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
}

impl Supervisor {
    /// The supervisor that the environment names. A socket that can't be reached is logged, and counts as none.
    pub(super) fn of_environment() -> Self {
        Self {
            #[cfg(unix)]
            socket: super::sources::variable("NOTIFY_SOCKET").and_then(|name| {
                connected(&name)
                    .inspect_err(|error| tracing::warn!(%error, name, "the socket of NOTIFY_SOCKET can't be reached"))
                    .ok()
            }),
        }
    }

    /// Requests are answered from now on.
    pub(super) fn ready(&self, base: &str) {
        self.tell(&format!("READY=1\nSTATUS=listening on {base}"));
    }

    /// The server ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending");
    }

    /// Gives signs of life for as long as the future is polled: never again when no thread of the server runs tasks.
    pub(super) async fn keep_alive(&self) {
        let Some(limit) = watchdog_limit() else { return std::future::pending().await };
        let mut signs = tokio::time::interval(limit / 2);
        loop {
            signs.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, "the supervisor wasn't told");
        }
        let _ = state;
    }
}

/// A name that begins with @ is one of Linux's abstract addresses.
#[cfg(unix)]
fn connected(name: &str) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    // A supervisor that doesn't read must not stop the server.
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt as _;
        socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)?;
        return Ok(socket);
    }
    socket.connect(name)?;
    Ok(socket)
}

/// How long the supervisor waits for a sign of life; `None` when it expects none from this process.
fn watchdog_limit() -> Option<Duration> {
    let number = |name: &str| super::sources::variable(name)?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 1).map(Duration::from_micros)
}
