//! The event log for queries and subscriptions, which share the filter and the cursors (R49, R50).

use std::cell::RefCell;

use async_graphql::{Context, Error, ID, InputObject, Result};

use crate::domain::id::{AccountId, InstallationId, PackId, ReleaseId};
use crate::domain::log::Position;
use crate::events::hub::{Announced, Hub, Interest, StreamEnd};
use crate::store::log::events;
use crate::store::page::Key;
use crate::store::scope::Scope;

use crate::graphql::accounts::ManagedAccount;
use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::EventKind;
use crate::graphql::error::{ResultExt as _, cursor_expired, failure, not_found};
use crate::graphql::filters::all;
use crate::graphql::ids;
use crate::graphql::installations::Installation;
use crate::graphql::interfaces::{Event, Pack, PackRelease};
use crate::graphql::log::event::{EventConnection, EventView};

/// A filter of events.
#[derive(InputObject, Default)]
pub(crate) struct EventFilter {
    /// Is one of these kinds.
    kinds: Option<Vec<EventKind>>,
    /// Concerns this pack: the ID of an IntegrationPack or an AvailablePack, as the caller sees it.
    pack_id: Option<ID>,
    /// Concerns this installation: the ID of an Installation.
    installation_id: Option<ID>,
    /// Concerns this release: the ID of a Release or an AnnouncedRelease, as the caller sees it.
    release_id: Option<ID>,
    /// Concerns this account: the ID of a ManagedAccount. Only for a publisher.
    account_id: Option<ID>,
}

impl EventFilter {
    /// Converts the filter, and looks up its ids. Fails with NOT_FOUND for an id of which the caller may see neither
    /// the object nor an event.
    pub(in crate::graphql) async fn read(self, ctx: &Context<'_>) -> Result<Interest> {
        Ok(Interest {
            kinds: self.kinds.map(all),
            pack_id: visible_pack(ctx, self.pack_id).await?,
            release_id: visible_release(ctx, self.release_id).await?,
            installation_id: visible_installation(ctx, self.installation_id).await?,
            account_id: visible_account(ctx, self.account_id).await?,
        })
    }
}

/// The pack that an id names in the caller's view. It may be deleted if the caller may still see an event of it. Any
/// other id is NOT_FOUND, after the same number of statements (R3).
pub(crate) async fn visible_pack(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<PackId>> {
    let scope = ctx.scope()?;
    let Some(id) = id else { return Ok(None) };
    let pack = match scope {
        Scope::Publisher(_) => ids::pack_id(&id)?,
        Scope::Managed(_) => ids::available_pack_id(&id)?,
    };
    if Pack::by_id(ctx, pack).await?.is_none() {
        check_has_event(ctx, Interest { pack_id: Some(pack), ..Interest::default() }, &id).await?;
    }
    Ok(Some(pack))
}

/// Like [`visible_pack`], for an installation.
async fn visible_installation(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<InstallationId>> {
    ctx.viewer()?;
    let Some(id) = id else { return Ok(None) };
    let installation = ids::installation_id(&id)?;
    if Installation::by_id(ctx, installation).await?.is_none() {
        let interest = Interest { installation_id: Some(installation), ..Interest::default() };
        check_has_event(ctx, interest, &id).await?;
    }
    Ok(Some(installation))
}

/// Like [`visible_pack`], for a release.
async fn visible_release(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<ReleaseId>> {
    let scope = ctx.scope()?;
    let Some(id) = id else { return Ok(None) };
    let release = match scope {
        Scope::Publisher(_) => ids::release_id(&id)?,
        Scope::Managed(_) => ids::announced_release_id(&id)?,
    };
    if PackRelease::by_id(ctx, release).await?.is_none() {
        check_has_event(ctx, Interest { release_id: Some(release), ..Interest::default() }, &id).await?;
    }
    Ok(Some(release))
}

/// An account that the caller manages. Any id is NOT_FOUND for a managed account.
async fn visible_account(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<AccountId>> {
    ctx.viewer()?;
    let Some(id) = id else { return Ok(None) };
    let account = ids::managed_account_id(&id)?;
    ManagedAccount::by_id(ctx, account).await?.map(|_| Some(account)).ok_or_else(|| not_found(&id))
}

async fn check_has_event(ctx: &Context<'_>, of: Interest, id: &ID) -> Result<()> {
    match events::any(&ctx.snapshot()?, &of).await.or_failure()? {
        true => Ok(()),
        false => Err(not_found(id)),
    }
}

/// The position in a cursor; `None` when the cursor isn't one of the caller's account.
pub(crate) fn position(ctx: &Context<'_>, cursor: &str) -> Result<Option<Position>> {
    Ok(ctx.data_of_request().hub.sealer().open(ctx.scope()?.account_id(), cursor))
}

/// Converts a [`StreamEnd`] to an error for this reader.
pub(crate) fn stream_end_error(hub: &Hub, scope: Scope, stream_end: StreamEnd) -> Error {
    match stream_end {
        StreamEnd::Expired { oldest } => cursor_expired(hub.sealer().seal(scope.account_id(), oldest)),
        StreamEnd::Failed(inside) => failure(inside),
    }
}

/// The events that the caller may see and that match the filter, oldest first. Fails with NOT_FOUND for an unknown id
/// in the filter, BAD_USER_INPUT for invalid arguments, CURSOR_EXPIRED for a cursor that is no longer valid.
pub(crate) async fn events_connection(
    ctx: &Context<'_>,
    filter: Option<EventFilter>,
    args: PageArgs,
) -> Result<EventConnection> {
    let (snapshot, hub) = (ctx.snapshot()?, &ctx.data_of_request().hub);
    let scope = snapshot.scope();
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
    let page = events::page(&snapshot, &interest, request).await.or_failure()?;
    for position in named {
        let checked = hub.check(&snapshot, position).await;
        checked.map_err(|stream_end| stream_end_error(hub, scope, stream_end))?;
    }
    let mut page = page.try_map(|event| EventView::new(ctx, Announced::of(event)))?;
    for (cursor, view) in &mut page.items {
        view.cursor().clone_into(cursor);
    }
    Ok(EventConnection::of(page, Event::of))
}
