//! New ids, secrets and hashes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Clock;

/// Makes UUIDs of version 7. Each is larger than the earlier ones of its type.
pub struct Ids(Source);

enum Source {
    /// Ids from the injected clock and random bits. They increase even while the clock stops or is set back.
    Chance { clock: Clock, last: Mutex<u128> },
    /// Ids from a counter for each type.
    Counted(Mutex<BTreeMap<&'static str, u64>>),
}

/// The time in the first counted id: the beginning of 2025, in milliseconds since 1970. Random ids made later are
/// larger.
const COUNTED_FROM: u64 = 1_735_689_600_000;

impl Ids {
    /// A source of random ids with the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Source::Chance { clock, last: Mutex::new(0) })
    }

    /// A source that makes the same ids each time the program runs, for the demo's world.
    #[must_use]
    pub fn counted() -> Self {
        Self(Source::Counted(Mutex::default()))
    }

    /// A new id, larger than all ids of its type that this source made before.
    #[must_use]
    pub fn next<T: From<Uuid>>(&self) -> T {
        let uuid = match &self.0 {
            Source::Chance { clock, last } => {
                let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or(0);
                let fresh = uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().as_u128();
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                // The last 62 bits of a version 7 id are random, so adding 1 keeps the version and the variant.
                *last = if fresh > *last { fresh } else { *last + 1 };
                Uuid::from_u128(*last)
            }
            Source::Counted(made) => {
                let (n, digest) = counted::<T>(made);
                let [bytes @ .., _, _, _, _, _, _] = digest;
                uuid::Builder::from_unix_timestamp_millis(COUNTED_FROM + n, &bytes).into_uuid()
            }
        };
        T::from(uuid)
    }

    /// A new random id that doesn't even show its creation time (R14).
    #[must_use]
    pub fn unguessable<T: From<Uuid>>(&self) -> T {
        let bytes = match &self.0 {
            Source::Chance { .. } => random(),
            Source::Counted(made) => counted::<T>(made).1,
        };
        T::from(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

/// The counter's next value for a type, and a hash made of both. Types are counted separately, so that a pack's id
/// doesn't depend on the number of events before it.
fn counted<T>(made: &Mutex<BTreeMap<&'static str, u64>>) -> (u64, [u8; 16]) {
    let name = std::any::type_name::<T>();
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    let n = made.entry(name).or_default();
    *n += 1;
    let digest: [u8; 32] = Sha256::digest(format!("{name} {n}").as_bytes()).into();
    (*n, std::array::from_fn(|index| digest[index]))
}

/// Makes ids without a call of the operating system: hashes of a counter, with keys that only this process has. Such ids
/// name requests and spans, and must not be secrets.
#[derive(Default)]
pub struct HashedIds {
    keys: [RandomState; 2],
    made: AtomicU64,
}

impl HashedIds {
    /// A new id of 128 bits.
    #[must_use]
    pub fn next(&self) -> u128 {
        let number = self.count();
        let [high, low] = self.keys.each_ref().map(|key| u128::from(key.hash_one(number)));
        (high << 64) | low
    }

    /// A new id of 64 bits.
    #[must_use]
    pub fn next_short(&self) -> u64 {
        let [key, _] = &self.keys;
        key.hash_one(self.count())
    }

    fn count(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }
}

/// Random bytes from the operating system.
///
/// # Panics
/// When the operating system has none: the server can't do anything safely then.
#[must_use]
#[expect(clippy::expect_used, reason = "without randomness no secret can be made, and no request served")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new bearer secret: `prefix` and 256 random bits, in characters that need no quoting.
#[must_use]
pub fn secret(prefix: &str) -> String {
    use base64::Engine as _;
    format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<32>()))
}

/// The hash that is stored instead of a secret. A plain hash suffices, because 256 random bits can't be guessed.
#[must_use]
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
