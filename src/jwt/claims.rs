//! The claims of a JWT, checked after its signature, issuer and audience.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Identity, JwtRefusal, JwtSettings};
use crate::domain::id::AccountId;
use crate::domain::{Instant, text};

/// The claims that the server reads.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn refused(why: &str) -> JwtRefusal {
    JwtRefusal::Claims(why.to_owned())
}

/// When a JWT was issued, and when it ends.
pub(super) struct Times {
    pub(super) issued_at: Option<Instant>,
    pub(super) expires_at: Instant,
    /// `expires_at` plus the leeway.
    pub(super) until: Instant,
}

impl Claims {
    pub(super) fn issuer(&self) -> &str {
        &self.iss
    }

    /// The times. Fails when the JWT isn't valid at `now`.
    pub(super) fn times(&self, leeway: chrono::Duration, now: Instant) -> Result<Times, JwtRefusal> {
        let expires_at = instant(self.exp).ok_or_else(|| refused("`exp` is no time"))?;
        let until = expires_at.checked_add_signed(leeway).ok_or_else(|| refused("`exp` is no time"))?;
        if until <= now {
            return Err(refused("it has expired"));
        }
        for begins in [self.nbf, self.iat].into_iter().flatten() {
            let begins = instant(begins).ok_or_else(|| refused("`nbf` or `iat` is no time"))?;
            if begins > now + leeway {
                return Err(refused("it is for a time that is to come"));
            }
        }
        Ok(Times { issued_at: self.iat.and_then(instant), expires_at, until })
    }

    /// The subject. The audit log shows it, so it must be visible.
    pub(super) fn visible_subject(&self) -> Result<&str, JwtRefusal> {
        if self.sub.chars().any(text::is_visible) {
            Ok(&self.sub)
        } else {
            Err(refused("`sub` holds nothing that can be seen"))
        }
    }

    /// The claims that are a text, a truth value or a whole number, as texts. Others, such as lists, have no one text.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            _ => None,
        };
        let others = self.others.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?)));
        others.chain([("sub".to_owned(), self.sub.clone())]).collect()
    }

    /// The identity in the claims. Fails when they aren't valid at `now`, or name no account or role.
    pub(super) fn identity(self, settings: &JwtSettings, now: Instant) -> Result<Identity, JwtRefusal> {
        let Times { issued_at, expires_at, until } = self.times(settings.leeway, now)?;
        self.check_use()?;
        self.visible_subject()?;
        let account = match settings.account_claim.as_str() {
            "sub" => Some(self.sub.as_str()),
            claim => self.others.get(claim).and_then(Value::as_str),
        };
        let account = account.and_then(AccountId::parse).ok_or_else(|| refused("it names no account"))?;
        Ok(Identity {
            role: self.role(&settings.role_claim).ok_or_else(|| refused("it doesn't name one role"))?,
            issued_at,
            issuer: self.iss,
            subject: self.sub,
            account,
            expires_at,
            until,
        })
    }

    /// Refuses tokens that aren't access tokens. Some issuers mark the use in a claim: Keycloak in `typ`, Cognito in
    /// `token_use`. ID tokens have the hash of an access token or a code (OpenID Connect Core 1.0, sections 3.1.3.6 and
    /// 3.3.2.11).
    fn check_use(&self) -> Result<(), JwtRefusal> {
        let is_fine = |claim: &str, fine: &[&str]| match self.others.get(claim) {
            None => true,
            Some(Value::String(text)) => fine.iter().any(|fine| fine.eq_ignore_ascii_case(text)),
            Some(_) => false,
        };
        let is_access = is_fine("typ", &["Bearer", "JWT", "at+jwt", "DPoP"]) && is_fine("token_use", &["access"]);
        if is_access && !self.others.contains_key("at_hash") && !self.others.contains_key("c_hash") {
            return Ok(());
        }
        Err(refused("its claims say that it is no access token"))
    }

    /// The role, as a string or as the only item of a list. A list of several doesn't say which one counts.
    fn role(&self, claim: &str) -> Option<String> {
        match self.others.get(claim)? {
            Value::String(role) => Some(role.clone()),
            Value::Array(roles) => match roles.as_slice() {
                [Value::String(role)] => Some(role.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Converts seconds since 1970, with or without a fraction.
fn instant(seconds: f64) -> Option<Instant> {
    // Later instants can't be stored in the database.
    let whole = (0.0..=253_402_300_799.0).contains(&seconds).then_some(seconds)?;
    #[expect(clippy::cast_possible_truncation, reason = "within what is checked above")]
    DateTime::from_timestamp_micros((whole * 1e6) as i64)
}
