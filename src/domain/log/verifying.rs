//! Verifies a publisher's audit log against its seals (R51).

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::domain::Instant;
use crate::domain::log::seal::{Chain, ChainPlace, Hash, Link, Seal};

/// The first contradiction between a publisher's log and its seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The entries don't match their seal: one was changed, removed or inserted.
    Entries { seal: i64, first_position: i64, last_position: i64 },
    /// An entry has a position at which there was none when the positions around it were sealed.
    NotSealed { position: i64 },
    /// A seal doesn't continue the chain: it was changed, removed or inserted, or a seal before it was.
    Seal { seal: i64 },
    /// The log has lost its end: seal `seal` is not the last seal that was made.
    End { seal: i64 },
    /// The seal differs from the copy of it that was kept outside the database.
    Sent { seal: i64 },
    /// There is a copy of the seal outside the database, but the database doesn't have the seal. Its last seal is
    /// `last`.
    Lacks { seal: i64, last: i64 },
}

/// The result of a verification: how much of a publisher's log matches its seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub chain: Chain,
    /// The number of seals that match their entries.
    pub seals: i64,
    /// The number of entries under these seals.
    pub entries: i64,
    /// The position and the time of the first entry that matches its seal.
    pub from: Option<(i64, Option<Instant>)>,
    /// The position and the time of the last entry that matches its seal.
    pub to: Option<(i64, Option<Instant>)>,
    /// The number of entries after the last seal.
    pub unsealed: i64,
    pub broken: Option<Broken>,
}

/// A seal whose entries are being read.
struct Open {
    seal: Seal,
    links: Vec<Link>,
}

/// Verifies one publisher's chain. The caller adds the seals and the entries, both in order, then calls
/// [`Verification::end`].
pub struct Verification {
    verified: Verified,
    /// The position up to which every entry of the server's log was sealed.
    sealed_to: i64,
    /// The numbers and hashes of the copies of seals that were kept outside the database, in descending order. A number
    /// can have several hashes, if somebody has changed the database and computed the chain again.
    sent: Vec<(i64, Hash)>,
    /// The seals whose entries weren't added yet.
    waiting: VecDeque<Seal>,
    open: Option<Open>,
    /// The last seal that matches its entries.
    last: ChainPlace,
    /// The number of the last seal that was added.
    added: i64,
    has_all_seals: bool,
}

impl Verification {
    /// Starts to verify a publisher's chain. `sealed_to` is the position up to which every entry of the server's log
    /// was sealed. `sent` has the numbers and hashes of the copies of seals that were kept outside the database.
    #[must_use]
    pub fn new(chain: Chain, sealed_to: i64, mut sent: Vec<(i64, Hash)>) -> Self {
        sent.sort_by_key(|(number, _)| Reverse(*number));
        let verified = Verified { chain, seals: 0, entries: 0, from: None, to: None, unsealed: 0, broken: None };
        let mut check = Self {
            verified,
            sealed_to,
            sent,
            waiting: VecDeque::new(),
            open: None,
            last: chain.cut,
            added: i64::MIN,
            has_all_seals: false,
        };
        check.compare_sent(chain.cut);
        check
    }

    /// The number after which the caller must add the next seals; `None` if the verification needs none now.
    #[must_use]
    pub fn wants_seals_after(&self) -> Option<i64> {
        let is_hungry = self.waiting.is_empty() && self.open.is_none() && !self.has_all_seals;
        (is_hungry && self.verified.broken.is_none()).then_some(self.added)
    }

    /// Adds the next seals. An empty list means that there are no more.
    pub fn add_seals(&mut self, seals: Vec<Seal>) {
        self.has_all_seals = seals.is_empty();
        self.added = seals.last().map_or(self.added, |seal| seal.number);
        self.waiting.extend(seals);
    }

    /// Adds the publisher's next entry.
    pub fn add_entry(&mut self, link: Link) {
        if self.verified.broken.is_some() {
            return;
        }
        if self.open.is_none() {
            self.open_next();
        }
        match &mut self.open {
            _ if self.verified.broken.is_some() => {}
            None if link.position <= self.sealed_to => self.breaks(Broken::NotSealed { position: link.position }),
            None => self.verified.unsealed += 1,
            Some(open) if link.position > open.seal.last_position => {
                let broken = broken_entries(&open.seal);
                self.breaks(broken);
            }
            Some(open) => {
                open.links.push(link);
                if link.position == open.seal.last_position {
                    self.close();
                }
            }
        }
    }

    /// Adds an entry whose position in its publisher's log belongs to no entry.
    pub fn add_stray(&mut self, position: i64) {
        self.breaks(Broken::NotSealed { position });
    }

    fn open_next(&mut self) {
        let Some(seal) = self.waiting.pop_front() else { return };
        let continues = seal.number == self.last.number + 1
            && seal.before == self.last.hash
            && seal.first_position > self.last.position
            && seal.last_position >= seal.first_position;
        if continues {
            self.open = Some(Open { seal, links: Vec::new() });
        } else {
            self.breaks(Broken::Seal { seal: seal.number });
        }
    }

    fn close(&mut self) {
        let Some(Open { seal, links }) = self.open.take() else { return };
        let count = i64::try_from(links.len()).unwrap_or(i64::MAX);
        let newest = links.iter().filter_map(|link| link.occurred_at).max();
        let (first, last) = (links.first().copied(), links.last().copied());
        let hash = seal.hashes(links).last().map(|(_, hash)| *hash);
        let is_whole = hash == Some(seal.hash)
            && count == seal.entries
            && newest == seal.newest_at
            && first.is_some_and(|link| link.position == seal.first_position);
        if !is_whole {
            return self.breaks(broken_entries(&seal));
        }
        self.last = ChainPlace::from(&seal);
        self.compare_sent(self.last);
        if self.verified.broken.is_some() {
            return;
        }
        let place = |link: Link| (link.position, link.occurred_at);
        self.verified.seals += 1;
        self.verified.entries += count;
        self.verified.from = self.verified.from.or(first.map(place));
        self.verified.to = last.map(place);
    }

    /// Compares a seal with the copies that were kept outside the database. Copies of seals that were cut off are
    /// skipped, because nothing is left to compare.
    fn compare_sent(&mut self, place: ChainPlace) {
        while let Some((number, hash)) = self.sent.pop_if(|(number, _)| *number <= place.number) {
            if number == place.number && hash != place.hash {
                self.breaks(Broken::Sent { seal: number });
            }
        }
    }

    fn breaks(&mut self, broken: Broken) {
        self.verified.broken.get_or_insert(broken);
    }

    /// Ends the verification, after all entries were added.
    #[must_use]
    pub fn end(mut self) -> Verified {
        if self.open.is_none() {
            self.open_next();
        }
        if let Some(open) = &self.open {
            let broken = broken_entries(&open.seal);
            self.breaks(broken);
        }
        if self.last != self.verified.chain.end {
            self.breaks(Broken::End { seal: self.last.number });
        }
        if let Some((seal, _)) = self.sent.pop() {
            self.breaks(Broken::Lacks { seal, last: self.last.number });
        }
        self.verified
    }
}

fn broken_entries(seal: &Seal) -> Broken {
    let Seal { number, first_position, last_position, .. } = *seal;
    Broken::Entries { seal: number, first_position, last_position }
}
