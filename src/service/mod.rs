//! The use cases. Each loads, decides in `domain`, saves, and appends events and audit entries, in one transaction.
//! Mutations, the scheduler and the command line call the same functions.

pub mod access;
pub mod accounts;
mod acting;
mod authority;
pub mod clock;
pub mod components;
mod ending;
mod entry;
pub mod error;
pub mod followup;
pub mod installations;
mod instant;
pub mod journal;
mod journal_event;
pub mod library;
pub mod log;
mod own_keys;
pub mod packs;
pub mod releases;
mod requests;
pub mod sharing;
pub mod webhooks;

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::releases::Zone;
use crate::ids::Ids;
use crate::jwt::{Jwt, Pipelines};
use crate::metrics::Metrics;
use crate::store::Db;
pub use crate::store::{Commits, on_behalf_of};
use crate::traces::Traces;
use crate::zones::TimeZones;

/// The most installations or accounts per batch, unless the operator configures another number.
pub const BATCH_SIZE: u64 = crate::domain::batch::MOST;
/// The target duration of a server's batches.
pub const BATCH_TIME: std::time::Duration = crate::domain::batch::TARGET;

/// The operator's settings that affect the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most days ahead that a release's date may be (R38).
    pub release_days_ahead: u16,
    /// The most installations or accounts per batch (R49).
    pub batch_size: u64,
    /// The target duration of a batch, from which the next one's size is computed. `None`: all batches have the full
    /// size.
    pub batch_time: Option<std::time::Duration>,
    /// How many full batches a rollout or a roll back must have before it, so that it is split into ranges (ADR 55).
    pub split_from: u64,
    /// How many days events are kept, at least 1 (R49).
    pub keep_events_days: u16,
    /// How many days audit entries are kept, at least as many as events; `None` for good (R51).
    pub keep_audit_days: Option<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            release_days_ahead: 365,
            batch_size: 250,
            batch_time: None,
            split_from: 8,
            keep_events_days: 90,
            keep_audit_days: None,
        }
    }
}

/// The dependencies of the use cases, one instance per server.
pub struct Services {
    pub db: Db,
    pub clock: Clock,
    /// The clock by which `clock` is corrected.
    pub reference: clock::Reference,
    pub ids: Ids,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    pub zones: TimeZones,
    /// Moves installations.
    pub mover: Arc<dyn followup::Mover>,
    /// The measurements of this process's batches.
    pub follow_ups: followup::BatchSizes,
    pub token_uses: crate::service::accounts::TokenUses,
    /// Watches the tokens of open subscriptions.
    pub token_watch: crate::service::accounts::TokenWatch,
    /// Where seals of the audit log are sent.
    pub seals_to: log::SealsTo,
    /// Sends events to webhook endpoints.
    pub webhooks: webhooks::Webhooks,
    /// Checks JWTs of the operator's identity provider, if there is one.
    pub jwt: Option<Arc<Jwt>>,
    /// Checks JWTs of pipelines.
    pub pipelines: Arc<Pipelines>,
}

impl Services {
    /// The time zone with this name; `None` without a name, and for a zone that the data doesn't have any more.
    #[must_use]
    pub fn zone(&self, name: Option<&str>) -> Option<Zone> {
        self.zones.find(name?).ok()
    }
}

/// [`Services`], shared.
pub type Shared = Arc<Services>;
