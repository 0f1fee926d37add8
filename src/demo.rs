//! Demo mode: a throw-away database with a realistic world, and a clock that can be moved.
//!
//! The world is made through the same use cases as any other, on a clock that stands two months back
//! and is moved to the present, so that it has a past. It stays in a file from which each world is copied:
//! the first one, and one each time the demo is begun anew.

mod catalogue;
mod directory;
mod world;

use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use chrono::Duration;
use tokio::sync::watch;

use crate::app::{App, AppError, AppOptions};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::refusal::Refusal;
use crate::graphql::BeginAnew;
use crate::http::{self, DemoToken, EngineOptions, HttpOptions, Router};
use crate::service::Settings;
use crate::service::error::{Error, Failure};
use crate::store::StoreError;
use crate::zones::TimeZones;

use directory::Directory;

/// The publisher's administrator.
pub const PUBLISHER_ADMIN: &str = "demo-publisher-admin";
/// The publisher's token that may only read.
pub const PUBLISHER_SUPPORT: &str = "demo-publisher-support";
/// The administrator of the first managed account.
pub const ACME_ADMIN: &str = "demo-acme-admin";
/// The administrator of the second.
pub const GLOBEX_ADMIN: &str = "demo-globex-admin";

/// The tokens of the demo; they are no secret and open nothing else.
pub const TOKENS: [DemoToken; 4] = [
    DemoToken { name: "publisher, administrator", secret: PUBLISHER_ADMIN },
    DemoToken { name: "publisher, support: may only read", secret: PUBLISHER_SUPPORT },
    DemoToken { name: "Acme, a managed account", secret: ACME_ADMIN },
    DemoToken { name: "Globex, a managed account", secret: GLOBEX_ADMIN },
];

/// How long before the present the demo's story begins.
const STORY_DAYS: i64 = 60;

/// How long the former world's WebSockets stay open, so that the answer to whoever began anew over one leaves.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(250);

/// A server with the demo's world, that can be begun anew; its files go with it.
pub struct Demo {
    options: DemoOptions,
    /// What the clock reads when a world begins.
    start: Instant,
    begin_anew: BeginAnew,
    world: RwLock<Arc<World>>,
    /// One world begins at a time.
    turn: tokio::sync::Mutex<()>,
    // Dropped after the worlds, whose files it holds.
    directory: Directory,
}

/// How the demo is served.
#[derive(Clone)]
pub struct DemoOptions {
    pub settings: Settings,
    pub zones: TimeZones,
    pub engine: EngineOptions,
    pub http: HttpOptions,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            zones: TimeZones::built_in(),
            engine: EngineOptions::default(),
            http: HttpOptions::default(),
        }
    }
}

/// A server on a copy of the world at the start. It ends when the demo is begun anew.
pub struct World {
    pub app: App,
    /// The worlds are counted from 1.
    number: u32,
    router: Router,
    ending: watch::Sender<bool>,
}

/// Why the demo can't start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("The demo's directory can't be made in {}: {_0}. Name another place with the variable TMPDIR.", std::env::temp_dir().display())]
    Directory(#[from] std::io::Error),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules refuse the demo's story: a mistake in this program.
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
    /// Makes the world and a server on it, whose clock ticks from the present on.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn build(options: DemoOptions) -> Result<Arc<Self>, DemoError> {
        Self::build_at(options, Clock::system().now()).await
    }

    /// The same with `start` for the present.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn build_at(options: DemoOptions, start: Instant) -> Result<Arc<Self>, DemoError> {
        let directory = Directory::new(&std::env::temp_dir())?;
        let mut past = AppOptions::new(directory.start(), Clock::still(start - Duration::days(STORY_DAYS)));
        past.settings = options.settings.clone();
        past.zones = options.zones.clone();
        past.counted_ids = true;
        let past = App::build(past).await?;
        world::build(&past, start).await?;
        // Whatever is still in SQLite's log comes into the file, which is copied then.
        past.services.db.clone().close().await?;

        // The worlds' mutation reaches the demo that they are parts of.
        let itself = Arc::new(OnceLock::<Weak<Self>>::new());
        let begin_anew = BeginAnew::new({
            let itself = itself.clone();
            move || {
                let demo = itself.get().and_then(Weak::upgrade);
                Box::pin(async move {
                    match demo {
                        Some(demo) => demo.begin_anew().await,
                        None => Err(Failure::Unavailable("the demo ends".into())),
                    }
                })
            }
        });
        let first = World::begin(1, start, &directory, &options, &begin_anew).await?;
        let world = RwLock::new(Arc::new(first));
        let demo = Arc::new(Self { options, start, begin_anew, world, turn: tokio::sync::Mutex::default(), directory });
        let _ = itself.set(Arc::downgrade(&demo));
        Ok(demo)
    }

    /// The world at hand.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new world in the place of the one at hand, whose open subscriptions end; requests that are being
    /// answered come to their end in it. Gives what the new clock reads.
    ///
    /// # Errors
    /// [`Failure::Fault`]; the world at hand stays then.
    pub async fn begin_anew(&self) -> Result<Instant, Failure> {
        let _turn = self.turn.lock().await;
        let former = self.world();
        let next = World::begin(former.number + 1, self.start, &self.directory, &self.options, &self.begin_anew);
        let next = Arc::new(next.await.map_err(|error| Failure::bug(error.to_string()))?);
        let now = next.app.services.clock.now();
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = next;
        tokio::spawn({
            let former = former.clone();
            async move {
                tokio::time::sleep(LAST_WORDS).await;
                former.ending.send_replace(true);
            }
        });
        // The former world may still be at an answer; the one before it isn't.
        self.directory.forget(former.number.saturating_sub(1));
        Ok(now)
    }

    /// Answers each request in the world at hand.
    pub fn router(self: &Arc<Self>) -> Router {
        let demo = self.clone();
        http::changing(move || demo.world().router.clone())
    }

    /// Runs the scheduler of the world at hand, and then of the next one, until `ending` says so; then the world
    /// at hand closes its open subscriptions.
    pub async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        while !*ending.borrow() {
            let world = self.world();
            let scheduler = world.app.scheduler.clone().run(world.ending.subscribe());
            tokio::pin!(scheduler);
            let ends = tokio::select! {
                () = &mut scheduler => false,
                _ = ending.wait_for(|ending| *ending) => true,
            };
            if ends {
                self.world().ending.send_replace(true);
                world.ending.send_replace(true);
                scheduler.await;
            }
        }
    }

    /// Closes the database; its files go with the demo.
    pub async fn end(&self) {
        // What fails here leaves files in the system's directory for them, and nothing else.
        let _ = self.world().app.services.db.clone().close().await;
    }
}

impl World {
    async fn begin(
        number: u32,
        start: Instant,
        directory: &Directory,
        options: &DemoOptions,
        begin_anew: &BeginAnew,
    ) -> Result<Self, DemoError> {
        let mut present = AppOptions::new(directory.copy_start(number)?, Clock::ticking_from(start));
        present.settings = options.settings.clone();
        present.zones = options.zones.clone();
        present.demo = Some(begin_anew.clone());
        present.engine = options.engine.clone();
        let app = App::build(present).await?;
        let (ending, ended) = watch::channel(false);
        let router = app.router(HttpOptions {
            demo_tokens: TOKENS.to_vec(),
            demo_world: Some(crate::ids::secret("")),
            shutdown: Some(ended),
            ..options.http.clone()
        });
        Ok(Self { app, number, router, ending })
    }
}
