//! By which time old rows are removed (R40): a clock that is years ahead for a while must take little with it.

use chrono::Duration;

use super::Instant;

/// How often old rows are looked for.
pub const PASS_EVERY: Duration = Duration::hours(1);
/// How far one pass goes beyond the last one: further than the pause between them, so that a server that was down
/// catches up, and not so far that what is kept for a day is all gone.
pub const PASS_AT_MOST: Duration = Duration::hours(12);

/// The time that a pass at `now` goes by. `before` is the time that the last pass went by, or when all began, and
/// `passed_at` what the clock read then.
#[must_use]
pub fn pass_by(now: Instant, before: Option<Instant>, passed_at: Option<Instant>) -> Instant {
    let Some(before) = before else { return now };
    let recent = passed_at.is_some_and(|at| at <= now && now - at < PASS_EVERY);
    match passed_at {
        // The first pass can't tell whether the clock is right.
        None => before.min(now),
        Some(_) if recent => before,
        Some(_) => before.max(now.min(before + PASS_AT_MOST)),
    }
}
