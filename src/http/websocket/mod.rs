//! GraphQL operations over a WebSocket, with the protocol `graphql-transport-ws`.

pub mod machine;
pub mod message;
mod operations;
pub mod session;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{FromRequestParts as _, WebSocketUpgrade};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use tracing::Instrument as _;

use crate::gate::OperationKind;
use crate::metrics::{Active, CloseCode};
use crate::service::access::Caller;
use crate::service::accounts::{NamedAccount, TokenWatch, Watched, check_token_valid};
use crate::service::error::Failure;
use crate::traces::Context;

use super::admission::owner;
use super::answer::Answer;
use super::auth::{Credentials, account_in, failure_response, named_account};
use super::connections::Client;
use super::login::Denied;
use super::measured::count_errors;
use super::reply::{Refused, refusal};
use super::request::GraphqlRequest;
use super::router::HttpState;
use super::traced;
use machine::Close;
use message::Payload;
use session::{Limits, Operations, Session, Started};

const PROTOCOL: &str = "graphql-transport-ws";
const VERSION: &str = "13";
/// By how much a message may exceed the limit and still be read. The error then says how long it is; a longer one isn't
/// read at all.
const READ_BEYOND: usize = 64 << 10;
/// The bytes that are read at a time. The library allocates them for each connection at once.
const READ_BUFFER: usize = 1 << 10;
/// The bytes of a ping frame that may wait for the next message.
const PING_BYTES: usize = 8;

/// Whether a request asks for an upgrade to a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Upgrades the connection to a WebSocket, if the client offers the protocol.
pub(super) async fn upgrade(state: Arc<HttpState>, request_id: String, request: Request<Body>) -> Response {
    let (mut parts, _) = request.into_parts();
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let message = "Use version 13 of the WebSocket protocol.";
        let refused = Refused::bad(StatusCode::UPGRADE_REQUIRED, message);
        return refused.with(header::SEC_WEBSOCKET_VERSION, VERSION).reply(super::accept::Media::Json);
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(rejection) => {
            let status = rejection.into_response().status();
            return refusal(status, "BAD_USER_INPUT", "This isn't a WebSocket handshake.");
        }
    };
    if upgrade.selected_protocol().is_none() {
        return refusal(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", "Offer the sub-protocol graphql-transport-ws.");
    }
    let options = &state.options;
    let limits = Limits {
        init: options.init_timeout,
        ping: options.keep_alive,
        send: options.send_timeout,
        message: options.small_limit(),
        operations: options.max_operations,
        idle: options.idle_timeout,
    };
    let read = options.small_limit().saturating_add(READ_BEYOND);
    let shutdown = options.shutdown.clone();
    let connection = Arc::new(Connection {
        credentials: Credentials::of(&parts.headers),
        named: named_account(&parts.headers),
        trace: OnceLock::new(),
        upgrade_trace: traced::of_headers(&state.engine, &parts.headers),
        peer: super::intake::peer(&parts),
        caller: OnceLock::new(),
        watched: OnceLock::new(),
        _client: parts.extensions.get::<Client>().cloned(),
        _active: state.engine.metrics.websockets.enter(()),
        state,
        request_id,
    });
    let span = tracing::Span::current();
    upgrade
        .max_message_size(read)
        .max_frame_size(read)
        .read_buffer_size(READ_BUFFER)
        // Each message is flushed, but for a ping that leaves with the next one: no other write is saved by a buffer.
        .write_buffer_size(PING_BYTES)
        .on_upgrade(move |socket| Session::new(socket, connection, limits).serve(shutdown).instrument(span))
}

/// One connection, and the identity that its token gives it.
struct Connection {
    state: Arc<HttpState>,
    request_id: String,
    peer: Option<IpAddr>,
    /// The credentials in the upgrade request. The first message may bring others.
    credentials: Credentials,
    /// The account that the upgrade request names. The first message may name another.
    named: NamedAccount,
    /// The caller, once the client is authenticated.
    caller: OnceLock<Caller>,
    /// Notices the end of the caller's token while no operation runs that would notice it.
    watched: OnceLock<Watched>,
    /// The client's span that the upgrade request names, and the one that the first message names instead.
    upgrade_trace: Option<Context>,
    trace: OnceLock<Context>,
    /// Counts the connection for the client's address as long as it lives.
    _client: Option<Client>,
    _active: Active,
}

