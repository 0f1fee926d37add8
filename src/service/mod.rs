//! The use cases: load, decide in `domain`, save, append the event and the audit entry, in one
//! transaction. Mutations, the scheduler and the command line call the same functions.

pub mod access;
pub mod accounts;
mod authority;
pub mod clock;
pub mod components;
pub mod error;
pub mod followup;
pub mod installations;
pub mod journal;
pub mod library;
pub mod log;
mod moment;
pub mod packs;
pub mod releases;
mod requests;
pub mod sharing;

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::releases::zone::Zone;
use crate::ids::Ids;
use crate::jwt::Jwt;
pub use crate::store::Commits;
use crate::store::Db;
use crate::zones::TimeZones;

/// How many installations or accounts a server's batches come to at most, unless its operator says otherwise.
pub const BATCH_SIZE: u64 = crate::domain::batch::MOST;
/// How long a server's batches should take.
pub const BATCH_TIME: std::time::Duration = crate::domain::batch::TARGET;

/// What an operator can set about the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many days ahead a release's date may be (R38).
    pub release_days_ahead: u16,
    /// How many installations or accounts one batch comes to at most (R49).
    pub batch_size: u64,
    /// How long a batch should take: the next one's size follows from it. `None`: each comes to as many as it may.
    pub batch_time: Option<std::time::Duration>,
    /// How many days an event is kept in the log, at least 1 (R49).
    pub keep_events_days: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { release_days_ahead: 365, batch_size: 250, batch_time: None, keep_events_days: 90 }
    }
}

/// All that a use case needs; one for a server.
pub struct Services {
    pub db: Db,
    pub clock: Clock,
    /// What the clock is corrected by.
    pub reference: clock::Reference,
    pub ids: Ids,
    pub settings: Settings,
    pub zones: TimeZones,
    /// How an installation is moved.
    pub mover: Arc<dyn followup::Mover>,
    /// What was measured of the batches of this process.
    pub follow_ups: followup::Measures,
    pub token_uses: crate::service::accounts::tokens::TokenUses,
    /// What checks JWTs, where an issuer of them is trusted.
    pub jwt: Option<Arc<Jwt>>,
}

impl Services {
    /// The zone that an account or a release has; `None` for one without a zone, and where the data has it no longer.
    #[must_use]
    pub fn zone(&self, name: Option<&str>) -> Option<Zone> {
        self.zones.find(name?).ok()
    }
}

/// [`Services`], shared.
pub type Shared = Arc<Services>;
