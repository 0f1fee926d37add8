//! The signals that change a running server: SIGUSR1 reads the time zone data again, SIGUSR2 changes what is logged.

use crate::service::Shared;
use crate::service::releases::{Initiator, reload_time_zones};
use crate::telemetry;

/// The signal SIGUSR1. It must be caught from the start, because by default it ends the process.
pub(super) struct ReloadSignal {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl ReloadSignal {
    pub(super) fn catch() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1()).ok(),
        }
    }
}

/// Reloads the time zone data at each SIGUSR1, and recomputes the pending windows.
pub(super) async fn reload_when_signaled(reload: ReloadSignal, services: impl Fn() -> Shared) {
    #[cfg(unix)]
    if let Some(mut signal) = reload.signal {
        while signal.recv().await.is_some() {
            let services = services();
            match reload_time_zones(&services, Initiator::Scheduler).await {
                Ok(done) => tracing::info!(
                    version = %services.zones.version(), seen = done.seen, moved = done.moved,
                    "the time zone data was reloaded at SIGUSR1"
                ),
                Err(failure) => {
                    tracing::error!(failure = %failure.for_operators(), "not all pending windows were recomputed")
                }
            }
        }
    }
    #[cfg(not(unix))]
    drop((reload, services));
}

/// Switches to a detailed log, and back, at each SIGUSR2. By default the signal would end the process.
pub(super) fn toggle_detail_when_signaled() {
    #[cfg(unix)]
    let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined2());
    tokio::spawn(async move {
        #[cfg(unix)]
        if let Ok(mut signal) = signal {
            while signal.recv().await.is_some() {
                telemetry::toggle_detail();
            }
        }
    });
}
