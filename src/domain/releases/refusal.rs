use chrono::NaiveDate;

use crate::domain::id::{ComponentId, ReleaseId};
use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why making or changing a release was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseRefusal {
    ClientRequestIdReused,
    StaleRevision { current: i32 },
    ContentChanged,
    InvalidSchedule,
    NotesRequired,
    NotesTooLong,
    EmptyPack,
    NothingToRelease,
    NoShareableVersion { components: Vec<ComponentId> },
    ReleaseInProgress { blocking: Option<ReleaseId> },
    ReleaseAlreadyPending { blocking: ReleaseId },
    NotPending,
    NotStarted,
    Superseded,
    NothingToRetry,
    TimeZoneRequired,
    DateDoesNotExist { earliest: NaiveDate, time_zone: String },
    DateNotInFuture { earliest: NaiveDate, time_zone: String },
    DateTooFar { latest: NaiveDate, time_zone: String },
    ReasonRequired,
    Paused,
    AlreadyPaused,
    NotPaused,
    NotPausable,
    NotRollableBack,
    MoreInstallations { installations: i64 },
    InvalidHaltRule,
    WatchIsOver,
}

impl Refusal for ReleaseRefusal {
    fn message(&self) -> String {
        match self {
            Self::ClientRequestIdReused => REUSED.into(),
            Self::StaleRevision { current } => {
                format!("Somebody else edited the pack since; it is at revision {current}. Read it again before you release it.")
            }
            Self::ContentChanged => "A release would now take other versions than the preview showed; preview it again.".into(),
            Self::InvalidSchedule => "Give `immediately: true`, or a date.".into(),
            Self::NotesRequired => "Say in the notes what the release brings.".into(),
            Self::NotesTooLong => "Shorten the notes to 20,000 characters.".into(),
            Self::EmptyPack => "Add a component to the pack before you release it.".into(),
            Self::NothingToRelease => "The release would hold what the current version holds; change the pack, or package a newer shareable version first.".into(),
            Self::NoShareableVersion { .. } => {
                "Package a shareable version of the components named (publish them, for a legacy pack), pin a version of them, or remove them from the pack.".into()
            }
            Self::ReleaseInProgress { .. } => "A rollout or a roll back of the pack is running; wait until it has ended.".into(),
            Self::ReleaseAlreadyPending { .. } => {
                "A release of the pack waits for its date; reschedule, promote or cancel it, or release at once.".into()
            }
            Self::NotPending => "The release was canceled or superseded, or has ended; it can't be changed any more.".into(),
            Self::NotStarted => "The release has not started, so that no update of it can have failed.".into(),
            Self::Superseded => "A later release superseded this one, and moves the installations that failed.".into(),
            Self::NothingToRetry => "No update of the release has failed; there is nothing to try again.".into(),
            Self::TimeZoneRequired => "Set the time zone of your account (updateAccount) before you release on a date, or release at once.".into(),
            Self::DateDoesNotExist { earliest, time_zone } => {
                format!("There is no such day in {time_zone}; choose another, from {earliest} on.")
            }
            Self::DateNotInFuture { earliest, time_zone } => format!("Choose a date from {earliest} on, in {time_zone}."),
            Self::DateTooFar { latest, time_zone } => format!("Choose a date not after {latest}, in {time_zone}."),
            Self::ReasonRequired => "Give a reason of 1 to 2,000 characters.".into(),
            Self::Paused => "The release is paused; resume it first.".into(),
            Self::AlreadyPaused => "The release is paused already; resumeRelease goes on with it.".into(),
            Self::NotPaused => "The release isn't paused; there is nothing to resume.".into(),
            Self::InvalidHaltRule => {
                "Give a percent of 0.01 to 100 with at most two decimals, `atLeast` from 1 to 1,000,000, and `watchHours` from 0 to 336.".into()
            }
            Self::WatchIsOver => "The release has ended, and reports no longer decide about it; its halt rule stays as it is.".into(),
            Self::NotPausable => {
                "Only a release on a date that waits for it, other than the pack's first one, and a rollout can be paused.".into()
            }
            Self::NotRollableBack => "Only the release whose version is the pack's current one can be rolled back, and not a first release; roll back that one, or cancel a release that waits for its date.".into(),
            Self::MoreInstallations { installations } => {
                format!("It would move {installations} installations; look at the preview, and say with `atMost` how many it may move.")
            }
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::StaleRevision { .. } => path(&["expectedRevision"]),
            Self::ContentChanged => path(&["expectedContent"]),
            Self::InvalidSchedule => path(&["schedule", "immediately"]),
            Self::NotesRequired | Self::NotesTooLong => path(&["notes"]),
            Self::DateDoesNotExist { .. } | Self::DateNotInFuture { .. } | Self::DateTooFar { .. } => path(&["onDate"]),
            Self::MoreInstallations { .. } => path(&["atMost"]),
            Self::ReasonRequired => path(&["reason"]),
            Self::InvalidHaltRule => path(&["haltWhen"]),
            Self::EmptyPack
            | Self::NothingToRelease
            | Self::NoShareableVersion { .. }
            | Self::ReleaseInProgress { .. }
            | Self::ReleaseAlreadyPending { .. }
            | Self::NotPending
            | Self::NotStarted
            | Self::Superseded
            | Self::NothingToRetry
            | Self::TimeZoneRequired
            | Self::Paused
            | Self::AlreadyPaused
            | Self::NotPaused
            | Self::NotPausable
            | Self::NotRollableBack
            | Self::WatchIsOver => None,
        }
    }
}
