//! Finds the addresses of names.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// The most look-ups at a time. A look-up goes on after nobody waits for it any more, and takes a thread.
const AT_ONCE: usize = 64;

/// Finds the addresses of a name. Tests have one whose answers change.
pub trait Resolve: Send + Sync {
    /// All addresses of a name.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
pub struct SystemResolver {
    turns: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let (turns, host) = (self.turns.clone(), host.to_owned());
        async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                // The port doesn't matter here.
                let found = (host.as_str(), 0).to_socket_addrs();
                // Held until the look-up has really ended.
                drop(turn);
                Ok(found?.map(|address| address.ip()).collect())
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}
