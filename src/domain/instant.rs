//! The text form of instants: one form on output, every form of RFC 3339 on input.

use chrono::{Datelike as _, Duration, NaiveDate, SecondsFormat, SubsecRound as _, Timelike as _, Utc};

use crate::domain::Instant;
use crate::domain::releases;

/// Writes an instant in UTC, with six digits after the second and a `Z`.
#[must_use]
pub fn to_text(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads any form of RFC 3339: any offset, `T` and `Z` in either case, any number of digits after the second. Cuts to
/// microseconds. `None` for any other text, and for an instant outside the years 1 to 9999 in UTC.
#[must_use]
pub fn parse(text: &str) -> Option<Instant> {
    // RFC 3339 allows other separators between date and time. The API's grammar has only the letter.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
        return None;
    }
    let written = chrono::DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    let at = written.trunc_subsecs(6);
    let at = if written.nanosecond() < 1_000_000_000 { at } else { after_leap_second(at)? };
    is_representable(at).then_some(at)
}

/// Whether the text form has a spelling for this instant: only for the years 1 to 9999.
#[must_use]
pub fn is_representable(at: Instant) -> bool {
    releases::is_representable(at.date_naive())
}

/// A leap second as the second after it, because the clock has none. RFC 3339 allows leap seconds only in the last
/// minute of a month in UTC; `None` at any other time.
fn after_leap_second(at: Instant) -> Option<Instant> {
    let date: NaiveDate = at.date_naive();
    let ends_month = date.succ_opt().is_some_and(|next| next.day() == 1);
    let fraction = Duration::nanoseconds(i64::from(at.nanosecond()) - 1_000_000_000);
    let second = at.with_nanosecond(0)?;
    ((at.hour(), at.minute()) == (23, 59) && ends_month).then(|| second + Duration::seconds(1) + fraction)
}
