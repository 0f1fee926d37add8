//! The signals that end the program: SIGTERM, SIGINT (Ctrl-C) and SIGHUP.

#[cfg(unix)]
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

impl Signal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit status after this signal.
    fn status(self) -> i32 {
        128 + match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// Makes a write beyond the system's limit of file sizes fail. By default the system kills the process with SIGXFSZ.
#[cfg(unix)]
pub(super) fn let_large_writes_fail() -> std::io::Result<()> {
    // The handler stays when the stream is dropped.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// There is no such signal on this system.
#[cfg(not(unix))]
pub(super) fn let_large_writes_fail() -> std::io::Result<()> {
    Ok(())
}

/// Catches the signals as long as it exists.
pub(super) struct Signals {
    #[cfg(unix)]
    streams: [(Signal, Option<Stream>); 3],
}

impl Signals {
    /// Starts to catch the signals. A SIGHUP that is ignored stays ignored, because `nohup` needs that.
    #[cfg(unix)]
    pub(super) fn caught() -> std::io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let streams = [
            (Signal::Hangup, hangup),
            (Signal::Interrupt, Some(signal(SignalKind::interrupt())?)),
            (Signal::Terminate, Some(signal(SignalKind::terminate())?)),
        ];
        Ok(Self { streams })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> Signal {
        let [hangup, interrupt, terminate] = &mut self.streams;
        tokio::select! {
            () = received(&mut hangup.1) => hangup.0,
            () = received(&mut interrupt.1) => interrupt.0,
            () = received(&mut terminate.1) => terminate.0,
        }
    }

    /// Starts to catch Ctrl-C.
    #[cfg(not(unix))]
    pub(super) fn caught() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }

    /// Exits at the next signal. Uncommitted changes are rolled back.
    pub(super) async fn end_at_once(mut self) {
        let signal = self.next().await;
        tracing::warn!(signal = signal.name(), "ended at once, by a second signal");
        std::process::exit(signal.status());
    }
}

/// Waits for a signal; forever if it isn't caught.
#[cfg(unix)]
async fn received(stream: &mut Option<Stream>) {
    match stream {
        Some(stream) => drop(stream.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the program was started with SIGHUP ignored. Assumes that it was not if the system doesn't say.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
