//! The testing period of a release.

use async_graphql::SimpleObject;

use crate::domain::Instant;
use crate::domain::releases::Release;
use crate::graphql::scalars::DateTime;

/// The time in which accounts that have the pack may apply the update early: from the call until the window opens.
#[derive(SimpleObject)]
pub struct TestingPeriod {
    /// When the release was made.
    starts_at: DateTime,
    /// When the window opens, or when the release was promoted, canceled or superseded.
    ends_at: DateTime,
    /// Whether it is open now; not while the release is paused.
    is_open: bool,
}

impl TestingPeriod {
    /// The testing period as of `now`; `None` for immediate releases and first releases (R23, R26).
    #[must_use]
    pub fn of(release: &Release, now: Instant) -> Option<Self> {
        let (starts_at, ends_at) = release.testing_period()?;
        let is_open = starts_at <= now && now < ends_at && !release.is_paused();
        Some(Self { starts_at: starts_at.into(), ends_at: ends_at.into(), is_open })
    }
}
