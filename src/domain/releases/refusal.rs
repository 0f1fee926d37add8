use chrono::NaiveDate;

use crate::domain::id::{ComponentId, ReleaseId};
use crate::domain::refusal::{Field, REUSED, Refusal, path};
use crate::domain::source::SourceFault;

/// Why making or changing a release was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseRefusal {
    ClientRequestIdReused,
    StaleRevision {
        current: i32,
    },
    ContentChanged,
    InvalidSchedule,
    NotesRequired,
    NotesTooLong,
    /// A field of the source is malformed (R68).
    SourceInvalid {
        fault: SourceFault,
    },
    EmptyPack,
    NothingToRelease,
    NoShareableVersion {
        components: Vec<ComponentId>,
    },
    ReleaseInProgress {
        blocking: Option<ReleaseId>,
    },
    ReleaseAlreadyPending {
        blocking: ReleaseId,
    },
    NotPending,
    NotStarted,
    Superseded,
    NothingToRetry,
    TimeZoneRequired,
    DateDoesNotExist {
        earliest: NaiveDate,
        time_zone: String,
    },
    DateNotInFuture {
        earliest: NaiveDate,
        time_zone: String,
    },
    DateTooFar {
        latest: NaiveDate,
        time_zone: String,
    },
    ReasonRequired,
    Paused,
    AlreadyPaused,
    NotPaused,
    NotPausable,
    NotRollableBack,
    MoreInstallations {
        installations: i64,
    },
    InvalidHaltRule,
    WatchIsOver,
    StagesNotAllowed,
    InvalidStages {
        fault: StagesFault,
    },
    StageName {
        index: usize,
        fault: StageNameFault,
    },
    /// Carries the index of the stage in the request; `None` if the release's own date is at fault.
    StageDates {
        index: Option<usize>,
    },
    StagePercents {
        index: usize,
    },
    /// The date of a stage can't be a release date. `date` is the refusal of such a date, with its reason.
    StageDate {
        index: usize,
        date: Box<ReleaseRefusal>,
    },
    NoStageLeft,
}

/// Why stages are refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagesFault {
    TooMany,
    /// The stage at this index names no group, or too many.
    Groups(usize),
}

/// Why the name of a stage is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageNameFault {
    /// It is empty, too long, or the name of the last stage.
    Unfit,
    /// An earlier one in the list is the same.
    Twice,
    /// No stage of this name waits.
    Unknown,
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
            Self::SourceInvalid { fault } => fault.message.into(),
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
            Self::NotStarted => "The release has not started, so none of its updates can have failed.".into(),
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
                "Only a release in progress can be paused, or a dated release that waits for its date and isn't the pack's first one.".into()
            }
            Self::NotRollableBack => "Only the release of the pack's current version can be rolled back, and not the pack's first release; roll back that release, or cancel one that waits for its date.".into(),
            Self::MoreInstallations { installations } => {
                format!("The roll back would move {installations} installations; look at the preview, and say with `atMost` how many it may move.")
            }
            Self::StagesNotAllowed => {
                "Only a dated release of a pack that has a current version has early stages; leave them out, or give a date.".into()
            }
            Self::InvalidStages { fault: StagesFault::TooMany } => {
                "Give at most nine early stages; the release's own date is the last one.".into()
            }
            Self::InvalidStages { fault: StagesFault::Groups(_) } => "Name 1 to 20 account groups in a stage.".into(),
            Self::StageName { fault: StageNameFault::Unfit, .. } => {
                "Give the stage a name of 1 to 80 characters, other than `everybody`, the name of the last stage.".into()
            }
            Self::StageName { fault: StageNameFault::Twice, .. } => {
                "Another stage in the list has this name, whatever the case; choose another.".into()
            }
            Self::StageName { fault: StageNameFault::Unknown, .. } => {
                "The release has no waiting stage of this name; read its stages again.".into()
            }
            Self::StageDates { .. } => {
                "Give each stage a later date than the stage before it, all before the release's own date.".into()
            }
            Self::StagePercents { .. } => {
                "Give percents of 0.01 to 99.99 with two decimals, each more than those before it.".into()
            }
            Self::StageDate { date, .. } => date.message(),
            Self::NoStageLeft => "All early stages have opened; only the release's own date is left. Promote the release to go to everybody now.".into(),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::StaleRevision { .. } => path(&["expectedRevision"]),
            Self::ContentChanged => path(&["expectedContent"]),
            Self::InvalidSchedule => path(&["schedule", "immediately"]),
            Self::NotesRequired | Self::NotesTooLong => path(&["notes"]),
            Self::SourceInvalid { fault } => Some(fault.field.clone()),
            Self::DateDoesNotExist { .. } | Self::DateNotInFuture { .. } | Self::DateTooFar { .. } => path(&["onDate"]),
            Self::MoreInstallations { .. } => path(&["atMost"]),
            Self::ReasonRequired => path(&["reason"]),
            Self::InvalidHaltRule => path(&["haltWhen"]),
            Self::StagesNotAllowed | Self::InvalidStages { fault: StagesFault::TooMany } => path(&["stages"]),
            Self::InvalidStages { fault: StagesFault::Groups(index) } => of_stage(*index, &["holds", "groupIds"]),
            Self::StageName { index, .. } => of_stage(*index, &["name"]),
            Self::StageDates { index: None } => path(&["onDate"]),
            Self::StageDates { index: Some(index) } | Self::StageDate { index, .. } => of_stage(*index, &["onDate"]),
            Self::StagePercents { index } => of_stage(*index, &["holds", "percent"]),
            Self::EmptyPack
            | Self::NothingToRelease
            | Self::NoShareableVersion { .. }
            | Self::ReleaseInProgress { .. }
            | Self::ReleaseAlreadyPending { .. }
            | Self::NotPending
            | Self::NotStarted
            | Self::Superseded
            | Self::NothingToRetry
            | Self::NoStageLeft
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

/// The path to a field of a stage.
fn of_stage(index: usize, parts: &[&str]) -> Option<Field> {
    path(&[&["stages", &index.to_string()], parts].concat())
}
