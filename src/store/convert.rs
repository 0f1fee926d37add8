//! Conversion between rows and the domain's structs.
//!
//! During an update of several servers, a newer one may have stored a name that this version doesn't know. A read of
//! such a row fails with UNAVAILABLE, because another server, or this one after its update, can answer it. The program
//! guesses neither the rules for an unknown state nor the content of an audit entry. Only what reads rows of all accounts,
//! such as the event log and the tasks, skips such rows: one account's row must not stop the others.

use entity as row;
use sea_orm::prelude::Uuid;

use super::releases::{halt_rule_of_row, pause_of_row};
use super::{StoreError, StoreResult};
use crate::domain::accounts::{Account, AccountGroup, AccountKind, AccountStatus, Actor, ActorKind, ApiToken, Role};
use crate::domain::components::{Component, ComponentType, ComponentVersion, NumericLabel, VersionKind};
use crate::domain::id::UpdateId;
use crate::domain::installations::{
    Failure, FailureCode, Installation, InstallationUpdate, SkipReason, UpdateMethod, UpdateOutcome, UpdateState,
};
use crate::domain::library::LibraryProcess;
use crate::domain::log::{Audience, Event, EventKind, NewEvent, Recorded, Subject, SubjectKey};
use crate::domain::packs::{
    Assessment, DeploymentModel, InstallationType, Pack, PackStanding, PackVersion, PendingRelease,
};
use crate::domain::releases::{DataVersion, HaltAction, Release, ReleaseSchedule, ReleaseState, RollBack, Window};
use crate::domain::webhooks::{DisabledReason, WebhookFailure, WebhookState};

/// An enum that is stored by name. An enum of the GraphQL schema has the same names there.
pub trait Stored: Sized + Copy {
    const NAMES: &'static [&'static str];

    fn stored(self) -> &'static str;
    /// The value with this stored name.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a name that this version of the program doesn't know.
    fn read(name: &str) -> StoreResult<Self>;
}

macro_rules! stored {
    ($($enum:ident { $($variant:ident = $name:literal),+ $(,)? })*) => {$(
        impl Stored for $enum {
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn stored(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            fn read(name: &str) -> StoreResult<Self> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    other => Err(unknown(stringify!($enum), other)),
                }
            }
        }
    )*};
}

