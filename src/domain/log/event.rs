//! The events that the server announces, and the accounts that they are for (R49, R50).

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{
    AccountId, ComponentVersionId, EventId, GroupId, InstallationId, OutcomeReportId, PackId, ReleaseId, WebhookId,
};
use crate::domain::installations::UpdateState;
use crate::domain::log::{Change, Progress};
use crate::domain::releases::HaltFigures;

/// What an event announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    ReleaseScheduled,
    ReleaseRescheduled,
    /// Newer time zone data moved the window of a pending release (R42).
    WindowMoved,
    ReleaseCanceled,
    ReleaseSuperseded,
    ReleaseStarted,
    ReleaseProgressed,
    ReleaseCompleted,
    ReleasePaused,
    ReleaseResumed,
    ReleaseRollingBack,
    ReleaseRolledBack,
    ReleaseHalted,
    UpdateOffered,
    InstallationUpdated,
    UpdateOutcomeReported,
    InstallationFrozen,
    PackShared,
    PackUnshared,
    NewerShareablePackaged,
    PackDeleted,
    /// An early stage of a release opened (R55).
    ReleaseStageOpened,
    /// An early stage has processed all of its installations (R55).
    ReleaseStageCompleted,
    /// The server stopped sending events to a webhook endpoint (R63).
    WebhookDisabled,
    /// A test of a webhook endpoint. The event log doesn't have it (R66).
    WebhookTest,
    PackCreated,
    /// A pack's name, description, support data, key or draft changed.
    PackUpdated,
    InstallationCreated,
    InstallationRenamed,
    InstallationRemoved,
    /// A component was packaged or published.
    ComponentPackaged,
    AccountCreated,
    /// A managed account got its first token, or an administrator of it sent the first JWT.
    AccountEnrolled,
    AccountUpdated,
    AccountSuspended,
    AccountReactivated,
    /// A group was made, renamed or deleted, or its key or its members changed.
    GroupChanged,
}

impl EventKind {
    /// All kinds of events.
    pub const ALL: [Self; 37] = [
        Self::ReleaseScheduled,
        Self::ReleaseRescheduled,
        Self::WindowMoved,
        Self::ReleaseCanceled,
        Self::ReleaseSuperseded,
        Self::ReleaseStarted,
        Self::ReleaseProgressed,
        Self::ReleaseCompleted,
        Self::ReleasePaused,
        Self::ReleaseResumed,
        Self::ReleaseRollingBack,
        Self::ReleaseRolledBack,
        Self::ReleaseHalted,
        Self::UpdateOffered,
        Self::InstallationUpdated,
        Self::UpdateOutcomeReported,
        Self::InstallationFrozen,
        Self::PackShared,
        Self::PackUnshared,
        Self::NewerShareablePackaged,
        Self::PackDeleted,
        Self::ReleaseStageOpened,
        Self::ReleaseStageCompleted,
        Self::WebhookDisabled,
        Self::WebhookTest,
        Self::PackCreated,
        Self::PackUpdated,
        Self::InstallationCreated,
        Self::InstallationRenamed,
        Self::InstallationRemoved,
        Self::ComponentPackaged,
        Self::AccountCreated,
        Self::AccountEnrolled,
        Self::AccountUpdated,
        Self::AccountSuspended,
        Self::AccountReactivated,
        Self::GroupChanged,
    ];

    /// Whether the event is about a release. Each managed account that has the pack installed gets those events.
    #[must_use]
    pub fn is_of_release(self) -> bool {
        match self {
            Self::ReleaseScheduled
            | Self::ReleaseRescheduled
            | Self::WindowMoved
            | Self::ReleaseCanceled
            | Self::ReleaseSuperseded
            | Self::ReleaseStarted
            | Self::ReleaseProgressed
            | Self::ReleaseCompleted
            | Self::ReleasePaused
            | Self::ReleaseResumed
            | Self::ReleaseRollingBack
            | Self::ReleaseRolledBack
            | Self::ReleaseHalted
            | Self::ReleaseStageOpened
            | Self::ReleaseStageCompleted => true,
            Self::UpdateOffered
            | Self::InstallationUpdated
            | Self::UpdateOutcomeReported
            | Self::InstallationFrozen
            | Self::PackShared
            | Self::PackUnshared
            | Self::NewerShareablePackaged
            | Self::PackDeleted
            | Self::WebhookDisabled
            | Self::WebhookTest
            | Self::PackCreated
            | Self::PackUpdated
            | Self::InstallationCreated
            | Self::InstallationRenamed
            | Self::InstallationRemoved
            | Self::ComponentPackaged
            | Self::AccountCreated
            | Self::AccountEnrolled
            | Self::AccountUpdated
            | Self::AccountSuspended
            | Self::AccountReactivated
            | Self::GroupChanged => false,
        }
    }
}

/// Which accounts get an event (R50).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Only the publisher.
    Publisher,
    /// Only one managed account.
    Account,
    /// The publisher and one managed account.
    PublisherAndAccount,
    /// The publisher, and each managed account that has the pack installed.
    PublisherAndInstalled,
}

/// A release window at the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WindowFacts {
    pub date: chrono::NaiveDate,
    pub time_zone: String,
    pub starts_at: Instant,
    pub ends_at: Instant,
}

/// Facts at the time of the event, besides the ids. They are stored because the objects may change before a subscriber
/// reads the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EventData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_window: Option<WindowFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<ReleaseId>,
    /// The version number of the installation after the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_number: Option<i32>,
    /// The number of installations that a deleted pack had: in the publisher's event all, in a managed account's event
    /// the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstalled_count: Option<i64>,
    /// The reason that the caller gave, such as that of a pause. Only the publisher sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The report that the event announces (R57).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_report: Option<OutcomeReportId>,
    /// The figures that halted a release (R58).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<HaltFigures>,
    /// The position of the early stage that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// The webhook endpoint that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
    /// The changed fields of a pack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The name that an installation had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_name: Option<String>,
    /// The name of the group that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
}

/// An event before it is stored. The database assigns its sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    pub kind: EventKind,
    pub audience: Audience,
    pub publisher_id: AccountId,
    /// The managed account that the event concerns, if any.
    pub account_id: Option<AccountId>,
    /// `None` for an event that concerns no pack.
    pub pack_id: Option<PackId>,
    /// Empty for an event that concerns no pack.
    pub pack_name: String,
    pub occurred_at: Instant,
    pub actor: Actor,
    /// The name of the actor's account at the time; `None` when the actor isn't a token.
    pub actor_account_name: Option<String>,
    pub release_id: Option<ReleaseId>,
    pub installation_id: Option<InstallationId>,
    pub update_state: Option<UpdateState>,
    pub component_version_id: Option<ComponentVersionId>,
    pub group_id: Option<GroupId>,
    pub data: EventData,
}

/// An event's position in the log. It includes the event's id, because after a backup was restored, another event may
/// get the same sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub sequence: i64,
    pub event: EventId,
}

impl Position {
    /// The position before the first event.
    pub const ORIGIN: Self = Self { sequence: 0, event: EventId(uuid::Uuid::nil()) };
}

impl Event {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { sequence: self.sequence, event: self.event.id }
    }
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Increases in the order of commits, with gaps.
    pub sequence: i64,
    pub event: NewEvent,
}
