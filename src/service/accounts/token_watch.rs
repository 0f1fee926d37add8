//! Watches the tokens of open subscriptions and WebSockets: one statement checks them all, however many there are (R4).

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;

use crate::domain::Instant;
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{AccountId, TokenId, TrustedPublisherId};
use crate::service::Shared;
use crate::service::access::{Bearer, Viewer};
use crate::service::accounts::tokens::{REFUSED, check_status_of};
use crate::service::error::Failure;
use crate::store::StoreResult;
use crate::store::accounts::{bearers, trusted};

/// How often all watched tokens are checked.
const CHECK: Duration = Duration::from_secs(3);
/// The pause after a check that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The tokens of the process's open subscriptions and WebSockets.
#[derive(Default)]
pub struct TokenWatch {
    state: Mutex<State>,
    /// Wakes the task that checks the tokens.
    requested: Notify,
    /// Wakes the subscriptions that wait for the end of a check.
    checked: Notify,
    /// Counts the times at which events were read for subscriptions. A subscription gets the events only after a check
    /// of its token that began later.
    news: AtomicU64,
}

#[derive(Default)]
struct State {
    tokens: HashMap<Key, Slot>,
    /// The tokens that subscriptions wait for.
    awaited: Vec<Arc<Token>>,
    /// For how many subscriptions events were read since the last check of all tokens.
    concerned: usize,
    is_running: bool,
}

struct Slot {
    token: Arc<Token>,
    /// How many subscriptions and WebSockets watch it.
    watches: usize,
}

impl Slot {
    fn of(key: Key) -> Self {
        let token = Token { key, valid_at: AtomicU64::new(0), refused: OnceLock::new(), changed: Notify::new() };
        Self { token: Arc::new(token), watches: 0 }
    }
}

/// The identity of a watched token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A stored token.
    Stored(TokenId),
    /// A JWT of an account, which expires.
    Signed(AccountId, Instant),
    /// A JWT of a trusted publisher, which expires.
    Pipeline(TrustedPublisherId, Instant),
}

struct Token {
    key: Key,
    /// The number of the news at the beginning of the last check that found the token valid, plus 1; 0 before the first
    /// check.
    valid_at: AtomicU64,
    refused: OnceLock<Failure>,
    changed: Notify,
}

impl Token {
    fn refuse(&self, failure: Failure) {
        // Only the first refusal counts.
        let _ = self.refused.set(failure);
        self.changed.notify_waiters();
    }
}

/// The watch of one subscription or WebSocket. Dropping it ends the watch.
pub struct Watched {
    services: Shared,
    token: Arc<Token>,
}

impl TokenWatch {
    /// Watches the token of a viewer whose subscription or WebSocket begins.
    #[must_use]
    pub fn watch(services: &Shared, viewer: &Viewer) -> Watched {
        let watch = &services.token_watch;
        let key = match viewer.bearer {
            Bearer::Stored => Key::Stored(viewer.token.id),
            Bearer::Signed { until } => Key::Signed(viewer.account.id, until),
            Bearer::Pipeline { publisher, until } => Key::Pipeline(publisher, until),
        };
        let mut state = watch.state();
        let slot = state.tokens.entry(key).or_insert_with(|| Slot::of(key));
        // The viewer was authenticated after the refusal, because a suspended account was reactivated. Subscriptions
        // that were refused before keep their refusal.
        if slot.token.refused.get().is_some() {
            *slot = Slot::of(key);
        }
        slot.watches += 1;
        let token = slot.token.clone();
        if !std::mem::replace(&mut state.is_running, true) {
            tokio::spawn(run(services.clone()));
        }
        Watched { services: services.clone(), token }
    }

    /// Reports that events were read for this number of subscriptions, before the subscriptions get them. A
    /// subscription whose token was revoked earlier must not get them. Returns the number of the news, for
    /// [`Watched::check`].
    pub fn news_for(&self, subscriptions: usize) -> u64 {
        let mut state = self.state();
        state.concerned += subscriptions;
        self.news.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tokens to check next, and the number of the news so far. With `all`, these are all tokens; without it, the
    /// tokens that subscriptions wait for. If the news are for many subscriptions, these are all tokens, too, because
    /// each subscription will ask. `None` without subscriptions.
    fn next(&self, all: bool) -> Option<(Vec<Arc<Token>>, u64)> {
        let mut state = self.state();
        if state.tokens.is_empty() {
            state.is_running = false;
            return None;
        }
        let news = self.news.load(Ordering::Acquire);
        let mut awaited = std::mem::take(&mut state.awaited);
        // A check that ended meanwhile may have found some of them valid.
        awaited.retain(|token| token.valid_at.load(Ordering::Acquire) <= news);
        if !all && state.concerned * 4 < state.tokens.len() {
            return Some((awaited, news));
        }
        state.concerned = 0;
        Some((state.tokens.values().map(|slot| slot.token.clone()).collect(), news))
    }
}

impl Watched {
    /// Waits until the token is revoked or has expired, or its account is suspended.
    pub async fn refused(&self) -> Failure {
        loop {
            let changed = self.token.changed.notified();
            if let Some(failure) = self.token.refused.get() {
                return failure.clone();
            }
            changed.await;
        }
    }

