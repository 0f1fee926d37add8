//! An issuer of JWTs: its keys, and the checks that each of its JWTs must pass.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use tokio::sync::{Mutex, watch};

use crate::domain::Instant;

use super::claims::Claims;
use super::keys::Keys;
use super::source::KeySource;
use super::{JwtRefusal, LENGTH_MAX, signature};

/// The pause after reading the key set before a token with an unknown key makes the server read it again. Otherwise
/// anybody could make the server send requests with invented keys.
const UNKNOWN_KEY_PAUSE: chrono::Duration = chrono::Duration::seconds(30);

/// What a JWT must be, whatever it is for.
#[derive(Clone, Debug)]
pub(super) struct Required {
    /// The required issuer, `iss`.
    pub(super) issuer: String,
    /// The required audience: `aud` is this or contains it.
    pub(super) audience: String,
    /// The accepted types, `typ`, in any case. `none` accepts a JWT without a type.
    pub(super) types: Vec<String>,
    /// The accepted algorithms, `alg`; only asymmetric ones.
    pub(super) algorithms: Vec<Algorithm>,
    /// By how much the issuer's clock may differ from the server's.
    pub(super) leeway: chrono::Duration,
    /// The time between two reads of the key set.
    pub(super) refresh: Duration,
}

impl Required {
    /// Whether JWTs of this type are accepted. Media types may omit `application/` (RFC 7515, section 4.1.9).
    fn takes_type(&self, typ: Option<&str>) -> bool {
        let plain = |typ: &str| typ.to_ascii_lowercase().trim_start_matches("application/").to_owned();
        let typ = plain(typ.unwrap_or("none"));
        self.types.iter().any(|accepted| plain(accepted) == typ)
    }
}

/// An issuer with its keys. Cheap to clone.
#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) required: Arc<Required>,
    source: KeySource,
    keys: Arc<RwLock<Arc<Keys>>>,
    /// The time of the last attempt to read the key set, successful or not. The lock is held during the attempt.
    last_read: Arc<Mutex<Option<Instant>>>,
}

impl Issuer {
    /// An issuer whose keys weren't read yet.
    pub(super) fn new(required: Required, source: KeySource) -> Self {
        signature::install();
        Self { required: Arc::new(required), source, keys: Arc::default(), last_read: Arc::default() }
    }

    /// Reads the key set again. When that fails, the old keys stay in use.
    pub(super) async fn refresh(&self, now: Instant) -> Result<(), String> {
        let mut last_read = self.last_read.lock().await;
        self.read_keys(&mut last_read, now).await
    }

    async fn read_keys(&self, last_read: &mut Option<Instant>, now: Instant) -> Result<(), String> {
        *last_read = Some(now);
        let keys = Keys::parse(&self.source.read(&self.required.issuer).await?)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Reads the key set again and again, until the server ends.
    pub(super) async fn run(&self, clock: impl Fn() -> Instant + Send, mut ending: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.required.refresh) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            if let Err(error) = self.refresh(clock()).await {
                self.warn(&error);
            }
        }
    }

    /// Logs that the keys weren't read.
    pub(super) fn warn(&self, error: &str) {
        let issuer = &self.required.issuer;
        if self.keys().is_empty() {
            tracing::warn!(%error, %issuer, "the keys of JWTs could not be read; they are tried again");
        } else {
            tracing::warn!(%error, %issuer, "the keys of JWTs could not be read again; the former ones stay");
        }
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The claims of a JWT of this issuer: signed by one of its keys, and for this server. Their times aren't checked.
    pub(super) async fn claims(&self, token: &str, now: Instant) -> Result<Claims, JwtRefusal> {
        if token.len() > LENGTH_MAX {
            return Err(JwtRefusal::TooLong);
        }
        let header = decode_header(token).map_err(|error| JwtRefusal::Unreadable(error.to_string()))?;
        if !self.required.takes_type(header.typ.as_deref()) {
            return Err(JwtRefusal::Type);
        }
        if !self.required.algorithms.contains(&header.alg) {
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
        validation.set_issuer(&[&self.required.issuer]);
        validation.set_audience(&[&self.required.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would use the system's clock. The caller checks the times with the injected one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded =
            decode::<Claims>(token, &key, &validation).map_err(|error| JwtRefusal::Claims(error.to_string()))?;
        Ok(decoded.claims)
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
            self.warn(&error);
        }
    }
}
