//! Admits requests before anything is executed: checks the document, computes its cost, and charges the caller.

use std::net::IpAddr;
use std::sync::Arc;

use async_graphql::{Response, ServerError};
use tokio::time::Instant;

use crate::gate::{Checked, DocumentRequest, Objection, OperationKind, Prepared};
use crate::graphql::StreamCursor;
use crate::service::access::Caller;
use crate::service::error::Failure;
use crate::traces::Context;

use super::answer::{Allowance, Answer, Phase, set, set_code};
use super::busy;
use super::connections::peers;
use super::engine::Engine;
use super::introspections::Introspections;
use super::measured::count_refused;
use super::request::GraphqlRequest;
use super::workload::{Owner, ReservedMemory};

/// How many bytes of an introspection's answer cost 1, if the answer must be computed.
const BYTES_PER_COST: u64 = 16;
/// How many bytes of an introspection's answer cost 1, if the answer is cached.
pub(super) const BYTES_PER_COST_CACHED: u64 = 1_024;
/// The cost that a peer is charged for a refused token.
const REFUSED_TOKEN_COST: u64 = 10_000;
/// The memory of a subscription, besides its document and variables.
const SUBSCRIPTION_BYTES: usize = 4_096;
/// The memory of a parsed document, per byte of its text.
const PARSED: usize = 4;

/// The owner whose share of the server's work a request uses.
pub(super) fn owner(caller: &Caller, peer: Option<IpAddr>) -> Option<Owner> {
    match caller {
        Caller::Viewer(viewer) => Some(Owner::Account(viewer.account.id.into())),
        _ => peer.map(|peer| Owner::Peer(peers::network(peer))),
    }
}

/// A request that may be executed.
pub struct Admitted {
    pub(super) checked: Arc<Checked>,
    pub(super) prepared: Prepared,
    pub(super) allowance: Option<Allowance>,
    pub(super) stream_cursor: Option<Arc<StreamCursor>>,
    pub(super) peer: Option<IpAddr>,
    /// The cost that the request was charged for.
    charged: u64,
    /// The owner whose share the operation uses; `None` for an operation of the process itself.
    pub(super) owner: Option<Owner>,
    /// The key of the cached answer; only for introspection.
    pub(super) introspection: Option<[u8; 32]>,
    /// Whether the operation is one of the process itself.
    pub(super) is_of_process: bool,
    /// The span of the client to which the operation belongs.
    pub(super) trace: Option<Context>,
}

impl Admitted {
    /// An operation of the process itself, such as the stream of a webhook endpoint. Nobody is charged for it.
    pub(super) fn of_process(checked: Arc<Checked>, prepared: Prepared) -> Self {
        Self {
            checked,
            prepared,
            allowance: None,
            stream_cursor: None,
            peer: None,
            charged: 0,
            owner: None,
            introspection: None,
            is_of_process: true,
            trace: None,
        }
    }

    /// The kind of the operation that the request selects.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.prepared.kind
    }

    /// The remaining allowance of the token; `None` if requests aren't limited.
    #[must_use]
    pub fn allowance(&self) -> Option<Allowance> {
        self.allowance
    }

    /// Whether the gate printed the document differently from its original text.
    pub(super) fn is_moved(&self) -> bool {
        self.checked.verdict.as_ref().is_ok_and(|document| document.is_moved)
    }

    /// The approximate memory that the operation needs while it is open, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let document = self.checked.verdict.as_ref().map_or(0, |document| document.printed.len());
        let variables: usize = self.prepared.variables.values().map(crate::gate::bytes_of).sum();
        SUBSCRIPTION_BYTES + PARSED * document + 2 * variables
    }

    /// Adds the cursor that tracks a subscription's position in the event log.
    #[must_use]
    pub fn at(mut self, stream_cursor: Arc<StreamCursor>) -> Self {
        self.stream_cursor = Some(stream_cursor);
        self
    }
}

impl Engine {
    /// Checks a request at the gate, and charges the caller's token, or without a token the `peer`. Executes nothing.
    ///
    /// # Errors
    /// The answer to a request that isn't admitted, in the phase [`Phase::Refused`] or [`Phase::Limited`].
    pub fn admit(
        &self,
        caller: &Caller,
        peer: Option<IpAddr>,
        graphql_request: GraphqlRequest,
    ) -> Result<Admitted, Box<Answer>> {
        let began = Instant::now();
        self.admit_unbounded(caller, peer, graphql_request, began).map_err(|answer| {
            let answer = self.error_limits.apply(*answer);
            count_refused(self, peer, &answer, began);
            Box::new(answer)
        })
    }

