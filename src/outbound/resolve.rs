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
/// The most of them for names that weren't found fast the last time, so that those that were always find a turn.
const UNPROVEN_AT_ONCE: usize = 48;
/// The most of them for names that are slow, so that new names find a turn.
const SLOW_AT_ONCE: usize = 32;
/// The name of a look-up that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// The most names that are remembered.
const NAMES_MAX: usize = 10_000;

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
    /// One that finds addresses by a function of a test.
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
            // The scarcest turns first, so that no name waits with a turn that others could use.
            let needed: &[&Arc<Semaphore>] = match names.standing(&host) {
                Standing::Slow => &[&self.slow_turns, &self.unproven_turns, &self.turns],
                Standing::Unproven => &[&self.unproven_turns, &self.turns],
                Standing::Fast => &[&self.turns],
            };
            let mut turns = Vec::with_capacity(needed.len());
            for one in needed {
                turns.push(Arc::clone(one).acquire_owned().await.map_err(io::Error::other)?);
            }
            // Only now: a name that waits for its turn isn't slow by that.
            names.note_start(&host);
            let look_up = move || {
                let began = Instant::now();
                let found = look_up(&host);
                names.note_end(&host, began.elapsed(), found.is_ok());
                // Held until the look-up has really ended.
                drop(turns);
                found
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// What is known of a name by its last look-up.
enum Standing {
    /// Found within [`SLOW`].
    Fast,
    /// Never looked up, not found, or being looked up.
    Unproven,
    /// Its last look-up took longer than [`SLOW`], or does so now.
    Slow,
}

#[derive(Default)]
struct Name {
    is_fast: bool,
    /// When its look-up began that was slow or hasn't ended.
    began: Option<Instant>,
}

/// The names of the last look-ups.
#[derive(Default)]
struct Names(Mutex<HashMap<String, Name>>);

impl Names {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, host: &str) -> Standing {
        match self.names().get(host) {
            Some(name) if name.began.is_some_and(|at| at.elapsed() >= SLOW) => Standing::Slow,
            Some(name) if name.is_fast => Standing::Fast,
            _ => Standing::Unproven,
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
