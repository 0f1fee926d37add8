//! Pseudorandom numbers that are the same for the same seed, on every machine and in every version of the program.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::domain::Instant;

/// The purpose of a generator. Every object has a generator of its own, so that adding an object doesn't change the
/// others.
#[derive(Clone, Copy, Debug)]
pub(super) enum For {
    Publisher,
    Group,
    Account,
    Component,
    Pack,
    Shares,
    Installations,
    Template,
    Tidying,
    Log,
    LogOfPeople,
    LogOfGroup,
    LogOfComponent,
    LogOfTemplate,
    LogOfPack,
    LogOfField,
}

/// A pseudorandom generator (SplitMix64). Not fit for secrets.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

/// The increment of the generator, from the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The generator of one object.
    pub(super) fn new(seed: u64, what: For, index: usize) -> Self {
        let mut rng = Self(seed);
        for part in [what as u64, index as u64] {
            rng.0 = rng.next() ^ part.wrapping_mul(STEP);
        }
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `n` - 1; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(n)) >> 64).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included.
    pub(super) fn range(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(u64::try_from(to - from + 1).unwrap_or(1)).cast_signed()
    }

    /// An index into a list of length `len`.
    pub(super) fn nth(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An item of a list, which must not be empty.
    pub(super) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.nth(list.len())]
    }

    /// An instant from `from` up to but not including `to`; `from` when there is none.
    pub(super) fn between(&mut self, from: Instant, to: Instant) -> Instant {
        let span = (to - from).num_microseconds().and_then(|span| u64::try_from(span).ok()).unwrap_or(0);
        from + TimeDelta::microseconds(self.below(span).cast_signed())
    }

    /// An instant `from` to `to` days after `at`, at any time of the day.
    pub(super) fn days_after(&mut self, at: Instant, from: i64, to: i64) -> Instant {
        self.between(at + TimeDelta::days(from), at + TimeDelta::days(to + 1))
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.nth(end + 1));
        }
    }

    /// Random bytes. Used as the hash of a secret, they let nobody in, because nobody knows a matching secret.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }

    /// An id as the services would make it at an instant.
    pub(super) fn id<T: From<Uuid>>(&mut self, at: Instant) -> T {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        let (a, b) = (self.next().to_le_bytes(), self.next().to_le_bytes());
        let random = [a[0], a[1], a[2], a[3], a[4], a[5], a[6], b[0], b[1], b[2]];
        T::from(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// A random id that doesn't show its creation time.
    pub(super) fn key<T: From<Uuid>>(&mut self) -> T {
        T::from(uuid::Builder::from_random_bytes(self.bytes()).into_uuid())
    }
}
