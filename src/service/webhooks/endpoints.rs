//! Makes, changes and deletes endpoints (R61).

use crate::domain::accounts::{Account, Privilege};
use crate::domain::id::WebhookId;
use crate::domain::log::Position;
use crate::domain::text::Name;
use crate::domain::webhooks::{
    DOCUMENT_MAX, Destination, ENDPOINTS_MAX, Endpoint, EndpointFilter, WebhookRefusal, WebhookState,
};
use crate::service::Services;
use crate::service::access::Viewer;
use crate::service::error::{Failure, Outcome, is_conflict, text_fault};
use crate::service::journal::{Entry, Journal, Subject};
use crate::service::requests::{Repeatable, single};
use crate::service::webhooks::{key, secrets};
use crate::store::accounts::write as accounts;
use crate::store::convert::Stored as _;
use crate::store::webhooks::{endpoints, write};

/// The position in the log at which an endpoint begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    After(Position),
    /// The named cursor is too old.
    Expired,
}

/// The endpoint that a caller asks for.
#[derive(Clone, Debug)]
pub(crate) struct NewEndpoint {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) filter: EndpointFilter,
    pub(crate) document: Option<String>,
    /// Why the gate refuses the document; `None` if it doesn't.
    pub(crate) document_fault: Option<String>,
    pub(crate) begin: Begin,
    /// The named cursor, as the caller spelled it.
    pub(crate) after: Option<String>,
    pub(crate) client_request_id: Option<String>,
}

/// A made endpoint. A repeated call doesn't get the secret again.
#[derive(Clone, Debug)]
pub(crate) struct MadeEndpoint {
    pub(crate) id: WebhookId,
    pub(crate) secret: Option<String>,
}

/// The changes of an endpoint; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedEndpoint {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) filter: Option<EndpointFilter>,
    pub(crate) document: Option<Option<String>>,
    pub(crate) document_fault: Option<String>,
}

/// The secret of a new endpoint; `None` for a repeated call, because a secret is shown only once.
pub(crate) fn made_secret(made: Option<&MadeEndpoint>) -> Option<String> {
    made?.secret.clone()
}

fn endpoint_name(raw: &str) -> Outcome<Name, WebhookRefusal> {
    Name::parse(raw).map_err(|fault| text_fault(fault, WebhookRefusal::NameRequired, WebhookRefusal::NameTooLong))
}

/// The destination of a URL, if a server may send to it now. All refusals take equally long, so that the time reveals
/// nothing about the operator's network (R65).
async fn allowed(cx: &Services, url: &str) -> Option<Destination> {
    let destination = Destination::parse(url);
    // A malformed URL must take as long as a refused address.
    let checked = match &destination {
        Some(destination) => cx.webhooks.outbound.check(destination).await.is_ok(),
        None => {
            tokio::time::sleep(cx.webhooks.outbound.options().refusal_after).await;
            false
        }
    };
    destination.filter(|_| checked)
}

fn check_document(document: Option<&str>, fault: Option<&String>) -> Outcome<(), WebhookRefusal> {
    if document.is_some_and(|document| document.len() > DOCUMENT_MAX) {
        return Err(WebhookRefusal::DocumentNotAllowed("It is longer than 64 kB.".into()).into());
    }
    match fault {
        Some(fault) => Err(WebhookRefusal::DocumentNotAllowed(fault.clone()).into()),
        None => Ok(()),
    }
}

