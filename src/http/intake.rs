//! Reads HTTP requests: authenticates the caller and parses the parameters. Shared by `/graphql` and `/graphql/stream`.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};

use crate::service::access::Caller;

use super::answer::Answer;
use super::auth::{Credentials, named_account};
use super::connections::Client;
use super::login::Denied;
use super::params::{self, Malformed};
use super::reply::Refused;
use super::request::GraphqlRequest;
use super::router::HttpState;
use super::workload::ReservedMemory;
use super::{accept, admission, limits, traced};

/// A parsed request and its caller.
pub(super) struct IncomingRequest {
    pub(super) caller: Caller,
    pub(super) request: GraphqlRequest,
    /// The client's address; `None` for a caller within the process.
    pub(super) peer: Option<IpAddr>,
    /// The memory reserved for it while it waits and is executed.
    pub(super) reserved: Option<ReservedMemory>,
}

/// The memory of a parsed body, per byte.
const PARSED: usize = 4;

/// The address of a request's client.
pub(super) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Client>().map(|client| client.address)
}

/// Reads a request. `unacceptable` is the refusal if the request accepts no media type of the answer.
pub(super) async fn read(
    state: &HttpState,
    request_id: &str,
    parts: &Parts,
    body: Body,
    unacceptable: Option<Refused>,
) -> Result<IncomingRequest, Refused> {
    match admit(state, request_id, parts, unacceptable).await {
        Ok(caller) => {
            // Requests without an account's token don't need large bodies.
            let limit = match caller {
                Caller::Viewer(_) => state.options.body_limit,
                Caller::Anonymous | Caller::Enrolment(_) => state.options.small_limit(),
            };
            let peer = peer(parts);
            let reserved = match reserve(state, parts, &caller, limit) {
                Ok(reserved) => reserved,
                Err(busy) => {
                    limits::discard(&parts.headers, body).await;
                    return Err(Refused::busy(busy));
                }
            };
            let mut request = parameters(state, parts, body, limit).await?;
            request.trace = traced::of_headers(&state.engine, &parts.headers);
            Ok(IncomingRequest { request, caller, peer, reserved })
        }
        Err(refused) => {
            limits::discard(&parts.headers, body).await;
            Err(refused)
        }
    }
}

/// Whether the parameters are in the query string.
pub(super) fn by_get(parts: &Parts) -> bool {
    parts.method == Method::GET
}

/// The checks before the body is read.
async fn admit(
    state: &HttpState,
    request_id: &str,
    parts: &Parts,
    unacceptable: Option<Refused>,
) -> Result<Caller, Refused> {
    if !by_get(parts) && parts.method != Method::POST {
        return Err(Refused::method("GET, POST", "Send GET or POST."));
    }
    if let Some(unacceptable) = unacceptable {
        return Err(unacceptable);
    }
    if !by_get(parts) {
        check_type(parts)?;
    }
    let credentials = Credentials::of(&parts.headers);
    state.login((&credentials, named_account(&parts.headers)), peer(parts), request_id).await.map_err(|denied| {
        match denied {
            Denied::Failure(failure) => Refused::failure(&failure, request_id),
            Denied::TooMany(allowance) => Refused::too_many_tokens(allowance),
        }
    })
}

/// Reserves memory for a body before it is read: for its announced length, or for the longest allowed one.
fn reserve(
    state: &HttpState,
    parts: &Parts,
    caller: &Caller,
    most: usize,
) -> Result<Option<ReservedMemory>, Box<Answer>> {
    if by_get(parts) {
        return Ok(None);
    }
    let announced = limits::announced(&parts.headers).and_then(|length| usize::try_from(length).ok());
    let bytes = announced.unwrap_or(most).min(most);
    state.engine.reserve(admission::owner(caller, peer(parts)), bytes.saturating_mul(PARSED))
}

fn check_type(parts: &Parts) -> Result<(), Refused> {
    if !accept::is_json(&parts.headers) {
        let message = "Send the body as `Content-Type: application/json`, in UTF-8.";
        return Err(Refused::bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if accept::is_encoded(&parts.headers) {
        let message = "Send the body as it is, without a `Content-Encoding`.";
        let refused = Refused::bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        return Err(refused.with(header::ACCEPT_ENCODING, "identity"));
    }
    Ok(())
}

async fn parameters(state: &HttpState, parts: &Parts, body: Body, limit: usize) -> Result<GraphqlRequest, Refused> {
    let read = if by_get(parts) {
        params::from_address(parts.uri.query().unwrap_or_default())
    } else {
        let body = limits::read(&parts.headers, body, limit, state.options.body_timeout).await?;
        params::from_body(&body)
    };
    read.map_err(|Malformed { code, message }| Refused::new(StatusCode::BAD_REQUEST, code, message))
}

/// The text of a header, leniently decoded as UTF-8; `None` when it is missing or empty.
pub(super) fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| !text.is_empty())
}