stored! {
    AccountKind { Publisher = "PUBLISHER", Managed = "MANAGED" }
    AccountStatus { Active = "ACTIVE", Suspended = "SUSPENDED" }
    Role { Administrator = "ADMINISTRATOR", StandardUser = "STANDARD_USER", ProductionSupport = "PRODUCTION_SUPPORT", Support = "SUPPORT" }
    ActorKind { ApiToken = "API_TOKEN", Scheduler = "SCHEDULER", CommandLine = "COMMAND_LINE" }
    ComponentType {
        Process = "PROCESS", ApiService = "API_SERVICE", ProcessRoute = "PROCESS_ROUTE", Certificate = "CERTIFICATE",
        CustomLibrary = "CUSTOM_LIBRARY", FlowService = "FLOW_SERVICE", ProcessingGroup = "PROCESSING_GROUP",
    }
    VersionKind { Package = "PACKAGE", Publication = "PUBLICATION" }
    InstallationType { Single = "SINGLE", Multi = "MULTI" }
    DeploymentModel { Packaged = "PACKAGED", Legacy = "LEGACY" }
    ReleaseSchedule { Immediately = "IMMEDIATELY", OnSpecifiedDate = "RELEASE_ON_SPECIFIED_DATE" }
    ReleaseState {
        Scheduled = "SCHEDULED", InProgress = "IN_PROGRESS", Succeeded = "SUCCEEDED",
        PartiallySucceeded = "PARTIALLY_SUCCEEDED", Failed = "FAILED", Canceled = "CANCELED", Superseded = "SUPERSEDED",
        RollingBack = "ROLLING_BACK", RolledBack = "ROLLED_BACK",
    }
    UpdateState { Offered = "OFFERED", Applied = "APPLIED", Skipped = "SKIPPED", Failed = "FAILED", Withdrawn = "WITHDRAWN" }
    UpdateMethod {
        Early = "EARLY", Automatic = "AUTOMATIC", Immediate = "IMMEDIATE", CatchUp = "CATCH_UP", CanceledBack = "CANCELED_BACK",
        RolledBack = "ROLLED_BACK", Staged = "STAGED",
    }
    SkipReason { NotEntitled = "NOT_ENTITLED", AccountSuspended = "ACCOUNT_SUSPENDED" }
    HaltAction { Pause = "PAUSE", RollBack = "ROLL_BACK" }
    UpdateOutcome { Works = "WORKS", Broken = "BROKEN" }
    FailureCode { Temporary = "TEMPORARY", Internal = "INTERNAL" }
    Audience {
        Publisher = "PUBLISHER", Account = "ACCOUNT", PublisherAndAccount = "PUBLISHER_AND_ACCOUNT",
        PublisherAndInstalled = "PUBLISHER_AND_INSTALLED",
    }
    EventKind {
        ReleaseScheduled = "RELEASE_SCHEDULED", ReleaseRescheduled = "RELEASE_RESCHEDULED", WindowMoved = "WINDOW_MOVED", ReleaseCanceled = "RELEASE_CANCELED",
        ReleaseSuperseded = "RELEASE_SUPERSEDED", ReleaseStarted = "RELEASE_STARTED", ReleaseProgressed = "RELEASE_PROGRESSED",
        ReleaseCompleted = "RELEASE_COMPLETED", ReleasePaused = "RELEASE_PAUSED", ReleaseResumed = "RELEASE_RESUMED", ReleaseHalted = "RELEASE_HALTED", UpdateOffered = "UPDATE_OFFERED", InstallationUpdated = "INSTALLATION_UPDATED", UpdateOutcomeReported = "UPDATE_OUTCOME_REPORTED",
        InstallationFrozen = "INSTALLATION_FROZEN", PackShared = "PACK_SHARED", PackUnshared = "PACK_UNSHARED",
        NewerShareablePackaged = "NEWER_SHAREABLE_PACKAGED", PackDeleted = "PACK_DELETED",
        PackCreated = "PACK_CREATED", PackUpdated = "PACK_UPDATED", InstallationCreated = "INSTALLATION_CREATED", InstallationRenamed = "INSTALLATION_RENAMED", InstallationRemoved = "INSTALLATION_REMOVED",
        ComponentPackaged = "COMPONENT_PACKAGED", AccountCreated = "ACCOUNT_CREATED", AccountEnrolled = "ACCOUNT_ENROLLED", AccountUpdated = "ACCOUNT_UPDATED", AccountSuspended = "ACCOUNT_SUSPENDED", AccountReactivated = "ACCOUNT_REACTIVATED", GroupChanged = "GROUP_CHANGED", ReleaseRollingBack = "RELEASE_ROLLING_BACK", ReleaseRolledBack = "RELEASE_ROLLED_BACK",
        ReleaseStageOpened = "RELEASE_STAGE_OPENED", ReleaseStageCompleted = "RELEASE_STAGE_COMPLETED", WebhookDisabled = "WEBHOOK_DISABLED", WebhookTest = "WEBHOOK_TEST",
    }
    WebhookState { Active = "ACTIVE", Failing = "FAILING", Paused = "PAUSED", Disabled = "DISABLED" }
    DisabledReason { AttemptsExhausted = "ATTEMPTS_EXHAUSTED", Gone = "GONE", CursorExpired = "CURSOR_EXPIRED", DocumentRefused = "DOCUMENT_REFUSED" }
    WebhookFailure { Status = "STATUS", Timeout = "TIMEOUT", Connection = "CONNECTION" }
}

fn unknown(what: &str, name: &str) -> StoreError {
    StoreError::Newer(format!("this version of the program doesn't know the {what} {name}: update it"))
}

pub(in crate::store) fn read<T: Stored>(name: &str) -> StoreResult<T> {
    T::read(name)
}

pub(in crate::store) fn read_some<T: Stored>(name: Option<&str>) -> StoreResult<Option<T>> {
    name.map(T::read).transpose()
}

/// Parses a JSON column.
///
/// # Errors
/// [`StoreError::Fault`] if it can't be parsed.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Fault(format!("unreadable JSON in a column: {e}")))
}

/// Serializes a value for a JSON column.
///
/// # Errors
/// [`StoreError::Fault`] if it can't be serialized.
pub fn to_json<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|e| StoreError::Fault(format!("a value can't be written as JSON: {e}")))
}

/// The actor from its four columns.
pub fn actor(kind: &str, name: String, token_id: Option<Uuid>, account_id: Option<Uuid>) -> StoreResult<Actor> {
    Ok(Actor { kind: read(kind)?, name, token_id: token_id.map(Into::into), account_id: account_id.map(Into::into) })
}

