//! Demo mode: a throw-away database with a realistic world, and a clock that can be moved.
//!
//! The demo's story runs through the ordinary use cases. Its clock starts two months in the past and moves to the
//! present, so the world has a history. The database with the finished story stays in a file. Each world is a copy of
//! it: the first one, and another one each time the demo starts over.

mod catalogue;
mod directory;
mod stages;
mod story;
mod world;

use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use chrono::Duration;
use tokio::sync::watch;

use crate::app::{App, AppError, AppOptions};
use crate::clock::Clock;
use crate::config::{AUDIENCE_OF_DEMO, TrustedArgs};
use crate::domain::Instant;
use crate::domain::refusal::Refusal;
use crate::domain::webhooks::AllowedNetworks;
use crate::graphql::ResetDemo;
use crate::http::{AdminOptions, DemoToken, EngineOptions, HttpOptions, Routes};
use crate::jwt::PipelineSettings;
use crate::metrics::Metrics;
use crate::outbound::OutboundOptions;
use crate::service::Settings;
use crate::service::error::{Error, Failure};
use crate::store::StoreError;
use crate::traces::Traces;
use crate::zones::TimeZones;

use directory::Directory;

/// The token of the publisher's administrator.
pub const PUBLISHER_ADMIN: &str = "demo-publisher-admin";
/// The token of the publisher's support desk, which may only read.
pub const PUBLISHER_SUPPORT: &str = "demo-publisher-support";
/// The token of the first managed account's administrator.
pub const ACME_ADMIN: &str = "demo-acme-admin";
/// The token of the second managed account's administrator.
pub const GLOBEX_ADMIN: &str = "demo-globex-admin";
/// The token of the third managed account's administrator. The account has most of the world's installations.
pub const VANDELAY_ADMIN: &str = "demo-vandelay-admin";

/// The demo's tokens. They aren't secret, and no other server accepts them.
pub const TOKENS: [DemoToken; 5] = [
    DemoToken { name: "publisher, administrator", secret: PUBLISHER_ADMIN },
    DemoToken { name: "publisher, support: may only read", secret: PUBLISHER_SUPPORT },
    DemoToken { name: "Acme, a managed account", secret: ACME_ADMIN },
    DemoToken { name: "Globex, a managed account", secret: GLOBEX_ADMIN },
    DemoToken { name: "Vandelay, a managed account", secret: VANDELAY_ADMIN },
];

/// The length of the demo's story, in days.
const STORY_DAYS: i64 = 60;

/// How long the WebSockets of a replaced world stay open, so that the answer to the mutation that replaced it still
/// gets through.
const CLOSE_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

/// How often a demo that ends tries to remove its files. SQLite may still write to a database of a former world.
const REMOVAL_TRIES: usize = 8;

/// A server with the demo's world, which can start over. [`Demo::end`] removes its files.
pub struct Demo {
    options: DemoOptions,
    /// The time on the clock when a world begins.
    start: Instant,
    reset: ResetDemo,
    world: RwLock<Arc<World>>,
    /// Held while a new world is built, because only one can be built at a time.
    turn: tokio::sync::Mutex<()>,
    // Dropped after the worlds, whose files are in it.
    directory: Directory,
}

/// The options of a demo.
#[derive(Clone)]
pub struct DemoOptions {
    pub settings: Settings,
    pub zones: TimeZones,
    pub engine: EngineOptions,
    pub http: HttpOptions,
    /// The worlds count in the same metrics, one after the other.
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    /// The options of requests to other hosts, such as webhooks.
    pub outbound: OutboundOptions,
    /// Which issuers of pipelines' JWTs are allowed.
    pub pipelines: Option<PipelineSettings>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            zones: TimeZones::built_in(),
            engine: EngineOptions::default(),
            http: HttpOptions::default(),
            metrics: Arc::new(Metrics::on()),
            traces: Traces::off(),
            outbound: OutboundOptions {
                allowed: AllowedNetworks::default().with_loopback(),
                ..OutboundOptions::default()
            },
            pipelines: Some(PipelineSettings::new(TrustedArgs::default().issuers(true), AUDIENCE_OF_DEMO)),
        }
    }
}

/// A server with its own copy of the demo's database. It ends when the demo starts over.
pub struct World {
    pub app: App,
    /// Worlds are numbered from 1.
    number: u32,
    routes: Routes,
    ending: watch::Sender<bool>,
}

