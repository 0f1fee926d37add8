//! Checks whether a publisher's audit log is what was sealed (R51).

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::domain::Instant;
use crate::domain::log::seal::{Chain, ChainPlace, Hash, Link, Seal};

/// The first place at which a publisher's log isn't what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The entries of a seal are not those that were sealed: one was changed, removed or inserted.
    Entries { seal: i64, first_position: i64, last_position: i64 },
    /// An entry stands at a position where none was when the positions around it were sealed.
    NotSealed { position: i64 },
    /// A seal doesn't continue the chain: it was changed, removed or inserted, or a seal before it was.
    Seal { seal: i64 },
    /// The log has lost its end: seal `seal` is not the last seal that was made.
    End { seal: i64 },
    /// The seal is not the one that was sent away.
    Sent { seal: i64 },
    /// The seal was sent away, and the database, whose last seal is `last`, doesn't have it.
    Lacks { seal: i64, last: i64 },
}

/// How far a publisher's log is what was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub chain: Chain,
    /// The seals and entries that are whole.
    pub seals: i64,
    pub entries: i64,
    /// The position and the time of the first and of the last entry that are whole.
    pub from: Option<(i64, Option<Instant>)>,
    pub to: Option<(i64, Option<Instant>)>,
    /// Entries after the last seal.
    pub unsealed: i64,
    pub broken: Option<Broken>,
}

/// A seal whose entries are being read.
struct Open {
    seal: Seal,
    links: Vec<Link>,
}

/// Checks one publisher's chain. The caller adds the seals and the entries, each in order.
pub struct Verification {
    verified: Verified,
    /// The end of the whole server's log, up to which each entry was sealed.
    sealed_to: i64,
    /// The numbers and hashes of the seals that were sent away, the first one last. A number can be there with several
    /// hashes, if somebody has made the chain anew.
    sent: Vec<(i64, Hash)>,
    waiting: VecDeque<Seal>,
    open: Option<Open>,
    /// The last seal that is whole.
    last: ChainPlace,
    /// The number of the last seal that was added.
    added: i64,
    has_all_seals: bool,
}

impl Verification {
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

    /// The number after which the next seals are to be added; `None` while there are some, or no more are needed.
    #[must_use]
    pub fn wants_seals_after(&self) -> Option<i64> {
        let is_hungry = self.waiting.is_empty() && self.open.is_none() && !self.has_all_seals;
        (is_hungry && self.verified.broken.is_none()).then_some(self.added)
    }

    /// Adds the next seals. None means that there are no more.
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

    /// Adds an entry that stands at a position of its publisher's log where no entry belongs.
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

    /// Compares a seal with what was sent away. A seal that was cut off can't be compared any more.
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

    /// The result, after all entries.
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
