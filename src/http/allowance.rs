//! Rate limits: each token, and each peer without a token, pays the cost of its requests from a bucket that refills
//! evenly. A process keeps a bounded number of buckets in memory. After a restart, or when its bucket was evicted, a
//! token starts with a full one.

use std::hash::Hash;

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::answer::Allowance;

/// The most buckets that are kept. The least recently used ones are evicted.
const BUCKETS: usize = 50_000;
/// The minimum charge of a request, because each needs a token check and a slot in the queue.
const CHARGE_MIN: u64 = 10;
const MINUTE: f64 = 60.0;

/// The buckets of all tokens, or of all peers. A bucket holds the cost that is allowed per minute.
pub struct Allowances<K = Uuid> {
    per_minute: u64,
    buckets: quick_cache::sync::Cache<K, Arc<Mutex<Bucket>>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Copy + Eq + Hash> Allowances<K> {
    /// All buckets are full. An empty one refills in a minute.
    #[must_use]
    pub fn new(per_minute: NonZeroU64) -> Self {
        Self { per_minute: per_minute.get(), buckets: quick_cache::sync::Cache::new(BUCKETS) }
    }

    /// Charges a token or a peer for a request.
    ///
    /// # Errors
    /// The remaining allowance, when it is too small. Then nothing is charged.
    pub fn charge(&self, whom: K, cost: u64, now: Instant) -> Result<Allowance, Allowance> {
        self.with_bucket(whom, now, |bucket| {
            let charge = self.charged(cost);
            if bucket.left < charge {
                return Err(self.exhausted(bucket.left, charge));
            }
            bucket.left -= charge;
            Ok(self.allowance(bucket.left))
        })
    }

    /// Charges for another execution of a request that was admitted. It isn't refused: a bucket that doesn't hold as much
    /// gets into debt, and later requests wait until the debt is paid.
    pub fn charge_again(&self, whom: K, cost: u64, now: Instant) -> Allowance {
        self.with_bucket(whom, now, |bucket| {
            bucket.left -= self.charged(cost);
            self.allowance(bucket.left)
        })
    }

    /// Checks whether a cost could be charged, without charging it.
    ///
    /// # Errors
    /// The remaining allowance, when it is too small.
    pub fn check(&self, whom: K, cost: u64, now: Instant) -> Result<(), Allowance> {
        self.with_bucket(whom, now, |bucket| {
            let charge = self.charged(cost);
            if bucket.left < charge { Err(self.exhausted(bucket.left, charge)) } else { Ok(()) }
        })
    }

    fn with_bucket<T>(&self, whom: K, now: Instant, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let full = Arc::new(Mutex::new(Bucket { left: self.capacity(), at: now }));
        let Ok(bucket) = self.buckets.get_or_insert_with(&whom, || Ok::<_, std::convert::Infallible>(full));
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(bucket.at);
        bucket.left = (bucket.left + since.as_secs_f64() * self.per_second()).min(self.capacity());
        bucket.at = bucket.at.max(now);
        act(&mut bucket)
    }

    /// The charge for a cost. At most a full bucket, because otherwise an expensive request could never be executed.
    fn charged(&self, cost: u64) -> f64 {
        number(cost.max(CHARGE_MIN)).min(self.capacity())
    }

    fn exhausted(&self, left: f64, charge: f64) -> Allowance {
        let wait = (charge - left) / self.per_second();
        Allowance { retry_after_seconds: Some(seconds(wait)), ..self.allowance(left) }
    }

    fn allowance(&self, left: f64) -> Allowance {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u64")]
        let remaining = left.max(0.0) as u64;
        Allowance {
            limit: self.per_minute,
            remaining,
            reset_seconds: seconds((self.capacity() - left) / self.per_second()),
            retry_after_seconds: None,
        }
    }

    fn capacity(&self) -> f64 {
        number(self.per_minute)
    }

    fn per_second(&self) -> f64 {
        self.capacity() / MINUTE
    }
}

#[expect(clippy::cast_precision_loss, reason = "a limit needs no more than 15 digits")]
fn number(n: u64) -> f64 {
    n as f64
}

/// Whole seconds, rounded up, so that waiting that long suffices.
fn seconds(of: f64) -> u64 {
    let exact = Duration::try_from_secs_f64(of.max(0.0)).unwrap_or(Duration::MAX);
    exact.as_secs() + u64::from(exact.subsec_nanos() > 0)
}
