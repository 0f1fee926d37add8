//! Notifies a supervisor such as systemd of the server's state: `Type=notify` and `WatchdogSec=`. A message is lines of
//! text in a datagram to the socket that NOTIFY_SOCKET names.

use std::time::Duration;

/// The connection to the supervisor. Without NOTIFY_SOCKET there is none, and messages go nowhere.
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

    /// Notifies that the server answers requests at the address `base`.
    pub(super) fn ready(&self, base: &str) {
        self.send(&format!("READY=1\nSTATUS=listening on {base}"));
    }

    /// Notifies that the server ends.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=ending");
    }

    /// Sends signs of life as long as the future is polled. They stop when the server's threads hang and poll no tasks,
    /// so that the supervisor restarts the server.
    pub(super) async fn keep_alive(&self) {
        let Some(limit) = watchdog_limit() else { return std::future::pending().await };
        let mut signs = tokio::time::interval(limit / 2);
        loop {
            signs.tick().await;
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, "the supervisor could not be notified");
        }
        let _ = state;
    }
}

/// A socket that is connected to the name. A name that begins with @ is one of Linux's abstract addresses.
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
