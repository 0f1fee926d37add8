//! Subscriptions (R49, R50). The hub follows the log in the caller's scope. Each event gets new loaders, so that the
//! objects reached from it are read as of then.
//!
//! The framework keeps the future with which a subscription began for as long as the subscription is open. Reads within
//! that future are boxed, so that it stays small.

use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

use crate::domain::id::ReleaseId;
use crate::domain::log::{EventKind, Position};
use crate::events::hub::{Announced, Interest};

use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ReleaseState;
use crate::graphql::error::{ResultExt as _, bad_input, not_found};
use crate::graphql::ids;
use crate::graphql::interfaces::Event;
use crate::graphql::log::event::{
    EventView, InstallationEvent, NewerShareableEvent, ReleaseEvent, ReleaseProgressItem,
};
use crate::graphql::log::event_log::{EventFilter, position, stream_end_error, visible_pack};
use crate::graphql::log::stream_cursor::StreamCursor;
use crate::graphql::log::turns::turn;
use crate::graphql::releases::{Release, ReleaseProgress};
use crate::service::accounts::{TokenWatch, Watched};

/// The fields of an event that show its pack and releases.
const OF_PACK: [&str; 3] = ["pack", "release", "supersededBy"];

/// The most events of a release that are sent as one item.
const COALESCED_MAX: usize = 250;

/// Events as they happen: each at least once, in order for each pack. Each item has a `cursor`; give the last one that you handled as `after`, and nothing is missed. Without `after` a subscription starts with the next event. A cursor that is older than the kept events, or whose event is gone since a backup was restored, ends the subscription with the error CURSOR_EXPIRED and `extensions.oldestCursor`: read the state again and subscribe after `viewer.eventCursor`. Do so after a long silence too, so that your cursor doesn't expire. A subscription also ends when the token is revoked or expires, or its account is suspended.
#[derive(Default)]
pub struct Subscription;

/// Events as they happen: each at least once, in order for each pack. Each item has a `cursor`; give the last one that you handled as `after`, and nothing is missed. Without `after` a subscription starts with the next event. A cursor that is older than the kept events, or whose event is gone since a backup was restored, ends the subscription with the error CURSOR_EXPIRED and `extensions.oldestCursor`: read the state again and subscribe after `viewer.eventCursor`. Do so after a long silence too, so that your cursor doesn't expire. A subscription also ends when the token is revoked or expires, or its account is suspended.
#[Subscription]
impl Subscription {
    /// A release was scheduled, rescheduled, canceled, superseded, started, paused, resumed, completed or rolled back: of the publisher's packs, or of packs that the managed account has installed.
    async fn release_announced(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this pack: the ID of an IntegrationPack or an AvailablePack, as the caller sees it.")]
        pack_id: Option<ID>,
        #[graphql(desc = "The cursor of the last item handled.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ReleaseEvent>>> {
        let kinds = vec![
            EventKind::ReleaseScheduled,
            EventKind::ReleaseRescheduled,
            EventKind::WindowMoved,
            EventKind::ReleaseCanceled,
            EventKind::ReleaseSuperseded,
            EventKind::ReleaseStarted,
            EventKind::ReleaseCompleted,
            EventKind::ReleasePaused,
            EventKind::ReleaseResumed,
            EventKind::ReleaseRollingBack,
            EventKind::ReleaseRolledBack,
        ];
        let pack_id = Box::pin(visible_pack(ctx, pack_id)).await?;
        let events =
            Box::pin(follow(ctx, after, Interest { kinds: Some(kinds), pack_id, ..Interest::default() })).await?;
        Ok(visible_events(ctx, events))
    }

    /// Publisher: the progress of one release: first the present state, then each change; ends when the release has ended.
    async fn release_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of a Release.")] release_id: ID,
    ) -> Result<impl Stream<Item = Result<ReleaseProgressItem>>> {
        ctx.publisher()?;
        let id = ids::release_id(&release_id)?;
        Box::pin(Release::by_id(ctx, id)).await?.ok_or_else(|| not_found(&release_id))?;
        // The log's end is read before the release, so that no event in between is missed; at most it is sent twice.
        let begin = Box::pin(ctx.data_of_request().hub.position(ctx.scope()?)).await.or_failure()?;
        let interest = Interest { release_id: Some(id), ..Interest::default() };
        let events = Box::pin(follow_from(ctx, Some(begin), interest)).await?;
        Ok(progress(ctx, id, begin, events))
    }

    /// An update was offered to, or changed the state of, an installation; or an installation froze: the managed account's own, or those of the publisher's packs.
    async fn installation_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last item handled.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<InstallationEvent>>> {
        let kinds = vec![EventKind::UpdateOffered, EventKind::InstallationUpdated, EventKind::InstallationFrozen];
        let events = Box::pin(follow(ctx, after, Interest { kinds: Some(kinds), ..Interest::default() })).await?;
        Ok(visible_events(ctx, events))
    }

    /// Publisher: a newer shareable version was packaged or published of a component that is in one of its packs.
    async fn newer_shareable_packaged(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this pack: the ID of an IntegrationPack.")] pack_id: Option<ID>,
        #[graphql(desc = "The cursor of the last item handled.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<NewerShareableEvent>>> {
        ctx.publisher()?;
        let pack_id = Box::pin(visible_pack(ctx, pack_id)).await?;
        let kinds = Some(vec![EventKind::NewerShareablePackaged]);
        let events = Box::pin(follow(ctx, after, Interest { kinds, pack_id, ..Interest::default() })).await?;
        Ok(visible_events(ctx, events))
    }

    /// All events that the caller may see.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last item handled.")] after: Option<String>,
        #[graphql(desc = "Only events that match all of it.")] filter: Option<EventFilter>,
    ) -> Result<impl Stream<Item = Result<Event>>> {
        let interest = match ctx.stream_cursor().and_then(StreamCursor::interest) {
            Some(interest) => interest,
            None => Box::pin(filter.unwrap_or_default().read(ctx)).await?,
        };
        let events = Box::pin(follow(ctx, after, interest)).await?;
        Ok(visible_events(ctx, events))
    }
}