impl Connection {
    async fn let_in(&self, payload: Option<Payload>) -> Result<(), Close> {
        let payload = payload.unwrap_or_default();
        let given = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let credentials = match given.map(|(_, value)| value) {
            None | Some(Value::Null) => self.credentials.clone(),
            Some(Value::String(value)) => Credentials::parse(value),
            Some(_) => Credentials::Unreadable,
        };
        let named = account_in(&payload).unwrap_or(self.named);
        let caller = self.state.login((&credentials, named), self.peer, &self.request_id).await;
        let caller = caller.map_err(|denied| match denied {
            Denied::Failure(failure) => self.close(&failure),
            Denied::TooMany(allowance) => Close::new(1013, super::login::too_many(allowance).0),
        })?;
        if let Some(trace) = traced::of_payload(&self.state.engine, &payload) {
            let _ = self.trace.set(trace);
        }
        if let Caller::Viewer(viewer) = &caller {
            let _ = self.watched.set(TokenWatch::watch(&self.state.engine.services, viewer));
        }
        // Set only once, because the machine greets only once.
        let _ = self.caller.set(caller);
        Ok(())
    }

    /// The caller, if its token is still valid: it may have been revoked since the connection began.
    async fn valid_caller(&self) -> Result<Caller, Close> {
        let caller = self.caller.get().ok_or_else(Close::forbidden)?.clone();
        if let Caller::Viewer(viewer) = &caller {
            let valid_caller = check_token_valid(&self.state.engine.services, viewer).await;
            valid_caller.map_err(|failure| self.close(&failure))?;
        }
        Ok(caller)
    }

    fn close(&self, failure: &Failure) -> Close {
        match failure {
            Failure::Unauthenticated(_) | Failure::Forbidden(_) => Close::forbidden(),
            failure => {
                // This logs the failure's details.
                let _ = failure_response(failure, &self.request_id);
                Close::try_again()
            }
        }
    }

    async fn open(&self, mut request: GraphqlRequest) -> Result<Started, Close> {
        let caller = self.valid_caller().await?;
        let engine = &self.state.engine;
        request.trace = self.trace.get().or(self.upgrade_trace.as_ref()).cloned();
        let refused = |refused: Box<Answer>| Started { answers: stream::iter([*refused]).boxed(), once: true };
        let reserved = match engine.reserve(owner(&caller, self.peer), bytes(&request)) {
            Ok(reserved) => reserved,
            Err(busy) => {
                count_errors(&engine.metrics, &busy);
                return Ok(refused(busy));
            }
        };
        let admitted = match engine.admit(&caller, self.peer, request) {
            Ok(admitted) => admitted,
            Err(answer) => return Ok(refused(answer)),
        };
        let once = admitted.kind() != OperationKind::Subscription;
        let answers = engine.execute_stream(caller, &self.request_id, admitted);
        if once {
            // A subscription reserves its own memory, so only queries and mutations keep `reserved`.
            let answers = answers.inspect(move |_| {
                let _reserved = &reserved;
            });
            return Ok(Started { answers: answers.boxed(), once });
        }
        Ok(Started { answers, once })
    }
}

/// The approximate memory of a request, in bytes.
fn bytes(request: &GraphqlRequest) -> usize {
    let values = request.variables.values().chain(request.extensions.values());
    request.query.as_ref().map_or(0, String::len) + values.map(crate::gate::bytes_of).sum::<usize>()
}

impl Operations for Connection {
    fn authenticate(&self, payload: Option<Payload>) -> BoxFuture<'_, Result<(), Close>> {
        self.let_in(payload).boxed()
    }

    fn start(&self, request: GraphqlRequest) -> BoxFuture<'_, Result<Started, Close>> {
        self.open(request).boxed()
    }

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn is_anonymous(&self) -> bool {
        !matches!(self.caller.get(), Some(Caller::Viewer(_)))
    }

    fn token_ends(&self) -> BoxFuture<'_, Close> {
        let ended = async {
            match self.watched.get() {
                Some(watched) => self.close(&watched.refused().await),
                None => std::future::pending().await,
            }
        };
        ended.boxed()
    }

    fn has_closed(&self, code: Option<u16>) {
        let code = code.map_or(CloseCode::Client, CloseCode::of);
        self.state.engine.metrics.websockets_closed.add(code, 1);
    }
}