    fn admit_unbounded(
        &self,
        caller: &Caller,
        peer: Option<IpAddr>,
        graphql_request: GraphqlRequest,
        now: Instant,
    ) -> Result<Admitted, Box<Answer>> {
        if !self.services.clock.is_representable() {
            let inside = "the clock shows a time outside the years 1 to 9999".to_owned();
            return Err(Box::new(Answer::failed(&Failure::Unavailable(inside), "")));
        }
        let named = DocumentRequest {
            text: graphql_request.query.as_deref(),
            id: graphql_request.document_id.as_deref(),
            extensions: Some(&graphql_request.extensions),
        };
        let checked = self.gate.find(named).map_err(|objection| refused(&[objection]))?;
        let document = checked.verdict.as_ref().map_err(|objections| refused(objections))?;
        // GraphQL over HTTP: an empty name means no name.
        let operation_name = graphql_request.operation_name.as_deref().filter(|name| !name.is_empty());
        let prepared = self
            .gate
            .prepare(document, operation_name, graphql_request.variables)
            .map_err(|objections| refused(&objections))?;
        if matches!(caller, Caller::Enrolment(_)) && prepared.mutations > 1 {
            let message = "An enrolment token is good for one mutation; send createApiToken alone.".to_owned();
            return Err(Box::new(Answer::refused("BAD_USER_INPUT", message)));
        }
        let introspection = prepared.is_introspection.then(|| Introspections::key(&checked, &prepared));
        let is_cached = introspection.is_some_and(|key| self.introspections.has(&key));
        let per_byte = if is_cached { BYTES_PER_COST_CACHED } else { BYTES_PER_COST };
        let cost = prepared.cost.saturating_add(prepared.introspection_bytes / per_byte);
        let allowance = self.charge(caller, peer, cost, now)?;
        let owner = owner(caller, peer);
        let (charged, trace) = (cost, graphql_request.trace);
        Ok(Admitted {
            checked,
            prepared,
            allowance,
            stream_cursor: None,
            peer,
            charged,
            owner,
            introspection,
            is_of_process: false,
            trace,
        })
    }

    /// Charges for a second execution of a request. Returns what is left then; `None` if requests aren't limited.
    pub(super) fn charge_again(&self, caller: &Caller, admitted: &Admitted) -> Option<Allowance> {
        let now = Instant::now();
        match (caller, &self.allowances, &self.peers, admitted.peer) {
            (Caller::Viewer(viewer), Some(tokens), ..) => {
                Some(tokens.charge_again(viewer.token.id.into(), admitted.charged, now))
            }
            (Caller::Viewer(_), ..) => None,
            (_, _, Some(peers), Some(peer)) => Some(peers.charge_again(peers::network(peer), admitted.charged, now)),
            _ => None,
        }
    }

    fn charge(
        &self,
        caller: &Caller,
        peer: Option<IpAddr>,
        cost: u64,
        now: Instant,
    ) -> Result<Option<Allowance>, Box<Answer>> {
        let (charged, owner_name) = match (caller, &self.allowances, &self.peers, peer) {
            (Caller::Viewer(viewer), Some(tokens), _, _) => {
                (tokens.charge(viewer.token.id.into(), cost, now), "this token may ask for")
            }
            (Caller::Viewer(_), ..) => return Ok(None),
            (_, _, Some(peers), Some(peer)) => {
                (peers.charge(peers::network(peer), cost, now), "an address may ask for without a token")
            }
            _ => return Ok(None),
        };
        charged.map(Some).map_err(|allowance| Box::new(busy::limited(cost, allowance, owner_name)))
    }

    /// Checks that the peer hasn't sent so many refused tokens that further ones aren't checked for a while.
    ///
    /// # Errors
    /// The allowance, with the time to wait.
    pub(super) fn check_peer(&self, peer: Option<IpAddr>) -> Result<(), Allowance> {
        match (&self.logins, peer) {
            (Some(logins), Some(peer)) => logins.check(peers::network(peer), REFUSED_TOKEN_COST, Instant::now()),
            _ => Ok(()),
        }
    }

    /// Charges the peer for a refused token.
    pub(super) fn token_refused(&self, peer: Option<IpAddr>) {
        if let (Some(logins), Some(peer)) = (&self.logins, peer) {
            // `check_peer` has checked the allowance before, so an error doesn't matter here.
            let _ = logins.charge(peers::network(peer), REFUSED_TOKEN_COST, Instant::now());
        }
    }

    /// Reserves memory for a waiting request or an open subscription.
    ///
    /// # Errors
    /// The answer when the owner, or all owners together, have reserved as much as they may.
    pub(super) fn reserve(&self, owner: Option<Owner>, bytes: usize) -> Result<Option<ReservedMemory>, Box<Answer>> {
        owner.map(|owner| self.workload.reserve(owner, bytes)).transpose().map_err(|busy| {
            self.note_shed(busy);
            Box::new(busy::memory_full(busy))
        })
    }
}

/// The answer to a request that the gate refused.
fn refused(objections: &[Objection]) -> Box<Answer> {
    let error = |objection: &Objection| {
        let mut error = ServerError::new(&objection.message, None);
        let pos = |at: crate::gate::Location| async_graphql::Pos { line: at.line, column: at.column };
        error.locations.extend(objection.location.map(pos));
        set_code(&mut error, objection.code.as_str());
        if let Some((limit, requested)) = objection.bound {
            set(&mut error, "limit", limit);
            set(&mut error, "requested", requested);
        }
        error
    };
    Box::new(Answer::new(Phase::Refused, Response::from_errors(objections.iter().map(error).collect())))
}
