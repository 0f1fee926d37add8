//! The event log as a query and as a subscription see it: one filter, one kind of cursor (R49, R50).

use std::cell::RefCell;

use async_graphql::{Context, Error, ID, InputObject, Result};

use crate::domain::event::Position;
use crate::domain::id::{InstallationId, PackId};
use crate::events::hub::{Halt, Hub, Interest};
use crate::store::events;
use crate::store::page::Key;
use crate::store::scope::Scope;

use super::connection::PageArgs;
use super::context::ContextExt as _;
use super::enums::EventKind;
use super::error::{ResultExt as _, cursor_expired, failure, not_found};
use super::filters::all;
use super::ids;
use super::interfaces::{Event, Pack};
use super::types::event::{EventConnection, Heard};
use super::types::installation::Installation;

/// Which events.
#[derive(InputObject, Default)]
pub struct EventFilter {
    /// Is one of these kinds.
    kinds: Option<Vec<EventKind>>,
    /// Concerns this pack: the ID of an IntegrationPack or an AvailablePack, as the caller sees it.
    pack_id: Option<ID>,
    /// Concerns this installation: the ID of an Installation.
    installation_id: Option<ID>,
}

impl EventFilter {
    /// With what its ids name.
    ///
    /// # Errors
    /// NOT_FOUND for an id that names nothing that the caller may see, and may see no event of.
    pub async fn read(self, ctx: &Context<'_>) -> Result<Interest> {
        Ok(Interest {
            kinds: self.kinds.map(all),
            pack_id: known_pack(ctx, self.pack_id).await?,
            release_id: None,
            installation_id: known_installation(ctx, self.installation_id).await?,
        })
    }
}

/// The pack that the viewer names by the id that it knows it by: one that it may see, or one that is gone
/// and of which it may still see an event. Anything else is not found, after the same statements (R3).
///
/// # Errors
/// NOT_FOUND.
pub async fn known_pack(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<PackId>> {
    let scope = ctx.scope()?;
    let Some(id) = id else { return Ok(None) };
    let pack = match scope {
        Scope::Publisher(_) => ids::pack_id(&id)?,
        Scope::Managed(_) => ids::available_pack_id(&id)?,
    };
    if Pack::by_id(ctx, pack).await?.is_none() {
        was_told(ctx, scope, Interest { pack_id: Some(pack), ..Interest::default() }, &id).await?;
    }
    Ok(Some(pack))
}

/// The same for an installation.
async fn known_installation(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<InstallationId>> {
    let scope = ctx.scope()?;
    let Some(id) = id else { return Ok(None) };
    let installation = ids::installation_id(&id)?;
    if Installation::by_id(ctx, installation).await?.is_none() {
        let interest = Interest { installation_id: Some(installation), ..Interest::default() };
        was_told(ctx, scope, interest, &id).await?;
    }
    Ok(Some(installation))
}

async fn was_told(ctx: &Context<'_>, scope: Scope, of: Interest, id: &ID) -> Result<()> {
    match events::any(ctx.loaders().db(), scope, &of).await.or_failure()? {
        true => Ok(()),
        false => Err(not_found(id)),
    }
}

/// The position in the log that a cursor of the viewer's names; `None` for a cursor that isn't the viewer's.
///
/// # Errors
/// UNAUTHENTICATED, FORBIDDEN (R1, R4).
pub fn position(ctx: &Context<'_>, cursor: &str) -> Result<Option<Position>> {
    Ok(ctx.data_of_request().hub.sealer().open(ctx.scope()?.account_id(), cursor))
}

/// What halts the telling of events, as an error to this reader.
pub fn halted(hub: &Hub, scope: Scope, halt: Halt) -> Error {
    match halt {
        Halt::Expired { oldest } => cursor_expired(hub.sealer().seal(scope.account_id(), oldest)),
        Halt::Failed(inside) => failure(inside),
    }
}

/// The events that the viewer may see and wants, oldest first.
///
/// # Errors
/// NOT_FOUND and BAD_USER_INPUT for what the arguments name, CURSOR_EXPIRED, and faults.
pub async fn events_connection(
    ctx: &Context<'_>,
    filter: Option<EventFilter>,
    args: PageArgs,
) -> Result<EventConnection> {
    let (scope, hub) = (ctx.scope()?, &ctx.data_of_request().hub);
    let (request, named) = {
        let named = RefCell::new(Vec::new());
        let open = |cursor: &str| {
            let position = hub.sealer().open(scope.account_id(), cursor)?;
            named.borrow_mut().push(position);
            Some(vec![Key::Number(position.sequence)])
        };
        let request = args.request_by(ctx, open)?;
        (request, named.into_inner())
    };
    let interest = filter.unwrap_or_default().read(ctx).await?;
    let page = events::page(ctx.loaders().db(), scope, &interest, request).await.or_failure()?;
    for position in named {
        let checked = hub.check_in(ctx.loaders().db(), scope, position).await;
        checked.map_err(|halt| halted(hub, scope, halt))?;
    }
    let mut page = page.try_map(|event| Heard::new(ctx, event))?;
    for (cursor, heard) in &mut page.items {
        heard.cursor().clone_into(cursor);
    }
    Ok(EventConnection::of(page, Event::of))
}