/// Makes an endpoint. Returns its secret, which is shown only this once.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TOO_MANY_ENDPOINTS, URL_NOT_ALLOWED,
/// DOCUMENT_NOT_ALLOWED, CURSOR_EXPIRED; not found when a repeated call's endpoint was deleted since.
pub(crate) async fn create(cx: &Services, caller: &Viewer, new: NewEndpoint) -> Outcome<MadeEndpoint, WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let kinds = new.filter.kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.stored()).collect::<Vec<_>>());
    let EndpointFilter { pack_id, installation_id, release_id, about_account_id, .. } = new.filter;
    let filter = (kinds, pack_id, installation_id, release_id, about_account_id);
    let input = (&new.name, &new.url, filter, &new.document, &new.after);
    let call = Repeatable::call(caller.account.id, "createWebhookEndpoint", new.client_request_id.as_deref(), &input)?;
    // Before the transaction, because the look-up of a host name may take long.
    let destination = allowed(cx, &new.url).await;
    let key = key(cx).await?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), WebhookRefusal::ClientRequestIdReused).await? {
        let id = single(&made)?;
        write::lock(&tx, caller.account.id, id).await?.ok_or(Failure::NotFound)?;
        return Ok(MadeEndpoint { id, secret: None });
    }
    // The account's lock makes the count right.
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let name = endpoint_name(&new.name)?;
    if write::is_taken(&tx, account.id, &name.key(), None).await? {
        return Err(WebhookRefusal::NameTaken.into());
    }
    if write::count(&tx, account.id).await? >= ENDPOINTS_MAX {
        return Err(WebhookRefusal::TooManyEndpoints.into());
    }
    let Some(destination) = destination else { return Err(WebhookRefusal::UrlNotAllowed.into()) };
    check_document(new.document.as_deref(), new.document_fault.as_ref())?;
    let Begin::After(place) = new.begin else { return Err(WebhookRefusal::CursorExpired.into()) };
    let endpoint = Endpoint {
        id: cx.ids.next(),
        account_id: account.id,
        name: name.as_str().to_owned(),
        url: destination.url().to_string(),
        filter: new.filter,
        document: new.document,
        state: WebhookState::Active,
        disabled_reason: None,
        place,
        delivered: None,
        failed_attempts: 0,
        failing_since: None,
        next_attempt_at: None,
        former_secret_until: None,
        created_at: journal.now,
        created_by: journal.actor().clone(),
        revision: 1,
        place_revision: 1,
    };
    let secret = secrets::new_secret();
    if is_conflict(write::insert(&tx, &endpoint, secrets::seal(&key, endpoint.id, &secret)?).await)? {
        return Err(WebhookRefusal::NameTaken.into());
    }
    let entry = entry("createWebhookEndpoint", &endpoint, &account);
    journal.append_entry(entry.change_private("url", None, Some(endpoint.url.clone())));
    call.remember(&tx, &[endpoint.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    cx.webhooks.changed.notify_one();
    Ok(MadeEndpoint { id: endpoint.id, secret: Some(secret) })
}

/// An audit entry about an endpoint.
pub(super) fn entry(action: &'static str, endpoint: &Endpoint, account: &Account) -> Entry {
    Entry::of(action, Subject::WebhookEndpoint(endpoint.id), endpoint.name.clone()).concerning_managed(account)
}

/// Changes an endpoint. It keeps its position in the log.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, URL_NOT_ALLOWED, DOCUMENT_NOT_ALLOWED; not found.
pub(crate) async fn update(
    cx: &Services,
    caller: &Viewer,
    id: WebhookId,
    changed: ChangedEndpoint,
) -> Outcome<(), WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    // An unknown endpoint is answered at once, as in any other mutation.
    let destination = match &changed.url {
        Some(url) if is_own(cx, caller, id).await? => Some(allowed(cx, url).await),
        _ => None,
    };
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let before = write::lock(&tx, account.id, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    let mut after = before.clone();
    if let Some(name) = &changed.name {
        let name = endpoint_name(name)?;
        if write::is_taken(&tx, account.id, &name.key(), Some(id)).await? {
            return Err(WebhookRefusal::NameTaken.into());
        }
        after.name = name.as_str().to_owned();
    }
    match destination {
        Some(Some(destination)) => after.url = destination.url().to_string(),
        Some(None) => return Err(WebhookRefusal::UrlNotAllowed.into()),
        None => {}
    }
    if let Some(document) = changed.document {
        check_document(document.as_deref(), changed.document_fault.as_ref())?;
        after.document = document;
    }
    if let Some(filter) = changed.filter {
        after.set_filter(filter);
    }
    if after == before {
        return Ok(());
    }
    after.revision += 1;
    if is_conflict(write::save(&tx, &after).await)? {
        return Err(WebhookRefusal::NameTaken.into());
    }
    let kinds = |of: &Endpoint| {
        of.filter.kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.stored()).collect::<Vec<_>>().join(", "))
    };
    let mut entry = entry("updateWebhookEndpoint", &after, &account);
    for (field, then, now) in [
        ("name", Some(before.name.clone()), Some(after.name.clone())),
        ("url", Some(before.url.clone()), Some(after.url.clone())),
        ("filter.kinds", kinds(&before), kinds(&after)),
        ("document", before.document.clone(), after.document.clone()),
    ] {
        entry = entry.change_private(field, then, now);
    }
    for ((field, then), (_, now)) in
        named_by(&before.filter, &account).into_iter().zip(named_by(&after.filter, &account))
    {
        entry = entry.refer_private(field, then, now);
    }
    journal.append_entry(entry);
    journal.write(&tx).await?;
    tx.commit().await?;
    cx.webhooks.changed.notify_one();
    Ok(())
}

/// The objects that an endpoint's filter names, in the view of the endpoint's account.
fn named_by(filter: &EndpointFilter, account: &Account) -> [(&'static str, Option<Subject>); 4] {
    let is_publisher = account.id == account.publisher_id;
    let pack = if is_publisher { Subject::IntegrationPack } else { Subject::AvailablePack };
    let release = if is_publisher { Subject::Release } else { Subject::AnnouncedRelease };
    [
        ("filter.packId", filter.pack_id.map(pack)),
        ("filter.installationId", filter.installation_id.map(Subject::Installation)),
        ("filter.releaseId", filter.release_id.map(release)),
        ("filter.accountId", filter.about_account_id.map(Subject::ManagedAccount)),
    ]
}

/// Whether an endpoint belongs to the caller's account.
pub(super) async fn is_own(cx: &Services, caller: &Viewer, id: WebhookId) -> Result<bool, Failure> {
    Ok(!endpoints::by_ids(&cx.look_up(caller.scope()), &[id]).await?.is_empty())
}

/// Deletes an endpoint.
///
/// # Errors
/// Not found.
pub(crate) async fn delete(cx: &Services, caller: &Viewer, id: WebhookId) -> Outcome<(), WebhookRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, caller.account.id).await?.ok_or(Failure::NotFound)?;
    let endpoint = write::lock(&tx, account.id, id).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_viewer(cx, caller, cx.now(&tx));
    write::delete(&tx, id).await?;
    journal.append_entry(entry("deleteWebhookEndpoint", &endpoint, &account));
    journal.write(&tx).await?;
    tx.commit().await?;
    cx.webhooks.changed.notify_one();
    Ok(())
}
