//! The release window (R35–R38, R42): the hour after midnight of a civil date in a time zone.
//!
//! Everything is computed from one function, a zone's offset at an instant. The database never converts time zones, and
//! the code never assumes that a day has a midnight.

use chrono::{DateTime, Datelike as _, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::domain::Instant;
use crate::domain::releases::zone::{DataVersion, Zone};

/// When a dated release opens and closes. Half-open: `starts_at` belongs to the window, `ends_at` doesn't (R36).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub date: NaiveDate,
    /// The name of an IANA zone.
    pub time_zone: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
    /// The version of the time zone data from which both instants were computed (R42).
    pub data_version: DataVersion,
}

/// Why a date has no window in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFault {
    /// The zone has no such day (R37).
    DateDoesNotExist,
    /// The window begins before the year 1 or ends after the year 9999.
    OutsideOfYears,
}

/// The local time in `zone` at `instant`.
fn local(zone: &Zone, instant: Instant) -> NaiveDateTime {
    instant.naive_utc() + zone.offset(instant)
}

/// A period in which a zone's offset stays the same.
struct OffsetPeriod {
    from: Instant,
    until: Instant,
    offset: Duration,
}

/// The zone's offset periods from three days before the date's midnight in UTC to three days after it. The whole local
/// day lies between, because offsets and their changes are below a day and a half.
fn offset_periods(zone: &Zone, date: NaiveDate) -> Vec<OffsetPeriod> {
    let middle = utc(date.and_time(NaiveTime::MIN));
    let (begin, end) = (middle - Duration::days(3), middle + Duration::days(3));
    let mut found = vec![OffsetPeriod { from: begin, until: end, offset: zone.offset(begin) }];
    let mut at = begin;
    while at < end {
        let next = at + Duration::minutes(15);
        if zone.offset(next) != zone.offset(at) {
            let change = change_between(zone, at, next);
            if let Some(last) = found.last_mut() {
                last.until = change;
            }
            found.push(OffsetPeriod { from: change, until: end, offset: zone.offset(change) });
        }
        at = next;
    }
    found
}

/// Finds the second at which the offset changes, by bisection. `before` and `after` must have different offsets.
fn change_between(zone: &Zone, mut before: Instant, mut after: Instant) -> Instant {
    let old = zone.offset(before);
    while after - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((after - before).num_seconds() / 2);
        if zone.offset(middle) == old {
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

/// The release window of `date` in `zone` (R36).
///
/// The window starts at the first instant after which the local date is never again before `date`. It ends at the later
/// of two instants: start + 60 minutes, and the first one from the start on at which the local clock reads 01:00 or
/// later. So a day without a midnight has 60 minutes from the jump on, and a repeated hour makes the window 120 minutes
/// long.
///
/// # Errors
/// [`WindowFault::DateDoesNotExist`] for a day that the zone skipped (R37); [`WindowFault::OutsideOfYears`].
pub fn release_window(date: NaiveDate, zone: &Zone) -> Result<Window, WindowFault> {
    let (midnight, one) = (date.and_time(NaiveTime::MIN), date.and_time(NaiveTime::MIN) + Duration::hours(1));
    let offset_periods = offset_periods(zone, date);
    let starts_at = offset_periods
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
    let reads_one = offset_periods.iter().filter(|s| s.until > starts_at).find_map(|s| {
        let first = s.from.max(starts_at).max(utc(one - s.offset));
        (first < s.until).then_some(first)
    });
    let hour = starts_at + Duration::hours(1);
    let ends_at = reads_one.map_or(hour, |at| at.max(hour));
    if !is_representable(starts_at.date_naive()) || !is_representable(ends_at.date_naive()) {
        return Err(WindowFault::OutsideOfYears);
    }
    Ok(Window { date, time_zone: zone.name.clone(), starts_at, ends_at, data_version: zone.version.clone() })
}

/// The most consecutive days that newer data may remove. A zone that crosses the date line loses one.
const DAYS_LOST_MAX: u64 = 3;

/// The window of a pending release or stage, computed again from the data of `zone`; it may be the same but for the
/// version of the data. `None` unless the data is newer than the window's: otherwise servers with different data would
/// move a window to and fro. When the data removes the day, the window rolls forward to the next one (R42).
#[must_use]
pub fn computed_anew(window: &Window, zone: &Zone) -> Option<Window> {
    if zone.version <= window.data_version {
        return None;
    }
    let days = (0..=DAYS_LOST_MAX).filter_map(|ahead| window.date.checked_add_days(Days::new(ahead)));
    let anew = days.map(|day| release_window(day, zone)).find_map(Result::ok);
    Some(anew.unwrap_or_else(|| Window { data_version: zone.version.clone(), ..window.clone() }))
}

impl Window {
    /// Whether another window has the same date and the same instants.
    #[must_use]
    pub fn is_same_time(&self, other: &Self) -> bool {
        let key = |window: &Self| (window.date, window.starts_at, window.ends_at);
        key(self) == key(other)
    }
}

/// The range of dates that a release made now may have (R38).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// Tomorrow, or the first existing day after it.
    pub earliest: NaiveDate,
    /// Today plus the allowed number of days.
    pub latest: NaiveDate,
    pub time_zone: String,
}

/// The range of release dates at `now` (R38). `days_ahead` is a setting, 365 by default.
#[must_use]
pub fn release_dates(now: Instant, zone: &Zone, days_ahead: u16) -> DateRange {
    let today = local(zone, now).date();
    let earliest = (1..=3)
        .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
        .find(|day| release_window(*day, zone).is_ok_and(|window| window.starts_at > now))
        .unwrap_or(today);
    let latest = today.checked_add_days(Days::new(u64::from(days_ahead))).unwrap_or(NaiveDate::MAX);
    DateRange { earliest, latest, time_zone: zone.name.clone() }
}

/// Why a date can't be a release date. Each variant carries the nearest allowed date, the first or the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DateFault {
    DoesNotExist(NaiveDate),
    NotInFuture(NaiveDate),
    TooFar(NaiveDate),
}

/// The window of a release made at `now` for `date`. It must start in the future, and `date` must be at most
/// `days_ahead` days away (R37, R38).
///
/// # Errors
/// The first [`DateFault`] in the order of its variants.
pub(crate) fn future_window(now: Instant, date: NaiveDate, zone: &Zone, days_ahead: u16) -> Result<Window, DateFault> {
    let dates = release_dates(now, zone, days_ahead);
    match release_window(date, zone) {
        Err(WindowFault::DateDoesNotExist) => Err(DateFault::DoesNotExist(dates.earliest)),
        Err(WindowFault::OutsideOfYears) if date > dates.latest => Err(DateFault::TooFar(dates.latest)),
        Err(WindowFault::OutsideOfYears) => Err(DateFault::NotInFuture(dates.earliest)),
        Ok(window) if window.starts_at <= now => Err(DateFault::NotInFuture(dates.earliest)),
        Ok(_) if date > dates.latest => Err(DateFault::TooFar(dates.latest)),
        Ok(window) => Ok(window),
    }
}

/// By how many seconds a release that starts at `started_at` misses its window: the time since the window's end. `None`
/// when it starts before the end (R39).
#[must_use]
pub fn lateness(ends_at: Instant, started_at: Instant) -> Option<i64> {
    (started_at >= ends_at).then(|| (started_at - ends_at).num_seconds())
}

/// Whether the schema's `Date` can spell the date: the years 1 to 9999.
#[must_use]
pub fn is_representable(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}