type Events = BoxStream<'static, Result<Arc<Announced>>>;

/// The caller's events after a cursor, or only new ones. The transport's position takes precedence over the document's,
/// because it is where the subscriber stopped.
async fn follow(ctx: &Context<'_>, after: Option<String>, interest: Interest) -> Result<Events> {
    let open = |cursor: String| {
        position(ctx, &cursor)?.ok_or_else(|| bad_input("`after` isn't an event cursor of this account."))
    };
    let given = ctx.stream_cursor().and_then(|stream_cursor| stream_cursor.given());
    let after = given.or(after).map(open).transpose()?;
    follow_from(ctx, after, interest).await
}

/// The caller's events after a position in the log.
async fn follow_from(ctx: &Context<'_>, after: Option<Position>, interest: Interest) -> Result<Events> {
    let (scope, hub) = (ctx.scope()?, ctx.data_of_request().hub.clone());
    // The hub reads from snapshots of its own. To avoid deadlocks, a request that holds one connection doesn't wait for
    // another one.
    ctx.end_snapshot();
    let events =
        hub.follow(scope, after, interest).await.map_err(|stream_end| stream_end_error(&hub, scope, stream_end))?;
    Ok(events.map(move |event| event.map_err(|stream_end| stream_end_error(&hub, scope, stream_end))).boxed())
}

/// Watches the caller's token. Before each event is shown, the token must have been checked since the event was read.
/// While the database isn't available, the check waits, so that nothing is shown that can't be read.
fn watched(ctx: &Context<'_>) -> Result<Watched> {
    Ok(TokenWatch::watch(&ctx.data_of_request().services, ctx.viewer()?))
}

/// Sends each event, with new loaders. Ends with the first error.
fn visible_events<T: From<EventView>>(ctx: &Context<'_>, mut events: Events) -> impl Stream<Item = Result<T>> {
    async_stream::try_stream! {
        let (data, watched) = (ctx.data_of_request(), watched(ctx)?);
        let needs_pack = OF_PACK.iter().any(|field| ctx.look_ahead().field(field).exists());
        while let Some(event) = events.next().await {
            let event = event?;
            // Before anything is read, so that what is shown isn't older than the turn.
            if let Some(turn) = turn(ctx) {
                turn.await;
            }
            Box::pin(watched.check(event.news())).await.or_failure()?;
            Box::pin(data.show(&event, needs_pack)).await;
            loop {
                let view = EventView::new(ctx, event.clone())?;
                advance_to(ctx, view.cursor(), Some(&event));
                yield T::from(view);
                if !data.is_shown_again() {
                    break;
                }
            }
        }
    }
}

/// Reports the next event to the transport, if it keeps a position.
fn advance_to(ctx: &Context<'_>, cursor: &str, event: Option<&Arc<Announced>>) {
    if let Some(stream_cursor) = ctx.stream_cursor() {
        stream_cursor.advance_to(cursor, event);
    }
}

/// The progress of a release now, and after each of its events, until it has ended.
fn progress(
    ctx: &Context<'_>,
    id: ReleaseId,
    begin: Position,
    events: Events,
) -> impl Stream<Item = Result<ReleaseProgressItem>> {
    async_stream::try_stream! {
        let (data, watched) = (ctx.data_of_request(), watched(ctx)?);
        let mut events = events.ready_chunks(COALESCED_MAX);
        let (mut position, mut last) = (begin, None::<Arc<Announced>>);
        loop {
            if let Some(turn) = turn(ctx) {
                turn.await;
            }
            match last.take() {
                Some(event) => {
                    Box::pin(watched.check(event.news())).await.or_failure()?;
                    Box::pin(data.show(&event, false)).await;
                }
                None => ctx.renew(),
            }
            let cursor = data.hub.sealer().seal(ctx.scope()?.account_id(), position);
            let ended = loop {
                let read = Box::pin(progress_now(ctx, id)).await;
                // With shared loaders the read may have failed because of another subscription.
                if read.is_err() && data.is_shared() {
                    ctx.renew();
                    continue;
                }
                let (release, progress, ended) = read?;
                advance_to(ctx, &cursor, None);
                yield ReleaseProgressItem::new(cursor.clone(), release, progress);
                if !data.is_shown_again() {
                    break ended;
                }
            };
            if ended {
                break;
            }
            let Some(happened) = events.next().await else { break };
            for event in happened {
                let event = event?;
                position = event.event.position();
                last = Some(event);
            }
        }
    }
}

/// A release, its progress, and whether it has ended.
async fn progress_now(ctx: &Context<'_>, id: ReleaseId) -> Result<(Release, ReleaseProgress, bool)> {
    let release = Release::by_id(ctx, id).await?;
    let release = release.ok_or_else(|| not_found(&ids::Gid::Release(id).encode()))?;
    let ended = has_ended(release.state(ctx).await?);
    let progress = release.progress(ctx).await?;
    Ok((release, progress, ended))
}

fn has_ended(state: ReleaseState) -> bool {
    match state {
        ReleaseState::Scheduled | ReleaseState::InProgress | ReleaseState::RollingBack => false,
        ReleaseState::Succeeded
        | ReleaseState::PartiallySucceeded
        | ReleaseState::Failed
        | ReleaseState::Canceled
        | ReleaseState::Superseded
        | ReleaseState::RolledBack => true,
    }
}
