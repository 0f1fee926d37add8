//! The interfaces of the schema, for fields that return objects of several types.

#![allow(clippy::duplicated_attributes, reason = "two fields of one type are no duplicates")]
#![allow(clippy::large_enum_variant, reason = "values are short-lived: each is made for one field of a response")]

use async_graphql::{Context, ID, Interface, Result};

use crate::domain::components::VersionKind;
use crate::domain::id::{AccountId, ComponentVersionId, PackId, PackVersionId, ReleaseId};
use crate::store::scope::Scope;

use super::context::ContextExt as _;
use super::enums::{AccountStatus, EventKind, InstallationType, ReleaseSchedule};
use super::error::{ResultExt as _, bug};
use super::scalars::{DateTime, Markdown, TimeZoneName};
use crate::graphql::accounts::{
    AccountError, Actor, ApiToken, ManagedAccount, OwnAccount, PublisherAccount, TrustedPublisher,
};
use crate::graphql::components::{Component, PackagedComponent, PackagingError};
use crate::graphql::installations::{Installation, InstallationError, InstallationUpdate, UpdateOutcomeReport};
use crate::graphql::library::{AvailableProcess, LibraryError, Publication, PublishedProcess};
use crate::graphql::log::{
    AccountEvent, AuditEntry, ComponentEvent, GroupEvent, InstallationEvent, NewerShareableEvent, PackChangedEvent,
    PackDeletedEvent, ReleaseEvent, SharingEvent, WebhookEvent,
};
use crate::graphql::packs::{IntegrationPack, PackContentItem, PackError, PackVersion, SupportInfo};
use crate::graphql::releases::{AnnouncedRelease, Release, ReleaseError, ReleaseWindow, TestingPeriod};
use crate::graphql::sharing::{AccountGroup, AvailablePack, AvailablePackVersion, SharingError};
use crate::graphql::webhooks::{WebhookEndpoint, WebhookError};

/// An object that can be read again by its ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque, and unique over all types."))]
pub enum Node {
    IntegrationPack(IntegrationPack),
    PackVersion(PackVersion),
    Release(Release),
    Component(Component),
    PackagedComponent(PackagedComponent),
    Publication(Publication),
    PublishedProcess(PublishedProcess),
    AvailableProcess(AvailableProcess),
    AvailablePack(AvailablePack),
    AvailablePackVersion(AvailablePackVersion),
    AnnouncedRelease(AnnouncedRelease),
    Installation(Installation),
    InstallationUpdate(InstallationUpdate),
    UpdateOutcomeReport(UpdateOutcomeReport),
    PublisherAccount(PublisherAccount),
    OwnAccount(OwnAccount),
    ManagedAccount(ManagedAccount),
    AccountGroup(AccountGroup),
    ApiToken(ApiToken),
    ReleaseEvent(ReleaseEvent),
    InstallationEvent(InstallationEvent),
    SharingEvent(SharingEvent),
    NewerShareableEvent(NewerShareableEvent),
    PackDeletedEvent(PackDeletedEvent),
    WebhookEvent(WebhookEvent),
    WebhookEndpoint(WebhookEndpoint),
    TrustedPublisher(TrustedPublisher),
    PackChangedEvent(PackChangedEvent),
    AccountEvent(AccountEvent),
    GroupEvent(GroupEvent),
    ComponentEvent(ComponentEvent),
    AuditEntry(AuditEntry),
}

/// A pack as its reader may see it: an IntegrationPack for its publisher, an AvailablePack for a managed account.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque. The two readers of a pack know it by different IDs."),
    field(name = "name", ty = "String", desc = "1 to 255 characters."),
    field(name = "description", ty = "String", desc = "At most 500 characters; empty when there is none."),
    field(name = "installation_type", ty = "InstallationType", desc = "How often an account may install it."),
    field(name = "support", ty = "SupportInfo", desc = "Contacts and guides, for before and after installing.")
)]
pub enum Pack {
    IntegrationPack(IntegrationPack),
    AvailablePack(AvailablePack),
}

/// A numbered, immutable snapshot of a pack's content, made by a release: a PackVersion for the publisher, an AvailablePackVersion for a managed account.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque."),
    field(
        name = "number",
        ty = "i32",
        desc = "1, 2, 3 … for each pack; a release that was canceled keeps the number it took."
    ),
    field(name = "notes", ty = "Markdown", desc = "The notes of its release."),
    field(name = "created_at", ty = "DateTime", desc = "When its release was made."),
    field(name = "contents", ty = "Vec<PackContentItem>", desc = "Its content, by name; at most 100.")
)]
pub enum PackSnapshot {
    PackVersion(PackVersion),
    AvailablePackVersion(AvailablePackVersion),
}

