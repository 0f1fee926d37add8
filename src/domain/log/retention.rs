//! The cutoff for removing old rows (R40). A clock that runs years ahead for a while must not empty the tables.

use chrono::Duration;

use crate::domain::Instant;

/// The pause between two passes that remove old rows.
pub(crate) const PASS_EVERY: Duration = Duration::hours(1);
/// The largest step of the cutoff time in one pass. It is longer than the pause, so that a server catches up after it
/// was down, and shorter than a day, so that one wrong pass doesn't remove everything that is kept for a day.
pub(crate) const PASS_AT_MOST: Duration = Duration::hours(12);

/// The cutoff time of the pass at `now`: the pass computes the age of rows as if this were the present. `before` is the
/// cutoff time of the last pass; before the first pass, the creation time of the first account; `None` in an empty
/// database. `last_pass_at` is the clock's time during the last pass.
#[must_use]
pub fn next_cutoff(now: Instant, before: Option<Instant>, last_pass_at: Option<Instant>) -> Instant {
    let Some(before) = before else { return now };
    let recent = last_pass_at.is_some_and(|at| at <= now && now - at < PASS_EVERY);
    match last_pass_at {
        // Before the first pass nothing shows whether the clock is right.
        None => before.min(now),
        Some(_) if recent => before,
        Some(_) => before.max(now.min(before + PASS_AT_MOST)),
    }
}
