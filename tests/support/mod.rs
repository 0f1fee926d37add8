//! The test app: an [app](TestApp) with its own database and its own clock, which tests call only through GraphQL.
//!
//! A test reads like this:
//!
//! ```ignore
//! #[tokio::test]
//! async fn r28_second_dated_release_is_refused() {
//!     let app = TestApp::new().await;
//!     let pack = app.pack_with("Orders", &["Import"]).await;
//!     app.release_on(&pack.id, "2026-12-01").await;
//!     let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack.id, "2026-12-02")).await;
//!     assert_eq!(refusal.code, "RELEASE_ALREADY_PENDING");
//! }
//! ```
//!
//! Tests never sleep and never read the system's clock. They move the time with [`TestApp::advance_to`]. Helpers panic
//! and show what they found when it isn't what they need, so that a test reads like a story.

mod accounts;
mod builders;
mod client;
pub(crate) mod damage;
mod database;
mod dice;
mod installing;
mod json;
mod mover;
mod postgres;
mod program;
pub(crate) mod releasing;
pub(crate) mod rows;
mod server;
mod staging;
mod subscription;
mod world;
mod writers;
mod zoneinfo;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use packwright::app::{App, AppOptions};
use packwright::clock::Clock;
use packwright::domain::Instant;
use packwright::domain::accounts::Role;
use packwright::domain::webhooks::AllowedNetworks;
use packwright::gate::Limits;
use packwright::graphql::ResetDemo;
use packwright::http::EngineOptions;
use packwright::jwt::{JwtSettings, PipelineSettings};
use packwright::metrics::Metrics;
use packwright::outbound::OutboundOptions;
use packwright::service::Settings;
use packwright::service::accounts::{create_publisher, create_token_with_secret};
use packwright::service::clock::Reference;
use packwright::service::error::Failure;
use packwright::store::DbOptions;
use packwright::traces::Traces;
use packwright::webhooks::DispatchOptions;
use packwright::zones::TimeZones;

pub(crate) use accounts::Managed;
pub(crate) use builders::{Pack, Package, Publication};
pub(crate) use client::{accepted, code_and_field, input_type, refusal};
pub(crate) use database::Database;
pub(crate) use dice::{Dice, short_or_long};
pub(crate) use installing::Installed;
pub(crate) use json::{At, instant, uuid_of};
pub(crate) use mover::FailingMover;
pub(crate) use postgres::{Postgres, give_to_nobody, mount};
pub(crate) use program::Program;
pub(crate) use releasing::{NOTES, immediately, on_date};
pub(crate) use server::{Ask, Reply, Server, read_chunk};
pub(crate) use staging::{bucket, in_stages, lowest, of_groups, of_percent};
pub(crate) use subscription::Subscription;
pub(crate) use writers::{meanwhile, mutate_on, several_writers};
pub(crate) use zoneinfo::{ZoneDirectory, tzif, zone};

/// The time at which tests begin, unless their [`Setup`] has another: a Sunday, 10:00 in Berlin.
pub(crate) const START: &str = "2026-11-22T09:00:00.000000Z";

/// The first publisher's zone, unless the [`Setup`] has another. Its midnight is 23:00 UTC in winter.
pub(crate) const ZONE: &str = "Europe/Berlin";

/// The issuer of pipelines' JWTs that accounts may trust, unless the [`Setup`] has others. Nothing is read there.
pub(crate) const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// The audience of pipelines' JWTs.
pub(crate) const AUDIENCE: &str = "packs.example.com";

/// Settings with these issuers of pipelines' JWTs.
pub(crate) fn pipelines(issuers: &[&str]) -> PipelineSettings {
    PipelineSettings::new(issuers.iter().map(ToString::to_string).collect(), AUDIENCE)
}

/// The options of a test app: `Setup { time_zone: None, ..Setup::default() }`.
pub(crate) struct Setup {
    /// The initial time of the clock.
    pub(crate) start: &'static str,
    /// The first publisher's zone.
    pub(crate) time_zone: Option<&'static str>,
    /// The settings of the rules, such as the batch size.
    pub(crate) settings: Settings,
    /// Whether the schema has `demoAdvanceClock`.
    pub(crate) demo: bool,
    /// The limits of requests. Tests read more in one request than clients may.
    pub(crate) engine: EngineOptions,
    /// Which JWTs are accepted.
    pub(crate) jwt: Option<JwtSettings>,
    /// Which issuers of pipelines' JWTs are allowed.
    pub(crate) pipelines: Option<PipelineSettings>,
    /// The time zone data.
    pub(crate) zones: TimeZones,
    /// The reference clock.
    pub(crate) reference: Reference,
    /// How long a scrape reuses the numbers that another one has read.
    pub(crate) metrics_read_every: Duration,
    /// The options of requests to other hosts, such as webhooks.
    pub(crate) outbound: OutboundOptions,
    /// How long new events may be unreadable until the server counts as not ready.
    pub(crate) events_behind: Duration,
    /// The traces, and the metrics that count them.
    pub(crate) traces: Option<(Traces, Arc<Metrics>)>,
}

