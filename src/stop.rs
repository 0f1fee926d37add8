//! The wait for the end of a server, or of one of its tasks.

use tokio::sync::watch;

/// Returns when `stop` is true, or when its sender is gone: nothing could tell the end any more, so it has come.
pub async fn ended_or_gone(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
