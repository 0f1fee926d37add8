//! Events, as the publisher or a managed account gets them (R49, R50). An event's own fields show the time of the
//! event; the objects reached from it show the time of the read.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::id::EventId;
use crate::domain::log::{EventKind as Kind, WindowFacts};
use crate::events::hub::Announced;
use crate::graphql::connection::{connection, int};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{EventKind, InstallationUpdateState};
use crate::graphql::error::{ResultExt as _, bug};
use crate::graphql::ids::Gid;
use crate::graphql::interfaces::{Account, ComponentVersion, Event, Node, Pack, PackRelease};
use crate::graphql::scalars::DateTime;

use crate::graphql::accounts::Actor;
use crate::graphql::installations::{Installation, InstallationUpdate, UpdateOutcomeReport};
use crate::graphql::log::audit_entry::AuditChange;
use crate::graphql::releases::{HaltFigures, Release, ReleaseProgress, ReleaseStage, ReleaseWindow};
use crate::graphql::sharing::AccountGroup;
use crate::graphql::webhooks::WebhookEndpoint;

pub use crate::graphql::log::event_view::EventView;

connection!("events", EventConnection, EventEdge, Event);

/// Defines an event type: the fields that all event types have, and its own fields.
macro_rules! event_type {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(EventView);

        impl From<EventView> for $name {
            fn from(view: EventView) -> Self {
                Self(view)
            }
        }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Opaque; the same for each delivery of the event.
            pub async fn id(&self) -> ID {
                Gid::Event(self.0.event().id).encode()
            }

            /// The cursor of the event, for `after`.
            pub async fn cursor(&self) -> String {
                self.0.cursor().to_owned()
            }

            /// The kind of the event.
            pub async fn kind(&self) -> EventKind {
                self.0.event().kind.into()
            }

            /// When it was committed.
            pub async fn occurred_at(&self) -> DateTime {
                self.0.event().occurred_at.into()
            }

            /// The actor; null for a managed account when it wasn't one of its own tokens.
            pub async fn actor(&self) -> Option<Actor> {
                self.0.actor()
            }

            $($own)*
        }
    };
}

/// Defines the type of an event of a pack: an event type that has the pack too.
macro_rules! pack_event_type {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        event_type! {
            $(#[$doc])*
            $name {
                /// The pack's ID for this reader.
                pub async fn pack_id(&self) -> Result<ID> {
                    self.0.pack_id()
                }

                /// The pack's name when it happened.
                pub async fn pack_name(&self) -> String {
                    self.0.event().pack_name.clone()
                }

                /// The pack as it is now; null when it is gone or no longer to be seen.
                pub async fn pack(&self, ctx: &Context<'_>) -> Result<Option<Pack>> {
                    Pack::by_id(ctx, self.0.pack()?).await
                }

                $($own)*
            }
        }
    };
}

pack_event_type! {
    /// A RELEASE_… event. Only the publisher gets RELEASE_PROGRESSED; a managed account gets the others for packs that it has installed.
    ReleaseEvent {
        /// The release as it is now; null when it is no longer to be seen.
        async fn release(&self, ctx: &Context<'_>) -> Result<Option<PackRelease>> {
            match self.0.event().release_id {
                Some(id) => PackRelease::by_id(ctx, id).await,
                None => Ok(None),
            }
        }

        /// For RELEASE_RESCHEDULED and WINDOW_MOVED: the window before.
        async fn previous_window(&self) -> Option<ReleaseWindow> {
            self.0.event().data.previous_window.clone().map(window)
        }

        /// For RELEASE_SCHEDULED, RELEASE_RESCHEDULED and WINDOW_MOVED: the window since.
        async fn window(&self) -> Option<ReleaseWindow> {
            self.0.event().data.window.clone().map(window)
        }

        /// For RELEASE_SUPERSEDED: the release that took its place.
        async fn superseded_by(&self, ctx: &Context<'_>) -> Result<Option<PackRelease>> {
            match self.0.event().data.superseded_by {
                Some(id) => PackRelease::by_id(ctx, id).await,
                None => Ok(None),
            }
        }

        /// For RELEASE_PROGRESSED and RELEASE_COMPLETED, to the publisher: how far it had got. Null for a managed account.
        async fn progress(&self) -> Option<ReleaseProgress> {
            self.0.event().data.progress.filter(|_| self.0.is_for_publisher()).map(Into::into)
        }

        /// For RELEASE_PAUSED and RELEASE_ROLLING_BACK, to the publisher: why. Null for a managed account.
        async fn reason(&self) -> Option<String> {
            self.0.event().data.reason.clone().filter(|_| self.0.is_for_publisher())
        }

        /// For RELEASE_HALTED: the numbers that decided.
        async fn figures(&self) -> Option<HaltFigures> {
            self.0.event().data.figures.filter(|_| self.0.is_for_publisher()).map(Into::into)
        }

        /// For RELEASE_STAGE_OPENED and RELEASE_STAGE_COMPLETED, and for WINDOW_MOVED when it was a stage's: the stage as it is now.
        async fn stage(&self, ctx: &Context<'_>) -> Result<Option<ReleaseStage>> {
            match (self.0.event().release_id, self.0.event().data.stage.filter(|_| self.0.is_for_publisher())) {
                (Some(release), Some(index)) => ReleaseStage::at(ctx, release, index).await,
                _ => Ok(None),
            }
        }
    }
}

