//! Enrolment tokens, with which a new managed account creates its first API token (R1).

use chrono::Duration;
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountKind, AccountRefusal, Privilege};
use crate::domain::id::AccountId;
use crate::domain::log::EventKind;
use crate::ids;
use crate::store::accounts::write as accounts;
use crate::store::accounts::write::EnrolmentRow;
use crate::store::{StoreResult, Tx};

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome};
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::requests::{Repeatable, single};

/// How long an enrolment token is valid (R1).
const ENROLMENT_DAYS: i64 = 7;

/// A new enrolment token with its secret (R1).
pub(in crate::service) struct IssuedEnrolment {
    pub(in crate::service) id: Uuid,
    secret: String,
    expires_at: Instant,
}

/// A managed account with a new enrolment token.
#[derive(Clone)]
pub struct Enrollable {
    pub account_id: AccountId,
    /// The token's secret; `None` when the call was repeated, because a secret is shown only once.
    pub secret: Option<String>,
    /// The end of the token's validity; `None` when another token has replaced it since.
    pub expires_at: Option<Instant>,
}

/// Issues a new enrolment token for a managed account that never had an API token. The former enrolment token becomes
/// invalid (R1).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, ALREADY_ENROLLED; not found.
pub(crate) async fn reissue_enrolment(
    cx: &Services,
    caller: &Publisher,
    account: AccountId,
    client_request_id: Option<&str>,
) -> Outcome<Enrollable, AccountRefusal> {
    caller.viewer.require(Privilege::AccountAdministration)?;
    let call = Repeatable::call(caller.id(), "reissueEnrolmentToken", client_request_id, &account)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), AccountRefusal::ClientRequestIdReused).await? {
        return Ok(issued_before(&tx, &made).await?);
    }
    let account = accounts::lock_managed(&tx, &caller.scope, account).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    if account.enrolled_at.is_some() {
        return Err(AccountRefusal::AlreadyEnrolled.into());
    }
    let issued = issue(cx, &tx, account.id, journal.now).await?;
    journal.append_entry(
        Entry::of("reissueEnrolmentToken", Subject::ManagedAccount(account.id), account.name).concerning(account.id),
    );
    call.remember(&tx, &[account.id.0, issued.id]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(issued.of(account.id))
}

/// Creates an enrolment token for a managed account, in place of the one before (R1). It is valid for
/// [`ENROLMENT_DAYS`].
pub(in crate::service) async fn issue(
    cx: &Services,
    tx: &Tx,
    account: AccountId,
    now: Instant,
) -> StoreResult<IssuedEnrolment> {
    let secret = ids::secret("pwe_");
    let expires_at = now + Duration::days(ENROLMENT_DAYS);
    let row = EnrolmentRow { id: cx.ids.next(), account_id: account, expires_at, spent_at: None };
    accounts::issue_enrolment(tx, &row, ids::hash(&secret), now).await?;
    Ok(IssuedEnrolment { id: row.id, secret, expires_at })
}

/// Saves that a managed account is enrolled, from now on.
pub(in crate::service) async fn save_enrolled(
    tx: &Tx,
    journal: &mut Journal<'_>,
    account: &mut Account,
) -> StoreResult<()> {
    if account.enrolled_at.is_none() && account.kind == AccountKind::Managed {
        journal.append_event(JournalEvent::account(EventKind::AccountEnrolled, account));
    }
    account.enrolled_at = Some(journal.now);
    accounts::save_enrolled(tx, account.id, journal.now).await
}

impl IssuedEnrolment {
    /// The answer to the call that issued the token: only this answer has the secret.
    pub(in crate::service) fn of(self, account_id: AccountId) -> Enrollable {
        Enrollable { account_id, secret: Some(self.secret), expires_at: Some(self.expires_at) }
    }
}

/// The answer to a repeated call: the account and the end of its enrolment token's validity, without the secret.
pub(in crate::service) async fn issued_before(tx: &Tx, made: &[Uuid]) -> Result<Enrollable, Failure> {
    let issued = match made.get(1) {
        Some(id) => accounts::lock_enrolment(tx, *id).await?,
        None => None,
    };
    Ok(Enrollable { account_id: single(made)?, secret: None, expires_at: issued.map(|row| row.expires_at) })
}
