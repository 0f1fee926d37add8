//! How large a batch is: bounded by time and by number (R49).

use std::time::Duration;

/// How many objects the first batch comes to, before anything was measured.
pub const FIRST: u64 = 250;
/// How many objects a batch comes to at least, however slow it is.
pub const LEAST: u64 = 50;
/// How many objects a batch comes to at most, unless an operator says otherwise.
pub const MOST: u64 = 5_000;
/// How long a batch should take: its locks are held for as long.
pub const TARGET: Duration = Duration::from_millis(250);

/// How many objects the next batch comes to, after one that could come to `size`, came to `objects`, and `took` so
/// long. It grows to the double at most, as a batch that is too large holds its locks for too long. A batch that
/// wasn't full says nothing of larger ones, unless it was too slow already.
#[must_use]
pub fn next_size(size: u64, objects: u64, took: Duration, target: Duration, most: u64) -> u64 {
    let least = LEAST.min(most);
    let is_full = objects >= size;
    if objects == 0 || !is_full && took <= target {
        return size.clamp(least, most);
    }
    let (took, target) = (took.as_micros().max(1), target.as_micros());
    let fitting = u64::try_from(u128::from(objects) * target / took).unwrap_or(u64::MAX);
    fitting.min(size.saturating_mul(2)).clamp(least, most)
}