pack_event_type! {
    /// UPDATE_OFFERED, INSTALLATION_UPDATED (whatever the new state), UPDATE_OUTCOME_REPORTED, INSTALLATION_FROZEN, INSTALLATION_CREATED, INSTALLATION_RENAMED or INSTALLATION_REMOVED.
    InstallationEvent {
        /// The installation as it is now; null when it is gone.
        async fn installation(&self, ctx: &Context<'_>) -> Result<Option<Installation>> {
            match self.0.event().installation_id {
                Some(id) => Installation::by_id(ctx, id).await,
                None => Ok(None),
            }
        }

        /// The update as it is now; null for an event that concerns no update.
        async fn update(&self, ctx: &Context<'_>) -> Result<Option<InstallationUpdate>> {
            match self.0.update_id() {
                Some(id) => InstallationUpdate::by_id(ctx, id).await,
                None => Ok(None),
            }
        }

        /// The update's state when it happened; null for an event that concerns no update.
        async fn state(&self) -> Option<InstallationUpdateState> {
            self.0.event().update_state.map(Into::into)
        }

        /// For UPDATE_OUTCOME_REPORTED: the report.
        async fn outcome(&self, ctx: &Context<'_>) -> Result<Option<UpdateOutcomeReport>> {
            match self.0.event().data.outcome_report {
                Some(id) => UpdateOutcomeReport::by_id(ctx, id).await,
                None => Ok(None),
            }
        }

        /// For INSTALLATION_RENAMED: the name that it had before.
        async fn previous_name(&self) -> Option<String> {
            self.0.event().data.previous_name.clone()
        }

        /// The number of the version that the installation had after it; for INSTALLATION_REMOVED, until then.
        async fn version_number(&self) -> Result<i32> {
            self.0.event().data.version_number.ok_or_else(|| bug("an event of an installation without a version number"))
        }
    }
}

pack_event_type! {
    /// PACK_SHARED or PACK_UNSHARED. A managed account gets it when it gains its first grant or loses its last one, and for a pack that was never released, at its first release.
    SharingEvent {
        /// The group, to the publisher; null when it is gone, and always for a managed account.
        async fn group(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
            match self.0.event().group_id.filter(|_| self.0.is_for_publisher()) {
                Some(id) => AccountGroup::by_id(ctx, id).await,
                None => Ok(None),
            }
        }
    }
}

pack_event_type! {
    /// NEWER_SHAREABLE_PACKAGED, to the publisher alone: one for each pack that has the component.
    NewerShareableEvent {
        /// The new version; a package that was restored counts too.
        async fn version(&self, ctx: &Context<'_>) -> Result<ComponentVersion> {
            self.0.version(ctx).await
        }
    }
}

pack_event_type! {
    /// PACK_CREATED or PACK_UPDATED, to the publisher alone.
    PackChangedEvent {
        /// The changes, field by field, as in the audit log; at most 100. Empty for PACK_CREATED.
        async fn changes(&self) -> Vec<AuditChange> {
            self.0.event().data.changes.iter().cloned().map(Into::into).collect()
        }
    }
}

pack_event_type! {
    /// PACK_DELETED. A managed account gets it when it had the pack installed or could install it.
    PackDeletedEvent {
        /// How many installations were uninstalled with it: for the publisher all, for a managed account its own.
        async fn uninstalled_count(&self) -> Result<i32> {
            let count = self.0.event().data.uninstalled_count;
            count.map(int).ok_or_else(|| bug("an event of a deleted pack without the number of its installations"))
        }
    }
}

event_type! {
    /// ACCOUNT_CREATED, ACCOUNT_ENROLLED, ACCOUNT_UPDATED, ACCOUNT_SUSPENDED or ACCOUNT_REACTIVATED. A managed account gets those of its own.
    AccountEvent {
        /// The account as it is now.
        async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
            let account = Account::by_id(ctx, self.0.account()).await?;
            account.ok_or_else(|| bug("an event of an account that the reader may not see"))
        }
    }
}

event_type! {
    /// GROUP_CHANGED, to the publisher alone: a group was made, renamed or deleted, or has another key or other members. A new account is in All Accounts from the start, so ACCOUNT_CREATED tells that by itself.
    GroupEvent {
        /// The group's name when it happened.
        async fn group_name(&self) -> Result<String> {
            self.0.event().data.group_name.clone().ok_or_else(|| bug("an event of a group without its name"))
        }

        /// The group as it is now; null when it is gone.
        async fn group(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
            match self.0.event().group_id {
                Some(id) => AccountGroup::by_id(ctx, id).await,
                None => Ok(None),
            }
        }
    }
}

