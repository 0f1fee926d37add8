//! Webhook endpoints: subscribers of the event log whose cursor the server keeps (R61–R66).

mod address;
mod refusal;
mod retry;

use chrono::Duration;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, EventId, InstallationId, PackId, ReleaseId, WebhookId};
use crate::domain::log::{EventKind, Position};

pub use address::{AllowedNetworks, Destination, is_global};
pub use refusal::WebhookRefusal;
pub use retry::{Attempted, Next, RetryAfter, after_attempt, rests};

/// The most endpoints of an account.
pub const ENDPOINTS_MAX: u64 = 20;
/// The most bytes of a payload.
pub const PAYLOAD_MAX: usize = 64 * 1024;
/// The most bytes of a document.
pub const DOCUMENT_MAX: usize = 64 * 1024;
/// The longest time for which the former secret still signs after a rotation (R64).
pub const OVERLAP_MAX: Duration = Duration::days(7);
/// For how long the server keeps and shows attempts (R65).
pub const DELIVERIES_KEPT: Duration = Duration::days(30);
/// The most attempts of an endpoint that are kept.
pub const DELIVERIES_MAX: i64 = 5_000;

/// Whether an endpoint is sent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookState {
    Active,
    /// The last attempt failed. The same event is tried again.
    Failing,
    Paused,
    Disabled,
}

impl WebhookState {
    /// Whether the server sends events to an endpoint in this state, at once or as a retry.
    #[must_use]
    pub fn is_served(self) -> bool {
        matches!(self, Self::Active | Self::Failing)
    }
}

/// Why an endpoint was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisabledReason {
    AttemptsExhausted,
    Gone,
    CursorExpired,
    /// The gate refuses the document, because the schema or the server's limits have changed since it was saved.
    DocumentRefused,
}

/// Why an attempt to deliver an event failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookFailure {
    /// The receiver answered with another status than 2xx.
    Status,
    /// The receiver didn't answer in time.
    Timeout,
    /// No connection was made, or it broke. An address that isn't allowed counts as this failure, too (R65).
    Connection,
}

/// Which events an endpoint is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFilter {
    /// `None` for all kinds.
    pub kinds: Option<Vec<EventKind>>,
    pub pack_id: Option<PackId>,
    pub installation_id: Option<InstallationId>,
    pub release_id: Option<ReleaseId>,
    /// An account that the publisher manages.
    pub about_account_id: Option<AccountId>,
}

/// A webhook endpoint, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: WebhookId,
    pub account_id: AccountId,
    pub name: String,
    pub url: String,
    pub filter: EndpointFilter,
    pub document: Option<String>,
    pub state: WebhookState,
    pub disabled_reason: Option<DisabledReason>,
    /// The endpoint was sent all of its events up to here.
    pub place: Position,
    /// The last event that the receiver accepted.
    pub delivered: Option<Position>,
    /// How many attempts of the event after `place` have failed.
    pub failed_attempts: u32,
    /// When the first attempt of the event after `place` failed; `None` while none has failed.
    pub failing_since: Option<Instant>,
    /// When the event after `place` is tried again; `None` while no attempt of it has failed.
    pub next_attempt_at: Option<Instant>,
    pub former_secret_until: Option<Instant>,
    pub created_at: Instant,
    pub created_by: Actor,
    /// Increases with each change that the endpoint's server must take into account.
    pub revision: i32,
    /// The revision in which a call set `place`. What the server of an older revision took doesn't move the place.
    pub place_revision: i32,
}

impl Endpoint {
    /// Pauses the endpoint: the server sends it nothing until it is resumed.
    ///
    /// # Errors
    /// ALREADY_PAUSED for an endpoint that is paused or disabled already.
    pub fn pause(&mut self) -> Result<(), WebhookRefusal> {
        if !self.state.is_served() {
            return Err(WebhookRefusal::AlreadyPaused);
        }
        self.begin_anew(WebhookState::Paused);
        Ok(())
    }

    /// Resumes the endpoint after its last delivered event. The next event has all of its attempts again.
    ///
    /// # Errors
    /// NOT_PAUSED for an active endpoint. A failing one can be resumed, which tries its event again at once.
    pub fn resume(&mut self) -> Result<(), WebhookRefusal> {
        if self.state == WebhookState::Active {
            return Err(WebhookRefusal::NotPaused);
        }
        self.begin_anew(WebhookState::Active);
        Ok(())
    }

    /// Resumes the endpoint after another position: the events after it are sent, also those that were taken before.
    ///
    /// # Errors
    /// Those of [`Endpoint::resume`].
    pub fn resume_after(&mut self, place: Position) -> Result<(), WebhookRefusal> {
        self.resume()?;
        (self.place, self.place_revision) = (place, self.revision);
        Ok(())
    }

    /// Disables the endpoint. It keeps its position in the log, from which it can be resumed.
    pub fn disable(&mut self, reason: DisabledReason) {
        (self.state, self.disabled_reason, self.next_attempt_at) = (WebhookState::Disabled, Some(reason), None);
        self.revision += 1;
    }

    fn begin_anew(&mut self, state: WebhookState) {
        (self.state, self.disabled_reason) = (state, None);
        self.forget_failures();
        self.revision += 1;
    }

    fn forget_failures(&mut self) {
        (self.failed_attempts, self.failing_since, self.next_attempt_at) = (0, None, None);
    }

    /// Replaces the filter. Another event may be the next one now, so failed attempts are counted from 0 again (R63).
    pub fn set_filter(&mut self, filter: EndpointFilter) {
        if self.filter == filter {
            return;
        }
        self.filter = filter;
        self.forget_failures();
        if self.state == WebhookState::Failing {
            self.state = WebhookState::Active;
        }
    }
}

/// An attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub event: EventId,
    pub kind: EventKind,
    /// 1, 2, 3 …
    pub attempt: u32,
    pub at: Instant,
    pub milliseconds: u32,
    pub status: Option<u16>,
    pub failure: Option<WebhookFailure>,
}

/// The type of an event in a payload: its kind's name in lower case, with dots.
#[must_use]
pub fn payload_type(kind: &str) -> String {
    kind.to_ascii_lowercase().replace('_', ".")
}
