//! Trusted publishers: pipelines that act for an account without a stored secret (R70).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Account, Actor, Role};
use crate::domain::Instant;
use crate::domain::id::{AccountId, TrustedPublisherId};
use crate::domain::text;

/// The most trusted publishers of an account.
pub const TRUSTED_PUBLISHERS_MAX: u64 = 20;
/// The most claims of a trusted publisher.
pub const CLAIMS_MAX: usize = 10;
/// The most characters of a claim's name.
const CLAIM_NAME_MAX: usize = 255;
/// The most characters of a claim's text.
const CLAIM_VALUE_MAX: usize = 1_000;

/// The claims that no trusted publisher can name. The JWTs of all pipelines have the same issuer and audience, which
/// the server checks anyway; the other claims differ from one JWT of a pipeline to the next.
const CLAIMS_OF_EACH: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// A claim that a JWT must have, with exactly this text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedClaim {
    pub name: String,
    pub value: String,
}

/// A pipeline that acts for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedPublisher {
    pub id: TrustedPublisherId,
    pub account_id: AccountId,
    pub name: String,
    /// The issuer of the JWTs, as their claim `iss` spells it.
    pub issuer: String,
    /// The claims that a JWT must have, in the order in which they were given.
    pub claims: Vec<TrustedClaim>,
    pub role: Role,
    pub created_at: Instant,
    pub created_by: Actor,
    /// When a JWT last stood for the trusted publisher, exact to the minute.
    pub last_used_at: Option<Instant>,
}

/// Why claims are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsFault {
    Count,
    Name,
    Value,
    /// Two claims have the same name.
    Twice,
    /// The claim is one of `CLAIMS_OF_EACH`.
    OfEach,
}

impl ClaimsFault {
    /// A sentence for the caller that says what to give instead.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Count => "Give 1 to 10 claims.",
            Self::Name => {
                "Give each claim a name of 1 to 255 characters, without control characters and spaces around it."
            }
            Self::Value => {
                "Give each claim a text of 1 to 1,000 characters, without control characters and spaces around it."
            }
            Self::Twice => "Name each claim once.",
            Self::OfEach => {
                "The claims iss, aud, exp, nbf, iat and jti don't tell one pipeline from another; name claims that \
                 do, such as repository."
            }
        }
    }
}

/// Checks the claims of a new trusted publisher. The server stores them unchanged, because a JWT must have exactly the
/// same texts.
///
/// # Errors
/// The first fault.
pub fn check_claims(claims: &[TrustedClaim]) -> Result<(), ClaimsFault> {
    if !(1..=CLAIMS_MAX).contains(&claims.len()) {
        return Err(ClaimsFault::Count);
    }
    let fits = |text: &str, max: usize| {
        text::fits_a_line(text) && text.trim() == text && (1..=max).contains(&text.chars().count())
    };
    for (n, claim) in claims.iter().enumerate() {
        if !fits(&claim.name, CLAIM_NAME_MAX) {
            return Err(ClaimsFault::Name);
        }
        if CLAIMS_OF_EACH.contains(&claim.name.as_str()) {
            return Err(ClaimsFault::OfEach);
        }
        if !fits(&claim.value, CLAIM_VALUE_MAX) {
            return Err(ClaimsFault::Value);
        }
        if claims[..n].iter().any(|other| other.name == claim.name) {
            return Err(ClaimsFault::Twice);
        }
    }
    Ok(())
}

/// The key of an issuer and one claim. A trusted publisher is stored under the key of one of its claims, and a JWT is
/// looked up by the keys of all of its claims: so a look-up reads few rows, however many accounts trust an issuer.
#[must_use]
pub fn lookup_key(issuer: &str, name: &str, value: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [issuer, name, value] {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}

impl TrustedPublisher {
    /// The [`lookup_key`] under which the trusted publisher is stored: that of its claim with the longest text, because
    /// fewer trusted publishers have a long text in common than a short one.
    #[must_use]
    pub fn stored_key(&self) -> Vec<u8> {
        let longest = self.claims.iter().max_by_key(|claim| claim.value.len());
        longest.map(|claim| lookup_key(&self.issuer, &claim.name, &claim.value)).unwrap_or_default()
    }

    /// Whether a JWT of `issuer` with these claims matches this trusted publisher: the JWT has each of the publisher's
    /// claims with exactly the same text.
    #[must_use]
    pub fn matches(&self, issuer: &str, claims: &BTreeMap<String, String>) -> bool {
        let has = |claim: &TrustedClaim| claims.get(&claim.name).is_some_and(|value| *value == claim.value);
        self.issuer == issuer && !self.claims.is_empty() && self.claims.iter().all(has)
    }
}

/// Why no trusted publisher was chosen for a JWT. Only the server's log shows the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoneTrusts {
    #[error("no trusted publisher has its claims")]
    Nobody,
    #[error("no trusted publisher of the account that the request names has its claims")]
    NotThisAccount,
    #[error("trusted publishers of several accounts have its claims, and the request names none of them")]
    SeveralAccounts,
}

/// Chooses the trusted publisher for a JWT (R70). `matching` has the trusted publishers whose claims
/// match the JWT, with their accounts; `named` is the account that the request names. If several of one account match,
/// the one with the most claims wins, because it describes the pipeline most exactly; among equals, the oldest.
///
/// # Errors
/// [`NoneTrusts`] if no trusted publisher matches, or if several accounts match and the request names none of them.
pub fn choose(
    matching: Vec<(TrustedPublisher, Account)>,
    named: Option<AccountId>,
) -> Result<(TrustedPublisher, Account), NoneTrusts> {
    let none = if named.is_none() { NoneTrusts::Nobody } else { NoneTrusts::NotThisAccount };
    let candidates = matching.into_iter().filter(|(_, account)| named.is_none_or(|named| named == account.id));
    let candidates: Vec<_> = candidates.collect();
    let first = candidates.first().map(|(_, account)| account.id);
    if candidates.iter().any(|(_, account)| Some(account.id) != first) {
        return Err(NoneTrusts::SeveralAccounts);
    }
    let exactness = |of: &TrustedPublisher| (of.claims.len(), std::cmp::Reverse((of.created_at, of.id)));
    candidates.into_iter().max_by_key(|(publisher, _)| exactness(publisher)).ok_or(none)
}
