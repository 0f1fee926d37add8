//! The release window (R35–R38, R42): the hour after midnight of a civil date in a zone.
//!
//! Everything rests on one small function, the local civil time at an instant in a zone. Zones are
//! never converted by a database, and midnight is never assumed to exist.

use chrono::{
    DateTime, Datelike as _, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone as _, Utc,
};
use chrono_tz::Tz;

use super::Instant;

/// When a dated release opens and closes; half-open: `starts_at` is in it, `ends_at` is not (R36).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub date: NaiveDate,
    /// The name of an IANA zone.
    pub time_zone: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
}

/// Why there is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFault {
    /// The server knows no such zone.
    TimeZoneUnknown,
    /// The zone has no such day (R37).
    DateDoesNotExist,
}

/// The zone of that name, spelt exactly as in the IANA data.
///
/// # Errors
/// [`WindowFault::TimeZoneUnknown`].
pub fn zone(name: &str) -> Result<Tz, WindowFault> {
    name.parse().map_err(|_| WindowFault::TimeZoneUnknown)
}

/// The one place that asks for a zone's rules: what a wall clock in `zone` shows at `instant`.
fn local(zone: Tz, instant: Instant) -> NaiveDateTime {
    instant.naive_utc() + offset(zone, instant)
}

fn offset(zone: Tz, instant: Instant) -> Duration {
    Duration::seconds(i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()))
}

/// A stretch of time in which a zone's offset doesn't change.
struct Stretch {
    from: Instant,
    until: Instant,
    offset: Duration,
}

/// The stretches that cover three days before and after the date's UTC midnight: no zone is, or its
/// clock jumps, more than a day and a half from there.
fn stretches(zone: Tz, date: NaiveDate) -> Vec<Stretch> {
    let middle = utc(date.and_time(NaiveTime::MIN));
    let (begin, end) = (middle - Duration::days(3), middle + Duration::days(3));
    let mut found = vec![Stretch { from: begin, until: end, offset: offset(zone, begin) }];
    let mut at = begin;
    while at < end {
        let next = at + Duration::minutes(15);
        if offset(zone, next) != offset(zone, at) {
            let change = change_between(zone, at, next);
            if let Some(last) = found.last_mut() {
                last.until = change;
            }
            found.push(Stretch { from: change, until: end, offset: offset(zone, change) });
        }
        at = next;
    }
    found
}

/// The second at which the offset changes, by bisection; `before` and `after` have different offsets.
fn change_between(zone: Tz, mut before: Instant, mut after: Instant) -> Instant {
    let old = offset(zone, before);
    while after - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((after - before).num_seconds() / 2);
        if offset(zone, middle) == old {
            before = middle;
        } else {
            after = middle;
        }
    }
    after
}

fn utc(naive: NaiveDateTime) -> Instant {
    DateTime::from_naive_utc_and_offset(naive, Utc)
}

/// The release window of `date` in the zone named `time_zone` (R36).
///
/// It starts at the first instant after which the local date is never again before `date`, and ends
/// at the later of start + 60 minutes and the first instant from the start on at which the local
/// clock reads 01:00 or later. A gap at midnight gives 60 minutes from the jump, a repeated hour 120.
///
/// # Errors
/// [`WindowFault::TimeZoneUnknown`]; [`WindowFault::DateDoesNotExist`] for a day that the zone skipped (R37).
pub fn release_window(date: NaiveDate, time_zone: &str) -> Result<Window, WindowFault> {
    let zone = zone(time_zone)?;
    let (midnight, one) = (date.and_time(NaiveTime::MIN), date.and_time(NaiveTime::MIN) + Duration::hours(1));
    let stretches = stretches(zone, date);
    let starts_at = stretches
        .iter()
        .rev()
        .find_map(|s| {
            let last_before = s.until.min(utc(midnight - s.offset));
            (last_before > s.from).then_some(last_before)
        })
        .ok_or(WindowFault::DateDoesNotExist)?;
    if local(zone, starts_at).date() != date {
        return Err(WindowFault::DateDoesNotExist);
    }
    let reads_one = stretches.iter().filter(|s| s.until > starts_at).find_map(|s| {
        let first = s.from.max(starts_at).max(utc(one - s.offset));
        (first < s.until).then_some(first)
    });
    let hour = starts_at + Duration::hours(1);
    Ok(Window { date, time_zone: time_zone.to_owned(), starts_at, ends_at: reads_one.map_or(hour, |at| at.max(hour)) })
}

/// The first and the last date that a release made at `now` may have (R38).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// Tomorrow, or the first day after it that exists.
    pub earliest: NaiveDate,
    /// `days_ahead` after today.
    pub latest: NaiveDate,
    pub time_zone: String,
}

/// Which dates may be chosen at `now` (R38). `days_ahead` is the setting, 365 by default.
///
/// # Errors
/// [`WindowFault::TimeZoneUnknown`].
pub fn release_dates(now: Instant, time_zone: &str, days_ahead: u16) -> Result<DateRange, WindowFault> {
    let today = local(zone(time_zone)?, now).date();
    let earliest = (1..=3)
        .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
        .find(|day| release_window(*day, time_zone).is_ok_and(|window| window.starts_at > now))
        .unwrap_or(today);
    let latest = today.checked_add_days(Days::new(u64::from(days_ahead))).unwrap_or(NaiveDate::MAX);
    Ok(DateRange { earliest, latest, time_zone: time_zone.to_owned() })
}

/// Why a date can't be a release's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateFault {
    TimeZoneUnknown,
    /// With the first date allowed.
    DoesNotExist(NaiveDate),
    /// With the first date allowed.
    NotInFuture(NaiveDate),
    /// With the last date allowed.
    TooFar(NaiveDate),
}

/// The window of a release made at `now` for `date`: it must start in the future, and be at most
/// `days_ahead` days away (R37, R38).
///
/// # Errors
/// [`DateFault`], in the order of its variants.
pub fn future_window(now: Instant, date: NaiveDate, time_zone: &str, days_ahead: u16) -> Result<Window, DateFault> {
    let dates = release_dates(now, time_zone, days_ahead).map_err(|_| DateFault::TimeZoneUnknown)?;
    match release_window(date, time_zone) {
        Err(WindowFault::TimeZoneUnknown) => Err(DateFault::TimeZoneUnknown),
        Err(WindowFault::DateDoesNotExist) => Err(DateFault::DoesNotExist(dates.earliest)),
        Ok(window) if window.starts_at <= now => Err(DateFault::NotInFuture(dates.earliest)),
        Ok(_) if date > dates.latest => Err(DateFault::TooFar(dates.latest)),
        Ok(window) => Ok(window),
    }
}

/// By how many seconds a release that starts at `started_at` is late: the time since its window's
/// end; `None` before that end (R39).
#[must_use]
pub fn lateness(ends_at: Instant, started_at: Instant) -> Option<i64> {
    (started_at >= ends_at).then(|| (started_at - ends_at).num_seconds())
}

/// Whether a year is one that the schema's `Date` can spell: 0001 to 9999.
#[must_use]
pub fn is_spellable(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}
