//! Deleting packs (R47).

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::PackRefusal;
use crate::service::ending::commit_and_begin;
use crate::service::packs::draft::draft_revision;
use crate::service::releases::{Ending, add_task, end_pending};
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::installations::write_counts as counts;
use crate::store::packs::{deletion, write as packs};
use crate::store::releases::write as releases;

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};

/// The mode of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// Computes the effects without changing anything.
    DryRun,
    /// Deletes the pack. The number is the publisher's confirmation of how many installations the pack has.
    Confirmed(Option<i32>),
}

/// The effects of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub installations: i64,
    /// The canceled pending release.
    pub canceled: Option<ReleaseId>,
}

/// Deletes a pack: uninstalls it everywhere and cancels its pending release (R47).
///
/// # Errors
/// RELEASE_IN_PROGRESS after CONFIRMATION_REQUIRED and CONFIRMATION_MISMATCH; not found.
pub(crate) async fn delete_pack(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    deletion: Deletion,
) -> Outcome<Deleted, PackRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_delete_pack(cx, caller, pack, deletion)).await
}

async fn try_delete_pack(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    deletion: Deletion,
) -> Outcome<Deleted, PackRefusal> {
    let tx = cx.db.begin().await?;
    // Installing and uninstalling hold the pack, so with this lock the count can't change before the commit.
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let installations = counts::of_pack(&tx, pack.id).await?;
    check_confirmation(deletion, installations)?;
    if pack.standing.running_release.is_some() || tasks::moving(&tx, pack.id).await?.is_some() {
        return Err(PackRefusal::ReleaseInProgress.into());
    }
    let canceled = pack.standing.pending.map(|pending| pending.release_id);
    let deleted = Deleted { installations, canceled };
    if deletion == Deletion::DryRun {
        return Ok(deleted);
    }
    if let Some(release) = canceled
        && let Some(mut release) = releases::lock(&tx, pack.id, release).await?
    {
        let ending = Ending::Canceled("deleteIntegrationPack");
        end_pending(&tx, &mut journal, &mut pack, &mut release, ending).await?;
        packs::save_standing(&tx, pack.id, &pack.standing).await?;
    }
    deletion::delete(&tx, pack.id, journal.now, draft_revision(cx)).await?;
    journal.append_entry(
        Entry::of("deleteIntegrationPack", Subject::IntegrationPack(pack.id), pack.name.clone())
            .change("name", Some(pack.name.clone()), None)
            .change("installations", Some(installations.to_string()), None),
    );
    journal.append_event(JournalEvent {
        data: EventData { uninstalled_count: Some(installations), ..EventData::default() },
        ..JournalEvent::of(EventKind::PackDeleted, &pack)
    });
    let task = add_task(cx, &tx, &pack, Work::Delete(pack.id), false, journal.now).await?;
    commit_and_begin(cx, tx, journal, [task]).await?;
    Ok(deleted)
}

fn check_confirmation(deletion: Deletion, installations: i64) -> Result<(), PackRefusal> {
    match deletion {
        Deletion::Confirmed(None) => Err(PackRefusal::ConfirmationRequired { installations }),
        Deletion::Confirmed(Some(count)) if i64::from(count) != installations => {
            Err(PackRefusal::ConfirmationMismatch { installations })
        }
        Deletion::Confirmed(Some(_)) | Deletion::DryRun => Ok(()),
    }
}
