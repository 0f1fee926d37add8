//! What all share who are shown an event, so that ten thousand selections of it cost a few statements.

use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::store::sharing::many::{VisibleToMany, seen_by};

use super::hub::Hub;
use super::recent::Announced;

/// How long a state of the database is shown to all who are shown an event. Whoever is shown the event later is shown a
/// later state.
const SHOWN_FOR: Duration = Duration::from_millis(500);

/// A state of the database that is read once for all, and a time before the read. An empty reference if it can't be
/// read.
pub(super) type SharedState = (Instant, Arc<OnceCell<Weak<VisibleToMany>>>);

/// Whether a state that was read after `read_after` may be shown to a subscription, which was shown nothing that was
/// read after `not_before`.
#[must_use]
pub fn is_fresh(read_after: Instant, not_before: Instant) -> bool {
    read_after >= not_before && read_after.elapsed() < SHOWN_FOR
}

impl Hub {
    /// What the accounts that hear an event see of its pack and releases, in one state that isn't older than
    /// `not_before`, read once for all of them. `None` for an event that is for one account, when the state is older,
    /// and when it can't be read.
    pub async fn visible_to_readers(&self, announced: &Announced, not_before: Instant) -> Option<Arc<VisibleToMany>> {
        if announced.readers.len() < 2 {
            return None;
        }
        let state = {
            let mut state = announced.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                Some((read_after, shared)) if read_after.elapsed() < SHOWN_FOR => {
                    // A listener that was shown something later reads for itself: reads for all happen seldom.
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
                tracing::warn!(%error, "what an announcement shows was not read for all at once; each reads for itself");
                Weak::new()
            }
        }
    }
}
