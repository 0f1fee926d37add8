//! What all who are shown an event share, so that ten thousand selections of it cost a few statements.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::store::sharing::many::{VisibleToMany, seen_by};

use super::hub::Hub;
use super::recent::Announced;

/// How long it is kept what the hearers of an event see. Whoever is shown the event later reads for itself.
const KEPT: Duration = Duration::from_secs(2);

impl Hub {
    /// What the accounts that hear an event see of its pack and releases, read once for all of them. `None` for an
    /// event that is for one account, and for a listener that comes too late.
    pub async fn visible_to_readers(&self, announced: &Announced) -> Option<Arc<VisibleToMany>> {
        if announced.readers.len() < 2 {
            return None;
        }
        announced.seen.get_or_init(|| self.read_for_readers(announced)).await.upgrade()
    }

    async fn read_for_readers(&self, announced: &Announced) -> Weak<VisibleToMany> {
        let event = &announced.event.event;
        let releases: Vec<_> = event.release_id.into_iter().chain(event.data.superseded_by).collect();
        let accounts: Vec<_> = announced.readers.iter().copied().collect();
        let server = self.db.whole_server().one_state();
        match seen_by(&server, self.clock.now(), event.pack_id, &releases, &accounts).await {
            Ok(seen) => {
                let seen = Arc::new(seen);
                let weak = Arc::downgrade(&seen);
                tokio::spawn(async move {
                    tokio::time::sleep(KEPT).await;
                    drop(seen);
                });
                weak
            }
            Err(error) => {
                tracing::warn!(%error, "what an announcement shows was not read for all at once; each reads for itself");
                Weak::new()
            }
        }
    }
}
