//! Delivers events to webhook endpoints (R61–R66).
//!
//! An endpoint is a subscriber of the event log whose position the server saves. Its events come from the same stream
//! as a subscription's. A worker sends one event at a time, and moves the position after the receiver accepted the
//! event.

mod attempt;
mod dispatcher;
mod idle;
mod items;
mod trouble;
mod worker;

use futures_util::stream::BoxStream;

use crate::domain::log::Event;
use crate::domain::webhooks::Endpoint;
use crate::service::access::Viewer;

pub use dispatcher::{DispatchOptions, Dispatcher};

/// An event of an endpoint, with its `data`.
pub struct Item {
    pub event: Event,
    /// The event's cursor, for the endpoint's account.
    pub cursor: String,
    /// JSON; `None` if it can't be read now. The stream is opened anew for it.
    pub data: Option<String>,
}

/// Why the stream of an endpoint's events ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceEnd {
    /// Events after the endpoint's position were pruned.
    Expired,
    /// The gate refuses the endpoint's document, which it had accepted when the document was saved.
    Refused,
    /// Another reason. The worker opens the stream again.
    Ended,
}

/// Opens the stream of an endpoint's events after its position.
pub type Source = Box<dyn Fn(Viewer, &Endpoint) -> BoxStream<'static, Result<Item, SourceEnd>> + Send + Sync>;
