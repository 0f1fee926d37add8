//! New identities, secrets and hashes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Clock;

/// Makes UUIDs of version 7: each is larger than the one before it of the same type.
pub struct Ids(Source);

enum Source {
    /// From the injected clock, also while it stands still or is set back, and from chance.
    Chance { clock: Clock, last: Mutex<u128> },
    /// From how many of the type there were before.
    Counted(Mutex<BTreeMap<&'static str, u64>>),
}

/// The instant in the first counted id, in milliseconds: the beginning of 2025. Ids from chance come after it.
const COUNTED_FROM: u64 = 1_735_689_600_000;

impl Ids {
    /// A source of ids that reads `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Source::Chance { clock, last: Mutex::new(0) })
    }

    /// A source that gives the same ids to the same program each time: the demo's world has them.
    #[must_use]
    pub fn counted() -> Self {
        Self(Source::Counted(Mutex::default()))
    }

    /// A new id, larger than any of this type that this source made before.
    #[must_use]
    pub fn next<T: From<Uuid>>(&self) -> T {
        let uuid = match &self.0 {
            Source::Chance { clock, last } => {
                let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or(0);
                let fresh = uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().as_u128();
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                // The random part of a version 7 id ends with 62 bits that no version or variant lies in, so that
                // counting on from the last one keeps both.
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

    /// A new id that says nothing, not even when it was made (R14).
    #[must_use]
    pub fn unguessable<T: From<Uuid>>(&self) -> T {
        let bytes = match &self.0 {
            Source::Chance { .. } => random(),
            Source::Counted(made) => counted::<T>(made).1,
        };
        T::from(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

/// The number of a new id among those of its type, and bytes made of both. Types are counted apart, so that the id
/// of a pack doesn't depend on how many events came before it.
fn counted<T>(made: &Mutex<BTreeMap<&'static str, u64>>) -> (u64, [u8; 16]) {
    let name = std::any::type_name::<T>();
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    let n = made.entry(name).or_default();
    *n += 1;
    let digest: [u8; 32] = Sha256::digest(format!("{name} {n}").as_bytes()).into();
    (*n, std::array::from_fn(|index| digest[index]))
}

/// Bytes from the operating system's source of randomness.
///
/// # Panics
/// When the operating system has none to give: nothing safe can be done then.
#[must_use]
#[expect(clippy::expect_used, reason = "without randomness no secret can be made, and no request served")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new bearer secret: 256 random bits, in letters that need no quoting.
#[must_use]
pub fn secret(prefix: &str) -> String {
    use base64::Engine as _;
    format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<32>()))
}

/// What is kept of a secret. A secret has 256 random bits, so that a plain hash can't be searched.
#[must_use]
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
