//! JWTs of pipelines: the issuers that the operator allows, and what a JWT of one proves (R70).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use tokio::sync::watch;

use super::issuer::{Issuer, Required};
use super::source::KeySource;
use super::{JwtRefusal, LENGTH_MAX};
use crate::domain::Instant;
use crate::outbound::Outbound;

/// For how long a JWT is a token at most, whenever it expires.
const LONGEST: chrono::Duration = chrono::Duration::hours(1);

/// Which issuers of pipelines' JWTs are allowed, and how to check the JWTs.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// The issuers, as the JWTs spell them.
    pub issuers: Vec<String>,
    /// The required audience: `aud` is this or contains it.
    pub audience: String,
    /// The accepted algorithms; only asymmetric ones.
    pub algorithms: Vec<Algorithm>,
    /// By how much an issuer's clock may differ from the server's.
    pub leeway: chrono::Duration,
    /// The time between two reads of a key set.
    pub refresh: Duration,
}

impl PipelineSettings {
    /// Settings with the usual algorithms and times.
    #[must_use]
    pub fn new(issuers: Vec<String>, audience: impl Into<String>) -> Self {
        use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
        Self {
            issuers,
            audience: audience.into(),
            algorithms: vec![RS256, PS256, ES256, ES384, EdDSA],
            leeway: chrono::Duration::seconds(30),
            refresh: Duration::from_secs(300),
        }
    }
}

/// What a pipeline's JWT proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub issuer: String,
    pub subject: String,
    /// The claims that are a text, a truth value or a whole number, as texts.
    pub claims: BTreeMap<String, String>,
    pub issued_at: Instant,
    pub expires_at: Instant,
    /// The end of what the JWT allows: `expires_at` plus the leeway, but at most an hour after it was issued.
    pub until: Instant,
}

/// The part of a JWT's claims that says whose it is.
#[derive(serde::Deserialize)]
struct Named {
    iss: String,
}

/// Checks the JWTs of pipelines.
#[derive(Default)]
pub struct Pipelines(Vec<Issuer>);

impl Pipelines {
    /// Keys are read when they are first needed, or by [`Pipelines::run`].
    #[must_use]
    pub fn new(settings: PipelineSettings, outbound: Outbound) -> Self {
        let outbound = Arc::new(outbound);
        let issuer = |issuer: String| {
            let required = Required {
                issuer,
                audience: settings.audience.clone(),
                // Pipelines get ID tokens, which many issuers give no type.
                types: vec!["JWT".into(), "none".into()],
                algorithms: settings.algorithms.clone(),
                leeway: settings.leeway,
                refresh: settings.refresh,
            };
            Issuer::new(required, KeySource::Discovered(outbound.clone()))
        };
        Self(settings.issuers.into_iter().map(issuer).collect())
    }

    /// Whether no issuer is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The allowed issuers.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        self.0.iter().map(|issuer| issuer.required.issuer.clone()).collect()
    }

    /// The allowed issuer that a caller means, as its JWTs spell it. A slash at the end doesn't matter.
    #[must_use]
    pub fn allowed(&self, text: &str) -> Option<String> {
        let plain = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
        self.issuers().into_iter().find(|issuer| plain(issuer) == plain(text.trim()))
    }

    /// Whether a JWT says that it is of an allowed issuer.
    #[must_use]
    pub fn claim(&self, token: &str) -> bool {
        self.issuer_of(token).is_some()
    }

    fn issuer_of(&self, token: &str) -> Option<&Issuer> {
        if self.0.is_empty() || token.len() > LENGTH_MAX {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let Named { iss } = serde_json::from_slice(&claims).ok()?;
        self.0.iter().find(|issuer| issuer.required.issuer == iss)
    }

    /// What a JWT proves, if it is accepted.
    ///
    /// # Errors
    /// Why it isn't.
    pub async fn prove(&self, token: &str, now: Instant) -> Result<Proof, JwtRefusal> {
        let issuer = self.issuer_of(token).ok_or(JwtRefusal::Issuer)?;
        let claims = issuer.claims(token, now).await?;
        let refused = |why: &str| JwtRefusal::Claims(why.to_owned());
        let times = claims.times(issuer.required.leeway, now)?;
        // Without this time, a JWT could last forever.
        let issued_at = times.issued_at.ok_or_else(|| refused("`iat` is missing"))?;
        let longest = issued_at.min(now).checked_add_signed(LONGEST).ok_or_else(|| refused("`iat` is no time"))?;
        if longest <= now {
            return Err(refused("it was issued an hour ago, or earlier"));
        }
        Ok(Proof {
            claims: claims.texts(),
            issuer: claims.issuer().to_owned(),
            subject: claims.visible_subject()?.to_owned(),
            issued_at,
            expires_at: times.expires_at.min(longest),
            until: times.until.min(longest),
        })
    }

    /// Reads the key sets at once, and again and again until the server ends.
    pub async fn run(self: Arc<Self>, clock: impl Fn() -> Instant + Send + Sync, ending: watch::Receiver<bool>) {
        let run = async |issuer: &Issuer| {
            if let Err(error) = issuer.refresh(clock()).await {
                issuer.warn(&error);
            }
            issuer.run(&clock, ending.clone()).await;
        };
        join_all(self.0.iter().map(run)).await;
    }
}
