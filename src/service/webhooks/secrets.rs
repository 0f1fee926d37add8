//! Secrets of endpoints, sealed with the server's secret (R64).

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::id::WebhookId;
use crate::ids;
use crate::service::error::Failure;
use crate::signing::PREFIX;

/// Part of each seal, so that a sealed cursor, which has the same key, can't be taken for a sealed secret.
const PURPOSE: &[u8] = b"webhook secret";

/// A new secret, as Standard Webhooks write it.
pub(super) fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(ids::random::<32>()))
}

/// Seals the secret of an endpoint, so that only this endpoint of this database can use it.
pub(super) fn seal(key: &[u8; 32], id: WebhookId, secret: &str) -> Result<Vec<u8>, Failure> {
    let sealed = Aes128Siv::new(key.into()).encrypt([PURPOSE, id.0.as_bytes().as_slice()], secret.as_bytes());
    sealed.map_err(|_| Failure::bug("a secret can't be sealed"))
}

/// Opens a sealed secret.
pub(super) fn open(key: &[u8; 32], id: WebhookId, sealed: &[u8]) -> Result<String, Failure> {
    let opened = Aes128Siv::new(key.into()).decrypt([PURPOSE, id.0.as_bytes().as_slice()], sealed);
    let opened = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    opened.ok_or_else(|| {
        Failure::bug("the secret of an endpoint can't be opened: it was sealed with another server secret")
    })
}
