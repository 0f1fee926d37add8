//! Creates, renames and deletes components, and changes their keys (R67, R69).

use std::collections::BTreeSet;

use crate::domain::accounts::Privilege;
use crate::domain::components::{Component, ComponentType, PackagingRefusal};
use crate::domain::id::{ComponentId, PackId};
use crate::domain::packs::{DeploymentModel, Pack};
use crate::domain::text::Name;
use crate::store::components::changes;
use crate::store::components::write::Counters;
use crate::store::components::{write as components, write_uses as uses};
use crate::store::convert::Stored as _;
use crate::store::packs::write as packs;
use crate::store::{StoreResult, Tx};

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome, is_conflict, text_fault};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, Subject};
use crate::service::own_keys::{KeyRefusals, free_key};
use crate::service::packs::reassess_all;
use crate::service::requests::{Repeatable, single};

/// A component to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewComponent {
    pub name: String,
    pub component_type: ComponentType,
    pub key: Option<String>,
}

/// Changes of a component.
#[derive(Clone, Debug, Default)]
pub(crate) struct ComponentEdit {
    /// `None` leaves the name unchanged.
    pub name: Option<String>,
    /// `None` leaves the key unchanged, `Some(None)` takes it away.
    pub key: Option<Option<String>>,
}

/// Creates a component.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, KEY_INVALID, KEY_TAKEN; not found when a repeated call's
/// component is gone.
pub(crate) async fn create_component(
    cx: &Services,
    caller: &Publisher,
    new: NewComponent,
    client_request_id: Option<&str>,
) -> Outcome<ComponentId, PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let input = (&new.name, new.component_type.stored(), &new.key);
    let call = Repeatable::call(caller.id(), "createComponent", client_request_id, &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), PackagingRefusal::ClientRequestIdReused).await? {
        let made: ComponentId = single(&made)?;
        let there = !components::types(&tx, &caller.scope, &[made]).await?.is_empty();
        return if there { Ok(made) } else { Err(Failure::NotFound.into()) };
    }
    let name = component_name(&new.name)?;
    let key = component_key(&tx, caller, new.key.as_deref(), None).await?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let component = Component {
        id: cx.ids.next(),
        owner_id: caller.id(),
        name,
        component_type: new.component_type,
        created_at: journal.now,
        created_by: journal.actor().clone(),
        in_pack_version: false,
    };
    if is_conflict(components::insert(&tx, &component, key.clone()).await)? {
        return Err(PackagingRefusal::KeyTaken.into());
    }
    journal.append_entry(
        Entry::of("createComponent", Subject::Component(component.id), component.name.clone())
            .set("name", &component.name)
            .change("key", None, key),
    );
    call.remember(&tx, &[component.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(component.id)
}

/// Renames a component, or changes its key. A release fixes the name (R69); both lock the component, so that only one
/// of a concurrent rename and release comes first.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG, COMPONENT_IN_USE, KEY_INVALID, KEY_TAKEN; not found.
pub(crate) async fn update_component(
    cx: &Services,
    caller: &Publisher,
    component: ComponentId,
    edit: ComponentEdit,
) -> Outcome<(), PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let touched = Touched::PacksOf(caller.id());
    cx.after_due_windows(touched, || try_update_component(cx, caller, component, &edit)).await
}

