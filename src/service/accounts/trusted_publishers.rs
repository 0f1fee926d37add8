//! Makes and deletes trusted publishers (R70).

use crate::domain::accounts::{
    Account, AccountRefusal, Privilege, Role, TRUSTED_PUBLISHERS_MAX, TrustedClaim, TrustedPublisher, check_claims,
};
use crate::domain::id::TrustedPublisherId;
use crate::domain::text::Name;
use crate::store::accounts::{write as accounts, write_trusted as trusted};
use crate::store::convert::Stored as _;

use crate::service::Services;
use crate::service::access::Viewer;
use crate::service::error::{Failure, Outcome, is_conflict, text_fault};
use crate::service::journal::{Entry, Journal, Subject};
use crate::service::requests::{Repeatable, single};

/// The trusted publisher that a caller asks for.
#[derive(Clone, Debug)]
pub(crate) struct NewTrustedPublisher {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) claims: Vec<TrustedClaim>,
    pub(crate) role: Role,
    pub(crate) client_request_id: Option<String>,
}

/// Lets a pipeline act for the caller's account.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, ISSUER_NOT_ALLOWED, CLAIMS_INVALID,
/// ROLE_NOT_ALLOWED, TOO_MANY.
pub(crate) async fn create_trusted_publisher(
    cx: &Services,
    caller: &Viewer,
    new: NewTrustedPublisher,
) -> Outcome<TrustedPublisherId, AccountRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let input = (&new.name, &new.issuer, &new.claims, new.role.stored());
    let call = Repeatable::call(caller.account.id, "createTrustedPublisher", new.client_request_id.as_deref(), &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), AccountRefusal::ClientRequestIdReused).await? {
        let id = single(&made)?;
        trusted::lock(&tx, caller.account.id, id).await?.ok_or(Failure::NotFound)?;
        return Ok(id);
    }
    // The account's lock makes the count right.
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let name = Name::parse(&new.name)
        .map_err(|fault| text_fault(fault, AccountRefusal::NameRequired, AccountRefusal::NameTooLong))?;
    if trusted::is_taken(&tx, account.id, &name.key()).await? {
        return Err(AccountRefusal::TrustedNameTaken.into());
    }
    let Some(issuer) = cx.pipelines.allowed(&new.issuer) else {
        return Err(AccountRefusal::IssuerNotAllowed { allowed: cx.pipelines.issuers() }.into());
    };
    check_claims(&new.claims).map_err(AccountRefusal::ClaimsInvalid)?;
    if new.role == Role::Administrator {
        return Err(AccountRefusal::RoleNotAllowed.into());
    }
    if trusted::count(&tx, account.id).await? >= TRUSTED_PUBLISHERS_MAX {
        return Err(AccountRefusal::TooMany.into());
    }
    let publisher = TrustedPublisher {
        id: cx.ids.next(),
        account_id: account.id,
        name: name.as_str().to_owned(),
        issuer,
        claims: new.claims,
        role: new.role,
        created_at: journal.now,
        created_by: journal.actor().clone(),
        last_used_at: None,
    };
    if is_conflict(trusted::insert(&tx, &publisher).await)? {
        return Err(AccountRefusal::TrustedNameTaken.into());
    }
    let mut entry = entry("createTrustedPublisher", &publisher, &account)
        .set("role", publisher.role.stored())
        .change_private("issuer", None, Some(publisher.issuer.clone()));
    for claim in &publisher.claims {
        entry = entry.change_private(&format!("claims.{}", claim.name), None, Some(claim.value.clone()));
    }
    journal.append_entry(entry);
    call.remember(&tx, &[publisher.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(publisher.id)
}

/// Deletes a trusted publisher. The subscriptions that its pipeline has opened end.
///
/// # Errors
/// Not found.
pub(crate) async fn delete_trusted_publisher(
    cx: &Services,
    caller: &Viewer,
    id: TrustedPublisherId,
) -> Outcome<(), AccountRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let publisher = trusted::lock(&tx, account.id, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    trusted::delete(&tx, id).await?;
    journal.append_entry(entry("deleteTrustedPublisher", &publisher, &account));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

fn entry(action: &'static str, of: &TrustedPublisher, account: &Account) -> Entry {
    Entry::of(action, Subject::TrustedPublisher(of.id), of.name.clone()).concerning_managed(account)
}
