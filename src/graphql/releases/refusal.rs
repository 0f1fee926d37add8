use async_graphql::{Context, Enum, Object, Result};

use crate::domain::refusal::{Field, Refusal as _};
use crate::domain::releases::ReleaseRefusal;
use crate::graphql::components::Component;
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::refusals::all;
use crate::graphql::releases::release::Release;
use crate::graphql::scalars::{Date, TimeZoneName};

/// The error when releasing or changing a release was refused.
#[derive(Clone, Debug)]
pub struct ReleaseError {
    refusal: ReleaseRefusal,
    field: Option<Field>,
}

impl From<ReleaseRefusal> for ReleaseError {
    fn from(refusal: ReleaseRefusal) -> Self {
        let field = refusal.field();
        // A stage's date is refused with the same codes as a release's date.
        let refusal = if let ReleaseRefusal::StageDate { date, .. } = refusal { *date } else { refusal };
        Self { field, refusal }
    }
}

impl ReleaseError {
    /// How many installations a roll back would move, if it was refused for their number.
    pub(in crate::graphql) fn installations(&self) -> Option<i32> {
        match self.refusal {
            ReleaseRefusal::MoreInstallations { installations } => Some(int(installations)),
            _ => None,
        }
    }

    /// Adapts the path for an input with the date in `schedule`.
    #[must_use]
    pub fn in_schedule(mut self) -> Self {
        if let Some(path) = self.field.as_mut().filter(|path| path.first().is_some_and(|first| first == "onDate")) {
            path.insert(0, "schedule".to_owned());
        }
        self
    }
}

/// The error when releasing or changing a release was refused.
#[Object]
impl ReleaseError {
    /// The rule that refused.
    pub async fn code(&self) -> ReleaseErrorCode {
        ReleaseErrorCode::from(&self.refusal)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.refusal.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.field.clone()
    }

    /// The first date allowed, for RELEASE_DATE_NOT_IN_FUTURE and DATE_DOES_NOT_EXIST.
    async fn earliest_date(&self) -> Option<Date> {
        use ReleaseRefusal as R;
        match self.refusal {
            R::DateDoesNotExist { earliest, .. } | R::DateNotInFuture { earliest, .. } => Some(earliest.into()),
            _ => None,
        }
    }

    /// The last date allowed, for RELEASE_DATE_TOO_FAR.
    async fn latest_date(&self) -> Option<Date> {
        match self.refusal {
            ReleaseRefusal::DateTooFar { latest, .. } => Some(latest.into()),
            _ => None,
        }
    }

    /// The zone that dates are meant in; null when none is set.
    async fn time_zone(&self, ctx: &Context<'_>) -> Result<Option<TimeZoneName>> {
        use ReleaseRefusal as R;
        let zone = match &self.refusal {
            R::DateDoesNotExist { time_zone, .. }
            | R::DateNotInFuture { time_zone, .. }
            | R::DateTooFar { time_zone, .. } => Some(time_zone.clone()),
            R::TimeZoneRequired => None,
            _ => ctx.viewer()?.account.time_zone.clone(),
        };
        Ok(zone.map(TimeZoneName))
    }

    /// The release in the way, for RELEASE_ALREADY_PENDING and RELEASE_IN_PROGRESS.
    async fn blocking_release(&self, ctx: &Context<'_>) -> Result<Option<Release>> {
        use ReleaseRefusal as R;
        match self.refusal {
            R::ReleaseAlreadyPending { blocking } | R::ReleaseInProgress { blocking: Some(blocking) } => {
                Release::by_id(ctx, blocking).await
            }
            _ => Ok(None),
        }
    }

    /// The components at fault, for NO_SHAREABLE_VERSION; at most 100.
    async fn components(&self, ctx: &Context<'_>) -> Result<Option<Vec<Component>>> {
        let at_fault = match &self.refusal {
            ReleaseRefusal::NoShareableVersion { components } => Some(components.as_slice()),
            _ => None,
        };
        all(at_fault, |id| Component::by_id(ctx, id)).await
    }

    /// The revision now, for STALE_REVISION: preview again.
    async fn current_revision(&self) -> Option<i32> {
        match self.refusal {
            ReleaseRefusal::StaleRevision { current } => Some(current),
            _ => None,
        }
    }
}

