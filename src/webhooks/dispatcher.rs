//! The endpoints that this server serves (R66).

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
    /// For how long other servers take this one for alive without hearing of it.
    pub lease: Duration,
    /// How often this server says that it is alive, and looks for endpoints that nobody serves.
    pub look: Duration,
    /// How long taken events may be unsaved. When the server dies, they are sent again.
    pub save_after: Duration,
    /// How often the place of an endpoint that isn't sent anything is moved on.
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
    /// This server's name among those that serve endpoints.
    pub(super) id: Uuid,
    /// The turns of attempts after a failure. Receivers that don't answer can't take all turns.
    pub(super) turns_after_failure: Semaphore,
    /// Until when this server is taken for alive.
    alive_until: Mutex<Option<Instant>>,
    /// Whether the database may name this server for endpoints that none of its tasks serves.
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

    /// Waits for the attempts in progress. An attempt may take longer than the lease, so the server goes on saying that
    /// it lives: another one would send the same event at the same time.
    async fn wait_for_attempts(&self, serving: HashMap<WebhookId, Serving>) {
        for one in serving.values() {
            one.stop.send_replace(true);
        }
        // A task that panicked has nothing left to save.
        let mut all = pin!(join_all(serving.into_values().map(|one| one.task)));
        while tokio::time::timeout(self.options.look, all.as_mut()).await.is_err() {
            let began = Instant::now();
            match serving::stay_alive(&self.services.db, self.id, self.options.lease.as_secs_f64()).await {
                Ok(()) => self.lives_from(began),
                Err(error) => tracing::warn!(%error, "this server couldn't say that it still sends webhooks"),
            }
        }
    }

    fn lives_from(&self, began: Instant) {
        *self.alive_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(began + self.options.lease);
    }

    /// Says that this server lives, and takes endpoints. Does nothing while there is no endpoint.
    async fn take_turn(&self, serves: bool) -> Result<Turn, Failure> {
        if !serves && !serving::any(&self.services.db.whole_server()).await? {
            return Ok(Turn::default());
        }
        let began = Instant::now();
        let turn = self.take_endpoints().await;
        match &turn {
            Ok(_) => self.lives_from(began),
            // The turn may have been committed all the same.
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

    /// Whether other servers still take this one for alive. If not, they may have taken its endpoints.
    pub(super) fn is_alive(&self) -> bool {
        self.alive_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn follow(self: &Arc<Self>, serving: &mut HashMap<WebhookId, Serving>, turn: Turn) {
        for id in turn.left {
            if let Some(one) = serving.get(&id) {
                one.stop.send_replace(true);
            }
        }
        for (id, revision) in turn.served {
            let former = serving.remove(&id);
            if let Some(former) = &former {
                former.stop.send_replace(true);
            }
            let (stop, stopped) = watch::channel(false);
            let worker = Worker::new(self.clone(), id, revision, stopped);
            let dispatcher = self.clone();
            let task = tokio::spawn(async move {
                // Only one attempt at a time is made for an endpoint.
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
