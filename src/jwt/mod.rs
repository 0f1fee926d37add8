//! JWTs: checks their signatures with their issuers' keys, and reads from the claims who sends them. The operator's
//! identity provider names an account and a role (R1); an issuer of pipelines' JWTs proves what the pipeline is (R70).
//! Both are checked by [`issuer`]. This module doesn't depend on the database or GraphQL.

mod claims;
mod issuer;
mod keys;
mod pipelines;
mod signature;
mod source;

use std::time::Duration;

use jsonwebtoken::Algorithm;
use tokio::sync::watch;

use crate::domain::Instant;
use crate::domain::id::AccountId;

use issuer::{Issuer, Required};
use source::KeySource;

pub use pipelines::{PipelineSettings, Pipelines, Proof};
pub use source::Source;

/// The longest accepted token, in bytes.
const LENGTH_MAX: usize = 16 * 1024;

/// Which JWTs of an identity provider are accepted, and how to read them.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    pub source: Source,
    /// The required issuer, `iss`.
    pub issuer: String,
    /// The required audience: `aud` is this or contains it.
    pub audience: String,
    /// The accepted types, `typ`, in any case. `none` accepts a JWT without a type.
    pub types: Vec<String>,
    /// The accepted algorithms, `alg`; only asymmetric ones.
    pub algorithms: Vec<Algorithm>,
    /// The claim that holds the account's id.
    pub account_claim: String,
    /// The claim that holds the role.
    pub role_claim: String,
    /// By how much the issuer's clock may differ from the server's.
    pub leeway: chrono::Duration,
    /// The time between two reads of the key set.
    pub refresh: Duration,
}

impl JwtSettings {
    fn required(&self) -> Required {
        Required {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            types: self.types.clone(),
            algorithms: self.algorithms.clone(),
            leeway: self.leeway,
            refresh: self.refresh,
        }
    }
}

/// The identity that a valid JWT of an identity provider proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    /// The user or client at the issuer (`sub`).
    pub subject: String,
    pub account: AccountId,
    /// The role's name as the token spells it.
    pub role: String,
    pub issued_at: Option<Instant>,
    pub expires_at: Instant,
    /// The end of the identity: `expires_at` plus the leeway.
    pub until: Instant,
}

/// Why a JWT is refused. Only the log shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtRefusal {
    #[error("it is longer than {LENGTH_MAX} bytes")]
    TooLong,
    #[error("it can't be read: {0}")]
    Unreadable(String),
    #[error("its type (`typ`) is none of those that are allowed: it may be no access token")]
    Type,
    #[error("its algorithm is none of those that are allowed")]
    Algorithm,
    #[error("it has critical headers")]
    Critical,
    #[error("no key of the set is meant by it")]
    UnknownKey,
    #[error("its issuer isn't allowed")]
    Issuer,
    #[error("{0}")]
    Claims(String),
}

/// Checks JWTs of the operator's identity provider. Cheap to clone.
#[derive(Clone)]
pub struct Jwt {
    settings: std::sync::Arc<JwtSettings>,
    issuer: Issuer,
}

/// Whether a bearer token looks like a JWT: three parts with dots between them. API tokens contain no dots.
#[must_use]
pub fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Jwt {
    /// Reads the key set. A file must be readable, or this fails. An address may be unavailable: until it answers, no
    /// JWT is accepted.
    pub async fn open(settings: JwtSettings, now: Instant) -> Result<Self, String> {
        let issuer = Issuer::new(settings.required(), KeySource::Given(settings.source.clone()));
        match (issuer.refresh(now).await, &settings.source) {
            (Err(error), Source::File(file)) => return Err(format!("{}: {error}", file.display())),
            (Err(error), Source::Url(_)) => issuer.warn(&error),
            (Ok(()), _) => {}
        }
        Ok(Self { settings: settings.into(), issuer })
    }

    /// Reads the key set again. When that fails, the old keys stay in use.
    pub async fn refresh(&self, now: Instant) -> Result<(), String> {
        self.issuer.refresh(now).await
    }

    /// Reads the key set again and again, until the server ends.
    pub async fn run(self: std::sync::Arc<Self>, clock: impl Fn() -> Instant + Send, ending: watch::Receiver<bool>) {
        self.issuer.run(clock, ending).await;
    }

    /// The identity of a JWT, if it is accepted.
    pub async fn identify(&self, token: &str, now: Instant) -> Result<Identity, JwtRefusal> {
        self.issuer.claims(token, now).await?.identity(&self.settings, now)
    }
}
