//! New identities, secrets and hashes.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Clock;

/// Makes UUIDs of version 7 from the injected clock: they go up within a process, also while the
/// clock stands still or is set back.
pub struct Ids {
    clock: Clock,
    last: Mutex<u128>,
}

impl Ids {
    /// A source of ids that reads `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::new(0) }
    }

    /// A new id, larger than any that this source made before.
    #[must_use]
    pub fn next<T: From<Uuid>>(&self) -> T {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0);
        let fresh = uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().as_u128();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // The random part of a version 7 id ends with 62 bits that no version or variant lies in, so that
        // counting on from the last one keeps both.
        *last = if fresh > *last { fresh } else { *last + 1 };
        T::from(Uuid::from_u128(*last))
    }

    /// A new id that says nothing, not even when it was made (R14).
    #[must_use]
    pub fn unguessable<T: From<Uuid>>(&self) -> T {
        T::from(uuid::Builder::from_random_bytes(random()).into_uuid())
    }
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