/// The move of a pack's installations to one version: a Release for the publisher, an AnnouncedRelease for a managed account.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque."),
    field(name = "pack", ty = "Pack", desc = "The pack."),
    field(name = "version", ty = "PackSnapshot", desc = "The version that it brings."),
    field(name = "schedule", ty = "ReleaseSchedule", desc = "Whether it was made to be applied at once or on a date."),
    field(
        name = "window",
        ty = "Option<ReleaseWindow>",
        desc = "When a dated release opens and closes; null for an immediate one."
    ),
    field(
        name = "testing_period",
        ty = "Option<TestingPeriod>",
        desc = "When accounts that have the pack may apply early; null for an immediate and for a first release."
    ),
    field(name = "notes", ty = "Markdown", desc = "The release notes, in the publisher's words."),
    field(name = "created_at", ty = "DateTime", desc = "When it was made.")
)]
pub enum PackRelease {
    Release(Release),
    AnnouncedRelease(AnnouncedRelease),
}

/// A version that a row of a pack can hold: a PackagedComponent, or in a legacy pack a Publication.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque."),
    field(name = "component", ty = "Component", desc = "The component of the version."),
    field(name = "version", ty = "String", desc = "The version label, or the number of the publication as text."),
    field(name = "shareable", ty = "bool", desc = "Whether packs may hold it; true for every publication."),
    field(name = "notes", ty = "Option<String>", desc = "The notes; null when there are none."),
    field(
        name = "created_at",
        ty = "DateTime",
        desc = "When it was made. The newest version is the one with the latest time, whatever its label."
    ),
    field(name = "created_by", ty = "Actor", desc = "The actor that made it.")
)]
pub enum ComponentVersion {
    PackagedComponent(PackagedComponent),
    Publication(Publication),
}

/// A process shared as a template: a PublishedProcess for its publisher, an AvailableProcess for a managed account.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque."),
    field(name = "name", ty = "String", desc = "The process's name."),
    field(name = "version", ty = "String", desc = "The version label of the package."),
    field(name = "description", ty = "Markdown", desc = "Its purpose; empty when there is none."),
    field(name = "published_at", ty = "DateTime", desc = "When it came into the library.")
)]
pub enum LibraryProcess {
    PublishedProcess(PublishedProcess),
    AvailableProcess(AvailableProcess),
}

/// An account as its reader may see it: one's own (PublisherAccount, OwnAccount), or for a publisher one that it manages (ManagedAccount).
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque."),
    field(name = "name", ty = "String", desc = "1 to 255 characters."),
    field(name = "status", ty = "AccountStatus", desc = "Whether it is active or suspended."),
    field(
        name = "time_zone",
        ty = "Option<TimeZoneName>",
        desc = "The account's zone; null while none is set. A publisher's decides when its dated releases open."
    ),
    field(name = "created_at", ty = "DateTime", desc = "When it was made.")
)]
pub enum Account {
    PublisherAccount(PublisherAccount),
    OwnAccount(OwnAccount),
    ManagedAccount(ManagedAccount),
}

/// One change of state. Its own fields say what was so when it happened; objects reached from it are as they are now, and null when they are gone or no longer to be seen.
/// A managed account gets only what it may see, through its own types.
#[derive(Interface)]
#[graphql(
    field(
        name = "id",
        ty = "ID",
        desc = "Opaque. The same event has the same ID for each delivery: use it to drop what comes twice."
    ),
    field(
        name = "cursor",
        ty = "String",
        desc = "The cursor of the event, for `after`. Opaque, and valid for the caller's account alone."
    ),
    field(name = "kind", ty = "EventKind", desc = "The kind of the event."),
    field(name = "occurred_at", ty = "DateTime", desc = "When it was committed."),
    field(
        name = "actor",
        ty = "Option<Actor>",
        desc = "The actor; null for a managed account when it wasn't one of its own tokens."
    )
)]
pub enum Event {
    ReleaseEvent(ReleaseEvent),
    InstallationEvent(InstallationEvent),
    SharingEvent(SharingEvent),
    NewerShareableEvent(NewerShareableEvent),
    PackDeletedEvent(PackDeletedEvent),
    WebhookEvent(WebhookEvent),
    PackChangedEvent(PackChangedEvent),
    AccountEvent(AccountEvent),
    GroupEvent(GroupEvent),
    ComponentEvent(ComponentEvent),
}

