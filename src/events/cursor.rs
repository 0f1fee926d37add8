//! Event cursors: a place in the log, sealed, so that it tells an account nothing of how busy others are.

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::id::AccountId;

/// Seals places of the log into cursors, and opens them.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

impl Sealer {
    /// A sealer with the installation's secret.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The cursor of a place, for one account.
    ///
    /// # Panics
    /// Never: sealing eight bytes can't fail.
    #[must_use]
    #[expect(clippy::expect_used, reason = "AES-SIV refuses only texts of more than 2^36 bytes")]
    pub fn seal(&self, account: AccountId, place: i64) -> String {
        let sealed = Aes128Siv::new((&self.key).into())
            .encrypt([account.0.as_bytes().as_slice()], &place.to_be_bytes())
            .expect("eight bytes can be sealed");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place of a cursor that was given to this account; `None` for anything else (R50).
    #[must_use]
    pub fn open(&self, account: AccountId, cursor: &str) -> Option<i64> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let opened = Aes128Siv::new((&self.key).into()).decrypt([account.0.as_bytes().as_slice()], &sealed).ok()?;
        Some(i64::from_be_bytes(opened.try_into().ok()?))
    }
}