event_type! {
    /// COMPONENT_PACKAGED, to the publisher alone: a component was packaged, shareable or not, or published.
    ComponentEvent {
        /// The new package or publication.
        async fn version(&self, ctx: &Context<'_>) -> Result<ComponentVersion> {
            self.0.version(ctx).await
        }
    }
}

event_type! {
    /// WEBHOOK_DISABLED, to the endpoint's own account.
    WebhookEvent {
        /// The endpoint as it is now; null when it is gone, and without the privilege ACCOUNT_ADMINISTRATION.
        async fn endpoint(&self, ctx: &Context<'_>) -> Result<Option<WebhookEndpoint>> {
            match self.0.event().data.webhook {
                Some(id) => WebhookEndpoint::by_id(ctx, id).await,
                None => Ok(None),
            }
        }
    }
}

impl From<EventView> for Event {
    fn from(view: EventView) -> Self {
        Self::of(view)
    }
}

impl Event {
    /// Wraps an event in the type for its kind.
    #[must_use]
    pub fn of(view: EventView) -> Self {
        match view.event().kind {
            Kind::ReleaseScheduled
            | Kind::ReleaseRescheduled
            | Kind::WindowMoved
            | Kind::ReleaseCanceled
            | Kind::ReleaseSuperseded
            | Kind::ReleaseStarted
            | Kind::ReleaseProgressed
            | Kind::ReleaseCompleted
            | Kind::ReleasePaused
            | Kind::ReleaseResumed
            | Kind::ReleaseRollingBack
            | Kind::ReleaseRolledBack
            | Kind::ReleaseHalted
            | Kind::ReleaseStageOpened
            | Kind::ReleaseStageCompleted => Self::ReleaseEvent(view.into()),
            Kind::UpdateOffered
            | Kind::InstallationUpdated
            | Kind::UpdateOutcomeReported
            | Kind::InstallationFrozen
            | Kind::InstallationCreated
            | Kind::InstallationRenamed
            | Kind::InstallationRemoved => Self::InstallationEvent(view.into()),
            Kind::PackCreated | Kind::PackUpdated => Self::PackChangedEvent(view.into()),
            Kind::PackShared | Kind::PackUnshared => Self::SharingEvent(view.into()),
            Kind::NewerShareablePackaged => Self::NewerShareableEvent(view.into()),
            Kind::PackDeleted => Self::PackDeletedEvent(view.into()),
            Kind::ComponentPackaged => Self::ComponentEvent(view.into()),
            Kind::AccountCreated
            | Kind::AccountEnrolled
            | Kind::AccountUpdated
            | Kind::AccountSuspended
            | Kind::AccountReactivated => Self::AccountEvent(view.into()),
            Kind::GroupChanged => Self::GroupEvent(view.into()),
            Kind::WebhookDisabled | Kind::WebhookTest => Self::WebhookEvent(view.into()),
        }
    }
}

/// The event with this id, if the caller may see it.
pub async fn by_id(ctx: &Context<'_>, id: EventId) -> Result<Option<Node>> {
    let Some(event) = ctx.loaders().log.events.one(id).await.or_failure()? else { return Ok(None) };
    Ok(Some(match Event::of(EventView::new(ctx, Announced::of(event))?) {
        Event::ReleaseEvent(event) => event.into(),
        Event::InstallationEvent(event) => event.into(),
        Event::SharingEvent(event) => event.into(),
        Event::NewerShareableEvent(event) => event.into(),
        Event::PackDeletedEvent(event) => event.into(),
        Event::WebhookEvent(event) => event.into(),
        Event::PackChangedEvent(event) => event.into(),
        Event::AccountEvent(event) => event.into(),
        Event::GroupEvent(event) => event.into(),
        Event::ComponentEvent(event) => event.into(),
    }))
}

fn window(facts: WindowFacts) -> ReleaseWindow {
    let WindowFacts { date, time_zone, starts_at, ends_at } = facts;
    ReleaseWindow::on(date, time_zone, starts_at, ends_at)
}

/// An item of the subscription to a release's progress.
#[derive(SimpleObject)]
pub(crate) struct ReleaseProgressItem {
    /// The cursor of the event, as in Event.
    cursor: String,
    /// The release, as it is now.
    release: Release,
    /// Its progress.
    progress: ReleaseProgress,
}

impl ReleaseProgressItem {
    /// The progress of a release, with the cursor of the event that announced it.
    #[must_use]
    pub(super) fn new(cursor: String, release: Release, progress: ReleaseProgress) -> Self {
        Self { cursor, release, progress }
    }
}