/// The default limits, with a very high cost limit, because a test reads the whole world in one request.
fn generous() -> EngineOptions {
    let documents = Limits { cost: 100_000_000, ..Limits::default() };
    EngineOptions { documents, ..EngineOptions::default() }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            start: START,
            time_zone: Some(ZONE),
            settings: Settings::default(),
            demo: false,
            engine: generous(),
            jwt: None,
            pipelines: Some(pipelines(&[GITHUB])),
            zones: TimeZones::built_in(),
            reference: Reference::Own,
            metrics_read_every: Duration::ZERO,
            outbound: outbound(),
            events_behind: Duration::from_secs(10),
            traces: None,
        }
    }
}

/// A function to call after each SQL statement, with its text.
type Hook = Box<dyn FnMut(&str) + Send>;

/// Records the SQL statements of an app.
#[derive(Default)]
struct Spy {
    /// Without the statements that read the caller's token. They are counted separately, because tokens are cached for
    /// a moment, and so their number depends on the time.
    statements: Vec<sea_orm::Statement>,
    logins: usize,
    hook: Option<Hook>,
}

impl Spy {
    fn saw(&mut self, statement: &sea_orm::Statement) {
        let is_bound = statement.sql.starts_with("BEGIN") || statement.sql == "COMMIT";
        if is_bound {
            // Not counted: whether a read needs a transaction depends on the time and the pool.
        } else if statement.sql.contains(r#""t_secret_hash""#) {
            self.logins += 1;
        } else {
            self.statements.push(statement.clone());
        }
        if let Some(hook) = &mut self.hook {
            hook(&statement.sql);
        }
    }
}

/// A server without a socket, with its own database, its own clock, and one publisher (`Northwind`) with an
/// administrator's token. Dropping it deletes the database.
pub(crate) struct TestApp {
    pub(crate) app: App,
    /// Stands still until it is moved. Prefer [`TestApp::advance_to`] and [`TestApp::clock_only`].
    pub(crate) clock: Clock,
    /// The token of the first publisher's administrator.
    pub(crate) publisher: String,
    /// Makes moves of installations fail.
    pub(crate) mover: Arc<FailingMover>,
    spy: Arc<Mutex<Spy>>,
    /// Dropped last, because `app` is connected to it.
    database: database::Database,
}

impl TestApp {
    /// An app with the default setup.
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// An app with another setup.
    pub(crate) async fn with(setup: Setup) -> Self {
        Self::on(setup, database::Database::create().await).await
    }

    /// An app whose batches have this size.
    pub(crate) async fn in_batches_of(batch_size: u64) -> Self {
        let settings = Settings { batch_size, ..Settings::default() };
        Self::with(Setup { settings, ..Setup::default() }).await
    }

    /// An app with another setup, on a migrated database without accounts.
    pub(crate) async fn on(setup: Setup, database: Database) -> Self {
        let time_zone = setup.time_zone;
        let mut app = Self::empty_on(setup, database).await;
        let services = &app.app.services;
        let account = create_publisher(services, "Northwind", time_zone.map(Into::into)).await.expect("a publisher");
        let publisher = "test-northwind-admin".to_owned();
        create_token_with_secret(services, account, "northwind-admin", Role::Administrator, &publisher)
            .await
            .expect("a token");
        app.publisher = publisher;
        app
    }

    /// An app without accounts. The test fills the database, and sets the publisher's token.
    pub(crate) async fn empty(setup: Setup) -> Self {
        Self::empty_on(setup, database::Database::create().await).await
    }

    async fn empty_on(setup: Setup, database: Database) -> Self {
        let clock = Clock::still(instant(setup.start));
        let mover = Arc::new(FailingMover::default());
        let spy = Arc::new(Mutex::new(Spy::default()));
        let app = App::build(options(&setup, &clock, database.url(), &mover, &spy)).await.expect("the app builds");
        Self { app, clock, publisher: String::new(), mover, spy, database }
    }

