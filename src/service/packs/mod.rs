//! Creates packs, and changes their names, descriptions and support data (R10, R17).

mod content;
mod deleting;
mod draft;

pub(crate) use content::content_token;
pub(crate) use deleting::{Deletion, delete_pack};
pub(crate) use draft::{add_components, pin_component, remove_component, restore_component, unpin_component};
pub(in crate::service) use draft::{reassess, reassess_all};

use crate::domain::accounts::Privilege;
use crate::domain::id::PackId;
use crate::domain::log::EventKind;
use crate::domain::packs::{
    Assessment, DeploymentModel, Guide, InstallationType, Pack, PackRefusal, PackStanding, SupportInfo,
};
use crate::domain::text::{self, DESCRIPTION_MAX, GUIDE_MAX, NAME_MAX, Name, TextFault};
use crate::service::followup::run_first_batch;
use crate::service::packs::draft::{Editing, finish_edit};
use crate::store::convert::Stored as _;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::packs::write as packs;
use crate::store::{StoreResult, Tx};

use super::Services;
use super::access::Publisher;
use super::error::{Error, Failure, Outcome, is_conflict, text_fault};
use super::journal::{Entry, Journal, JournalEvent, Subject};
use super::own_keys::{KeyRefusals, free_key};
use super::requests::{Repeatable, single};

/// A pack to be created.
#[derive(Clone, Debug)]
pub struct NewPack {
    pub name: String,
    pub description: String,
    pub installation_type: InstallationType,
    pub deployment_model: DeploymentModel,
    pub support: SupportInfo,
    pub key: Option<String>,
}

/// Changes of a pack; `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct PackEdit {
    pub name: Option<String>,
    pub description: Option<String>,
    pub support: Option<SupportInfo>,
    /// `Some(None)` takes the key away.
    pub key: Option<Option<String>>,
}

