//! Where the keys of an issuer are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::domain::host::has_host;
use crate::domain::webhooks::Destination;
use crate::outbound::{Outbound, download};

/// The path of an issuer's discovery document (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The time limit for the discovery document and the key set together. A request whose JWT names an unknown key waits
/// for them.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(5);

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

/// Where an issuer's keys are.
#[derive(Clone)]
pub(super) enum KeySource {
    /// Where the operator says.
    Given(Source),
    /// Where the issuer's discovery document says. Both are read through the client that checks addresses, because the
    /// document could name any.
    Discovered(Arc<Outbound>),
}

impl KeySource {
    /// The text of the key set.
    pub(super) async fn read(&self, issuer: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Given(Source::File(file)) => tokio::fs::read(file).await.map_err(|error| error.to_string()),
            Self::Given(Source::Url(url)) => download(url, "application/json").await,
            Self::Discovered(outbound) => {
                let discovered = tokio::time::timeout(DISCOVERY_LIMIT, discover(outbound, issuer)).await;
                discovered
                    .map_err(|_| format!("the key set didn't come within {} seconds", DISCOVERY_LIMIT.as_secs()))?
            }
        }
    }
}

/// Reads an issuer's discovery document, and the key set that it names.
async fn discover(outbound: &Outbound, issuer: &str) -> Result<Vec<u8>, String> {
    let text = get(outbound, &format!("{}{DISCOVERY}", issuer.trim_end_matches('/'))).await?;
    let document: Value = serde_json::from_slice(&text).map_err(|error| format!("{DISCOVERY} is no JSON: {error}"))?;
    // Else the document isn't this issuer's (OpenID Connect Discovery 1.0, section 4.3).
    match document.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => {}
        Some(named) => return Err(format!("{DISCOVERY} is of the issuer {named:?}, and not of {issuer}")),
        None => return Err(format!("{DISCOVERY} names no issuer")),
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str);
    get(outbound, keys.ok_or_else(|| format!("{DISCOVERY} names no address of keys, `jwks_uri`"))?).await
}

async fn get(outbound: &Outbound, address: &str) -> Result<Vec<u8>, String> {
    let destination = Destination::parse(address).ok_or_else(|| format!("{address:?} is no address"))?;
    outbound.get(&destination).await.map_err(|why| format!("{address}: {why}"))
}
