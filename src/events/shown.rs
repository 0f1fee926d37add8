//! Database reads that many subscriptions share. An event can be sent to ten thousand subscriptions, whose selections
//! then cost a few statements in all.

use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::store::sharing::many::{VisibleToMany, seen_by};

use super::hub::Hub;
use super::recent::Announced;

/// How long a shared state of the database is used. A subscription that sends the event later shows a later state.
const SHOWN_FOR: Duration = Duration::from_millis(500);

/// A state of the database that is read once for all subscriptions, and an instant before the read. The reference is
/// empty if the read failed, and after [`SHOWN_FOR`].
pub(super) type SharedState = (Instant, Arc<OnceCell<Weak<VisibleToMany>>>);

/// Whether a subscription may show a shared state that was read after `read_after`. `not_before` is the subscription's
/// last read: a subscription never shows a state older than one that it showed before.
#[must_use]
pub fn is_fresh(read_after: Instant, not_before: Instant) -> bool {
    read_after >= not_before && read_after.elapsed() < SHOWN_FOR
}

impl Hub {
    /// The event's pack and releases as its `readers` may see them, read once for all of them. The state isn't older
    /// than
    /// `not_before`. `None` if the event is for fewer than two accounts, if the shared state is older, and if the read
    /// failed; the subscription then reads for itself.
    pub async fn visible_to_readers(&self, announced: &Announced, not_before: Instant) -> Option<Arc<VisibleToMany>> {
        if announced.readers.len() < 2 {
            return None;
        }
        let state = {
            let mut state = announced.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                Some((read_after, shared)) if read_after.elapsed() < SHOWN_FOR => {
                    // A subscription that has shown a later state reads for itself. A new shared read for it would be
                    // wasted: other subscriptions seldom need one.
                    is_fresh(*read_after, not_before).then(|| shared.clone())?
                }
                _ => state.insert((Instant::now(), Arc::default())).1.clone(),
            }
        };
        state.get_or_init(|| self.read_for_readers(announced)).await.upgrade()
    }

    async fn read_for_readers(&self, announced: &Announced) -> Weak<VisibleToMany> {
        let event = &announced.event.event;
        let Some(pack) = event.pack_id else { return Weak::new() };
        let releases: Vec<_> = event.release_id.into_iter().chain(event.data.superseded_by).collect();
        let accounts: Vec<_> = announced.readers.iter().copied().collect();
        let server = self.db.whole_server().one_state();
        match seen_by(&server, self.clock.now(), pack, &releases, &accounts).await {
            Ok(seen) => {
                let seen = Arc::new(seen);
                let shared = Arc::downgrade(&seen);
                tokio::spawn(async move {
                    tokio::time::sleep(SHOWN_FOR).await;
                    drop(seen);
                });
                shared
            }
            Err(error) => {
                tracing::warn!(%error, "an event's pack and releases were not read for all subscriptions at once; each reads them itself");
                Weak::new()
            }
        }
    }
}
