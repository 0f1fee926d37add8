//! The task that reads new events once for all listeners.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::hub::Hub;
use super::recent::{Announced, RECENT_MAX};
use crate::domain::log::{Audience, Position};
use crate::service::error::Failure;
use crate::store::log::event_log::Extent;
use crate::store::log::{event_log, feed};
use crate::store::{StoreResult, WholeServer};

/// How long a commit of another server can go unnoticed if no hint comes.
const POLL: Duration = Duration::from_secs(1);
/// The pause between two looks while events come, so that a look finds several.
const PAUSE: Duration = Duration::from_millis(5);
/// The most events of a look. When there are more, listeners read the log.
const LOOK_MAX: u32 = RECENT_MAX as u32;

/// Reads new events until nobody listens: after commits of this process, after hints of other servers, and every
/// second.
pub(super) async fn follow_log(hub: Arc<Hub>, mut changes: watch::Receiver<u64>) {
    let mut hints = hub.db.hints();
    let (mut is_first, mut is_failing) = (true, false);
    loop {
        {
            let mut recent = hub.recent();
            if !recent.has_listeners() {
                recent.is_followed = false;
                return;
            }
        }
        changes.borrow_and_update();
        match AssertUnwindSafe(read_new(&hub, is_first)).catch_unwind().await {
            Ok(Ok(())) => (is_first, is_failing) = (false, false),
            Ok(Err(error)) => {
                if !std::mem::replace(&mut is_failing, true) {
                    let failure = Failure::from(error);
                    tracing::warn!(?failure, "new events can't be read; subscribers wait, and it is tried again");
                }
                tokio::time::sleep(POLL).await;
            }
            // The panic hook has logged the panic's message.
            Err(_) => {
                hub.recent().send_to_log(0);
                tokio::time::sleep(POLL).await;
            }
        }
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    tokio::time::sleep(POLL).await;
                }
            }
            () = hints.after(|| hub.recent().head.sequence) => {}
            () = tokio::time::sleep(POLL) => continue,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads the events since the last look, and wakes the listeners that they are for. At the first look since nobody
/// listened, the few listeners read the log instead.
async fn read_new(hub: &Hub, is_first: bool) -> StoreResult<()> {
    let server = &hub.db.whole_server();
    let extent = event_log::extent(server).await?;
    let (read_from, audience, newcomer) = {
        let mut recent = hub.recent();
        recent.prune(extent.begin);
        (recent.head, recent.audience(), recent.next_number)
    };
    if extent.head() == read_from {
        return Ok(());
    }
    if is_first {
        hub.recent().begin_at(extent.head());
        return Ok(());
    }
    if is_lost(server, read_from, &extent).await? {
        let end = event_log::extent(server).await?.head();
        let mut recent = hub.recent();
        recent.losses += 1;
        recent.begin_at(end);
        return Ok(());
    }
    let found = feed::read_after(server, read_from.sequence, &audience.records, LOOK_MAX).await?;
    let head = found.extent.head();
    // If events were pruned before they were read, nobody knows whom they concern.
    if found.is_too_long || found.extent.begin > read_from.sequence && head != read_from {
        hub.recent().begin_at(head);
        return Ok(());
    }
    let mut announced = Vec::with_capacity(found.events.len());
    for event in found.events {
        let is_for_installed = event.event.audience == Audience::PublisherAndInstalled;
        let readers = match audience.of_releases.get(&event.event.publisher_id) {
            Some(accounts) if is_for_installed => feed::hearers(server, &event, accounts).await?,
            _ => HashSet::new(),
        };
        announced.push(Announced::new(event, readers));
    }
    let woken = {
        let mut recent = hub.recent();
        let woken = recent.listeners_of(&announced);
        // Under the lock, because a listener that is awake takes an event as soon as it is there.
        if !woken.is_empty() {
            (hub.on_news)(woken.len());
        }
        recent.extend(announced, head);
        // These events were read without regard to listeners that have come since.
        recent.send_to_log(newcomer);
        woken
    };
    for (listener, sequence) in woken {
        listener.wake_for(sequence);
    }
    Ok(())
}

/// Whether the event at the former end of the log is gone without having been pruned. Events were lost then, and its
/// sequence number may belong to another event.
async fn is_lost(server: &WholeServer, head: Position, extent: &Extent) -> StoreResult<bool> {
    if head.event == Position::ORIGIN.event {
        return Ok(head.sequence > extent.end);
    }
    if event_log::event_at(server, head.sequence).await? == Some(head.event) {
        return Ok(false);
    }
    // Read again: the event may have been pruned meanwhile.
    Ok(head.sequence > event_log::extent(server).await?.begin)
}
