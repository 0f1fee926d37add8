//! Whom the door refuses, told in the log: the first time at once, and what the same peer tries within the minute
//! after it as one number. So an operator sees what goes on, and nobody fills the log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::gate::shortened;

/// How long refusals are counted before they are told.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How many peers are counted each for itself at a time; the others are counted together.
const PEERS_MAX: usize = 1_000;
/// The most characters of what a client has said.
const DETAIL_MAX: usize = 200;

/// Why a peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Token,
    Host,
    Origin,
}

impl Reason {
    fn first(self) -> &'static str {
        match self {
            Self::Token => "a token was refused",
            Self::Host => "a request for a host that the server doesn't go by was refused",
            Self::Origin => "a request of another origin's page was refused",
        }
    }

    fn more(self) -> &'static str {
        match self {
            Self::Token => "more tokens were refused within a minute",
            Self::Host => "more requests for hosts that the server doesn't go by were refused within a minute",
            Self::Origin => "more requests of other origins' pages were refused within a minute",
        }
    }
}

/// The refusals of the last minute.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<HashMap<(Reason, IpAddr), u64>>>);

impl Refusals {
    /// Tells of a refusal, or counts it.
    pub fn note(&self, reason: Reason, peer: Option<IpAddr>, detail: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = peer.unwrap_or(unspecified);
        let is_room = counts.len() < PEERS_MAX || counts.contains_key(&(reason, peer));
        let key = (reason, if is_room { peer } else { unspecified });
        if let Some(count) = counts.get_mut(&key) {
            *count += 1;
            return;
        }
        counts.insert(key, 0);
        drop(counts);
        tracing::info!(peer = %key.1, detail = shortened(detail.to_owned(), DETAIL_MAX), "{}", reason.first());
        let refusals = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(TOLD_EVERY).await;
            let count = refusals.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key).unwrap_or_default();
            if count > 0 {
                tracing::info!(peer = %key.1, count, "{}", reason.more());
            }
        });
    }
}
