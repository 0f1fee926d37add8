//! Shares the webhook endpoints out among the servers, and runs a worker for each endpoint that this server serves
//! (R66).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::Source;
use super::worker::Worker;
use crate::domain::id::WebhookId;
use crate::ids;
use crate::service::Shared;
use crate::service::error::Failure;
use crate::store::StoreResult;
use crate::store::webhooks::serving::Turn;
use crate::store::webhooks::{servers, serving};

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
    /// How long attempts in progress may take when the server ends. Then their outcome isn't waited for, so that the
    /// endpoints are given back before the process ends.
    pub last_attempts: Duration,
    /// The first pause before an endpoint that can't be served is tried again. Further ones are longer.
    pub pause: Duration,
    /// How long the gate may refuse an endpoint's document until the endpoint is disabled.
    pub refused_for: Duration,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(5),
            look: Duration::from_millis(1_500),
            save_after: Duration::from_secs(1),
            tidy: Duration::from_secs(3_600),
            last_attempts: Duration::from_secs(8),
            pause: Duration::from_secs(1),
            refused_for: Duration::from_secs(300),
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
    /// Until when other servers count this one as alive; `None` before the first turn.
    alive_until: Mutex<Option<Instant>>,
    /// When the last turn succeeded; before the first one, when this server first said that it lives.
    turned_at: Mutex<Option<Instant>>,
    /// Whether there are endpoints to serve.
    serves: AtomicBool,
}

/// The task that serves an endpoint.
struct Serving {
    revision: i32,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// A dispatcher that does nothing until [`Dispatcher::run`] is called.
    #[must_use]
    pub fn new(services: Shared, source: Source, options: DispatchOptions) -> Self {
        let id = Uuid::from_bytes(ids::random());
        let (alive_until, turned_at) = (Mutex::default(), Mutex::default());
        Self { services, source, options, id, alive_until, turned_at, serves: AtomicBool::new(false) }
    }

    /// Serves endpoints until `ending` is true. Then it lets the attempts in progress end, and gives its endpoints back.
    pub async fn run(self: Arc<Self>, ending: watch::Receiver<bool>) {
        // An attempt may take longer than the lease. The server goes on saying that it lives until the last one has
        // ended: another server would send the same event at the same time.
        tokio::select! {
            () = self.clone().serve(ending) => {}
            () = self.keep_alive() => {}
        }
        if let Err(error) = serving::leave_all(&self.services.db, self.id).await {
            tracing::warn!(%error, "the webhook endpoints were not given back; other servers take them after a moment");
        }
    }

    /// Renews this server's row before the server answers calls: servers of an older version must leave the endpoints to
    /// it before its first event is in the log.
    pub async fn announce(&self) {
        let announced = match serving::any(&self.services.db.whole_server()).await {
            Ok(true) => self.stay_alive().await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = announced {
            tracing::warn!(%error, "this server couldn't say that it sends webhooks; it is tried again");
        }
    }

    async fn serve(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        let mut serving: HashMap<WebhookId, Serving> = HashMap::new();
        let mut was_outdated = false;
        while !*ending.borrow() {
            match self.take_turn(!serving.is_empty()).await {
                Ok(turn) => {
                    *self.turned_at() = Some(Instant::now());
                    if turn.is_outdated && !was_outdated {
                        tracing::info!("a server of a newer version sends the webhooks");
                    }
                    was_outdated = turn.is_outdated;
                    self.follow(&mut serving, &turn);
                }
                Err(failure) => {
                    tracing::warn!(failure = %failure.for_operators(), "no turn of webhooks could be taken; it is tried again")
                }
            }
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => {}
                () = self.services.webhooks.changed.notified() => {}
                () = tokio::time::sleep(self.options.look) => {}
            }
        }
        for one in serving.values() {
            one.stop.send_replace(true);
        }
        // A task that panicked has nothing left to save.
        let mut tasks: Vec<_> = serving.into_values().map(|one| one.task).collect();
        let told = async {
            if let Err(error) = servers::end(&self.services.db, self.id).await {
                tracing::debug!(%error, "other servers weren't told that this one ends");
            }
        };
        let ended = join(told, join_all(&mut tasks));
        if timeout(self.options.last_attempts, ended).await.is_err() {
            // What was taken before is saved.
            let cut = tasks.iter().filter(|task| !task.is_finished()).count();
            tracing::warn!(cut, "receivers haven't answered while the server ended; their events are sent again");
            tasks.iter().for_each(JoinHandle::abort);
        }
    }

    /// Renews this server's row regularly, however long its turns wait for the database.
    async fn keep_alive(&self) {
        loop {
            tokio::time::sleep(self.options.look).await;
            if self.serves.load(Ordering::Acquire)
                && let Err(error) = self.stay_alive().await
            {
                tracing::warn!(%error, "this server couldn't say that it still sends webhooks");
            }
        }
    }

    fn turned_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.turned_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves that this server lives. While its turns fail it keeps the endpoints that it serves, because their attempts go
    /// on, and the other servers take its part of those that nobody serves.
    async fn stay_alive(&self) -> StoreResult<()> {
        let (began, lease) = (Instant::now(), self.options.lease);
        let turned_at = *self.turned_at().get_or_insert(began);
        let takes = lease.saturating_sub(began.duration_since(turned_at));
        servers::stay_alive(&self.services.db, self.id, lease, takes).await?;
        *self.alive_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(began + self.options.lease);
        Ok(())
    }

    /// Takes endpoints. Does nothing if this server serves no endpoint and no other endpoint must be served.
    async fn take_turn(&self, serves: bool) -> Result<Turn, Failure> {
        let db = &self.services.db;
        let serves = serves || serving::any(&db.whole_server()).await?;
        self.serves.store(serves, Ordering::Release);
        if !serves {
            return Ok(Turn::default());
        }
        // Other servers must know a server that takes endpoints.
        if !self.is_alive() {
            self.stay_alive().await?;
        }
        Ok(serving::take_turn(db, self.id).await?)
    }

    /// Whether other servers still count this one as alive. If not, they may have taken its endpoints.
    pub(super) fn is_alive(&self) -> bool {
        self.alive_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// Starts and stops workers so that one serves each endpoint of this server in its revision. The outcome of earlier
    /// turns and the end of earlier workers don't matter.
    fn follow(self: &Arc<Self>, serving: &mut HashMap<WebhookId, Serving>, turn: &Turn) {
        serving.retain(|id, one| {
            if turn.gives_back(id) || !turn.served.contains_key(id) {
                one.stop.send_replace(true);
            }
            !one.task.is_finished()
        });
        for (id, revision) in &turn.served {
            let is_served = serving.get(id).is_some_and(|one| one.revision == *revision);
            if is_served && !turn.begun.contains(id) {
                continue;
            }
            let former = serving.remove(id);
            if let Some(former) = &former {
                former.stop.send_replace(true);
            }
            // A task that is stopped from the beginning gives the endpoint back.
            let (stop, stopped) = watch::channel(turn.gives_back(id));
            let worker = Worker::new(self.clone(), *id, *revision, stopped);
            let task = tokio::spawn(async move {
                // The former worker ends first, so that an endpoint has only one attempt at a time.
                if let Some(former) = former {
                    let _ = former.task.await;
                }
                worker.run().await;
            });
            serving.insert(*id, Serving { revision: *revision, stop, task });
        }
    }
}
