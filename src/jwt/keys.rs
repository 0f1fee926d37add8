//! A set of public keys (RFC 7517), reduced to the keys that can check JWTs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The most keys in a set.
const KEYS_MAX: usize = 100;

/// The public keys of an issuer.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The only algorithm of this key, if the set names one.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl Keys {
    /// Reads a set. Skips secret keys and keys for other purposes or of unknown types.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        // Some editors write a byte order mark.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let set: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no list `keys`")?;
        if keys.len() > KEYS_MAX {
            return Err(format!("it has more than {KEYS_MAX} keys"));
        }
        let keys: Vec<_> = keys.iter().filter_map(Key::read).collect();
        if keys.is_empty() { Err("it has no key that signatures can be checked with".into()) } else { Ok(Self(keys)) }
    }

    /// Whether no keys were read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key for a token: the one with its id, or without an id the only fitting one.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.fits(algorithm) && (id.is_none() || key.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key.key.clone()),
            _ => None,
        }
    }
}

impl Key {
    fn read(json: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
        let common = &jwk.common;
        let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let algorithm = match json.get("alg") {
            None => None,
            // Skips keys for encryption and for unknown algorithms.
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let key = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
                let (n, e) = (bytes(&rsa.n)?, bytes(&rsa.e)?);
                // Some issuers add leading zeros, which `ring` refuses.
                let first = |bytes: &[u8]| bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
                DecodingKey::from_rsa_raw_components(n.get(first(&n)..)?, e.get(first(&e)..)?)
            }
            AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => {
                DecodingKey::from_jwk(&jwk).ok()?
            }
            _ => return None,
        };
        for_signatures.then(|| Self { id: common.key_id.clone(), algorithm, key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }
}
