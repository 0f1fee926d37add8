//! The claims of a JWT, checked after its signature, issuer and audience.

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

impl Claims {
    /// The identity in the claims. Fails when they aren't valid at `now`, or name no account or role.
    pub(super) fn identity(self, settings: &JwtSettings, now: Instant) -> Result<Identity, JwtRefusal> {
        let refused = |why: &str| JwtRefusal::Claims(why.to_owned());
        let expires_at = instant(self.exp).ok_or_else(|| refused("`exp` is no time"))?;
        let until = expires_at.checked_add_signed(settings.leeway).ok_or_else(|| refused("`exp` is no time"))?;
        if until <= now {
            return Err(refused("it has expired"));
        }
        for begins in [self.nbf, self.iat].into_iter().flatten() {
            let begins = instant(begins).ok_or_else(|| refused("`nbf` or `iat` is no time"))?;
            if begins > now + settings.leeway {
                return Err(refused("it is for a time that is to come"));
            }
        }
        self.check_use()?;
        // The audit log shows the subject as the token's name, so it must be visible.
        if !self.sub.chars().any(text::is_visible) {
            return Err(refused("`sub` holds nothing that can be seen"));
        }
        let account = match settings.account_claim.as_str() {
            "sub" => Some(self.sub.as_str()),
            claim => self.others.get(claim).and_then(Value::as_str),
        };
        let account = account.and_then(AccountId::parse).ok_or_else(|| refused("it names no account"))?;
        Ok(Identity {
            role: self.role(&settings.role_claim).ok_or_else(|| refused("it doesn't name one role"))?,
            issued_at: self.iat.and_then(instant),
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
        Err(JwtRefusal::Claims("its claims say that it is no access token".into()))
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