/// An event of one pack, or of something of it.
#[derive(Interface)]
#[graphql(
    field(
        name = "id",
        ty = "ID",
        desc = "Opaque. The same event has the same ID for each delivery: use it to drop what comes twice."
    ),
    field(
        name = "cursor",
        ty = "String",
        desc = "The cursor of the event, for `after`. Opaque, and valid for the caller's account alone."
    ),
    field(name = "kind", ty = "EventKind", desc = "The kind of the event."),
    field(name = "occurred_at", ty = "DateTime", desc = "When it was committed."),
    field(
        name = "actor",
        ty = "Option<Actor>",
        desc = "The actor; null for a managed account when it wasn't one of its own tokens."
    ),
    field(name = "pack_id", ty = "ID", desc = "The pack's ID for this reader, also when the pack is gone."),
    field(name = "pack_name", ty = "String", desc = "The pack's name when it happened."),
    field(
        name = "pack",
        ty = "Option<Pack>",
        desc = "The pack as it is now; null when it is gone or no longer to be seen."
    )
)]
pub enum PackEvent {
    ReleaseEvent(ReleaseEvent),
    InstallationEvent(InstallationEvent),
    SharingEvent(SharingEvent),
    NewerShareableEvent(NewerShareableEvent),
    PackDeletedEvent(PackDeletedEvent),
    PackChangedEvent(PackChangedEvent),
}

/// Why a mutation refused. Each area has its own type with its own enum of codes in a field `code`.
#[derive(Interface)]
#[graphql(
    field(
        name = "message",
        ty = "String",
        desc = "A sentence in English that says what to do. May be shown; may change; don't parse it."
    ),
    field(
        name = "field",
        ty = "Option<Vec<String>>",
        desc = "The path into `input`, for example [\"packages\", \"3\", \"version\"]; null when no one field is at fault."
    )
)]
pub enum UserError {
    PackagingError(PackagingError),
    PackError(PackError),
    ReleaseError(ReleaseError),
    SharingError(SharingError),
    AccountError(AccountError),
    InstallationError(InstallationError),
    LibraryError(LibraryError),
    WebhookError(WebhookError),
}

impl Pack {
    /// The pack with this id in the caller's view; `None` if the caller may not see it.
    pub async fn by_id(ctx: &Context<'_>, id: PackId) -> Result<Option<Self>> {
        Ok(match ctx.scope()? {
            Scope::Publisher(_) => IntegrationPack::by_id(ctx, id).await?.map(Into::into),
            Scope::Managed(_) => AvailablePack::by_id(ctx, id).await?.map(Into::into),
        })
    }
}

impl PackSnapshot {
    /// The pack version with this id in the caller's view; `None` if the caller may not see it. Callers got the id from
    /// an object that the caller may see.
    pub async fn by_id(ctx: &Context<'_>, id: PackVersionId) -> Result<Option<Self>> {
        Ok(match ctx.scope()? {
            Scope::Publisher(_) => Some(PackVersion::must(ctx, id).await?.into()),
            Scope::Managed(_) => AvailablePackVersion::by_id(ctx, id).await?.map(Into::into),
        })
    }
}

impl PackRelease {
    /// The release with this id in the caller's view; `None` if the caller may not see it.
    pub async fn by_id(ctx: &Context<'_>, id: ReleaseId) -> Result<Option<Self>> {
        Ok(match ctx.scope()? {
            Scope::Publisher(_) => Release::by_id(ctx, id).await?.map(Into::into),
            Scope::Managed(_) => AnnouncedRelease::by_id(ctx, id).await?.map(Into::into),
        })
    }
}

impl ComponentVersion {
    /// The component version with this id; `None` if the caller may not see it.
    pub async fn by_id(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Option<Self>> {
        let found = ctx.loaders().components.versions.one(id).await.or_failure()?;
        Ok(found.map(|version| match version.kind {
            VersionKind::Package => PackagedComponent(version).into(),
            VersionKind::Publication => Publication(version).into(),
        }))
    }

    /// The component version with this id, which must exist.
    pub(crate) async fn must(ctx: &Context<'_>, id: ComponentVersionId) -> Result<Self> {
        Self::by_id(ctx, id).await?.ok_or_else(|| bug("a version of a component is gone"))
    }
}

impl Account {
    /// The account with this id in the caller's view: its own, or one that it manages; `None` for any other.
    pub async fn by_id(ctx: &Context<'_>, id: AccountId) -> Result<Option<Self>> {
        Ok(match ctx.scope()? {
            Scope::Publisher(scope) if scope.publisher_id() == id => {
                PublisherAccount::by_id(ctx, id).await?.map(Into::into)
            }
            Scope::Publisher(_) => ManagedAccount::by_id(ctx, id).await?.map(Into::into),
            Scope::Managed(_) => OwnAccount::by_id(ctx, id).await?.map(Into::into),
        })
    }
}
