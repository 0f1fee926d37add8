//! Hints of other servers that the event log has grown, over PostgreSQL's LISTEN and NOTIFY. A hint can get lost, so
//! everybody polls the log as well.

use std::convert::Infallible;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Executor as _};
use tokio::sync::watch;
use tokio::time::timeout;

use super::pool::timed_out;

/// The channel. A hint's payload is the position of a new event.
pub(super) const CHANNEL: &str = "packwright_events";

/// The time limit of connecting, and of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The silence after which the connection is tested, because the network may have dropped it without an error.
const SILENCE: Duration = Duration::from_secs(10);
/// The first pause before connecting again, and the longest: each failure doubles the pause.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The hints of other servers. Without LISTEN it never gives one. Dropping it closes its connection.
pub struct Hints {
    positions: watch::Receiver<i64>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Hints {
    /// Hints without LISTEN, which never give one.
    pub(super) fn none() -> Self {
        Self { positions: watch::channel(0).1, task: None }
    }

    /// Hints from a connection with these options, which a Tokio task opens again whenever it is lost.
    pub(super) fn listen(options: PgConnectOptions) -> Self {
        let (sender, positions) = watch::channel(0);
        Self { positions, task: Some(tokio::spawn(keep_listening(options, sender))) }
    }

    /// Waits for a hint of a position after the known one.
    pub async fn after(&mut self, last_read: impl Fn() -> i64) {
        while self.positions.changed().await.is_ok() {
            if *self.positions.borrow_and_update() > last_read() {
                return;
            }
        }
        std::future::pending().await
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn keep_listening(options: PgConnectOptions, positions: watch::Sender<i64>) {
    let (mut is_lost, mut pause) = (false, PAUSE);
    loop {
        let Err(error) = listen(&options, &positions, &mut is_lost).await;
        if !std::mem::replace(&mut is_lost, true) {
            pause = PAUSE;
            tracing::warn!(%error, "other servers' events are found by polling alone, until LISTEN works again");
        }
        tokio::time::sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Listens on a separate connection until this connection is lost.
async fn listen(
    options: &PgConnectOptions,
    positions: &watch::Sender<i64>,
    is_lost: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    let silent = |_| timed_out("the connection for LISTEN does not answer");
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None);
    let connect = async {
        let pool = one.connect_with(options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = timeout(PATIENCE, connect).await.map_err(silent)??;
    if std::mem::take(is_lost) {
        tracing::info!("LISTEN works again");
        // Hints may have been missed.
        positions.send_replace(i64::MAX);
    }
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(hint))) => {
                if let Ok(position) = hint.payload().parse() {
                    positions.send_replace(position);
                }
            }
            Ok(Ok(None)) => return Err(timed_out("the connection for LISTEN was lost")),
            Ok(Err(error)) => return Err(error),
            Err(_) => _ = timeout(PATIENCE, listener.execute("SELECT 1")).await.map_err(silent)??,
        }
    }
}