/// The reasons to refuse releasing or changing a release.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseErrorCode {
    /// The release would be empty.
    EmptyPack,
    /// The release would hold the same as the current version.
    NothingToRelease,
    /// A row's component has no shareable version left.
    NoShareableVersion,
    /// A release waits for its date: reschedule, promote or cancel it, or release at once.
    ReleaseAlreadyPending,
    /// The window has opened or a rollout is running.
    ReleaseInProgress,
    /// It has been canceled or superseded, or has ended.
    NotPending,
    /// It has not started.
    NotStarted,
    /// A later release took its place.
    Superseded,
    /// No update of it has failed.
    NothingToRetry,
    /// The account has no time zone.
    TimeZoneRequired,
    /// The zone has no such day.
    DateDoesNotExist,
    /// The window would not open in the future.
    ReleaseDateNotInFuture,
    /// The date is too far ahead.
    ReleaseDateTooFar,
    /// `immediately` must be true.
    InvalidSchedule,
    /// The notes are empty.
    NotesRequired,
    /// The notes are longer than 20,000 characters.
    NotesTooLong,
    /// A field of the source isn't what it must be.
    SourceInvalid,
    /// The draft was edited since the caller read it.
    StaleRevision,
    /// The release would take other versions than the preview showed.
    ContentChanged,
    /// It isn't the release whose version is the current one, or has no former version.
    NotRollableBack,
    /// It would move more installations than `atMost`.
    MoreInstallations,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// The reason is empty or longer than 2,000 characters.
    ReasonRequired,
    /// It is paused.
    ReleasePaused,
    /// It is paused already.
    AlreadyPaused,
    /// It isn't paused.
    NotPaused,
    /// It can't be paused in its present state.
    NotPausable,
    /// The halt rule's numbers lie outside their bounds.
    InvalidHaltRule,
    /// It has ended and is watched no longer.
    WatchIsOver,
    /// A first and an immediate release have no early stages.
    StagesNotAllowed,
    /// More than nine early stages, or a stage without groups or with too many.
    InvalidStages,
    /// Two stages have the same name, a name isn't allowed, or no waiting stage has the name.
    StageName,
    /// The dates don't increase, or pass the release's own.
    StageDates,
    /// The percents don't increase, or lie outside 0.01 to 99.99.
    StagePercents,
    /// No early stage waits.
    NoStageLeft,
}

impl From<&ReleaseRefusal> for ReleaseErrorCode {
    fn from(refusal: &ReleaseRefusal) -> Self {
        use ReleaseRefusal as R;
        match refusal {
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
            R::StaleRevision { .. } => Self::StaleRevision,
            R::ContentChanged => Self::ContentChanged,
            R::InvalidSchedule => Self::InvalidSchedule,
            R::NotesRequired => Self::NotesRequired,
            R::NotesTooLong => Self::NotesTooLong,
            R::SourceInvalid { .. } => Self::SourceInvalid,
            R::EmptyPack => Self::EmptyPack,
            R::NothingToRelease => Self::NothingToRelease,
            R::NoShareableVersion { .. } => Self::NoShareableVersion,
            R::ReleaseInProgress { .. } => Self::ReleaseInProgress,
            R::ReleaseAlreadyPending { .. } => Self::ReleaseAlreadyPending,
            R::NotPending => Self::NotPending,
            R::NotStarted => Self::NotStarted,
            R::Superseded => Self::Superseded,
            R::NothingToRetry => Self::NothingToRetry,
            R::TimeZoneRequired => Self::TimeZoneRequired,
            R::DateDoesNotExist { .. } => Self::DateDoesNotExist,
            R::DateNotInFuture { .. } => Self::ReleaseDateNotInFuture,
            R::DateTooFar { .. } => Self::ReleaseDateTooFar,
            R::ReasonRequired => Self::ReasonRequired,
            R::Paused => Self::ReleasePaused,
            R::AlreadyPaused => Self::AlreadyPaused,
            R::NotPaused => Self::NotPaused,
            R::NotPausable => Self::NotPausable,
            R::NotRollableBack => Self::NotRollableBack,
            R::MoreInstallations { .. } => Self::MoreInstallations,
            R::InvalidHaltRule => Self::InvalidHaltRule,
            R::WatchIsOver => Self::WatchIsOver,
            R::StagesNotAllowed => Self::StagesNotAllowed,
            R::InvalidStages { .. } => Self::InvalidStages,
            R::StageName { .. } => Self::StageName,
            R::StageDates { .. } => Self::StageDates,
            R::StageDate { date, .. } => Self::from(&**date),
            R::StagePercents { .. } => Self::StagePercents,
            R::NoStageLeft => Self::NoStageLeft,
        }
    }
}
