//! Webhook endpoints: subscribers of the event log whose position the server keeps (R61–R66).

mod delivering;
mod endpoints;
mod secrets;
mod serving;
mod states;
mod turns;
mod waiting;

pub(crate) use delivering::{Payload, Tried, try_once};
pub(crate) use endpoints::{Begin, ChangedEndpoint, NewEndpoint, create, delete, made_secret, update};
pub(crate) use serving::{advance_place, disable, next_waits_since, save_progress};
pub(crate) use states::{pause, resume, rotate, send_test};

pub use turns::{DeliveryTurn, DeliveryTurns, Pace};
pub(crate) use waiting::Wait;
pub use waiting::Waiting;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::outbound::{Outbound, OutboundOptions};
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::log::event_log;

/// The parts of a server that webhooks need.
pub struct Webhooks {
    pub outbound: Outbound,
    /// For how long a test waits for a slot and the answer. It must be shorter than the time limit of a request, so
    /// that the caller gets the result.
    pub test_limit: Duration,
    /// Wakes the server's dispatcher after a change of an endpoint.
    pub changed: Notify,
    /// A delivery takes one of these slots, which limit the deliveries at a time (R66).
    pub slots: Arc<Semaphore>,
    /// The slots are divided by the account and the pace of a receiver.
    pub turns: DeliveryTurns,
    pub waiting: Waiting,
    key: OnceLock<[u8; 32]>,
}

impl Webhooks {
    /// The parts, with `options` for requests and the time limit of a test.
    ///
    /// # Errors
    /// A text for the operator, when TLS can't be set up.
    pub fn new(options: OutboundOptions, test_limit: Duration) -> Result<Self, String> {
        let slots = Arc::new(Semaphore::new(options.at_once));
        let turns = DeliveryTurns::new(slots.clone(), options.at_once);
        let outbound = Outbound::new(options)?;
        Ok(Self {
            outbound,
            test_limit,
            changed: Notify::new(),
            slots,
            turns,
            waiting: Waiting::default(),
            key: OnceLock::new(),
        })
    }
}

/// The server's secret, which seals the secrets of endpoints (R64).
async fn key(cx: &Services) -> Result<[u8; 32], Failure> {
    if let Some(key) = cx.webhooks.key.get() {
        return Ok(*key);
    }
    let key = event_log::cursor_secret(&cx.db.whole_server()).await?;
    Ok(*cx.webhooks.key.get_or_init(|| key))
}
