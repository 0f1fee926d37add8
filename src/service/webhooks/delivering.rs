//! One attempt to deliver an event (R62, R63).

use hyper::body::Bytes;
use tokio::time::{Instant as Moment, timeout_at};

use crate::domain::Instant;
use crate::domain::id::{EventId, encode_id};
use crate::domain::log::EventKind;
use crate::domain::webhooks::{
    Attempted, Delivery, Destination, PAYLOAD_MAX, WebhookFailure as NotTaken, payload_type,
};
use crate::domain::{instant, webhooks};
use crate::metrics::AttemptOutcome;
use crate::outbound::Request;
use crate::service::Services;
use crate::service::error::Failure;
use crate::service::webhooks::{key, secrets};
use crate::signing::signatures;
use crate::store::convert::Stored as _;
use crate::store::webhooks::serving::Served;
use crate::traces::{Context, Kind, Span, Value};

/// The content of an event's deliveries. It is the same for each attempt.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    event: EventId,
    kind: EventKind,
    id: String,
    body: Bytes,
    trace: Option<Context>,
}

impl Payload {
    /// The payload with `data`, a JSON text. If there is none, or the payload would be larger than [`PAYLOAD_MAX`], its
    /// data is null, and the receiver can read the event by its id.
    pub(crate) fn new(event: EventId, kind: EventKind, occurred_at: Instant, cursor: &str, data: Option<&str>) -> Self {
        let id = encode_id("evt", event.0.as_bytes());
        let write = |data: &str| {
            let (kind, at) = (payload_type(kind.stored()), instant::to_text(occurred_at));
            // None of these texts can contain a character that JSON must escape.
            format!(r#"{{"type":"{kind}","timestamp":"{at}","cursor":"{cursor}","data":{data}}}"#)
        };
        let whole = write(data.unwrap_or("null"));
        let body = if whole.len() > PAYLOAD_MAX { write("null") } else { whole };
        Self { event, kind, id, body: body.into(), trace: None }
    }

    /// The payload of an event that happened in a trace, which goes on at the receiver.
    pub(crate) fn in_trace(self, trace: Option<Context>) -> Self {
        Self { trace, ..self }
    }
}

/// The result of an attempt, and its record for the endpoint's list of deliveries.
pub(crate) struct Tried {
    pub(crate) attempted: Attempted,
    pub(crate) delivery: Delivery,
}

/// Sends a payload to an endpoint once, at `at`. An attempt that has no result at `deadline` is a timeout.
pub(crate) async fn try_once(
    cx: &Services,
    served: &Served,
    payload: &Payload,
    attempt: u32,
    at: Instant,
    deadline: Option<Moment>,
) -> Result<Tried, Failure> {
    let key = key(cx).await?;
    let id = served.endpoint.id;
    let mut signers = vec![secrets::open(&key, id, &served.secret)?];
    if let Some((sealed, _)) = served.former_secret.as_ref().filter(|(_, until)| at < *until) {
        signers.push(secrets::open(&key, id, sealed)?);
    }
    let timestamp = at.timestamp();
    let signature = signatures(signers.iter().map(String::as_str), &payload.id, timestamp, &payload.body);
    let mut trace = cx.traces.span("POST", Kind::Client, payload.trace.as_ref());
    let mut headers = vec![
        ("webhook-id", payload.id.clone()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    headers.extend(trace.context().map(|context| ("traceparent", context.to_string())));
    let request = Request { headers, body: payload.body.clone() };
    let _active = cx.metrics.webhook_attempts_active.enter(());
    let (attempted, took) = match Destination::parse(&served.endpoint.url) {
        Some(destination) => {
            let (sent, began) = (cx.webhooks.outbound.post(&destination, request), Moment::now());
            let sent = match deadline {
                Some(deadline) => timeout_at(deadline, sent).await.ok(),
                None => Some(sent.await),
            };
            sent.map_or_else(|| (not_taken(NotTaken::Timeout), began.elapsed()), |sent| (sent.attempted, sent.took))
        }
        None => (not_taken(NotTaken::Connection), cx.webhooks.outbound.options().refusal_after),
    };
    cx.metrics.webhook_attempts.took(outcome(attempted.failure), took);
    describe(&mut trace, payload.kind, attempt, &attempted);
    let delivery = webhooks::Delivery {
        event: payload.event,
        kind: payload.kind,
        attempt,
        at,
        milliseconds: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        status: attempted.status,
        failure: attempted.failure,
    };
    Ok(Tried { attempted, delivery })
}

/// Describes an attempt in its span. The span leaves out the endpoint's address, because it may contain a secret.
fn describe(trace: &mut Span, kind: EventKind, attempt: u32, attempted: &Attempted) {
    if !trace.is_recorded() {
        return;
    }
    trace.set("http.request.method", Value::Name("POST"));
    if let Some(status) = attempted.status {
        trace.set("http.response.status_code", Value::Number(status.into()));
    }
    trace.set("packwright.event.kind", Value::Name(kind.stored()));
    trace.set("packwright.webhook.attempt", Value::Number(attempt.into()));
    if let Some(failure) = attempted.failure {
        trace.set("error.type", Value::Name(failure.stored()));
        trace.has_failed();
    }
}

fn not_taken(failure: NotTaken) -> Attempted {
    Attempted { status: None, failure: Some(failure), retry_after: None }
}

fn outcome(failure: Option<NotTaken>) -> AttemptOutcome {
    match failure {
        None => AttemptOutcome::Taken,
        Some(NotTaken::Status) => AttemptOutcome::Status,
        Some(NotTaken::Timeout) => AttemptOutcome::Timeout,
        Some(NotTaken::Connection) => AttemptOutcome::Connection,
    }
}
