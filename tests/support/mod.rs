//! What every test stands on: an [app](TestApp) with a database and a clock of its own, that is spoken
//! to in GraphQL alone.
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
//! No test sleeps and none reads the system's clock: time is moved with [`TestApp::advance_to`].
//! Everything here panics with what it saw instead of what it needed, so that a test stays a story.

mod accounts;
mod builders;
mod client;
mod database;
mod installing;
mod json;
mod mover;
mod releasing;
mod server;
mod subscription;
mod world;
mod zoneinfo;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use packwright::app::{App, AppOptions};
use packwright::clock::Clock;
use packwright::domain::Instant;
use packwright::domain::account::Role;
use packwright::gate::Limits;
use packwright::graphql::BeginAnew;
use packwright::http::EngineOptions;
use packwright::jwt::JwtSettings;
use packwright::service::Settings;
use packwright::service::clock::Reference;
use packwright::service::error::Failure;
use packwright::store::DbOptions;
use packwright::zones::TimeZones;

pub(crate) use accounts::Managed;
pub(crate) use builders::{Pack, Package, Publication};
pub(crate) use client::{accepted, input_type, refusal};
pub(crate) use database::Database;
pub(crate) use installing::Installed;
pub(crate) use json::{At, instant, uuid_of};
pub(crate) use mover::FailingMover;
pub(crate) use releasing::{NOTES, immediately, on_date};
pub(crate) use server::{Ask, Reply, Server, read_chunk};
pub(crate) use subscription::Subscription;
pub(crate) use zoneinfo::{ZoneDirectory, tzif, zone};

/// When every test begins, unless its [`Setup`] says otherwise: 10:00 in Berlin, on a Sunday.
pub(crate) const START: &str = "2026-11-22T09:00:00.000000Z";

/// The zone of the first publisher, unless the [`Setup`] says otherwise. Its midnight is 23:00 UTC in winter.
pub(crate) const ZONE: &str = "Europe/Berlin";

/// What a test wants to be otherwise than usual: `Setup { time_zone: None, ..Setup::default() }`.
pub(crate) struct Setup {
    /// Where the clock stands at first.
    pub(crate) start: &'static str,
    /// The first publisher's zone.
    pub(crate) time_zone: Option<&'static str>,
    /// Batch size, how many days ahead a date may be.
    pub(crate) settings: Settings,
    /// Whether `demoAdvanceClock` is in the schema.
    pub(crate) demo: bool,
    /// The limits of requests. What tests look at the world with may cost more than a client's page.
    pub(crate) engine: EngineOptions,
    /// Which JWTs are taken.
    pub(crate) jwt: Option<JwtSettings>,
    /// The data of the time zones.
    pub(crate) zones: TimeZones,
    /// What the clock is corrected by.
    pub(crate) reference: Reference,
}

/// The default limits, but for what a request may cost: a test reads all there is in one.
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
            zones: TimeZones::built_in(),
            reference: Reference::Own,
        }
    }
}

/// What is done after each SQL statement, that it is told.
type Hook = Box<dyn FnMut(&str) + Send>;

/// Looks at the SQL statements of an app.
#[derive(Default)]
struct Spy {
    statements: Vec<sea_orm::Statement>,
    hook: Option<Hook>,
}

impl Spy {
    fn saw(&mut self, statement: &sea_orm::Statement) {
        self.statements.push(statement.clone());
        if let Some(hook) = &mut self.hook {
            hook(&statement.sql);
        }
    }
}

/// A server without a socket: its own database, its own clock, one publisher (`Northwind`) with an
/// administrator's token. The database is gone when it is dropped.
pub(crate) struct TestApp {
    pub(crate) app: App,
    /// Stands still until it is moved. Prefer [`TestApp::advance_to`] and [`TestApp::clock_only`].
    pub(crate) clock: Clock,
    /// The token of the first publisher's administrator.
    pub(crate) publisher: String,
    /// Makes moves of installations fail.
    pub(crate) mover: Arc<FailingMover>,
    spy: Arc<Mutex<Spy>>,
    /// Dropped last: it deletes what `app` was connected to.
    database: database::Database,
}

impl TestApp {
    /// The usual app.
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// An app that is otherwise than usual.
    pub(crate) async fn with(setup: Setup) -> Self {
        let time_zone = setup.time_zone;
        let mut app = Self::empty(setup).await;
        let services = &app.app.services;
        let account = services.create_publisher("Northwind", time_zone.map(Into::into)).await.expect("a publisher");
        let publisher = "test-northwind-admin".to_owned();
        services
            .create_token_with_secret(account, "northwind-admin", Role::Administrator, &publisher)
            .await
            .expect("a token");
        app.publisher = publisher;
        app
    }

    /// An app without any account: a test fills the database itself, and puts its publisher's token there.
    pub(crate) async fn empty(setup: Setup) -> Self {
        let clock = Clock::still(instant(setup.start));
        let database = database::Database::create().await;
        let mover = Arc::new(FailingMover::default());
        let spy = Arc::new(Mutex::new(Spy::default()));
        let app = App::build(options(&setup, &clock, database.url(), &mover, &spy)).await.expect("the app builds");
        Self { app, clock, publisher: String::new(), mover, spy, database }
    }