    /// The refusal of the token, if it is known.
    #[must_use]
    pub fn refusal(&self) -> Option<&Failure> {
        self.token.refused.get()
    }

    /// Waits until the token was checked after these news. While the database isn't available, the new events wait.
    ///
    /// # Errors
    /// The reason why the token is refused.
    pub async fn check(&self, news: u64) -> Result<(), Failure> {
        let watch = &self.services.token_watch;
        let is_valid = || self.token.valid_at.load(Ordering::Acquire) > news;
        loop {
            let checked = watch.checked.notified();
            if let Some(failure) = self.token.refused.get() {
                return Err(failure.clone());
            }
            if is_valid() {
                return Ok(());
            }
            watch.state().awaited.push(self.token.clone());
            watch.requested.notify_one();
            checked.await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut state = self.services.token_watch.state();
        if let Some(slot) = state.tokens.get_mut(&self.token.key).filter(|slot| Arc::ptr_eq(&slot.token, &self.token)) {
            slot.watches -= 1;
            if slot.watches == 0 {
                state.tokens.remove(&self.token.key);
            }
        }
    }
}

/// Checks tokens until no subscription and no WebSocket is open: all every few seconds, and the awaited ones at once.
async fn run(services: Shared) {
    let watch = &services.token_watch;
    let mut due = tokio::time::Instant::now() + CHECK;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = watch.requested.notified() => {}
        }
        let all = tokio::time::Instant::now() >= due;
        let Some((tokens, news)) = watch.next(all) else { return };
        if all {
            due = tokio::time::Instant::now() + CHECK;
        }
        if tokens.is_empty() {
            continue;
        }
        // The panic hook logs a panic's message.
        let checked = AssertUnwindSafe(check(&services, &tokens, news)).catch_unwind().await;
        let checked = checked.unwrap_or_else(|_| Err(Failure::bug("a check of tokens panicked")));
        if let Err(failure) = checked {
            // An unavailable database proves nothing about a token.
            tracing::warn!(failure = %failure.for_operators(), "the tokens of subscriptions were not checked; they are checked again");
            tokio::time::sleep(PAUSE).await;
            if all {
                due = tokio::time::Instant::now();
            }
        }
        // A check that failed may have found some tokens valid. The subscriptions of the others ask again.
        watch.checked.notify_waiters();
    }
}

/// Checks tokens, and refuses those that aren't valid any more.
async fn check(services: &Shared, tokens: &[Arc<Token>], news: u64) -> Result<(), Failure> {
    // Uses connections of its own, because a check that waits for a connection would come too late.
    let (server, now) = (services.db.whole_server_apart(), services.clock.now());
    let (mut stored, mut signed, mut pipelines) = (HashMap::new(), Vec::new(), Vec::new());
    for token in tokens {
        match token.key {
            Key::Stored(id) => _ = stored.insert(id, token),
            Key::Signed(account, until) => signed.push((account, until, token)),
            Key::Pipeline(publisher, until) => pipelines.push((publisher, until, token)),
        }
    }
    let pass = |token: &Token, verdict: Result<(), Failure>| match verdict {
        Ok(()) => _ = token.valid_at.fetch_max(news + 1, Ordering::AcqRel),
        Err(failure) => token.refuse(failure),
    };
    let ids: Vec<_> = stored.keys().copied().collect();
    // Most checks find all tokens valid. Counting the valid ones shows that without reading their rows.
    if bearers::count_valid(&server, &ids, now).await? == ids.len() {
        stored.values().for_each(|token| pass(token, Ok(())));
    } else {
        let mut found = bearers::by_tokens(&server, &ids).await?;
        for (id, token) in stored {
            pass(
                token,
                match found.remove(&id) {
                    Some(Ok((bearer, account))) if bearer.is_live(now) => check_status_of(account.status),
                    Some(Ok(_)) | None => Err(REFUSED),
                    Some(Err(unreadable)) => Err(unreadable.into()),
                },
            );
        }
    }
    let status = |found: Option<&StoreResult<AccountStatus>>, until| match found {
        Some(Ok(status)) if now < until => check_status_of(*status),
        Some(Err(unreadable)) => Err(unreadable.clone().into()),
        Some(Ok(_)) | None => Err(REFUSED),
    };
    if !signed.is_empty() {
        let accounts = signed.iter().map(|(account, ..)| *account).collect();
        let found = bearers::statuses(&server, accounts).await?;
        signed.iter().for_each(|(account, until, token)| pass(token, status(found.get(account), *until)));
    }
    if !pipelines.is_empty() {
        let ids: Vec<_> = pipelines.iter().map(|(publisher, ..)| *publisher).collect();
        let found = trusted::statuses(&server, &ids).await?;
        pipelines.iter().for_each(|(publisher, until, token)| pass(token, status(found.get(publisher), *until)));
    }
    Ok(())
}
