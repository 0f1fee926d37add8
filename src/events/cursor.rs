//! Event cursors. A cursor is an encrypted position of the event log, because a plain sequence number would show an
//! account how busy others are.

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use uuid::Uuid;

use crate::domain::id::{AccountId, EventId};
use crate::domain::log::Position;

/// The size of an unencrypted position: 8 bytes of sequence number and 16 bytes of event id.
const BYTES: usize = 8 + 16;

/// Encrypts positions of the log into cursors, and decrypts cursors.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

impl Sealer {
    /// A sealer with the secret of this database.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The cursor of a position. [`Sealer::open`] accepts it only for `account`.
    ///
    /// # Panics
    /// Never: AES-SIV can't fail for a text this short.
    #[must_use]
    #[expect(clippy::expect_used, reason = "AES-SIV refuses only texts of more than 2^36 bytes")]
    pub fn seal(&self, account: AccountId, position: Position) -> String {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&position.sequence.to_be_bytes());
        bytes[8..].copy_from_slice(position.event.0.as_bytes());
        let sealed = Aes128Siv::new((&self.key).into())
            .encrypt([account.0.as_bytes().as_slice()], &bytes)
            .expect("AES-SIV seals any text of less than 2^36 bytes, and this has 24");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The position of a cursor that was made for `account`; `None` for any other text (R50).
    #[must_use]
    pub fn open(&self, account: AccountId, cursor: &str) -> Option<Position> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let opened = Aes128Siv::new((&self.key).into()).decrypt([account.0.as_bytes().as_slice()], &sealed).ok()?;
        let opened: [u8; BYTES] = opened.try_into().ok()?;
        let (last_sequence, event) = opened.split_at(8);
        Some(Position {
            sequence: i64::from_be_bytes(last_sequence.try_into().ok()?),
            event: EventId(Uuid::from_slice(event).ok()?),
        })
    }
}