pub fn account(m: row::account::Model) -> StoreResult<Account> {
    Ok(Account {
        id: m.id.into(),
        kind: read(&m.kind)?,
        publisher_id: m.publisher_id.into(),
        name: m.name,
        time_zone: m.time_zone,
        status: read(&m.status)?,
        suspended_at: m.suspended_at,
        enrolled_at: m.enrolled_at,
        created_at: m.created_at,
        key: m.key,
    })
}

pub fn group(m: row::account_group::Model) -> AccountGroup {
    AccountGroup {
        id: m.id.into(),
        publisher_id: m.publisher_id.into(),
        name: m.name,
        is_all_accounts: m.is_all_accounts,
        created_at: m.created_at,
        key: m.key,
    }
}

pub fn token(m: row::api_token::Model) -> StoreResult<ApiToken> {
    Ok(ApiToken {
        id: m.id.into(),
        account_id: m.account_id.into(),
        name: m.name,
        role: read(&m.role)?,
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        last_used_at: m.last_used_at,
        expires_at: m.expires_at,
        revoked_at: m.revoked_at,
        replaced_by: m.replaced_by.map(Into::into),
    })
}

pub fn component(m: row::component::Model) -> StoreResult<Component> {
    Ok(Component {
        id: m.id.into(),
        owner_id: m.owner_id.into(),
        name: m.name,
        component_type: read(&m.component_type)?,
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        in_pack_version: m.in_pack_version,
    })
}

pub fn component_version(m: row::component_version::Model) -> StoreResult<ComponentVersion> {
    Ok(ComponentVersion {
        id: m.id.into(),
        component_id: m.component_id.into(),
        kind: read(&m.kind)?,
        version: m.version,
        shareable: m.shareable,
        notes: m.notes,
        revision: m.revision,
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        source: m.source.as_deref().map(from_json).transpose()?,
        artifacts: m.artifacts.as_deref().map(from_json).transpose()?.unwrap_or_default(),
    })
}

pub fn library_process(m: row::library_process::Model) -> LibraryProcess {
    LibraryProcess {
        id: m.id.into(),
        publisher_id: m.publisher_id.into(),
        component_version_id: m.component_version_id.into(),
        name: m.name,
        version: m.version,
        description: m.description,
        published_at: m.published_at,
        withdrawn_at: m.withdrawn_at,
        copy_count: m.copy_count,
    }
}

pub fn pack(m: row::integration_pack::Model) -> StoreResult<Pack> {
    let pending = match (m.pending_release_id, m.pending_version_id, m.pending_starts_at) {
        (Some(release), Some(version), Some(starts_at)) => {
            let due_at = m.pending_due_at.unwrap_or(starts_at);
            Some(PendingRelease { release_id: release.into(), version_id: version.into(), starts_at, due_at })
        }
        _ => None,
    };
    Ok(Pack {
        id: m.id.into(),
        publisher_id: m.publisher_id.into(),
        name: m.name,
        description: m.description,
        installation_type: read(&m.installation_type)?,
        deployment_model: read(&m.deployment_model)?,
        support: from_json(&m.support)?,
        revision: m.revision,
        assessment: Assessment {
            component_count: m.component_count,
            newer_count: m.newer_count,
            has_unreleased_changes: m.has_unreleased_changes,
        },
        draft_revision: m.draft_revision,
        last_number: m.last_number,
        standing: PackStanding {
            current_version: m.current_version_id.map(Into::into),
            pending,
            running_release: m.running_release_id.map(Into::into),
            is_paused: m.release_paused,
            former_version: m.former_version_id.map(Into::into),
        },
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        updated_at: m.updated_at,
        deleted_at: m.deleted_at,
        key: m.key,
    })
}

pub fn pack_version(m: row::pack_version::Model) -> PackVersion {
    PackVersion {
        id: m.id.into(),
        pack_id: m.pack_id.into(),
        publisher_id: m.publisher_id.into(),
        number: m.number,
        notes: m.notes,
        release_id: m.release_id.into(),
        created_at: m.created_at,
    }
}

