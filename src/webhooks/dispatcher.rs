//! Shares the webhook endpoints out among the servers, and runs a worker for each endpoint that this server serves
//! (R66).

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::Source;
use super::worker::Worker;
use crate::domain::id::WebhookId;
use crate::ids;
use crate::service::Shared;
use crate::service::error::Failure;
use crate::store::webhooks::serving;
use crate::store::webhooks::serving::Turn;

/// The options of the dispatcher. Tests have shorter times.
#[derive(Clone, Copy, Debug)]
pub struct DispatchOptions {
    /// How long this server counts as alive after it last renewed its row. Then other servers may take its endpoints.
    pub lease: Duration,
    /// How often this server renews its row, and looks for endpoints that no server serves.
    pub look: Duration,
    /// How long the progress of accepted events may be unsaved. If the server dies, these events are sent again.
    pub save_after: Duration,
    /// How often the position of an idle endpoint is moved to the end of the log.
    pub tidy: Duration,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            look: Duration::from_millis(1_500),
            save_after: Duration::from_secs(1),
            tidy: Duration::from_secs(3_600),
        }
    }
}

/// Delivers events to the endpoints that this server serves.
pub struct Dispatcher {
    pub(super) services: Shared,
    pub(super) source: Source,
    pub(super) options: DispatchOptions,
    /// This server's id in the table of servers that serve endpoints. It is new for each start.
    pub(super) id: Uuid,
    /// Limits the attempts after a failure to half of all attempts, so that receivers that don't answer can't delay all
    /// others.
    pub(super) turns_after_failure: Semaphore,
    /// Until when other servers count this one as alive; `None` before the first turn.
    alive_until: Mutex<Option<Instant>>,
    /// Whether the database may name this server for an endpoint that none of its tasks serves. The next turn then
    /// takes all of the server's endpoints anew.
    pub(super) is_unsure: AtomicBool,
}

/// The task that serves an endpoint.
struct Serving {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// A dispatcher that does nothing until [`Dispatcher::run`] is called.
    #[must_use]
    pub fn new(services: Shared, source: Source, options: DispatchOptions) -> Self {
        let half = services.webhooks.outbound.options().at_once.div_ceil(2);
        let id = Uuid::from_bytes(ids::random());
        Self {
            services,
            source,
            options,
            id,
            turns_after_failure: Semaphore::new(half),
            alive_until: Mutex::default(),
            is_unsure: AtomicBool::new(false),
        }
    }

    /// Serves endpoints until `ending` is true. Then it lets the attempts in progress end, and gives its endpoints
    /// back.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        let mut serving: HashMap<WebhookId, Serving> = HashMap::new();
        while !*ending.borrow() {
            match self.take_turn(!serving.is_empty()).await {
                Ok(turn) => self.follow(&mut serving, turn),
                Err(failure) => {
                    tracing::warn!(failure = %failure.for_operators(), "no turn of webhooks could be taken; it is tried again")
                }
            }
            serving.retain(|_, one| !one.task.is_finished());
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => {}
                () = self.services.webhooks.changed.notified() => {}
                () = tokio::time::sleep(self.options.look) => {}
            }
        }
        self.wait_for_attempts(serving).await;
        if let Err(error) = serving::leave_all(&self.services.db, self.id).await {
            tracing::warn!(%error, "the webhook endpoints were not given back; other servers take them after a moment");
        }
    }

    /// Stops all workers, and waits for their attempts in progress. An attempt may take longer than the lease, so the
    /// server goes on renewing its row: otherwise another server would send the same event at the same time.
    async fn wait_for_attempts(&self, serving: HashMap<WebhookId, Serving>) {
        for one in serving.values() {
            one.stop.send_replace(true);
        }
        // The results don't matter: a task that panicked has nothing left to save.
        let mut all = pin!(join_all(serving.into_values().map(|one| one.task)));
        while tokio::time::timeout(self.options.look, all.as_mut()).await.is_err() {
            let began = Instant::now();
            match serving::stay_alive(&self.services.db, self.id, self.options.lease.as_secs_f64()).await {
                Ok(()) => self.lives_from(began),
                Err(error) => tracing::warn!(%error, "this server couldn't record that it still sends webhooks"),
            }
        }
    }

    /// Records that this server renewed its row, with a statement that was sent after `began`.
    fn lives_from(&self, began: Instant) {
        *self.alive_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(began + self.options.lease);
    }

    /// Renews this server's row, and takes endpoints. Does nothing if this server serves no endpoint and no other
    /// endpoint must be served.
    async fn take_turn(&self, serves: bool) -> Result<Turn, Failure> {
        if !serves && !serving::any(&self.services.db.whole_server()).await? {
            return Ok(Turn::default());
        }
        let began = Instant::now();
        let turn = self.take_endpoints().await;
        match &turn {
            Ok(_) => self.lives_from(began),
            // The transaction may have been committed in spite of the error.
            Err(_) => self.is_unsure.store(true, Ordering::Release),
        }
        turn
    }

    async fn take_endpoints(&self) -> Result<Turn, Failure> {
        let db = &self.services.db;
        if self.is_unsure.load(Ordering::Acquire) {
            serving::take_anew(db, self.id).await?;
            self.is_unsure.store(false, Ordering::Release);
        }
        Ok(serving::take_turn(db, self.id, self.options.lease.as_secs_f64()).await?)
    }

    /// Whether other servers still count this one as alive. If not, they may have taken its endpoints.
    pub(super) fn is_alive(&self) -> bool {
        self.alive_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Stops the workers of endpoints that left this server, and starts a worker for each new or changed endpoint.
    fn follow(self: &Arc<Self>, serving: &mut HashMap<WebhookId, Serving>, turn: Turn) {
        for (id, one) in &*serving {
            if !turn.served.contains(id) {
                one.stop.send_replace(true);
            }
        }
        for (id, revision) in turn.begun {
            let former = serving.remove(&id);
            if let Some(former) = &former {
                former.stop.send_replace(true);
            }
            let (stop, stopped) = watch::channel(false);
            let worker = Worker::new(self.clone(), id, revision, stopped);
            let dispatcher = self.clone();
            let task = tokio::spawn(async move {
                // The former worker ends first, so that an endpoint has only one attempt at a time.
                if let Some(former) = former {
                    let _ = former.task.await;
                }
                if AssertUnwindSafe(worker.run()).catch_unwind().await.is_err() {
                    dispatcher.is_unsure.store(true, Ordering::Release);
                }
            });
            serving.insert(id, Serving { stop, task });
        }
    }
}
