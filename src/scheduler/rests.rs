//! What failed rests before it is tried again, each time for longer.

use std::collections::BTreeMap;

use chrono::Duration;

use crate::domain::Instant;

/// The longest rest.
const LONGEST_SECONDS: i64 = 60;

/// How long the next try waits after so many failures: 1, 2, 4 … seconds, up to a minute.
pub(super) fn pause_after(failures: u32) -> Duration {
    let doubled = 1_i64.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(LONGEST_SECONDS);
    Duration::seconds(doubled.min(LONGEST_SECONDS))
}

/// What failed, by its key. A process forgets it at its end.
pub(super) struct Rests<K>(BTreeMap<K, Rest>);

struct Rest {
    failures: u32,
    since: Instant,
    until: Instant,
}

impl Rest {
    /// A clock that was set back before the failure ends the rest: nobody waits until it has caught up.
    fn lasts(&self, now: Instant) -> bool {
        self.since <= now && now < self.until
    }
}

impl<K> Default for Rests<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Rests<K> {
    /// It failed once more.
    pub(super) fn failed(&mut self, key: K, now: Instant) {
        let rest = self.0.entry(key).or_insert(Rest { failures: 0, since: now, until: now });
        rest.failures = rest.failures.saturating_add(1);
        rest.since = now;
        rest.until = now + pause_after(rest.failures);
    }

    /// It went well.
    pub(super) fn went_well(&mut self, key: K) {
        self.0.remove(&key);
    }

    /// Whether it is to be left alone.
    pub(super) fn is_resting(&self, key: K, now: Instant) -> bool {
        self.0.get(&key).is_some_and(|rest| rest.lasts(now))
    }

    /// What is to be left alone. What hasn't been tried again long after its rest is gone, and forgotten.
    pub(super) fn resting(&mut self, now: Instant) -> Vec<K> {
        self.0.retain(|_, rest| now < rest.until + Duration::seconds(10 * LONGEST_SECONDS));
        self.0.iter().filter(|(_, rest)| rest.lasts(now)).map(|(key, _)| *key).collect()
    }

    /// When the next rest is over.
    pub(super) fn next_end(&self, now: Instant) -> Option<Instant> {
        self.0.values().filter(|rest| rest.lasts(now)).map(|rest| rest.until).min()
    }
}
