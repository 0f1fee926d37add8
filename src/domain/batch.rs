//! The size of batches, limited by time and by number (R49).

use std::time::Duration;

/// The size of the first batch, before any batch was measured.
pub const FIRST: u64 = 250;
/// The smallest size, however slow the batches are.
pub const LEAST: u64 = 50;
/// The most objects of a batch, unless an operator sets another number. An object is about one event. When a batch has
/// more events than the hub of events keeps at hand, each subscriber must read them from the log by itself.
pub const MOST: u64 = 5_000;
/// How long a batch should take. A batch holds its locks all that time.
pub const TARGET: Duration = Duration::from_millis(250);

/// The size of the next batch, from the last one: its `size` (the limit), the number of `objects` that it processed,
/// and the time that it `took`. The size at most doubles, because a batch that is too large holds its locks for too
/// long. A batch that wasn't full predicts nothing about larger ones; it only shrinks the size, when it took longer
/// than `target`.
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