/// Why the demo can't start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("The demo's directory can't be made in {}: {_0}. Name another directory with the variable TMPDIR.", std::env::temp_dir().display())]
    Directory(#[from] std::io::Error),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule refused a step of the demo's story, which is a mistake in this program.
    #[error("the demo's world was refused: {0}")]
    Refused(String),
    #[error("the demo's world could not be made: {0:?}")]
    Failed(#[from] Failure),
}

impl<R: Refusal> From<Error<R>> for DemoError {
    fn from(error: Error<R>) -> Self {
        match error {
            Error::Refused(refusals) => {
                Self::Refused(refusals.iter().map(Refusal::message).collect::<Vec<_>>().join(" "))
            }
            Error::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl Demo {
    /// Builds the world and a server with it. Its clock ticks, starting at the present.
    pub async fn build(options: DemoOptions) -> Result<Arc<Self>, DemoError> {
        Self::build_at(options, Clock::system().now()).await
    }

    /// Like [`Demo::build`], but `start` is the present.
    pub async fn build_at(options: DemoOptions, start: Instant) -> Result<Arc<Self>, DemoError> {
        let directory = Directory::new(&std::env::temp_dir())?;
        let mut past = AppOptions::new(directory.start(), Clock::still(start - Duration::days(STORY_DAYS)));
        past.settings = options.settings.clone();
        past.zones = options.zones.clone();
        past.counted_ids = true;
        past.metrics = Arc::default();
        let past = App::build(past).await?;
        story::build(&past, start).await?;
        // Closing moves the rest of SQLite's write-ahead log into the file, which is copied afterwards.
        past.services.db.clone().close().await?;

        // The mutation that starts the demo over belongs to a world, and needs the demo that owns the world.
        let itself = Arc::new(OnceLock::<Weak<Self>>::new());
        let reset = ResetDemo::new({
            let itself = itself.clone();
            move || {
                let demo = itself.get().and_then(Weak::upgrade);
                Box::pin(async move {
                    match demo {
                        Some(demo) => demo.reset().await,
                        None => Err(Failure::Unavailable("the demo ends".into())),
                    }
                })
            }
        });
        let first = World::begin(1, start, &directory, &options, &reset).await?;
        let world = RwLock::new(Arc::new(first));
        let demo = Arc::new(Self { options, start, reset, world, turn: tokio::sync::Mutex::default(), directory });
        let _ = itself.set(Arc::downgrade(&demo));
        Ok(demo)
    }

    /// The current world.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the current world with a new one, and returns the time on its clock. The old world finishes its running
    /// requests, and its subscriptions end. If this fails, the old world stays.
    pub async fn reset(&self) -> Result<Instant, Failure> {
        let _turn = self.turn.lock().await;
        let former = self.world();
        let next = World::begin(former.number + 1, self.start, &self.directory, &self.options, &self.reset);
        let next = Arc::new(next.await.map_err(|error| Failure::bug(error.to_string()))?);
        let now = next.app.services.clock.now();
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = next;
        tokio::spawn({
            let former = former.clone();
            async move {
                tokio::time::sleep(CLOSE_DELAY).await;
                former.ending.send_replace(true);
            }
        });
        // The old world may still be answering requests, so its file stays. The one before it has finished.
        self.directory.forget(former.number.saturating_sub(1));
        Ok(now)
    }

    /// Routes each request to the current world.
    pub fn router(self: &Arc<Self>) -> Routes {
        let demo = self.clone();
        Routes::replaceable(move || demo.world().routes.clone())
    }

    /// The routes of the listener for operators, for the current world.
    pub fn admin_router(self: &Arc<Self>, options: impl Fn() -> AdminOptions + Send + Sync + 'static) -> Routes {
        let demo = self.clone();
        Routes::replaceable(move || demo.world().app.admin_router(options()))
    }

    /// Runs the scheduler of the current world, and of each world that replaces it, until `ending` is true. Then the
    /// current world's subscriptions end.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        while !*ending.borrow() {
            let world = self.world();
            let webhooks = tokio::spawn(world.app.webhooks.clone().run(world.ending.subscribe()));
            let scheduler = world.app.scheduler.clone().run_and_seal(world.ending.subscribe());
            tokio::pin!(scheduler);
            let ends = tokio::select! {
                () = &mut scheduler => false,
                _ = ending.wait_for(|ending| *ending) => true,
            };
            if ends {
                self.world().ending.send_replace(true);
                world.ending.send_replace(true);
                scheduler.await;
                // An attempt that is cut off leaves nothing behind: the world ends.
                let _ = tokio::time::timeout(CLOSE_DELAY, webhooks).await;
            }
        }
    }

    /// Closes the database and removes the files. The demo's tasks may outlive this call, so nothing waits until the
    /// last of them drops the demo.
    pub async fn end(&self) {
        // A failure leaves only temporary files behind.
        let _ = self.world().app.services.db.clone().close().await;
        for _ in 0..REMOVAL_TRIES {
            if self.directory.remove() {
                break;
            }
            tokio::time::sleep(CLOSE_DELAY).await;
        }
    }
}

impl World {
    async fn begin(
        number: u32,
        start: Instant,
        directory: &Directory,
        options: &DemoOptions,
        reset: &ResetDemo,
    ) -> Result<Self, DemoError> {
        let mut present = AppOptions::new(directory.copy_start(number)?, Clock::ticking_from(start));
        present.settings = options.settings.clone();
        present.zones = options.zones.clone();
        present.demo = Some(reset.clone());
        present.engine = options.engine.clone();
        present.metrics = options.metrics.clone();
        present.traces = options.traces.clone();
        present.outbound = options.outbound.clone();
        present.pipelines = options.pipelines.clone();
        let app = App::build(present).await?;
        let (ending, ended) = watch::channel(false);
        let routes = app.router(HttpOptions {
            demo_tokens: TOKENS.to_vec(),
            demo_world: Some(crate::ids::secret("")),
            shutdown: Some(ended),
            ..options.http.clone()
        });
        Ok(Self { app, number, routes, ending })
    }
}
