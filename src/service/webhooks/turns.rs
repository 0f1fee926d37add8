//! The turns of deliveries (R66). A receiver that doesn't answer, or answers late, delays only others of its kind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::id::AccountId;

/// A receiver that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// The divisor for one account's share of all turns.
const SHARE: usize = 8;
/// The fewest turns of an account.
const SHARE_MIN: usize = 2;
/// The number of accounts from which on unused shares are removed.
const ACCOUNTS: usize = 1_000;

/// How fast a receiver was in its last attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// It took the event within [`SLOW`].
    Fast,
    /// This server has sent it nothing yet.
    #[default]
    Unproven,
    /// It took longer, or the attempt failed.
    Slow,
}

impl Pace {
    /// The pace after an attempt.
    #[must_use]
    pub fn of(has_taken: bool, took: Duration) -> Self {
        if has_taken && took <= SLOW { Self::Fast } else { Self::Slow }
    }
}

/// Turns of which slow receivers have half, and three quarters together with those of which nothing is known.
#[derive(Debug)]
struct Turns {
    all: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

impl Turns {
    fn new(all: Arc<Semaphore>, count: usize) -> Self {
        let part = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        Self { all, unproven: part(count * 3 / 4), slow: part(count / 2) }
    }

    /// Waits for a turn. The scarcest one comes first, so that nobody waits with a turn that others could use.
    async fn take(&self, pace: Pace, turn: &mut Vec<OwnedSemaphorePermit>) {
        let needed: &[&Arc<Semaphore>] = match pace {
            Pace::Fast => &[&self.all],
            Pace::Unproven => &[&self.unproven, &self.all],
            Pace::Slow => &[&self.slow, &self.unproven, &self.all],
        };
        for one in needed {
            // The semaphores are never closed.
            turn.extend(Arc::clone(one).acquire_owned().await.ok());
        }
    }
}

/// The turns of this server, and each account's share of them.
#[derive(Debug)]
pub struct DeliveryTurns {
    of_server: Turns,
    of_account: usize,
    accounts: Mutex<HashMap<AccountId, Weak<Turns>>>,
}

/// A turn. Dropping it gives it back.
#[derive(Debug)]
pub struct DeliveryTurn {
    _permits: Vec<OwnedSemaphorePermit>,
    _of_account: Arc<Turns>,
}

impl DeliveryTurns {
    /// Turns for `count` deliveries at a time, each of which takes one of `all`.
    #[must_use]
    pub fn new(all: Arc<Semaphore>, count: usize) -> Self {
        let of_account = (count / SHARE).max(SHARE_MIN);
        Self { of_server: Turns::new(all, count), of_account, accounts: Mutex::default() }
    }

    /// Waits for the turn of a delivery to a receiver of an account.
    pub async fn take(&self, account: AccountId, pace: Pace) -> DeliveryTurn {
        let of_account = self.of_account(account);
        let mut permits = Vec::new();
        of_account.take(pace, &mut permits).await;
        self.of_server.take(pace, &mut permits).await;
        DeliveryTurn { _permits: permits, _of_account: of_account }
    }

    fn of_account(&self, account: AccountId) -> Arc<Turns> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = accounts.get(&account).and_then(Weak::upgrade) {
            return turns;
        }
        if accounts.len() >= ACCOUNTS {
            accounts.retain(|_, turns| turns.strong_count() > 0);
        }
        let all = Arc::new(Semaphore::new(self.of_account));
        let turns = Arc::new(Turns::new(all, self.of_account));
        accounts.insert(account, Arc::downgrade(&turns));
        turns
    }
}
