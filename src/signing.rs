//! Signatures as Standard Webhooks define them (R62).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The prefix of a secret.
pub const PREFIX: &str = "whsec_";

/// The value of the header `webhook-signature`: one signature for each secret, in the given order. A secret in another
/// form than Standard Webhooks' is left out.
#[must_use]
pub fn signatures<'a>(secrets: impl IntoIterator<Item = &'a str>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let sign = |secret: &str| {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        Some(format!("v1,{}", STANDARD.encode(tag)))
    };
    secrets.into_iter().filter_map(sign).collect::<Vec<_>>().join(" ")
}
