//! The schedule in a request for a release.

use async_graphql::OneofObject;

use crate::domain::releases::RequestedSchedule;
use crate::graphql::scalars::Date;

/// When to release: exactly one field.
#[derive(OneofObject)]
pub enum ReleaseScheduleInput {
    /// At once; must be true.
    Immediately(bool),
    /// In the window of this date, in the account's time zone.
    OnDate(Date),
}

impl From<ReleaseScheduleInput> for RequestedSchedule {
    fn from(input: ReleaseScheduleInput) -> Self {
        match input {
            ReleaseScheduleInput::Immediately(true) => Self::Immediately,
            ReleaseScheduleInput::Immediately(false) => Self::Invalid,
            ReleaseScheduleInput::OnDate(date) => Self::OnDate(date.0),
        }
    }
}