    /// A second server on the same database, with the same clock and the same mover: for tests of who
    /// does what when several processes run. Must not outlive the first one.
    pub(crate) async fn another_server(&self) -> App {
        self.another_server_with(generous(), None).await
    }

    /// The same, with limits of its own for requests and for statements.
    pub(crate) async fn another_server_with(&self, engine: EngineOptions, statement_timeout: Option<Duration>) -> App {
        let setup = Setup { engine, ..Setup::default() };
        let mut options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        options.db.statement_timeout = statement_timeout;
        App::build(options).await.expect("the second server builds")
    }

    /// The same with time zone data of its own.
    pub(crate) async fn another_server_with_zones(&self, zones: TimeZones) -> App {
        let setup = Setup { zones, ..Setup::default() };
        let options = options(&setup, &self.clock, self.database.url(), &self.mover, &Arc::default());
        App::build(options).await.expect("the second server builds")
    }

    /// The same with a clock of its own, that stands still.
    pub(crate) async fn another_server_at(&self, at: &str) -> App {
        self.another_server_by(&Clock::still(instant(at)), Reference::Own).await
    }

    /// The same with a clock of its own, that may be corrected by another one.
    pub(crate) async fn another_server_by(&self, clock: &Clock, reference: Reference) -> App {
        let setup = Setup { reference, ..Setup::default() };
        let options = options(&setup, clock, self.database.url(), &self.mover, &Arc::default());
        App::build(options).await.expect("the second server builds")
    }

    /// The instant at hand.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Moves the clock forward to `to` and lets the scheduler do all that is due then. What was due
    /// between is done then too, and late: stop at each window's start to be in time.
    pub(crate) async fn advance_to(&self, to: &str) {
        self.clock_only(to);
        self.tick().await;
    }

    /// Moves the clock forward to `to`, while no scheduler runs.
    pub(crate) fn clock_only(&self, to: &str) {
        let to = instant(to);
        assert!(to >= self.now(), "a clock goes forward only: it is {}, and {to} was asked for", self.now());
        self.clock.advance_to(to);
    }

    /// [`TestApp::advance_to`] this many seconds on.
    pub(crate) async fn advance_by(&self, seconds: i64) {
        self.clock.advance_to(self.now() + chrono::Duration::seconds(seconds));
        self.tick().await;
    }

    /// Moves the clock forward to `to` as if the scheduler had run all the time: it stops at each instant
    /// at which something is due, so that nothing is late.
    pub(crate) async fn live_until(&self, to: &str) {
        let to = instant(to);
        while let Some(next) = self.tick().await.filter(|next| *next <= to) {
            assert!(next > self.now(), "the scheduler wants to be called again at once");
            self.clock.advance_to(next);
        }
        self.clock.advance_to(to);
        self.tick().await;
    }

    /// Moves the clock to `to` in half days, as a server that runs sees it pass.
    pub(crate) async fn half_days_to(&self, to: &str) {
        let half_day = chrono::Duration::hours(12);
        self.tick().await;
        while self.now() + half_day < instant(to) {
            self.clock.advance_to(self.now() + half_day);
            self.tick().await;
        }
        self.advance_to(to).await;
    }

    /// Lets the scheduler do what is due, and gives when it wants to be called next.
    pub(crate) async fn tick(&self) -> Option<Instant> {
        self.app.scheduler.tick().await.expect("the scheduler's tick")
    }

    /// The SQL statements that `work` runs on this app's connections, in their order.
    pub(crate) async fn statements_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<String>) {
        let (result, seen) = self.statements_with_values_of(work).await;
        (result, seen.into_iter().map(|statement| statement.sql).collect())
    }

    /// The same with their values.
    pub(crate) async fn statements_with_values_of<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> (T, Vec<sea_orm::Statement>) {
        self.spy().statements.clear();
        let result = work.await;
        let seen = std::mem::take(&mut self.spy().statements);
        (result, seen)
    }

    /// Does something after each SQL statement that this app's connections run from now on: what happens
    /// between two statements of one call.
    pub(crate) fn after_statements(&self, hook: impl FnMut(&str) + Send + 'static) {
        self.spy().hook = Some(Box::new(hook));
    }

    fn spy(&self) -> std::sync::MutexGuard<'_, Spy> {
        self.spy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options(setup: &Setup, clock: &Clock, url: &str, mover: &Arc<FailingMover>, spy: &Arc<Mutex<Spy>>) -> AppOptions {
    let spy = spy.clone();
    let observer = move |statement: &sea_orm::Statement| {
        spy.lock().unwrap_or_else(PoisonError::into_inner).saw(statement);
    };
    AppOptions {
        settings: setup.settings.clone(),
        demo: setup
            .demo
            .then(|| BeginAnew::new(|| Box::pin(async { Err(Failure::bug("no demo is behind this app")) }))),
        jwt: setup.jwt.clone(),
        zones: setup.zones.clone(),
        reference: setup.reference.clone(),
        migrate: false,
        db: DbOptions { max_connections: 4, observer: Some(Arc::new(observer)), ..DbOptions::default() },
        mover: mover.clone(),
        engine: setup.engine.clone(),
        ..AppOptions::new(url, clock.clone())
    }
}
