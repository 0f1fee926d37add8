//! Creates publications, which legacy packs contain instead of packages (R52).

use crate::domain::accounts::Privilege;
use crate::domain::components::{ComponentVersion, PackagingRefusal, VersionKind, creation_time, publication_number};
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::packs::DeploymentModel;
use crate::domain::text::{self, PACKAGE_NOTES_MAX};
use crate::service::components::{Holders, save_holders};
use crate::store::Tx;
use crate::store::components::write as components;
use crate::store::components::write::Counters;

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::requests::{CallState, Repeatable};

/// Publishes a component under its next number. Nothing else is changed or released (R18). Legacy packs with the
/// component get an event about its newer version.
///
/// # Errors
/// TYPE_NOT_SHAREABLE, NOTES_TOO_LONG, CLIENT_REQUEST_ID_REUSED; not found.
pub(crate) async fn publish_component(
    cx: &Services,
    caller: &Publisher,
    component: ComponentId,
    notes: Option<String>,
    client_request_id: Option<String>,
) -> Outcome<ComponentVersionId, PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let input = (component, &notes);
    let call = Repeatable::call(caller.id(), "publishComponent", client_request_id.as_deref(), &input)?;
    let attempt = || try_publish_component(cx, caller, component, notes.as_deref(), &call);
    cx.after_due_windows(Touched::PacksOf(caller.id()), attempt).await
}

async fn try_publish_component(
    cx: &Services,
    caller: &Publisher,
    component: ComponentId,
    notes: Option<&str>,
    call: &Repeatable,
) -> Outcome<ComponentVersionId, PackagingRefusal> {
    let tx = cx.db.begin().await?;
    let state = call.state(&tx, cx.now(&tx)).await?;
    if let CallState::Done(made) = &state {
        return made.first().map(|id| (*id).into()).ok_or_else(|| Failure::NotFound.into());
    }
    let notes = check(&tx, caller, component, notes).await?;
    if matches!(state, CallState::Reused) {
        return Err(PackagingRefusal::ClientRequestIdReused.into());
    }
    let mut holders = Holders::lock(&tx, caller, &[component], DeploymentModel::Legacy).await?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, &holders.packs)?);
    let counters = holders.components.get_mut(&component).ok_or(Failure::NotFound)?;
    let number = next_number(&tx, caller, counters).await?;
    let publication = ComponentVersion {
        id: cx.ids.next(),
        component_id: component,
        kind: VersionKind::Publication,
        version: number.to_string(),
        shareable: true,
        notes,
        // A publication has the component's newest revision: publishing creates no new one.
        revision: counters.newest_revision,
        created_at: creation_time(journal.now, counters.newest_at),
        created_by: journal.actor().clone(),
        source: None,
        artifacts: Vec::new(),
    };
    components::insert_version(&tx, &publication, &counters.component, &[]).await?;
    counters.newest_at = Some(publication.created_at);
    counters.latest_publication = Some(publication.id);
    journal.append_event(JournalEvent::packaged(publication.id));
    let subject = Subject::Publication(publication.id);
    journal.append_entry(Entry::of("publishComponent", subject, counters.component.name.clone()).set("number", number));
    holders.announce_newer(&mut journal, component, publication.id);
    save_holders(cx, &tx, &holders).await?;
    call.remember(&tx, &[publication.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(publication.id)
}

/// Checks that the component is the caller's and can be published. Returns the normalized notes.
async fn check(
    tx: &Tx,
    caller: &Publisher,
    component: ComponentId,
    notes: Option<&str>,
) -> Outcome<Option<String>, PackagingRefusal> {
    let types = components::types(tx, &caller.scope, &[component]).await?;
    let (_, component_type) = types.first().ok_or(Failure::NotFound)?;
    if notes.is_some_and(|notes| notes.contains('\0')) {
        return Err(Failure::BadInput(CONTROL_CHARACTER.into()).into());
    }
    if !component_type.can_be_shared() {
        return Err(PackagingRefusal::ComponentNotShareable.into());
    }
    let notes = notes.map(|notes| text::prose(notes, PACKAGE_NOTES_MAX)).transpose();
    Ok(notes.map_err(|_| PackagingRefusal::PublicationNotesTooLong)?.filter(|notes| !notes.is_empty()))
}

/// The next number of a component's publication: 1, 2, 3, … The newest one has the highest number, because publications
/// are never deleted.
async fn next_number(tx: &Tx, caller: &Publisher, counters: &Counters) -> Outcome<i32, PackagingRefusal> {
    let Some(latest) = counters.latest_publication else { return Ok(1) };
    let (latest, _) = components::version(tx, &caller.scope, latest).await?.ok_or(Failure::NotFound)?;
    let number = publication_number(&latest.version).ok_or_else(|| Failure::bug("a publication without a number"))?;
    Ok(number.saturating_add(1))
}
