//! The checks behind `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use crate::events::hub::Hub;
use crate::http::NotReady;
use crate::metrics::NotReadyReason;
use crate::service::Shared;

/// How long new events may be unreadable until the server counts as not ready.
pub(super) const EVENTS_BEHIND: Duration = Duration::from_secs(10);

/// The parts of the server whose state decides whether it is ready.
pub(super) struct Readiness {
    pub(super) services: Shared,
    pub(super) hub: Arc<Hub>,
    pub(super) events_behind: Duration,
}

impl Readiness {
    /// The reasons why the server isn't ready; empty if it is. The database may refuse writes or lack migrations, the
    /// clock may be far from the database's, or new events may be unreadable.
    pub(super) async fn reasons(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        if let Err(error) = self.services.db.takes_writes().await {
            let message = "the database takes no writes";
            reasons.push(NotReady { cause: Some(error.to_string()), ..NotReady::new(NotReadyReason::Writes, message) });
        }
        match self.services.db.pending_migrations().await {
            Ok(0) => {}
            Ok(_) => reasons.push(NotReady::new(NotReadyReason::Migrations, "migrations are pending")),
            Err(error) => {
                let cause = Some(error.to_string());
                let message = "the database can't be reached";
                reasons.push(NotReady { cause, ..NotReady::new(NotReadyReason::Database, message) });
            }
        }
        if let Some(fault) = self.services.clock_fault() {
            reasons.push(NotReady::new(NotReadyReason::Clock, fault.to_string()));
        }
        let behind = self.hub.behind();
        if behind > self.events_behind {
            let seconds = behind.as_secs();
            let message = format!("new events can't be read for {seconds} s: subscribers wait");
            reasons.push(NotReady::new(NotReadyReason::EventLog, message));
        }
        reasons
    }
}