    /// A second server on the same database with the same clock and mover, for tests with several processes. It must
    /// not outlive the first one.
    pub(crate) async fn another_server(&self) -> App {
        self.another_server_with(generous(), None).await
    }

    /// A second server with its own limits for requests and statements.
    pub(crate) async fn another_server_with(&self, engine: EngineOptions, statement_timeout: Option<Duration>) -> App {
        let setup = Setup { engine, ..Setup::default() };
        let mut options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        options.db.statement_timeout = statement_timeout;
        App::build(options).await.expect("the second server builds")
    }

    /// A second server whose statements the test watches.
    pub(crate) async fn another_server_watched(&self) -> Watched {
        let spy = Arc::default();
        let options = options(&Setup::default(), &self.clock, self.database.url(), &self.mover, &spy);
        Watched { app: App::build(options).await.expect("the second server builds"), spy }
    }

    /// A second server with other settings of the rules.
    pub(crate) async fn another_server_of(&self, settings: Settings) -> App {
        let setup = Setup { settings, ..Setup::default() };
        let options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        App::build(options).await.expect("the second server builds")
    }

    /// A second server with its own times for webhooks.
    pub(crate) async fn another_server_dispatching(&self, dispatch: DispatchOptions) -> App {
        self.another_server_dispatching_with(generous(), dispatch).await
    }

    /// A second server with its own limits for requests, and its own times for webhooks.
    pub(crate) async fn another_server_dispatching_with(
        &self,
        engine: EngineOptions,
        dispatch: DispatchOptions,
    ) -> App {
        let setup = Setup { engine, ..Setup::default() };
        let options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        let outbound = OutboundOptions { limit: std::time::Duration::from_secs(15), ..options.outbound.clone() };
        App::build(AppOptions { dispatch, outbound, ..options }).await.expect("the second server builds")
    }

    /// A second server with its own time zone data.
    pub(crate) async fn another_server_with_zones(&self, zones: TimeZones) -> App {
        let setup = Setup { zones, ..Setup::default() };
        let options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        App::build(options).await.expect("the second server builds")
    }

    /// A second server with its own clock, which is moved by the test.
    pub(crate) async fn another_server_at(&self, at: &str) -> App {
        self.another_server_by(&Clock::still(instant(at)), Reference::Own).await
    }

    /// A second server with its own clock and a reference clock.
    pub(crate) async fn another_server_by(&self, clock: &Clock, reference: Reference) -> App {
        let setup = Setup { reference, ..Setup::default() };
        let options = options(&setup, clock, self.database.url(), &self.mover, &Arc::default());
        App::build(options).await.expect("the second server builds")
    }

    /// The current time of the app's clock.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Moves the clock forward to `to` and runs the scheduler. Work that was due earlier is done late; to be in time,
    /// stop at each window's start.
    pub(crate) async fn advance_to(&self, to: &str) {
        self.clock_only(to);
        self.tick().await;
    }

    /// Moves the clock forward to `to` without running the scheduler.
    pub(crate) fn clock_only(&self, to: &str) {
        let to = instant(to);
        assert!(to >= self.now(), "a clock goes forward only: it is {}, and {to} was asked for", self.now());
        self.clock.advance_to(to);
    }

    /// [`TestApp::clock_only`] to the time in so many seconds.
    pub(crate) fn clock_only_by(&self, seconds: i64) {
        self.clock.advance_to(self.now() + chrono::Duration::seconds(seconds));
    }

    /// [`TestApp::advance_to`] the time in so many seconds.
    pub(crate) async fn advance_by(&self, seconds: i64) {
        self.clock.advance_to(self.now() + chrono::Duration::seconds(seconds));
        self.tick().await;
    }

    /// Moves the clock forward to `to` as if the scheduler had run all the time. It stops at each instant at which work
    /// is due, so that nothing is late.
    pub(crate) async fn live_until(&self, to: &str) {
        let to = instant(to);
        while let Some(next) = self.tick().await.filter(|next| *next <= to) {
            assert!(next > self.now(), "the scheduler wants to be called again at once");
            self.clock.advance_to(next);
        }
        self.clock.advance_to(to);
        self.tick().await;
    }

