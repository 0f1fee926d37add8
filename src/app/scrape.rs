//! Reads the samples that a scrape shows in addition to the metrics that the server counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::events::hub::Hub;
use crate::metrics::{
    self as m, BUILD_INFO, CacheName, CacheResult, ConnectionState, EndpointState, Sample, ServedState, TaskKind,
    UpdateState, process_samples,
};
use crate::service::Shared;
use crate::store::followup::numbers as tasks;
use crate::store::log::event_log;
use crate::store::numbers;
use crate::store::releases::{read as releases, windows};
use crate::store::webhooks::numbers as webhooks;
use crate::store::{DatabaseKind, StoreResult};

use super::endpoints::LateEngine;

/// How long the database may take for all of its numbers. After that a scrape answers with the numbers that have come.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a scrape reuses the numbers that another one has read from the database, by default.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// The numbers of the database at the last read.
type Kept = Option<(Instant, Vec<Sample>)>;

/// The sources of the samples.
pub(super) struct Scrape {
    services: Shared,
    hub: Arc<Hub>,
    engine: LateEngine,
    every: Duration,
    kept: tokio::sync::Mutex<Kept>,
}

impl Scrape {
    pub(super) fn new(services: Shared, hub: Arc<Hub>, engine: LateEngine, every: Duration) -> Self {
        Self { services, hub, engine, every, kept: tokio::sync::Mutex::default() }
    }

    /// The samples for one scrape.
    pub(super) async fn samples(&self) -> Vec<Sample> {
        let mut samples = process_samples();
        let system = match self.services.db.kind() {
            DatabaseKind::Sqlite => "sqlite",
            DatabaseKind::Postgresql => "postgresql",
        };
        samples.push(Sample::with(&BUILD_INFO, [env!("CARGO_PKG_VERSION"), system], 1.0));
        self.add_connections(&mut samples);
        self.add_webhooks(&mut samples);
        self.add_engine(&mut samples);
        samples.extend(self.of_database().await);
        samples
    }

    fn add_connections(&self, samples: &mut Vec<Sample>) {
        let db = &self.services.db;
        for of in db.connections() {
            let pool = of.pool.name();
            for (state, count) in [(ConnectionState::Used, of.used), (ConnectionState::Idle, of.idle)] {
                samples.push(Sample::with(&m::POOL_CONNECTIONS, [pool, state.name()], count as f64));
            }
            samples.push(Sample::with(&m::POOL_MAX, [pool], of.max as f64));
        }
        for (cache, numbers::Lookups { hits, misses }) in db.lookups() {
            add_lookups(samples, cache, hits, misses);
        }
        if let Some(disk) = db.disk() {
            samples.push(Sample::of(&m::DISK_FREE, disk.free as f64));
            samples.push(Sample::of(&m::DISK_SIZE, disk.size as f64));
        }
    }

    fn add_webhooks(&self, samples: &mut Vec<Sample>) {
        let now = self.services.clock.now();
        for (state, is_failing) in [(ServedState::Active, false), (ServedState::Failing, true)] {
            let oldest = self.services.webhooks.waiting.oldest(is_failing);
            let age = oldest.map_or(0.0, |at| seconds(now - at));
            samples.push(Sample::with(&m::WEBHOOK_OLDEST, [state.name()], age));
        }
    }

    fn add_engine(&self, samples: &mut Vec<Sample>) {
        let Some(engine) = self.engine.get() else { return };
        let (used, most) = engine.work_in_progress();
        samples.push(Sample::of(&m::WORK_IN_PROGRESS, used as f64));
        samples.push(Sample::of(&m::WORK_MAX, most as f64));
        for (cache, hits, misses) in engine.lookups() {
            add_lookups(samples, cache, hits, misses);
        }
    }

    /// Whether the server is ready, and why it isn't.
    async fn add_readiness(&self, samples: &mut Vec<Sample>) {
        let Some(engine) = self.engine.get() else { return };
        let reasons = engine.not_ready().await;
        samples.push(Sample::of(&m::READY, f64::from(u8::from(reasons.is_empty()))));
        for reason in m::NotReadyReason::ALL {
            let holds = reasons.iter().any(|of| of.reason == *reason);
            samples.push(Sample::with(&m::NOT_READY, [reason.name()], f64::from(u8::from(holds))));
        }
    }

