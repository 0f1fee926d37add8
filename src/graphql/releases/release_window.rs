//! The release window (R36).

use async_graphql::SimpleObject;
use chrono::NaiveDate;

use crate::domain::Instant;
use crate::domain::releases::{Release, Window};
use crate::graphql::connection::int;
use crate::graphql::scalars::{Date, DateTime, TimeZoneName};

/// The hour in which a dated release opens, half-open: `startsAt` is in it, `endsAt` is not.
#[derive(SimpleObject, Clone, Debug)]
pub struct ReleaseWindow {
    /// The civil date.
    pub date: Date,
    /// The zone that the date is meant in.
    pub time_zone: TimeZoneName,
    /// The first instant after which the local date is never again before `date`.
    pub starts_at: DateTime,
    /// 60 minutes later, or when the local clock first reads 01:00 if that is later.
    pub ends_at: DateTime,
    /// Whether its release started only after `endsAt`, because no server ran; false for a window that is only computed.
    pub late: bool,
    /// How many seconds after `endsAt` it started; null when it isn't late.
    pub lateness_seconds: Option<i32>,
}

impl ReleaseWindow {
    /// The window of a dated release; `None` for an immediate one.
    #[must_use]
    pub fn of_release(release: &Release) -> Option<Self> {
        Some(Self::late_by(release.window.clone()?, release.lateness_seconds))
    }

    /// A window whose release or stage began so many seconds late, or in time.
    pub(super) fn late_by(window: Window, seconds: Option<i64>) -> Self {
        let lateness_seconds = seconds.map(int);
        Self { late: lateness_seconds.is_some(), lateness_seconds, ..Self::from(window) }
    }
}

impl From<Window> for ReleaseWindow {
    fn from(window: Window) -> Self {
        Self::on(window.date, window.time_zone, window.starts_at, window.ends_at)
    }
}

impl ReleaseWindow {
    /// A window without lateness: a preview, or a release that hasn't started.
    pub(in crate::graphql) fn on(date: NaiveDate, time_zone: String, starts_at: Instant, ends_at: Instant) -> Self {
        Self {
            date: Date(date),
            time_zone: TimeZoneName(time_zone),
            starts_at: DateTime(starts_at),
            ends_at: DateTime(ends_at),
            late: false,
            lateness_seconds: None,
        }
    }
}
