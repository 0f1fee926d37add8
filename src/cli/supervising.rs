//! Loops that run as long as the server.

use std::time::Duration;

use tokio::sync::watch;

use crate::stop::ended_or_gone;

/// The pause before a loop that panicked is restarted.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Runs a loop until the server ends. If the loop panics, this is logged and the loop restarted, because its state is
/// in the database.
pub(super) async fn supervise<F>(
    name: &'static str,
    mut ending: watch::Receiver<bool>,
    start: impl Fn(watch::Receiver<bool>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    while !*ending.borrow() {
        match tokio::spawn(start(ending.clone())).await {
            Ok(()) if *ending.borrow() => return,
            Ok(()) => tracing::error!(name, "the loop ended before the server"),
            // The runtime shuts down.
            Err(error) if error.is_cancelled() => return,
            Err(error) => tracing::error!(name, %error, "the loop panicked"),
        }
        tokio::select! {
            () = tokio::time::sleep(RESTART_AFTER) => {}
            () = ended_or_gone(&mut ending) => {}
        }
    }
}
