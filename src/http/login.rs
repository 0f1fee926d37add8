//! Authenticates requests. A peer whose tokens are refused too often may not try further ones for a while. Tokens that
//! were valid recently are still checked, so that others at the same address aren't locked out.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use quick_cache::sync::Cache;

use crate::service::access::Caller;
use crate::service::accounts::{NamedAccount, authenticate_for};
use crate::service::error::Failure;

use super::answer::Allowance;
use super::auth::Credentials;
use super::engine::Engine;
use super::refusals::{Reason, Refusals};

/// The most valid tokens that are remembered.
const VALID_TOKENS_MAX: usize = 10_000;

/// Why a request wasn't authenticated.
pub(super) enum Denied {
    Failure(Failure),
    /// Too many tokens of the peer were refused.
    TooMany(Allowance),
}

/// The tokens that were valid at their last use, by a hash with a secret key. Two tokens with one hash do no harm: the
/// second is checked like each token that was never sent before.
pub(super) struct ValidTokens {
    valid: Cache<u64, ()>,
    key: RandomState,
}

impl ValidTokens {
    pub(super) fn new() -> Self {
        Self { valid: Cache::new(VALID_TOKENS_MAX), key: RandomState::new() }
    }

    /// Authenticates a request from `peer`.
    pub(super) async fn login(
        &self,
        engine: &Engine,
        refusals: &Refusals,
        (credentials, named): (&Credentials, NamedAccount),
        peer: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Caller, Denied> {
        let refused = |failure: Failure| {
            if matches!(failure, Failure::Unauthenticated(_) | Failure::Forbidden(_)) {
                engine.token_refused(peer);
                refusals.note(Reason::Token, peer, &failure.to_string());
            }
            Denied::Failure(failure)
        };
        let secret = credentials.secret().map_err(refused)?;
        let hash = secret.map(|secret| self.key.hash_one(secret));
        let is_known = hash.is_some_and(|hash| self.valid.get(&hash).is_some());
        if hash.is_some() && !is_known {
            engine.check_peer(peer).map_err(Denied::TooMany)?;
        }
        let authenticated = authenticate_for(&engine.services, secret, named, Some(request_id.to_owned())).await;
        match (&authenticated, hash) {
            (Ok(_), Some(hash)) if !is_known => self.valid.insert(hash, ()),
            (Ok(_), _) => {}
            (Err(_), Some(hash)) => {
                self.valid.remove(&hash);
            }
            (_, None) => {}
        }
        authenticated.map_err(refused)
    }
}

/// The message for a peer whose tokens were refused too often, and the seconds to wait.
pub(super) fn too_many(allowance: Allowance) -> (String, u64) {
    let wait = allowance.retry_after_seconds.unwrap_or(1);
    (format!("Too many tokens from this address were refused; try again in {wait} s."), wait)
}
