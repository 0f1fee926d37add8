//! JWTs of an identity provider: checks the signature with the provider's keys, and reads the identity from the claims.
//! This module doesn't depend on the database or GraphQL.

mod claims;
mod keys;
mod signature;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use tokio::sync::{Mutex, watch};
use url::Url;

use crate::domain::Instant;
use crate::domain::host::has_host;
use crate::domain::id::AccountId;
use crate::outbound::download;

use claims::Claims;
use keys::Keys;

/// The pause after reading the key set before a token with an unknown key makes the server read it again. Otherwise
/// anybody could make the server send requests with invented keys.
const UNKNOWN_KEY_PAUSE: chrono::Duration = chrono::Duration::seconds(30);

/// The longest accepted token, in bytes.
const LENGTH_MAX: usize = 16 * 1024;

/// Where to read the key set from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// An `https` address, or `http` on loopback.
    Url(Url),
}

impl Source {
    /// Parses an address or a file name. The error is a sentence that says what to change.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        // The error doesn't quote the address, because it may hold a password.
        let url = Url::parse(text).map_err(|error| format!("the address can't be read: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("the address takes neither a user, a password nor a fragment: keys are public".into());
        }
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" if has_host(&url) => Ok(Self::Url(url)),
            "http" if loopback => Ok(Self::Url(url)),
            "https" => Err("the address names no host: write one such as https://login.example.com/keys".into()),
            _ => Err("keys come over https, from a file, or over http from this machine alone".into()),
        }
    }
}

/// Which JWTs are accepted, and how to read them.
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
    /// Whether JWTs of this type are accepted. Media types may omit `application/` (RFC 7515, section 4.1.9).
    fn takes_type(&self, typ: Option<&str>) -> bool {
        let plain = |typ: &str| typ.to_ascii_lowercase().trim_start_matches("application/").to_owned();
        let typ = plain(typ.unwrap_or("none"));
        self.types.iter().any(|accepted| plain(accepted) == typ)
    }
}

/// The identity that a valid JWT proves.
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
    #[error("{0}")]
    Claims(String),
}

/// Checks JWTs with the keys of one issuer. Cheap to clone.
#[derive(Clone)]
pub struct Jwt {
    settings: Arc<JwtSettings>,
    keys: Arc<RwLock<Arc<Keys>>>,
    /// The time of the last attempt to read the key set, successful or not. The lock is held during the attempt.
    last_read: Arc<Mutex<Option<Instant>>>,
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
        signature::install();
        let this = Self { settings: Arc::new(settings), keys: Arc::default(), last_read: Arc::default() };
        match (this.refresh(now).await, &this.settings.source) {
            (Err(error), Source::File(file)) => Err(format!("{}: {error}", file.display())),
            (Err(error), Source::Url(_)) => {
                tracing::warn!(%error, "the keys of JWTs could not be read; they are tried again");
                Ok(this)
            }
            (Ok(()), _) => Ok(this),
        }
    }

    /// Reads the key set again. When that fails, the old keys stay in use.
    pub async fn refresh(&self, now: Instant) -> Result<(), String> {
        let mut last_read = self.last_read.lock().await;
        self.read_keys(&mut last_read, now).await
    }

    async fn read_keys(&self, last_read: &mut Option<Instant>, now: Instant) -> Result<(), String> {
        *last_read = Some(now);
        let text = match &self.settings.source {
            Source::File(file) => tokio::fs::read(file).await.map_err(|error| error.to_string())?,
            Source::Url(url) => download(url, "application/json").await?,
        };
        let keys = Keys::parse(&text)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Reads the key set again and again, until the server ends.
    pub async fn run(self: Arc<Self>, clock: impl Fn() -> Instant + Send, mut ending: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.refresh) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            if let Err(error) = self.refresh(clock()).await {
                tracing::warn!(%error, "the keys of JWTs could not be read again; the former ones stay");
            }
        }
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The identity of a JWT, if it is accepted.
    pub async fn identify(&self, token: &str, now: Instant) -> Result<Identity, JwtRefusal> {
        if token.len() > LENGTH_MAX {
            return Err(JwtRefusal::TooLong);
        }
        let header = decode_header(token).map_err(|error| JwtRefusal::Unreadable(error.to_string()))?;
        if !self.settings.takes_type(header.typ.as_deref()) {
            return Err(JwtRefusal::Type);
        }
        if !self.settings.algorithms.contains(&header.alg) {
            return Err(JwtRefusal::Algorithm);
        }
        // The server understands no critical headers, so it must refuse them (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(JwtRefusal::Critical);
        }
        let kid = header.kid.as_deref();
        let key = match self.keys().find(kid, header.alg) {
            Some(key) => key,
            None => {
                self.look_for_new_keys(now).await;
                self.keys().find(kid, header.alg).ok_or(JwtRefusal::UnknownKey)?
            }
        };
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would use the system's clock. `Claims::identity` checks the times with the injected one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded =
            decode::<Claims>(token, &key, &validation).map_err(|error| JwtRefusal::Claims(error.to_string()))?;
        decoded.claims.identity(&self.settings, now)
    }

    /// Reads the key set again because a token names an unknown key, at most once in [`UNKNOWN_KEY_PAUSE`]. Concurrent
    /// calls wait for the same attempt. It runs in a task of its own, so that a client can't stop it by hanging up.
    async fn look_for_new_keys(&self, now: Instant) {
        let mut last_read = self.last_read.clone().lock_owned().await;
        if last_read.is_some_and(|at| (now - at).abs() < UNKNOWN_KEY_PAUSE) {
            return;
        }
        let this = self.clone();
        let looking = tokio::spawn(async move { this.read_keys(&mut last_read, now).await });
        if let Err(error) = looking.await.unwrap_or_else(|error| Err(error.to_string())) {
            tracing::warn!(%error, "the keys of JWTs could not be read again; the former ones stay");
        }
    }
}
