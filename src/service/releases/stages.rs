//! Opens early stages of releases (R54, R55): all stages that are due, or the next one when the publisher says so.

use crate::domain::accounts::Privilege;
use crate::domain::id::{GroupId, PackId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::{Pack, PendingRelease};
use crate::domain::releases::{
    Buckets, Release, ReleaseRefusal, ReleaseState, RequestedHolds, RequestedStage, STAGE_NAME_MAX, Stage, StageDate,
    StageNameFault, TransitionFault, buckets_again, check_stage_sizes, lateness, opens_next_stage, pending_due_at,
};
use crate::domain::text::{self, TextFault};
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::packs::write as packs;
use crate::store::releases::stages;
use crate::store::releases::write as releases;
use crate::store::sharing::write_grants as groups;
use crate::store::{StoreError, Tx};

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::commit_and_begin;
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::releases::add_task;
use crate::service::requests::Repeatable;

/// Opens the stages of a locked release that are due. The caller must save the changed `pack.standing`. Returns the
/// task that moves their installations.
pub(super) async fn open_due_stages(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &Release,
) -> Result<Option<uuid::Uuid>, StoreError> {
    let mut found = stages::of(tx, release).await?;
    let mut task = None;
    for index in 0..found.len() {
        if found.get(index).is_some_and(|stage| stage.waits() && stage.window.starts_at <= journal.now) {
            task = Some(open(cx, tx, journal, pack, release, (&mut found, index), "scheduler.openStage").await?);
        }
    }
    Ok(task)
}

/// Opens one stage: stores which accounts are in its groups now, and adds a task that moves its installations, unless
/// the release has such a task already. `all` are the release's stages, `index` is the one to open. Returns the task's
/// id.
async fn open(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &Release,
    (all, index): (&mut [Stage], usize),
    action: &'static str,
) -> Result<uuid::Uuid, StoreError> {
    let now = journal.now;
    let stage = all.get_mut(index).ok_or_else(|| StoreError::Fault("the release lacks the stage".into()))?;
    stage.opened_at = Some(now);
    stages::save_opened(tx, release.id, index, stage).await?;
    let late = lateness(stage.window.ends_at, now);
    journal.append_entry(
        Entry::of(action, Subject::Release(release.id), pack.name.clone())
            .change("stage.state", Some("WAITING".into()), Some("OPEN".into()))
            .set("stage.name", &stage.name)
            .change("stage.latenessSeconds", None, late.map(|seconds| seconds.to_string())),
    );
    journal.append_event(stage_event(EventKind::ReleaseStageOpened, pack, release, index));
    if let (Some(pending), Some(window)) = (pack.standing.pending, &release.window) {
        pack.standing.pending = Some(PendingRelease { due_at: pending_due_at(all, window), ..pending });
    }
    match tasks::wake_stages(tx, pack.id, release.id, now).await? {
        Some(task) => Ok(task),
        None => add_task(cx, tx, pack, Work::Stage(pack.id, release.id), false, now).await,
    }
}

/// An event of a stage, which only the publisher gets.
pub(in crate::service) fn stage_event(kind: EventKind, pack: &Pack, release: &Release, index: usize) -> JournalEvent {
    JournalEvent {
        release_id: Some(release.id),
        data: EventData { stage: Some(index), ..EventData::default() },
        ..JournalEvent::of(kind, pack)
    }
}

/// Opens the next early stage of a pending release now (R55).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NO_STAGE_LEFT, RELEASE_IN_PROGRESS, NOT_PENDING, RELEASE_PAUSED; not found.
pub(crate) async fn open_next_stage(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
    client_request_id: Option<String>,
) -> Outcome<(), ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let call = Repeatable::call(caller.id(), "openNextStage", client_request_id.as_deref(), &release)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_open_next_stage(cx, caller, pack, release, &call)).await
}

async fn try_open_next_stage(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
    call: &Repeatable,
) -> Outcome<(), ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    if call.made_before(&tx, cx.now(&tx), ReleaseRefusal::ClientRequestIdReused).await?.is_some() {
        // A repeated call can't return a release of a pack that was deleted since.
        packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
        return Ok(());
    }
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let mut found = stages::of(&tx, &release).await?;
    let index = opens_next_stage(release.state_at(journal.now), &found).map_err(|fault| match fault {
        Some(TransitionFault::InProgress) => ReleaseRefusal::ReleaseInProgress { blocking: Some(release.id) },
        Some(_) => ReleaseRefusal::NotPending,
        None => ReleaseRefusal::NoStageLeft,
    })?;
    if release.is_paused() {
        return Err(ReleaseRefusal::Paused.into());
    }
    let task = open(cx, &tx, &mut journal, &mut pack, &release, (&mut found, index), "openNextStage").await?;
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    call.remember(&tx, &[release.id.0]).await?;
    Ok(commit_and_begin(cx, tx, journal, [task]).await?)
}

