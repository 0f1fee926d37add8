//! Seals of the audit log (R51). The entries of a publisher form a chain of hashes, and each seal keeps the chain's
//! hash after up to [`SEAL_MAX`] entries. An entry that is changed, removed or inserted later breaks the chain.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::AccountId;

/// The most entries under one seal. To compute the hash of a single entry, the server reads its seal's entries from the
/// first one on, so a small number keeps that cheap.
pub const SEAL_MAX: usize = 64;

/// A SHA-256 hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash with these bytes; `None` for another number of bytes.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl std::fmt::Display for Hash {
    /// Hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            write!(text, "{byte:02x}")?;
        }
        f.write_str(&text)
    }
}

/// Hashes values one after the other. Each value is preceded by its length, so that two different lists of values never
/// have the same bytes.
pub struct Canonical(Sha256);

impl Canonical {
    /// Starts a hash with `form`, the name of a list of values, so that equal values of different lists have different
    /// hashes.
    #[must_use]
    pub fn new(form: &str) -> Self {
        Self(Sha256::new()).some(form.as_bytes())
    }

    fn some(mut self, bytes: &[u8]) -> Self {
        self.0.update([1]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds bytes. `None` and no bytes give different hashes.
    #[must_use]
    pub fn bytes(mut self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.some(bytes),
            None => {
                self.0.update([0]);
                self
            }
        }
    }

    /// Adds a text as UTF-8. `None` and the empty text give different hashes.
    #[must_use]
    pub fn text(self, text: Option<&str>) -> Self {
        self.bytes(text.map(str::as_bytes))
    }

    /// Adds a number as 8 bytes, the highest first.
    pub(crate) fn number(self, number: Option<i64>) -> Self {
        self.bytes(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// Adds the 16 bytes of an id.
    pub(crate) fn id(self, id: Option<Uuid>) -> Self {
        self.bytes(id.as_ref().map(|id| id.as_bytes().as_slice()))
    }

    /// Adds an instant as a number of microseconds since 1970.
    pub(crate) fn instant(self, at: Instant) -> Self {
        self.number(Some(at.timestamp_micros()))
    }

    /// The SHA-256 hash of all values that were added.
    #[must_use]
    pub fn hash(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// An entry of the audit log, as the chain needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The position in the audit log.
    pub position: i64,
    pub publisher_id: AccountId,
    /// `None` if the row can't be read.
    pub occurred_at: Option<Instant>,
    /// The hash of everything that the entry says.
    pub content: Hash,
}

/// The hash of an entry: over its position, its content and the hash of the entry before it in its publisher's log. A
/// managed account knows the hashes of its own entries; the random `salt` keeps it from testing guesses about the
/// entries between them (R3).
fn next(before: Hash, salt: Uuid, link: Link) -> Hash {
    let entry = Canonical::new("entry").bytes(Some(&before.0)).id(Some(salt));
    entry.number(Some(link.position)).bytes(Some(&link.content.0)).hash()
}

/// Consecutive entries of a publisher's log that were sealed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub publisher_id: AccountId,
    /// 1, 2, 3 … for each publisher.
    pub number: i64,
    /// The position of the first entry.
    pub first_position: i64,
    pub last_position: i64,
    pub entries: i64,
    /// The latest time of an entry; `None` if no time can be read.
    pub newest_at: Option<Instant>,
    /// Random bits, which the server never shows.
    pub salt: Uuid,
    /// The hash of the last entry before this seal.
    pub before: Hash,
    /// The hash of the last entry.
    pub hash: Hash,
}

impl Seal {
    /// The position and the hash of each entry, given the seal's entries in order.
    pub(crate) fn hashes(&self, links: impl IntoIterator<Item = Link>) -> Vec<(i64, Hash)> {
        let mut hash = self.before;
        let hashed = links.into_iter().map(|link| {
            hash = next(hash, self.salt, link);
            (link.position, hash)
        });
        hashed.collect()
    }
}

/// A position in a publisher's chain, right after a seal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainPlace {
    /// The number of the seal; 0 before the first.
    pub number: i64,
    /// The position of the seal's last entry.
    pub position: i64,
    /// The hash of the seal's last entry.
    pub hash: Hash,
}

impl From<&Seal> for ChainPlace {
    fn from(seal: &Seal) -> Self {
        Self { number: seal.number, position: seal.last_position, hash: seal.hash }
    }
}

/// The chain of a publisher's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    pub publisher_id: AccountId,
    /// The last seal.
    pub end: ChainPlace,
    /// The last seal that was cut off with its entries, because they were too old.
    pub cut: ChainPlace,
}

impl Chain {
    /// The chain of a publisher without seals.
    #[must_use]
    pub fn empty(publisher_id: AccountId) -> Self {
        Self { publisher_id, end: ChainPlace::default(), cut: ChainPlace::default() }
    }

    /// Adds seals for further entries of the publisher to the chain. `links` are the entries in order; `salt` makes the
    /// random bits of each seal.
    #[must_use]
    pub fn seal(&mut self, links: &[Link], mut salt: impl FnMut() -> Uuid) -> Vec<Seal> {
        let sealed = links.chunks(SEAL_MAX).filter_map(|links| {
            let (first, last) = links.first().zip(links.last())?;
            let mut seal = Seal {
                publisher_id: self.publisher_id,
                number: self.end.number + 1,
                first_position: first.position,
                last_position: last.position,
                entries: i64::try_from(links.len()).unwrap_or(i64::MAX),
                newest_at: links.iter().filter_map(|link| link.occurred_at).max(),
                salt: salt(),
                before: self.end.hash,
                hash: self.end.hash,
            };
            seal.hash = seal.hashes(links.iter().copied()).last().map_or(seal.before, |(_, hash)| *hash);
            self.end = ChainPlace::from(&seal);
            Some(seal)
        });
        sealed.collect()
    }
}

/// The index of the last seal that can be cut off, because all entries up to it are older than `before`; `None` if no
/// seal can be. `seals` are the oldest seals of a chain, in order. A seal without a readable time is cut off only
/// together with an old seal after it.
#[must_use]
pub(crate) fn last_old(seals: &[Seal], before: Instant) -> Option<usize> {
    let old = seals.iter().take_while(|seal| seal.newest_at.is_none_or(|at| at < before)).count();
    (0..old).rev().find(|index| seals.get(*index).is_some_and(|seal| seal.newest_at.is_some()))
}
