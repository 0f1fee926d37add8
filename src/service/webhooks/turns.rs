//! The turns of deliveries (R66). A receiver that fails delays only others that fail, and one that answers late only
//! others that do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::id::AccountId;

/// A receiver that takes longer is late.
const LATE: Duration = Duration::from_secs(1);
/// The divisor for one account's share of all turns.
const SHARE: usize = 8;
/// The fewest turns of an account.
const SHARE_MIN: usize = 2;
/// The number of accounts from which on unused shares are removed.
const ACCOUNTS: usize = 1_000;

/// How fast a receiver was in its last attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// It took the event within [`LATE`].
    Fast,
    /// This server has sent it nothing yet.
    #[default]
    Unproven,
    /// It took the event, but needed longer.
    Late,
    /// The attempt failed, whether the receiver answered or not.
    Failing,
}

impl Pace {
    /// The pace after an attempt.
    #[must_use]
    pub fn of(has_taken: bool, took: Duration) -> Self {
        match has_taken {
            true if took <= LATE => Self::Fast,
            true => Self::Late,
            false => Self::Failing,
        }
    }
}

/// Turns of which late receivers have half, and failing ones another half. Both have three quarters together with those
/// of which nothing is known. So a quarter is left to each of the two, whatever the other one does, and a quarter to fast
/// receivers.
#[derive(Debug)]
struct Turns {
    all: Arc<Semaphore>,
    not_fast: Arc<Semaphore>,
    late: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

impl Turns {
    fn new(all: Arc<Semaphore>, count: usize) -> Self {
        let part = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        Self { all, not_fast: part(count * 3 / 4), late: part(count / 2), failing: part(count / 2) }
    }

    /// Waits for a turn. The scarcest one comes first, so that nobody waits with a turn that others could use.
    async fn take(&self, pace: Pace, turn: &mut Vec<OwnedSemaphorePermit>) {
        let needed: &[&Arc<Semaphore>] = match pace {
            Pace::Fast => &[&self.all],
            Pace::Unproven => &[&self.not_fast, &self.all],
            Pace::Late => &[&self.late, &self.not_fast, &self.all],
            Pace::Failing => &[&self.failing, &self.not_fast, &self.all],
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
