//! `clientRequestId`: makes it safe to repeat a call.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::AccountId;
use crate::domain::refusal::Refusal;
use crate::domain::text::{self, CLIENT_REQUEST_ID_MAX};
use crate::store::requests::{Claim, ClientRequest, claim, remember};
use crate::store::{StoreResult, Tx};

use super::error::{Failure, Outcome};

/// A call with its client request id; `None` without one.
pub(super) struct Repeatable(Option<ClientRequest>);

/// How to continue with a call.
pub(super) enum CallState {
    Do,
    /// The call was done before. Carries the ids of the objects that it created.
    Done(Vec<Uuid>),
    /// The client request id was used before with another input.
    Reused,
}

impl Repeatable {
    /// Identifies a call of `mutation` with `input`.
    ///
    /// # Errors
    /// [`Failure::BadInput`] for an id that is empty, too long, or has control characters.
    pub(super) fn call(
        account: AccountId,
        mutation: &'static str,
        client_request_id: Option<&str>,
        input: &impl Serialize,
    ) -> Result<Self, Failure> {
        let Some(raw) = client_request_id else { return Ok(Self(None)) };
        let id = text::label(raw, CLIENT_REQUEST_ID_MAX).map_err(|_| {
            Failure::BadInput(
                "Give a clientRequestId of 1 to 64 visible characters, without control characters.".into(),
            )
        })?;
        let input = serde_json::to_vec(input).map_err(|e| Failure::bug(format!("an input can't be hashed: {e}")))?;
        Ok(Self(Some(ClientRequest {
            account_id: account,
            mutation,
            client_request_id: id,
            input_hash: Sha256::digest(&input).to_vec(),
        })))
    }

    /// A call without a client request id, which is never recognized as repeated.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Decides whether this transaction must do the call. A concurrent call with the same id waits for it.
    pub(super) async fn state(&self, tx: &Tx, now: Instant) -> StoreResult<CallState> {
        let Some(request) = &self.0 else { return Ok(CallState::Do) };
        Ok(match claim(tx, request, now).await? {
            Claim::New => CallState::Do,
            Claim::Repeat(ids) => CallState::Done(ids),
            Claim::Reused => CallState::Reused,
        })
    }

    /// The ids of the objects that the call created, if it was done before; `None` if this transaction must do it. A
    /// concurrent call with the same id waits.
    ///
    /// # Errors
    /// `reused` when the id was used with another input.
    pub(super) async fn made_before<R: Refusal>(
        &self,
        tx: &Tx,
        now: Instant,
        reused: R,
    ) -> Outcome<Option<Vec<Uuid>>, R> {
        match self.state(tx, now).await? {
            CallState::Do => Ok(None),
            CallState::Done(ids) => Ok(Some(ids)),
            CallState::Reused => Err(reused.into()),
        }
    }

    /// Saves the ids of the objects that the call created.
    pub(super) async fn remember(&self, tx: &Tx, made: &[Uuid]) -> StoreResult<()> {
        match &self.0 {
            Some(request) => remember(tx, request, made).await,
            None => Ok(()),
        }
    }
}

/// The single object that a call created.
pub(super) fn single<I: From<Uuid>>(made: &[Uuid]) -> Result<I, Failure> {
    made.first().map(|id| (*id).into()).ok_or_else(|| Failure::bug("a remembered call has no created object"))
}