/// Creates an empty pack (R10).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, DESCRIPTION_TOO_LONG,
/// SUPPORT_INFO_INVALID, KEY_INVALID, KEY_TAKEN; not found when a repeated call's pack was deleted since.
pub async fn create_pack(
    cx: &Services,
    caller: &Publisher,
    pack: NewPack,
    client_request_id: Option<&str>,
) -> Outcome<PackId, PackRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let kinds = (pack.installation_type.stored(), pack.deployment_model.stored());
    let input = (&pack.name, &pack.description, kinds, &pack.support, &pack.key);
    let call = Repeatable::call(caller.id(), "createIntegrationPack", client_request_id, &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), PackRefusal::ClientRequestIdReused).await? {
        let made = single(&made)?;
        packs::lock(&tx, &caller.scope, made).await?.ok_or(Failure::NotFound)?;
        return Ok(made);
    }
    let mut journal = Journal::of(cx, caller, cx.now(&tx));
    let name = pack_name(&pack.name)?;
    if let Some(other) = packs::with_name(&tx, &caller.scope, &name.key(), None).await? {
        return Err(PackRefusal::NameTaken { taken_by: Some(other) }.into());
    }
    let pack = Pack {
        id: cx.ids.next(),
        publisher_id: caller.id(),
        name: name.as_str().to_owned(),
        description: description(&pack.description)?,
        installation_type: pack.installation_type,
        deployment_model: pack.deployment_model,
        support: support(pack.support)?,
        revision: 1,
        assessment: Assessment::default(),
        draft_revision: 0,
        last_number: 0,
        standing: PackStanding::default(),
        created_at: journal.now,
        created_by: journal.actor().clone(),
        updated_at: journal.now,
        deleted_at: None,
        key: pack_key(&tx, caller, pack.key.as_deref(), None).await?,
    };
    if is_conflict(packs::insert(&tx, &pack).await)? {
        return Err(was_taken(cx, tx, caller, &pack).await?.into());
    }
    journal.append_event(JournalEvent::of(EventKind::PackCreated, &pack));
    journal.append_entry(
        Entry::of("createIntegrationPack", Subject::IntegrationPack(pack.id), pack.name.clone())
            .set("name", &pack.name)
            .change("key", None, pack.key),
    );
    call.remember(&tx, &[pack.id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(pack.id)
}

/// Changes a pack's name, description, support data or key at once, without a release (R10, R17, R67).
///
/// # Errors
/// STALE_REVISION, NAME_NOT_EDITABLE, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, DESCRIPTION_TOO_LONG,
/// SUPPORT_INFO_INVALID, KEY_INVALID, KEY_TAKEN; not found.
pub async fn update_pack(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    edit: PackEdit,
    expected_revision: Option<i32>,
) -> Outcome<(), PackRefusal> {
    let editing = crate::service::packs::draft::edit(cx, caller, pack, expected_revision).await?;
    let Editing { tx, pack: before, .. } = &editing;
    if edit.name.is_some() && before.installation_type == InstallationType::Multi {
        return Err(PackRefusal::NameNotEditable.into());
    }
    let mut after = before.clone();
    if let Some(name) = edit.name.as_deref().map(pack_name).transpose()? {
        if let Some(other) = packs::with_name(tx, &caller.scope, &name.key(), Some(before.id)).await? {
            return Err(PackRefusal::NameTaken { taken_by: Some(other) }.into());
        }
        after.name = name.as_str().to_owned();
    }
    if let Some(text) = edit.description.as_deref() {
        after.description = description(text)?;
    }
    if let Some(data) = edit.support {
        after.support = support(data)?;
    }
    if let Some(key) = edit.key {
        after.key = pack_key(tx, caller, key.as_deref(), Some(before.id)).await?;
    }
    if after == *before {
        return Ok(());
    }
    if is_conflict(packs::save_details(tx, &after).await)? {
        return Err(was_taken(cx, editing.tx, caller, &after).await?.into());
    }
    let renamed = after.name != before.name;
    let entry = Entry::of("updateIntegrationPack", Subject::IntegrationPack(before.id), after.name.clone())
        .change("name", Some(before.name.clone()), Some(after.name))
        .change("description", Some(before.description.clone()), Some(after.description))
        .change("support", to_json(&before.support), to_json(&after.support))
        .change("key", before.key.clone(), after.key);
    let mut task = None;
    if renamed {
        let (id, work, now) = (cx.ids.next(), Work::Rename(before.id), editing.journal.now);
        task = Some(tasks::add(tx, id, caller.id(), work, false, now).await?);
    }
    finish_edit(cx, editing, entry).await?;
    if let Some(task) = task {
        run_first_batch(cx, task).await;
    }
    Ok(())
}

/// The refusal when a concurrent call took the pack's name or key after the check. `tx` can't be used after the
/// conflict, so the other pack is found in a new transaction.
async fn was_taken(cx: &Services, tx: Tx, caller: &Publisher, pack: &Pack) -> StoreResult<PackRefusal> {
    drop(tx);
    let tx = cx.db.begin().await?;
    let named = packs::with_name(&tx, &caller.scope, &text::key(&pack.name), Some(pack.id)).await?;
    if let (None, Some(key)) = (named, &pack.key)
        && let Some(other) = packs::with_key(&tx, &caller.scope, key, Some(pack.id)).await?
    {
        return Ok(PackRefusal::KeyTaken { taken_by: Some(other) });
    }
    Ok(PackRefusal::NameTaken { taken_by: named })
}

/// Checks the key that a call gives to the pack `of`, or to a new pack.
async fn pack_key(
    tx: &Tx,
    caller: &Publisher,
    raw: Option<&str>,
    of: Option<PackId>,
) -> Outcome<Option<String>, PackRefusal> {
    let refusals = KeyRefusals {
        malformed: PackRefusal::KeyInvalid,
        taken: |other| PackRefusal::KeyTaken { taken_by: Some(other) },
    };
    free_key(raw, refusals, async |key| packs::with_key(tx, &caller.scope, key, of).await).await
}

fn pack_name(raw: &str) -> Outcome<Name, PackRefusal> {
    Name::parse(raw).map_err(|fault| text_fault(fault, PackRefusal::NameRequired, PackRefusal::NameTooLong))
}

fn description(raw: &str) -> Outcome<String, PackRefusal> {
    text::prose(raw.trim(), DESCRIPTION_MAX)
        .map_err(|fault| text_fault(fault, PackRefusal::DescriptionTooLong, PackRefusal::DescriptionTooLong))
}

/// Checks support data, and leaves empty parts out (R17).
fn support(raw: SupportInfo) -> Outcome<SupportInfo, PackRefusal> {
    let invalid = |part: &'static str| {
        move |fault: TextFault| {
            let refusal = PackRefusal::SupportInfoInvalid { part };
            text_fault(fault, refusal.clone(), refusal)
        }
    };
    let guide = |part: &'static str, guide: Option<Guide>| -> Result<Option<Guide>, Error<PackRefusal>> {
        Ok(match guide {
            None => None,
            Some(Guide::Url(url)) => Some(Guide::Url(text::address(&url).map_err(invalid(part))?)),
            Some(Guide::Text(body)) => {
                Some(text::prose(&body, GUIDE_MAX).map_err(invalid(part))?).filter(|t| !t.is_empty()).map(Guide::Text)
            }
        })
    };
    let contact = match raw.contact.as_deref().map(|contact| text::label(contact, NAME_MAX)) {
        None | Some(Err(TextFault::Empty)) => None,
        Some(contact) => Some(contact.map_err(invalid("contact"))?),
    };
    Ok(SupportInfo {
        contact,
        url: raw.url.as_deref().map(text::address).transpose().map_err(invalid("url"))?,
        installation_guide: guide("installationGuide", raw.installation_guide)?,
        user_guide: guide("userGuide", raw.user_guide)?,
        prerequisites: guide("prerequisites", raw.prerequisites)?,
    })
}

fn to_json(support: &SupportInfo) -> Option<String> {
    serde_json::to_string(support).ok()
}
