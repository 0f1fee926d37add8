//! Resolves host names to addresses. Slow names can't keep other names from being resolved.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// The most look-ups at the same time. Each takes a thread until it ends, even if its caller gave up waiting.
const AT_ONCE: usize = 64;
/// The most look-ups at the same time for names that aren't known to be fast. The rest is left to fast names.
const UNPROVEN_AT_ONCE: usize = 48;
/// The most look-ups at the same time for slow names. The rest is left to fast and new names.
const SLOW_AT_ONCE: usize = 32;
/// A name is slow if its look-up takes longer than this.
const SLOW: Duration = Duration::from_secs(1);
/// The most names that are remembered.
const NAMES_MAX: usize = 10_000;

/// Finds the addresses of a host name. Tests have a resolver whose answers change.
pub trait Resolve: Send + Sync {
    /// All addresses of a host name.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// A function that finds the addresses of a host name. It may block its thread.
type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The operating system's resolver.
pub struct SystemResolver {
    look_up: Arc<LookUp>,
    turns: Arc<Semaphore>,
    unproven_turns: Arc<Semaphore>,
    slow_turns: Arc<Semaphore>,
    names: Arc<Names>,
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
    /// A resolver that finds addresses by the function `look_up`, for tests.
    #[must_use]
    pub fn with(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self {
            look_up: Arc::new(look_up),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            unproven_turns: Arc::new(Semaphore::new(UNPROVEN_AT_ONCE)),
            slow_turns: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            names: Arc::default(),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let (look_up, names, host) = (self.look_up.clone(), self.names.clone(), host.to_owned());
        async move {
            // The semaphore with the fewest permits comes first. Otherwise a slow name would hold a general permit,
            // which others could use, while it waits for one of the few for slow names.
            let needed: &[&Arc<Semaphore>] = match names.speed(&host) {
                Speed::Slow => &[&self.slow_turns, &self.unproven_turns, &self.turns],
                Speed::Unproven => &[&self.unproven_turns, &self.turns],
                Speed::Fast => &[&self.turns],
            };
            let mut turns = Vec::with_capacity(needed.len());
            for one in needed {
                turns.push(Arc::clone(one).acquire_owned().await.map_err(io::Error::other)?);
            }
            // The time counts from here, because waiting for a permit doesn't make a name slow.
            names.note_start(&host);
            let look_up = move || {
                let began = Instant::now();
                let found = look_up(&host);
                names.note_end(&host, began.elapsed(), found.is_ok());
                // The look-up keeps its permits until it has ended, even if its caller gave up waiting.
                drop(turns);
                found
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// How fast a name's last look-up was.
enum Speed {
    /// The last look-up found the name within [`SLOW`].
    Fast,
    /// The name wasn't looked up before, its first look-up hasn't ended, or its last look-up failed fast.
    Unproven,
    /// The last look-up took longer than [`SLOW`], or is taking longer now.
    Slow,
}

#[derive(Default)]
struct Name {
    /// Whether the last look-up that ended was fast and found the name.
    is_fast: bool,
    /// When a look-up began that was slow or hasn't ended; `None` if there is none.
    began: Option<Instant>,
}

/// The names that were looked up, at most [`NAMES_MAX`].
#[derive(Default)]
struct Names(Mutex<HashMap<String, Name>>);

impl Names {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speed(&self, host: &str) -> Speed {
        match self.names().get(host) {
            Some(name) if name.began.is_some_and(|at| at.elapsed() >= SLOW) => Speed::Slow,
            Some(name) if name.is_fast => Speed::Fast,
            _ => Speed::Unproven,
        }
    }

    /// Notes that a look-up begins.
    fn note_start(&self, host: &str) {
        let mut names = self.names();
        if names.len() >= NAMES_MAX {
            names.retain(|_, name| name.is_fast);
        }
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.entry(host.to_owned()).or_default().began.get_or_insert_with(Instant::now);
    }

    fn note_end(&self, host: &str, took: Duration, was_found: bool) {
        let mut names = self.names();
        let Some(name) = names.get_mut(host) else { return };
        name.is_fast = took < SLOW && was_found;
        if took < SLOW {
            name.began = None;
        }
    }
}