/// Completes all open stages of a release whose task an operator has dropped, although installations may be left.
pub(in crate::service) async fn end_stages(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    release: &Release,
) -> Result<(), StoreError> {
    let found = stages::of(tx, release).await?;
    for (index, stage) in found.iter().enumerate() {
        if !stage.waits() && stage.completed_at.is_none() {
            complete_stage(tx, journal, pack, release, (stage, index)).await?;
        }
    }
    Ok(())
}

/// Completes a stage that has processed all of its installations.
pub(in crate::service) async fn complete_stage(
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &Pack,
    release: &Release,
    (stage, index): (&Stage, usize),
) -> Result<(), StoreError> {
    stages::save_completed(tx, release.id, index, journal.now).await?;
    journal.append_entry(
        Entry::of("scheduler.completeStage", Subject::Release(release.id), pack.name.clone())
            .change("stage.state", Some("OPEN".into()), Some("DONE".into()))
            .set("stage.name", &stage.name),
    );
    journal.append_event(stage_event(EventKind::ReleaseStageCompleted, pack, release, index));
    Ok(())
}

/// Checks the numbers of requested stages and of their groups, before anything is looked up, and normalizes the names.
pub(crate) fn checked_stages(requested: &[RequestedStage]) -> Outcome<Vec<RequestedStage>, ReleaseRefusal> {
    check_stage_sizes(requested)?;
    let valid = |(index, stage): (usize, &RequestedStage)| {
        Ok(RequestedStage { name: valid_name(index, &stage.name)?, ..stage.clone() })
    };
    requested.iter().enumerate().map(valid).collect()
}

/// Normalizes the names in new dates of stages.
pub(super) fn dates_with_valid_names(dates: &[StageDate]) -> Outcome<Vec<StageDate>, ReleaseRefusal> {
    let valid =
        |(index, stage): (usize, &StageDate)| Ok(StageDate { name: valid_name(index, &stage.name)?, date: stage.date });
    dates.iter().enumerate().map(valid).collect()
}

fn valid_name(index: usize, raw: &str) -> Outcome<String, ReleaseRefusal> {
    text::label(raw, STAGE_NAME_MAX).map_err(|fault| match fault {
        TextFault::ControlCharacter => Failure::BadInput(CONTROL_CHARACTER.into()).into(),
        TextFault::Empty | TextFault::TooLong => {
            ReleaseRefusal::StageName { index, fault: StageNameFault::Unfit }.into()
        }
    })
}

/// Checks that the groups of the requested stages exist, and also the release whose buckets are used again. Returns the
/// buckets of the new release.
pub(super) async fn buckets_of(
    tx: &Tx,
    caller: &Publisher,
    pack: &Pack,
    requested: &[RequestedStage],
    cohort_of: Option<ReleaseId>,
) -> Outcome<Buckets, ReleaseRefusal> {
    let of_stage = |stage: &RequestedStage| match &stage.holds {
        RequestedHolds::Groups(groups) => groups.clone(),
        RequestedHolds::Percent(_) => Vec::new(),
    };
    let groups: Vec<GroupId> = requested.iter().flat_map(of_stage).collect();
    if !groups.is_empty() {
        let found: Vec<_> =
            groups::lock_groups(tx, &caller.scope, &groups).await?.iter().map(|group| group.id).collect();
        if let Some(unknown) = Failure::unless_known(groups, |group| found.contains(&group)) {
            return Err(unknown.into());
        }
    }
    let Some(cohort) = cohort_of else { return Ok(Buckets::of(pack.id, pack.last_number.saturating_add(1))) };
    let named = releases::get(tx, pack.id, cohort).await?.ok_or_else(|| Failure::none_of(cohort))?;
    let number = packs::version_number(tx, named.version_id).await?;
    Ok(buckets_again(&stages::of(tx, &named).await?, &named, number))
}

/// Whether batches of early stages still work in this state of the release. After the window has opened, open stages
/// are finished before the rollout begins.
pub(in crate::service) fn lets_stages_work(state: ReleaseState) -> bool {
    matches!(state, ReleaseState::Scheduled | ReleaseState::InProgress)
}