async fn try_update_component(
    cx: &Services,
    caller: &Publisher,
    component: ComponentId,
    edit: &ComponentEdit,
) -> Outcome<(), PackagingRefusal> {
    let tx = cx.db.begin().await?;
    // Each pack with the component gets a new draft revision below, because cached drafts have the old name.
    let (named, packs) =
        if edit.name.is_some() { lock_packs(&tx, caller, component).await? } else { (Vec::new(), Vec::new()) };
    let Counters { component, key, .. } = lock(&tx, caller, component).await?;
    if edit.name.is_some() && packs_with(&tx, component.id).await? != named {
        return Err(Failure::Overtaken.into());
    }
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, &packs)?);
    let name = match &edit.name {
        Some(raw) => component_name(raw)?,
        None => component.name.clone(),
    };
    let renamed = name != component.name;
    if renamed && !component.can_be_renamed() {
        return Err(PackagingRefusal::ComponentReleased.into());
    }
    let new_key = match &edit.key {
        Some(raw) => component_key(&tx, caller, raw.as_deref(), Some(component.id)).await?,
        None => key.clone(),
    };
    if !renamed && new_key == key {
        return Ok(());
    }
    if renamed {
        changes::rename(&tx, component.id, &name).await?;
        reassess_all(cx, &tx, &packs).await?;
    }
    if new_key != key && is_conflict(changes::save_key(&tx, component.id, new_key.as_deref()).await)? {
        return Err(PackagingRefusal::KeyTaken.into());
    }
    let entry = Entry::of("updateComponent", Subject::Component(component.id), name.clone());
    journal.append_entry(entry.change("name", Some(component.name), Some(name)).change("key", key, new_key));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Locks the packs with a component of the caller's, in the order of ids. Returns their ids too, deleted ones included.
async fn lock_packs(
    tx: &Tx,
    caller: &Publisher,
    component: ComponentId,
) -> Outcome<(Vec<PackId>, Vec<Pack>), PackagingRefusal> {
    if components::types(tx, &caller.scope, &[component]).await?.is_empty() {
        return Err(Failure::NotFound.into());
    }
    let ids = packs_with(tx, component).await?;
    let packs = packs::lock_all(tx, &ids).await?;
    Ok((ids, packs))
}

/// The packs with a component, of either deployment model, in the order of ids.
async fn packs_with(tx: &Tx, component: ComponentId) -> StoreResult<Vec<PackId>> {
    let mut ids = BTreeSet::new();
    for model in [DeploymentModel::Packaged, DeploymentModel::Legacy] {
        ids.extend(uses::packs_with(tx, &[component], model).await?.into_values().flatten());
    }
    Ok(ids.into_iter().collect())
}

/// Deletes a component that has neither packages nor publications, and that no manifest contains. Its key is free
/// again.
///
/// # Errors
/// COMPONENT_IN_USE; not found.
pub(crate) async fn delete_component(
    cx: &Services,
    caller: &Publisher,
    component: ComponentId,
) -> Outcome<(), PackagingRefusal> {
    caller.viewer.require(Privilege::PackagedComponentManagement)?;
    let tx = cx.db.begin().await?;
    let Counters { component, key, newest_at, .. } = lock(&tx, caller, component).await?;
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    if newest_at.is_some() || changes::is_in_manifest(&tx, component.id).await? {
        return Err(PackagingRefusal::ComponentInUse.into());
    }
    // A concurrent package may still take the component into its manifest, because it doesn't lock it. Then the foreign
    // key refuses the deletion.
    if is_conflict(changes::delete(&tx, component.id).await)? {
        return Err(PackagingRefusal::ComponentInUse.into());
    }
    let entry = Entry::of("deleteComponent", Subject::Component(component.id), component.name.clone());
    journal.append_entry(entry.change("name", Some(component.name), None).change("key", key, None));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn lock(tx: &Tx, caller: &Publisher, component: ComponentId) -> Outcome<Counters, PackagingRefusal> {
    let locked = components::lock_all(tx, &caller.scope, &[component]).await?;
    locked.into_iter().next().ok_or_else(|| Failure::NotFound.into())
}

/// Checks the key that a call gives to the component `of`, or to a new component.
async fn component_key(
    tx: &Tx,
    caller: &Publisher,
    raw: Option<&str>,
    of: Option<ComponentId>,
) -> Outcome<Option<String>, PackagingRefusal> {
    let refusals = KeyRefusals { malformed: PackagingRefusal::KeyInvalid, taken: |_| PackagingRefusal::KeyTaken };
    free_key(raw, refusals, async |key| changes::with_key(tx, &caller.scope, key, of).await).await
}

/// Checks a component's name.
fn component_name(raw: &str) -> Outcome<String, PackagingRefusal> {
    let name = Name::parse(raw)
        .map_err(|fault| text_fault(fault, PackagingRefusal::NameRequired, PackagingRefusal::NameTooLong))?;
    Ok(name.as_str().to_owned())
}
