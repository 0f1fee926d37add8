//! The enums of the schema, mapped to those of the domain.

use async_graphql::Enum;

/// How often a managed account may install a pack.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::packs::InstallationType")]
pub enum InstallationType {
    /// Once.
    Single,
    /// Any number of times, each under its own name.
    Multi,
}

/// The kind of versions in the rows of a pack.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::packs::DeploymentModel")]
pub enum DeploymentModel {
    /// Packaged components.
    Packaged,
    /// Publications of components.
    Legacy,
}

/// The state of a pack.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::packs::PackState")]
pub enum PackState {
    /// No version has been in force, and no release is pending.
    NeverReleased,
    /// The first release waits for its date.
    FirstReleaseScheduled,
    /// A version is in force and no release is pending or running.
    Current,
    /// A dated re-release is in its testing period.
    Testing,
    /// A release is being rolled out.
    Releasing,
}

/// The type of a component.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::components::ComponentType")]
pub enum ComponentType {
    /// A process; can be shared.
    Process,
    /// An API service; can be shared, not in a MULTI pack.
    ApiService,
    /// A process route; never shared. A package that holds one can't be shared either.
    ProcessRoute,
    /// A certificate; never shared.
    Certificate,
    /// A custom library; never shared.
    CustomLibrary,
    /// A flow service; never shared.
    FlowService,
    /// A processing group; never shared.
    ProcessingGroup,
}

/// How a release was made.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::releases::ReleaseSchedule")]
pub enum ReleaseSchedule {
    /// At once.
    Immediately,
    /// In the window of a date.
    #[graphql(name = "RELEASE_ON_SPECIFIED_DATE")]
    OnSpecifiedDate,
}

/// The state of a release.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::releases::ReleaseState")]
pub enum ReleaseState {
    /// Waits for its window; can be rescheduled, promoted, canceled.
    Scheduled,
    /// Installations are being moved.
    InProgress,
    /// Every installation was moved, or skipped with a reason.
    Succeeded,
    /// Some failed; they can be retried.
    PartiallySucceeded,
    /// All failed; they can be retried.
    Failed,
    /// Canceled before its window.
    Canceled,
    /// An immediate release took its place.
    Superseded,
    /// Installations are being moved back.
    RollingBack,
    /// The former version is in its place again.
    RolledBack,
}

/// The state of a stage.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::releases::StageState")]
pub enum ReleaseStageState {
    /// Its window hasn't opened.
    Waiting,
    /// Its installations are being moved.
    Open,
    /// All of its installations were processed.
    Done,
    /// The release was canceled, superseded or promoted before it opened.
    Dropped,
}

/// The state of a release, without information about other accounts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnnouncedReleaseState {
    /// Waits for its window.
    Scheduled,
    /// Installations are being moved.
    InProgress,
    /// It has ended, however it went for others; see one's own updates.
    Ended,
    /// Canceled before its window.
    Canceled,
    /// An immediate release took its place.
    Superseded,
    /// The former version is, or is being put, in its place again.
    RolledBack,
}

/// The state of an installation update.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::installations::UpdateState")]
pub enum InstallationUpdateState {
    /// Can be applied early, or waits to be moved.
    Offered,
    /// The installation has the version.
    Applied,
    /// Skipped; see the reason.
    Skipped,
    /// A fault; see the failure.
    Failed,
    /// Withdrawn: the installation was uninstalled, or the release was canceled, superseded or rolled back.
    Withdrawn,
}

/// How an installation update came about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::installations::UpdateMethod")]
pub enum UpdateMethod {
    /// By the account, in the testing period.
    Early,
    /// By the window of a dated release.
    Automatic,
    /// By an immediate or promoted release.
    Immediate,
    /// When the grant came back or the account was active again: straight to the current version.
    CatchUp,
    /// Applied early or by a stage, and moved back when the release was canceled.
    CanceledBack,
    /// Moved back when the release was rolled back.
    RolledBack,
    /// By an early stage of a dated release.
    Staged,
}

/// The reason why an installation is skipped.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::installations::SkipReason")]
pub enum SkipReason {
    /// No group grants the pack any more.
    NotEntitled,
    /// The account is suspended.
    AccountSuspended,
}

/// The kind of fault that made an update fail.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::installations::FailureCode")]
pub enum UpdateFailureCode {
    /// May pass; the server tries again.
    Temporary,
    /// Doesn't pass by itself; the server's log informs the operator.
    Internal,
}

/// What a halt does.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::releases::HaltAction")]
pub enum HaltAction {
    /// Pauses the release. After the release has ended, it only sends the event RELEASE_HALTED.
    Pause,
    /// Cancels a release whose window hasn't opened, rolls another one back.
    RollBack,
}

/// How an update went.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::installations::UpdateOutcome")]
pub enum UpdateOutcome {
    /// It works.
    Works,
    /// It doesn't work.
    Broken,
}

/// Whether an installation gets updates.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstallationState {
    /// The installation gets updates.
    Active,
    /// No group grants the pack any more: it stays at its version.
    Frozen,
}

/// Whether an account may act.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::accounts::AccountStatus")]
pub enum AccountStatus {
    /// The account may act.
    Active,
    /// Its tokens are refused and its updates skipped.
    Suspended,
}