pub fn release(m: row::pack_release::Model) -> StoreResult<Release> {
    let (pause, halt) = (pause_of_row(&m)?, halt_rule_of_row(&m)?);
    let window = match (m.date, m.time_zone, m.starts_at, m.ends_at) {
        (Some(date), Some(time_zone), Some(starts_at), Some(ends_at)) => Some(Window {
            date: date.parse().map_err(|_| StoreError::Fault(format!("a stored date is wrong: {date}")))?,
            time_zone,
            starts_at,
            ends_at,
            data_version: DataVersion::stored(m.time_zone_data_version.unwrap_or_default()),
        }),
        _ => None,
    };
    Ok(Release {
        id: m.id.into(),
        pack_id: m.pack_id.into(),
        publisher_id: m.publisher_id.into(),
        version_id: m.version_id.into(),
        previous_version_id: m.previous_version_id.map(Into::into),
        has_stages: m.has_stages,
        state: read(&m.state)?,
        schedule: read(&m.schedule)?,
        window,
        lateness_seconds: m.lateness_seconds,
        superseded_by: m.superseded_by_id.map(Into::into),
        created_at: m.created_at,
        created_by: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        promoted_at: m.promoted_at,
        started_at: m.started_at,
        ended_at: m.ended_at,
        pause,
        resumed_at: m.resumed_at,
        reason: m.reason,
        roll_back: match (m.roll_back_began_at, m.roll_back_installations) {
            (Some(began_at), Some(installations)) => Some(RollBack { began_at, installations }),
            _ => None,
        },
        halt,
        halted_at: m.halted_at,
        source: m.source.as_deref().map(from_json).transpose()?,
    })
}

pub fn installation(m: row::installation::Model) -> Installation {
    Installation {
        id: m.id.into(),
        pack_id: m.pack_id.into(),
        account_id: m.account_id.into(),
        publisher_id: m.publisher_id.into(),
        override_name: m.override_name,
        version_id: m.version_id.into(),
        installed_at: m.installed_at,
        moved_at: m.moved_at,
        uninstalled_at: m.uninstalled_at,
        key: m.key,
    }
}

pub fn update(m: row::installation_update::Model) -> StoreResult<InstallationUpdate> {
    let failure =
        read_some::<FailureCode>(m.failure_code.as_deref())?.map(|code| Failure { code, attempts: m.attempts });
    let applied_by = match (m.actor_kind, m.actor_name) {
        (Some(kind), Some(name)) => Some(actor(&kind, name, m.actor_token_id, m.actor_account_id)?),
        _ => None,
    };
    Ok(InstallationUpdate {
        id: UpdateId { installation: m.installation_id.into(), release: m.release_id.into() },
        account_id: m.account_id.into(),
        publisher_id: m.publisher_id.into(),
        pack_id: m.pack_id.into(),
        state: read(&m.state)?,
        how: read_some(m.how.as_deref())?,
        skip_reason: read_some(m.skip_reason.as_deref())?,
        failure,
        from_version_id: m.from_version_id.into(),
        to_version_id: m.to_version_id.into(),
        offered_at: m.offered_at,
        settled_at: m.settled_at,
        applied_by,
    })
}

/// Parses the highest numeric label of a component.
pub fn whole(digits: &str) -> StoreResult<NumericLabel> {
    NumericLabel::parse(digits).ok_or_else(|| StoreError::Fault(format!("a stored number isn't one: {digits:?}")))
}

pub fn event(m: row::event::Model) -> StoreResult<Event> {
    Ok(Event {
        sequence: m.sequence,
        event: NewEvent {
            id: m.id.into(),
            kind: read(&m.kind)?,
            audience: read(&m.audience)?,
            publisher_id: m.publisher_id.into(),
            account_id: m.account_id.map(Into::into),
            pack_id: m.pack_id.map(Into::into),
            pack_name: m.pack_name,
            occurred_at: m.occurred_at,
            actor: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
            actor_account_name: m.actor_account_name,
            release_id: m.release_id.map(Into::into),
            installation_id: m.installation_id.map(Into::into),
            update_state: read_some(m.update_state.as_deref())?,
            component_version_id: m.component_version_id.map(Into::into),
            group_id: m.group_id.map(Into::into),
            data: from_json(&m.data)?,
        },
    })
}

pub fn audit_entry(m: row::audit_entry::Model) -> StoreResult<Recorded> {
    let own_subject = match (m.own_subject_type, m.own_subject_id) {
        (Some(type_name), Some(id)) => Some(Subject { key: SubjectKey { type_name, id }, name: m.own_subject_name }),
        _ => None,
    };
    Ok(Recorded {
        id: m.id.into(),
        publisher_id: m.publisher_id.into(),
        account_id: m.account_id.map(Into::into),
        occurred_at: m.occurred_at,
        actor: actor(&m.actor_kind, m.actor_name, m.actor_token_id, m.actor_account_id)?,
        actor_account_name: m.actor_account_name,
        action: m.action,
        subject: Subject { key: SubjectKey { type_name: m.subject_type, id: m.subject_id }, name: m.subject_name },
        own_subject,
        changes: from_json(&m.changes)?,
        request_id: m.request_id,
    })
}
