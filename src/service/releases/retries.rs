//! Retries the failed updates of a release.

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::EventKind;
use crate::domain::releases::{ReleaseRefusal, RetryFacts, decide_retry};
use crate::service::ending::commit_and_begin;
use crate::service::releases::{add_task, judge_step};
use crate::store::convert::Stored as _;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::installations::{tallies, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};

/// Retries the failed updates of the newest started release, at once and then with growing pauses. Returns their
/// number, which doesn't include installations that are frozen or whose account is suspended (R45, R46).
///
/// # Errors
/// The refusals of [`decide_retry`]; not found.
pub(crate) async fn retry_failed_updates(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
) -> Outcome<u64, ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_retry_failed_updates(cx, caller, pack, release)).await
}

async fn try_retry_failed_updates(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
) -> Outcome<u64, ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let (before, failed) = (release.state, updates::count_failed(&tx, release.id).await?);
    let facts = RetryFacts {
        release: release.id,
        state: release.state_at(journal.now),
        newest: pack.standing.current_version == Some(release.version_id),
        pending: pack.standing.pending.map(|pending| pending.release_id),
        moving: tasks::moving(&tx, pack.id).await?,
        failed,
    };
    release.state = decide_retry(&facts)?;
    release.ended_at = None;
    // A halt that was only announced must not keep the rule from judging the retry (R58).
    release.halted_at = None;
    releases::save(&tx, &release).await?;
    pack.standing.running_release = Some(release.id);
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    let task = add_task(cx, &tx, &pack, Work::Retry(pack.id, release.id), true, journal.now).await?;
    journal.append_entry(Entry::of("retryFailedUpdates", Subject::Release(release.id), pack.name.clone()).change(
        "state",
        Some(before.stored().into()),
        Some(release.state.stored().into()),
    ));
    journal.append_event(JournalEvent::release(EventKind::ReleaseStarted, &pack, release.id));
    // Reports that came after the watch count again, so the rule may halt the release before anything is moved.
    tallies::reopen(&tx, &release, journal.now).await?;
    judge_step(cx, &tx, &mut journal, &mut pack, &mut release).await?;
    commit_and_begin(cx, tx, journal, [task]).await?;
    Ok(failed)
}
