//! Finds the addresses of names.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// The most look-ups at a time. A look-up goes on after nobody waits for it any more, and takes a thread.
const AT_ONCE: usize = 64;
/// The most of them for names that are slow, so that other names find a turn.
const SLOW_AT_ONCE: usize = 32;
/// The name of a look-up that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// The most names that are remembered as slow.
const SLOW_NAMES_MAX: usize = 10_000;

/// Finds the addresses of a name. Tests have one whose answers change.
pub trait Resolve: Send + Sync {
    /// All addresses of a name.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// A function that finds the addresses of a name, and may take its time.
type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The operating system's resolver.
pub struct SystemResolver {
    look_up: Arc<LookUp>,
    turns: Arc<Semaphore>,
    slow_turns: Arc<Semaphore>,
    slow_names: Arc<SlowNames>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::with(|host| {
            // The port doesn't matter here.
            let found = (host, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl SystemResolver {
    /// One that finds addresses by a function of a test.
    #[must_use]
    pub fn with(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self {
            look_up: Arc::new(look_up),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            slow_turns: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            slow_names: Arc::default(),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let (look_up, slow_names, host) = (self.look_up.clone(), self.slow_names.clone(), host.to_owned());
        async move {
            let slow_turn = if slow_names.note_start(&host) {
                Some(self.slow_turns.clone().acquire_owned().await.map_err(io::Error::other)?)
            } else {
                None
            };
            let turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                let began = Instant::now();
                let found = look_up(&host);
                slow_names.note_end(&host, began.elapsed());
                // Held until the look-up has really ended.
                drop((turn, slow_turn));
                found
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// The names whose last look-up was slow or hasn't ended, each with the time when it began.
#[derive(Default)]
struct SlowNames(Mutex<HashMap<String, Instant>>);

impl SlowNames {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a look-up begins. Returns whether its name is slow.
    fn note_start(&self, host: &str) -> bool {
        let mut names = self.names();
        if names.len() >= SLOW_NAMES_MAX {
            names.clear();
        }
        names.entry(host.to_owned()).or_insert_with(Instant::now).elapsed() >= SLOW
    }

    fn note_end(&self, host: &str, took: Duration) {
        if took < SLOW {
            self.names().remove(host);
        }
    }
}
