//! Rolls a release back (R59).

use crate::domain::accounts::Privilege;
use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::Pack;
use crate::domain::releases::{
    Command, Release, ReleaseRefusal, RollBack, RollBackFacts, check_bound, decide_roll_back, transition,
};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::commit_and_begin;
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::packs::reassess;
use crate::service::releases::add_task;
use crate::service::releases::pausing::checked_reason;
use crate::service::requests::{CallState, Repeatable};
use crate::store::convert::Stored as _;
use crate::store::followup::tasks::Work;
use crate::store::followup::{paused, tasks};
use crate::store::installations::moving_back;
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::{StoreError, Tx};

/// A publisher's request to roll a release back.
#[derive(Clone, Debug)]
pub struct RollBackRequest {
    pub release_id: ReleaseId,
    pub reason: String,
    /// The most installations that the roll back may move.
    pub at_most: i32,
    pub client_request_id: Option<String>,
}

/// Rolls a release back: the former version is the current one from now on, and every installation that has the
/// release's version is moved to it (R59). Returns the number of installations to be moved.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, REASON_REQUIRED, those of [`decide_roll_back`], MORE_INSTALLATIONS; not found.
pub async fn roll_back_release(
    cx: &Services,
    caller: &Publisher,
    request: RollBackRequest,
) -> Outcome<i64, ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let found = releases::pack_of(&cx.look_up(caller.scope), request.release_id).await?;
    let pack = found.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_roll_back(cx, caller, pack, &request)).await
}

async fn try_roll_back(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    request: &RollBackRequest,
) -> Outcome<i64, ReleaseRefusal> {
    let RollBackRequest { release_id, reason, at_most, client_request_id } = request;
    let input = (release_id, reason, at_most);
    let call = Repeatable::call(caller.id(), "rollBackRelease", client_request_id.as_deref(), &input)?;
    let tx = cx.db.begin().await?;
    let state = call.state(&tx, cx.now(&tx)).await?;
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut release = releases::lock(&tx, pack.id, *release_id).await?.ok_or(Failure::NotFound)?;
    match state {
        CallState::Do => {}
        CallState::Done(_) => return Ok(release.roll_back.map_or(0, |it| it.installations)),
        CallState::Reused => return Err(ReleaseRefusal::ClientRequestIdReused.into()),
    }
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let reason = checked_reason(reason)?;
    let former = decide_roll_back(&facts(&tx, &pack, &release, &journal).await?)?;
    let installations = moving_back::impact_back(&tx, pack.id, former).await?.moved;
    check_bound(installations, i64::from(*at_most))?;
    let cause = Cause { action: "rollBackRelease", reason: Some(reason), installations };
    let task = start_roll_back(cx, &tx, &mut journal, &mut pack, &mut release, former, cause).await?;
    call.remember(&tx, &[release.id.0]).await?;
    commit_and_begin(cx, tx, journal, [task]).await?;
    Ok(installations)
}

/// Reads the facts about a locked release of a locked pack for [`decide_roll_back`].
pub(super) async fn facts(
    tx: &Tx,
    pack: &Pack,
    release: &Release,
    journal: &Journal<'_>,
) -> Result<RollBackFacts, Failure> {
    let standing = pack.standing.at(journal.now);
    Ok(RollBackFacts {
        release: release.id,
        state: release.state_at(journal.now),
        former: release.previous_version_id,
        is_current: standing.current_version == Some(release.version_id),
        pending: standing.pending.map(|pending| pending.release_id),
        moving: standing.running_release.or(tasks::moving(tx, pack.id).await?),
    })
}

/// The cause of a roll back: a call, or a halt rule.
#[derive(Clone, Debug)]
pub(in crate::service) struct Cause {
    /// The action of the audit entry.
    pub action: &'static str,
    pub reason: Option<String>,
    /// The number of installations to be moved.
    pub installations: i64,
}

/// Starts a roll back that was decided: the former version becomes the current one, the release's rollout ends, and a
/// task is added that moves installations back. Saves the release and the pack's standing, which the caller has locked.
/// The journal's actor is the actor of the roll back. Returns the task's id.
pub(in crate::service) async fn start_roll_back(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    former: PackVersionId,
    cause: Cause,
) -> Result<uuid::Uuid, StoreError> {
    let (before, now) = (release.state, journal.now);
    release.state = transition(before, Command::RollBack)
        .map_err(|fault| StoreError::Fault(format!("a release can't be rolled back: {fault:?}")))?;
    release.ended_at = None;
    release.pause = None;
    release.reason = cause.reason.clone();
    release.roll_back = Some(RollBack { began_at: now, installations: cause.installations });
    releases::save(tx, release).await?;
    pack.standing.current_version = Some(former);
    pack.standing.running_release = Some(release.id);
    pack.standing.end_pause();
    packs::save_standing(tx, pack.id, &pack.standing).await?;
    reassess(cx, tx, pack).await?;
    paused::drop_all(tx, release.id).await?;
    let task = add_task(cx, tx, pack, Work::RollBack(pack.id, release.id), true, now).await?;
    let entry = Entry::of(cause.action, Subject::Release(release.id), pack.name.clone())
        .change("state", Some(before.stored().into()), Some(release.state.stored().into()))
        .change("reason", None, cause.reason.clone())
        .set("installations", cause.installations);
    journal.append_entry(entry);
    journal.append_event(JournalEvent {
        data: EventData { reason: cause.reason, ..EventData::default() },
        ..JournalEvent::release(EventKind::ReleaseRollingBack, pack, release.id)
    });
    Ok(task)
}
