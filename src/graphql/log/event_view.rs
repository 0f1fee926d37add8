//! An event as its reader may see it.

use std::sync::Arc;

use async_graphql::{Context, ID, Result};

use crate::domain::id::{AccountId, PackId, UpdateId};
use crate::domain::log as domain;
use crate::events::hub::Announced;
use crate::graphql::accounts::Actor;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::bug;
use crate::graphql::ids::Gid;
use crate::graphql::interfaces::ComponentVersion;
use crate::store::scope::Scope;

/// An event, prepared for the account that reads it.
#[derive(Clone, Debug)]
pub struct EventView {
    event: Arc<Announced>,
    /// The event's position, encrypted for the account.
    cursor: String,
    scope: Scope,
}

impl EventView {
    /// Prepares an event of the log for the caller.
    pub fn new(ctx: &Context<'_>, event: Arc<Announced>) -> Result<Self> {
        let scope = ctx.scope()?;
        let cursor = ctx.data_of_request().hub.sealer().seal(scope.account_id(), event.event.position());
        Ok(Self { event, cursor, scope })
    }

    pub(super) fn event(&self) -> &domain::NewEvent {
        &self.event.event.event
    }

    /// The event's position in the log, encrypted for the account.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    pub(super) fn is_for_publisher(&self) -> bool {
        matches!(self.scope, Scope::Publisher(_))
    }

    /// The actor as the reader may see it. A managed account sees only its own tokens; a publisher also sees the name
    /// of a managed account (R51).
    pub(super) fn actor(&self) -> Option<Actor> {
        let reader = self.scope.account_id();
        let own = self.event().actor.account_id == Some(reader);
        let seen = || self.event().actor.clone().seen_by(reader, self.event().actor_account_name.clone());
        (own || self.is_for_publisher()).then(|| seen().into())
    }

    /// The account that the event is about. An event of a publisher's own account names none.
    pub(super) fn account(&self) -> AccountId {
        self.event().account_id.unwrap_or(self.event().publisher_id)
    }

    /// The version of a component that the event is about.
    pub(super) async fn version(&self, ctx: &Context<'_>) -> Result<ComponentVersion> {
        let id = self.event().component_version_id;
        ComponentVersion::must(ctx, id.ok_or_else(|| bug("an event of a component without the version"))?).await
    }

    pub(super) fn pack(&self) -> Result<PackId> {
        self.event().pack_id.ok_or_else(|| bug("an event of a pack without the pack"))
    }

    pub(super) fn pack_id(&self) -> Result<ID> {
        let gid = match self.scope {
            Scope::Publisher(_) => Gid::IntegrationPack(self.pack()?),
            Scope::Managed(_) => Gid::AvailablePack(self.pack()?),
        };
        Ok(gid.encode())
    }

    pub(super) fn update_id(&self) -> Option<UpdateId> {
        Some(UpdateId { installation: self.event().installation_id?, release: self.event().release_id? })
    }
}
