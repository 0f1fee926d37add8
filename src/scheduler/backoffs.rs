//! Failed work rests before it is tried again. The rest is longer after each failure.

use std::collections::BTreeMap;

use chrono::Duration;

use crate::domain::Instant;

const LONGEST_SECONDS: i64 = 60;
/// The longest pause of a loop that can do nothing, because the database can't be reached or refuses writes.
const LONGEST_OF_LOOP: std::time::Duration = std::time::Duration::from_secs(15);

/// The pause after so many failures in a row: 1, 2, 4 … seconds, at most a minute.
pub(super) fn pause_after(failures: u32) -> Duration {
    let doubled = 1_i64.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(LONGEST_SECONDS);
    Duration::seconds(doubled.min(LONGEST_SECONDS))
}

/// The pause of a loop after so many failures in a row, at most 15 seconds.
pub(super) fn pause_of_loop(failures: u32) -> std::time::Duration {
    pause_after(failures).to_std().unwrap_or(LONGEST_OF_LOOP).min(LONGEST_OF_LOOP)
}

/// The failed work of this process, by key. Other processes don't see it.
pub(super) struct Backoffs<K>(BTreeMap<K, Backoff>);

struct Backoff {
    failures: u32,
    since: Instant,
    until: Instant,
}

impl Backoff {
    /// Whether the rest lasts at `now`. A clock that was set back to before the failure ends the rest, because the rest
    /// could otherwise take hours.
    fn is_active(&self, now: Instant) -> bool {
        self.since <= now && now < self.until
    }
}

impl<K> Default for Backoffs<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Backoffs<K> {
    /// Notes a failure.
    pub(super) fn failed(&mut self, key: K, now: Instant) {
        let backoff = self.0.entry(key).or_insert(Backoff { failures: 0, since: now, until: now });
        backoff.failures = backoff.failures.saturating_add(1);
        backoff.since = now;
        backoff.until = now + pause_after(backoff.failures);
    }

    /// Notes a success, which ends the series of failures.
    pub(super) fn succeeded(&mut self, key: K) {
        self.0.remove(&key);
    }

    /// Whether the work rests at `now`.
    pub(super) fn is_backing_off(&self, key: K, now: Instant) -> bool {
        self.0.get(&key).is_some_and(|backoff| backoff.is_active(now))
    }

    /// The keys of the work that rests at `now`. Forgets work that wasn't tried again within ten minutes after its
    /// rest: another server did it, or it no longer exists.
    pub(super) fn backing_off(&mut self, now: Instant) -> Vec<K> {
        self.0.retain(|_, backoff| now < backoff.until + Duration::seconds(10 * LONGEST_SECONDS));
        self.0.iter().filter(|(_, backoff)| backoff.is_active(now)).map(|(key, _)| *key).collect()
    }

    /// When the first of the present rests ends; `None` when no work rests.
    pub(super) fn next_end(&self, now: Instant) -> Option<Instant> {
        self.0.values().filter(|backoff| backoff.is_active(now)).map(|backoff| backoff.until).min()
    }
}