/// The role of a token.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::accounts::Role")]
pub enum Role {
    /// May do everything.
    Administrator,
    /// May manage packs and packages, and apply updates.
    StandardUser,
    /// May apply updates.
    ProductionSupport,
    /// May only read.
    Support,
}

/// A privilege of a role.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::accounts::Privilege")]
pub enum Privilege {
    /// Create, edit, release packs; install and uninstall them.
    IntegrationPack,
    /// Package components.
    PackagedComponentManagement,
    /// Groups and sharing.
    AccountGroupManagement,
    /// Accounts, tokens, time zone.
    AccountAdministration,
    /// Apply a pending update.
    ApplyUpdates,
    /// Read what the account may see.
    Read,
    /// Read the audit log.
    ViewAuditLog,
}

/// The kind of the event.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::log::EventKind")]
pub enum EventKind {
    /// A release waits for its date.
    ReleaseScheduled,
    /// Its date was changed.
    ReleaseRescheduled,
    /// It was canceled.
    ReleaseCanceled,
    /// An immediate release took its place.
    ReleaseSuperseded,
    /// Installations are being moved.
    ReleaseStarted,
    /// More installations were moved; to the publisher, at most one a second.
    ReleaseProgressed,
    /// It reached its final state.
    ReleaseCompleted,
    /// Nobody is moved to its version any more, until it is resumed.
    ReleasePaused,
    /// It goes on.
    ReleaseResumed,
    /// Installations are being moved back.
    ReleaseRollingBack,
    /// The former version is in its place again.
    ReleaseRolledBack,
    /// Its halt rule took effect; to the publisher.
    ReleaseHalted,
    /// An installation can apply a release early.
    UpdateOffered,
    /// An installation update changed its state.
    InstallationUpdated,
    /// An account reported how an update went; to the publisher and to that account.
    UpdateOutcomeReported,
    /// An installation lost its last grant.
    InstallationFrozen,
    /// A pack can be installed.
    PackShared,
    /// A pack can no longer be installed.
    PackUnshared,
    /// A component of a pack has a newer shareable version; to the publisher.
    NewerShareablePackaged,
    /// A pack is gone.
    PackDeleted,
    /// Newer rules of its zone moved a pending release's window.
    WindowMoved,
    /// An early stage of a release opened; to the publisher.
    ReleaseStageOpened,
    /// An early stage has processed all of its installations; to the publisher.
    ReleaseStageCompleted,
    /// A webhook endpoint no longer gets events.
    WebhookDisabled,
    /// A test, requested by `sendTestEvent`. The event log never has one.
    WebhookTest,
    /// A pack was made; to the publisher.
    PackCreated,
    /// A pack's name, description, support data, key or draft changed; to the publisher.
    PackUpdated,
    /// A pack was installed; to the publisher and to that account.
    InstallationCreated,
    /// An installation has another name; to the publisher and to that account.
    InstallationRenamed,
    /// An installation was removed; to the publisher and to that account. Whoever had a deleted pack installed gets PACK_DELETED in its place.
    InstallationRemoved,
    /// A component was packaged or published; to the publisher.
    ComponentPackaged,
    /// A managed account was made; to the publisher and to that account.
    AccountCreated,
    /// A managed account got its first token; to the publisher and to that account.
    AccountEnrolled,
    /// An account's name, time zone or key changed; to the publisher, and to a managed account when it was more than its publisher's key.
    AccountUpdated,
    /// An account was suspended; to the publisher and to that account, which reads it when it is active again.
    AccountSuspended,
    /// An account is active again; to the publisher and to that account.
    AccountReactivated,
    /// A group was made, renamed or deleted, or has another key or other members; to the publisher.
    GroupChanged,
}

/// The kind of the actor.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::domain::accounts::ActorKind")]
pub enum ActorKind {
    /// A token of an account.
    ApiToken,
    /// The server's own scheduler.
    Scheduler,
    /// The program's command line, beside the server.
    CommandLine,
}

/// The database system of a server.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[graphql(remote = "crate::store::DatabaseKind")]
pub enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A PostgreSQL server.
    Postgresql,
}

/// The direction of an order.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderDirection {
    /// Smallest, first or oldest first.
    Asc,
    /// Largest, last or newest first.
    Desc,
}

/// A field to order packs by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegrationPackOrderField {
    /// The name, whatever the case.
    Name,
    /// When it was made.
    CreatedAt,
    /// When it was last edited.
    UpdatedAt,
}

/// A field to order packaged components by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackagedComponentOrderField {
    /// When it was packaged.
    CreatedAt,
    /// The component's name, whatever the case; newest first within a name.
    ComponentName,
}

impl From<crate::domain::releases::ReleaseState> for AnnouncedReleaseState {
    fn from(state: crate::domain::releases::ReleaseState) -> Self {
        use crate::domain::releases::ReleaseState as S;
        match state {
            S::Scheduled => Self::Scheduled,
            S::InProgress => Self::InProgress,
            S::Succeeded | S::PartiallySucceeded | S::Failed => Self::Ended,
            S::Canceled => Self::Canceled,
            S::Superseded => Self::Superseded,
            S::RollingBack | S::RolledBack => Self::RolledBack,
        }
    }
}
