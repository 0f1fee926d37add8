//! Demo mode: a throw-away database with a realistic world, and a clock that can be moved.
//!
//! The world is made through the same use cases as any other, on a clock that stands two months back
//! and is moved to the present, so that it has a past.

mod catalogue;
mod directory;
mod world;

use chrono::Duration;

use crate::app::{App, AppError, AppOptions};
use crate::clock::Clock;
use crate::domain::refusal::Refusal;
use crate::http::{DemoToken, EngineOptions};
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

/// A server with the demo's world; its files go with it.
pub struct Demo {
    pub app: App,
    // Dropped after the app, whose files it holds.
    _directory: Directory,
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
    pub async fn build(settings: Settings, zones: TimeZones, engine: EngineOptions) -> Result<Self, DemoError> {
        let directory = Directory::new(&std::env::temp_dir())?;
        let url = directory.database_url();
        let now = Clock::system().now();

        let mut past = AppOptions::new(&url, Clock::still(now - Duration::days(STORY_DAYS)));
        past.settings = settings.clone();
        past.zones = zones.clone();
        let past = App::build(past).await?;
        world::build(&past, now).await?;
        past.services.db.clone().close().await?;

        let mut present = AppOptions::new(url, Clock::ticking());
        present.settings = settings;
        present.zones = zones;
        present.demo = true;
        present.engine = engine;
        Ok(Self { app: App::build(present).await?, _directory: directory })
    }

    /// Closes the database and removes its files.
    pub async fn end(self) {
        // What fails here leaves files in the system's directory for them, and nothing else.
        let _ = self.app.services.db.clone().close().await;
    }
}