    /// Moves the clock to `to` in steps of half a day, as a running server experiences it.
    pub(crate) async fn half_days_to(&self, to: &str) {
        let half_day = chrono::Duration::hours(12);
        self.tick().await;
        while self.now() + half_day < instant(to) {
            self.clock.advance_to(self.now() + half_day);
            self.tick().await;
        }
        self.advance_to(to).await;
    }

    /// Runs the scheduler once. Returns when it wants to run next.
    pub(crate) async fn tick(&self) -> Option<Instant> {
        self.app.scheduler.tick().await.expect("the scheduler's tick")
    }

    /// The SQL statements that `work` runs on this app's connections, in order.
    pub(crate) async fn statements_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let (result, seen) = self.statements_with_values_of(work).await;
        (result, seen.into_iter().map(|statement| statement.sql).collect())
    }

    /// Like [`TestApp::statements_of`], with the statements' values.
    pub(crate) async fn statements_with_values_of<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> (T, Vec<sea_orm::Statement>) {
        self.spy().statements.clear();
        let result = work.await;
        let seen = std::mem::take(&mut self.spy().statements);
        (result, seen)
    }

    /// Does `work` and counts the statements that read the caller's token meanwhile.
    pub(crate) async fn logins_of<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        self.spy().logins = 0;
        let result = work.await;
        let logins = self.spy().logins;
        (result, logins)
    }

    /// Calls a function after each further SQL statement on this app's connections, so that a test can act between two
    /// statements of one call. It is also called after the `BEGIN…` of a transaction, and just before a `COMMIT`.
    pub(crate) fn after_statements(&self, hook: impl FnMut(&str) + Send + 'static) {
        self.spy().hook = Some(Box::new(hook));
    }

    fn spy(&self) -> std::sync::MutexGuard<'_, Spy> {
        self.spy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A second server on a test app's database, whose statements the test watches.
pub(crate) struct Watched {
    pub(crate) app: App,
    spy: Arc<Mutex<Spy>>,
}

impl Watched {
    /// How many SQL statements this server runs for some work, without those that read tokens.
    pub(crate) async fn statements_of<T>(&self, work: impl Future<Output = T>) -> usize {
        let before = self.spy().statements.len();
        work.await;
        self.spy().statements.len() - before
    }

    /// Calls a function after each further SQL statement of this server.
    pub(crate) fn after_statements(&self, hook: impl FnMut(&str) + Send + 'static) {
        self.spy().hook = Some(Box::new(hook));
    }

    fn spy(&self) -> std::sync::MutexGuard<'_, Spy> {
        self.spy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Options with which webhooks may go to loopback addresses, and other addresses are refused after a short time.
fn outbound() -> OutboundOptions {
    let loopback = ["127.0.0.0/8".parse().expect("a network")];
    OutboundOptions {
        allowed: AllowedNetworks::new(loopback.to_vec()),
        // Long enough for a receiver on a busy machine, which answers late.
        limit: Duration::from_secs(5),
        refusal_after: Duration::from_millis(20),
        ..OutboundOptions::default()
    }
}

fn options(setup: &Setup, clock: &Clock, url: &str, mover: &Arc<FailingMover>, spy: &Arc<Mutex<Spy>>) -> AppOptions {
    let spy = spy.clone();
    let observer = move |statement: &sea_orm::Statement| {
        spy.lock().unwrap_or_else(PoisonError::into_inner).saw(statement);
    };
    let (traces, metrics) = setup.traces.clone().unwrap_or_else(|| (Traces::off(), Arc::new(Metrics::on())));
    AppOptions {
        traces,
        metrics,
        settings: setup.settings.clone(),
        demo: setup
            .demo
            .then(|| ResetDemo::new(|| Box::pin(async { Err(Failure::bug("no demo is behind this app")) }))),
        jwt: setup.jwt.clone(),
        pipelines: setup.pipelines.clone(),
        zones: setup.zones.clone(),
        reference: setup.reference.clone(),
        migrate: false,
        db: DbOptions { max_connections: 4, observer: Some(Arc::new(observer)), ..DbOptions::default() },
        mover: mover.clone(),
        engine: setup.engine.clone(),
        outbound: setup.outbound.clone(),
        dispatch: DispatchOptions {
            // Only a killed server's endpoints wait for it. A busy machine keeps a server that lives from saying so.
            lease: Duration::from_secs(60),
            look: Duration::from_millis(100),
            save_after: Duration::from_millis(100),
            ..DispatchOptions::default()
        },
        metrics_read_every: setup.metrics_read_every,
        events_behind: setup.events_behind,
        ..AppOptions::new(url, clock.clone())
    }
}