    /// The numbers of the database, read anew if the last read was long ago. Scrapes at the same time share one read.
    async fn of_database(&self) -> Vec<Sample> {
        let mut kept = self.kept.lock().await;
        if let Some((at, samples)) = &*kept
            && at.elapsed() < self.every
        {
            return samples.clone();
        }
        let mut samples = Vec::new();
        let read = timeout(PATIENCE, self.read(&mut samples)).await;
        let is_up = match read {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database was not read for the metrics");
                false
            }
            Err(_) => {
                tracing::warn!("the database was not read for the metrics: it did not answer in time");
                false
            }
        };
        samples.push(Sample::of(&m::DATABASE_UP, f64::from(u8::from(is_up))));
        self.add_readiness(&mut samples).await;
        *kept = Some((Instant::now(), samples.clone()));
        samples
    }

    /// Reads the numbers, each group by one statement. What was read before a failure stays.
    async fn read(&self, samples: &mut Vec<Sample>) -> StoreResult<()> {
        let (server, now) = (&self.services.db.whole_server(), self.services.clock.now());
        let since = |at: crate::domain::Instant| seconds(now - at);

        // All kinds of newer programs have the same label, and a series may occur only once.
        let mut by_label: BTreeMap<&str, tasks::OfKind> = BTreeMap::new();
        for of in tasks::by_kind(server).await? {
            let label = TaskKind::of(&of.kind).name();
            let joined = by_label.remove(label).map_or_else(|| of.clone(), |other| other.joined(&of));
            by_label.insert(label, joined);
        }
        for (kind, of) in by_label {
            let numbers = [
                (&m::TASKS, of.open as f64),
                (&m::TASKS_FAILING, of.failing as f64),
                (&m::TASK_FAILURES, f64::from(of.most_failures)),
                (&m::TASK_AGE, since(of.oldest)),
                (&m::TASK_LAG, since(of.first_due)),
            ];
            samples.extend(numbers.map(|(family, value)| Sample::with(family, [kind], value)));
        }

        let (due, oldest) = windows::overdue(server, now).await?;
        samples.push(Sample::of(&m::WINDOWS_DUE, due as f64));
        samples.push(Sample::of(&m::WINDOWS_LATE, oldest.map_or(0.0, since)));

        let (count, progress) = releases::in_progress(server).await?;
        samples.push(Sample::of(&m::ROLLOUTS, count as f64));
        let states = [
            (UpdateState::Offered, progress.offered),
            (UpdateState::Applied, progress.applied),
            (UpdateState::Skipped, progress.skipped),
            (UpdateState::Failed, progress.failed),
            (UpdateState::Withdrawn, progress.withdrawn),
        ];
        samples.extend(states.map(|(state, count)| Sample::with(&m::ROLLOUT_UPDATES, [state.name()], count as f64)));

        let extent = event_log::extent(server).await?;
        let unread = self.hub.read_to().map_or(0, |read| (extent.end - read).max(0));
        samples.push(Sample::of(&m::EVENTS_UNREAD, unread as f64));
        samples.push(Sample::of(&m::EVENT_LOG_SIZE, (extent.end - extent.begin) as f64));
        samples.push(Sample::of(&m::EVENT_LOG_POSITION, extent.end as f64));
        samples.push(Sample::of(&m::EVENT_LOG_AGE, event_log::oldest(server).await?.map_or(0.0, since)));

        let endpoints = webhooks::by_state(server).await?;
        for state in EndpointState::ALL {
            let found = endpoints.iter().find(|of| of.state.eq_ignore_ascii_case(state.name()));
            let count = found.map_or(0.0, |of| of.count as f64);
            samples.push(Sample::with(&m::WEBHOOK_ENDPOINTS, [state.name()], count));
        }
        let unserved: i64 = endpoints.iter().map(|of| of.unserved).sum();
        samples.push(Sample::of(&m::WEBHOOK_UNSERVED, unserved as f64));

        samples.push(Sample::of(&m::DATABASE_SIZE, numbers::size(server).await? as f64));
        Ok(())
    }
}

/// A duration in seconds; 0 for a negative one, which clocks that differ can cause.
fn seconds(time: chrono::Duration) -> f64 {
    (time.num_milliseconds() as f64 / 1_000.0).max(0.0)
}

fn add_lookups(samples: &mut Vec<Sample>, cache: CacheName, hits: u64, misses: u64) {
    for (result, count) in [(CacheResult::Hit, hits), (CacheResult::Miss, misses)] {
        samples.push(Sample::with(&m::CACHE_REQUESTS, [cache.name(), result.name()], count as f64));
    }
}
