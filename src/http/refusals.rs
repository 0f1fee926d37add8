//! Logs refused tokens, hosts and origins: a peer's first refusal at once, and the number of its further ones after a
//! minute. So operators see attacks, and nobody can flood the log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::gate::shortened;

/// How long further refusals are counted before their number is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// The most peers that are counted individually. The others are counted together.
const PEERS_MAX: usize = 1_000;
/// The most characters of client input in a log line.
const DETAIL_MAX: usize = 200;

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Token,
    Host,
    Origin,
    /// Of the listener for operators.
    AdminToken,
    /// A privilege is missing.
    Privilege,
    /// The allowance is used up.
    Allowance,
}

impl Reason {
    fn first(self) -> &'static str {
        match self {
            Self::Token => "a token was refused",
            Self::Host => "a request for a host that the server isn't configured for was refused",
            Self::Origin => "a request of another origin's page was refused",
            Self::Privilege => "an operation was refused for lack of a privilege",
            Self::Allowance => "a request beyond its allowance was refused",
            Self::AdminToken => "a request to the listener for operators was refused",
        }
    }

    fn more(self) -> &'static str {
        match self {
            Self::Token => "more tokens were refused within a minute",
            Self::Host => "more requests for hosts that the server isn't configured for were refused within a minute",
            Self::Origin => "more requests of other origins' pages were refused within a minute",
            Self::Privilege => "more operations were refused for lack of a privilege within a minute",
            Self::Allowance => "more requests beyond their allowance were refused within a minute",
            Self::AdminToken => "more requests to the listener for operators were refused within a minute",
        }
    }
}

/// The numbers of further refusals in the current minute, by reason and peer.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<HashMap<(Reason, IpAddr), u64>>>);

impl Refusals {
    /// Logs a refusal, or counts it if one of the same peer was logged within the last minute.
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
            tokio::time::sleep(LOGGED_EVERY).await;
            let count = refusals.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key).unwrap_or_default();
            if count > 0 {
                tracing::info!(peer = %key.1, count, "{}", reason.more());
            }
        });
    }
}
