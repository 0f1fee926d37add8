//! Creates releases, and changes pending ones (R21–R33, R35–R38).

mod creating;
mod halting;
mod opening;
mod pausing;
mod pending;
mod release_log;
mod retries;
mod rolling_back;
mod stages;
mod windows;

pub(crate) use halting::set_halt_rule;
pub(in crate::service) use halting::{hold_to_judge, judge_step, size_of_batch, waits_for_attempts};
pub(in crate::service) use opening::open_all_due;
pub use opening::open_if_due;
pub(crate) use pausing::{pause_release, resume_release};
pub(in crate::service) use release_log::ReleaseLog;
pub(crate) use retries::retry_failed_updates;
pub(crate) use stages::{checked_stages, open_next_stage};
pub(in crate::service) use stages::{complete_stage, end_stages, lets_stages_work};
pub(crate) use windows::recompute_windows;
pub use windows::{Initiator, Recomputed, reload_time_zones};

pub(in crate::service) use pending::{Ending, end_pending};
pub use pending::{cancel_release, promote_release, reschedule_release};
pub use rolling_back::{RollBackRequest, roll_back_release};

use crate::domain::accounts::{Account, Privilege};
use crate::domain::id::{PackId, ReleaseId};
use crate::domain::packs::{DraftRow, Pack, next_content};
use crate::domain::releases::{
    Decision, Planning, ReleaseFacts, ReleaseRefusal, RequestedHaltRule, RequestedSchedule, RequestedStage, decide,
    plan_stages,
};
use crate::domain::source::Source;
use crate::domain::text::{self, RELEASE_NOTES_MAX, TextFault};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::commit_and_begin;
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::Journal;
use crate::service::packs::content_token;
use crate::service::releases::creating::{NewRelease, create};
use crate::service::releases::stages::buckets_of;
use crate::service::requests::{Repeatable, single};
use crate::store::accounts::write as accounts;
use crate::store::components::changes as component_changes;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::packs::{write as packs, write_drafts as drafts};
use crate::store::{StoreError, Tx};

/// A publisher's request to release a pack.
#[derive(Clone, Debug)]
pub struct ReleaseRequest {
    pub pack_id: PackId,
    pub schedule: RequestedSchedule,
    pub notes: String,
    /// The token of the content that the publisher saw; `None` accepts any content (R34).
    pub expected_content: Option<String>,
    pub expected_revision: Option<i32>,
    /// The origin of the content (R68).
    pub source: Option<Source>,
    /// The release's halt rule (R58).
    pub halt_when: Option<RequestedHaltRule>,
    pub client_request_id: Option<String>,
    /// The early stages, by increasing date (R54).
    pub stages: Vec<RequestedStage>,
    /// A former release of the pack. Its buckets are used again, so that each percent holds the same installations
    /// (R54).
    pub cohort_of: Option<ReleaseId>,
}

/// Releases the draft, at once or on a date (R21–R29).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, STALE_REVISION, CONTENT_CHANGED, INVALID_SCHEDULE, NOTES_REQUIRED,
/// NOTES_TOO_LONG, SOURCE_INVALID, INVALID_STAGES, STAGE_NAME, INVALID_HALT_RULE, those of [`decide`], and those of
/// [`plan_stages`]; not found.
pub async fn release(cx: &Services, caller: &Publisher, request: ReleaseRequest) -> Outcome<ReleaseId, ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let touched = Touched::Pack(caller.id(), request.pack_id);
    cx.after_due_windows(touched, || try_release(cx, caller, &request)).await
}

async fn try_release(
    cx: &Services,
    caller: &Publisher,
    request: &ReleaseRequest,
) -> Outcome<ReleaseId, ReleaseRefusal> {
    let ReleaseRequest { pack_id, schedule, notes, expected_content, expected_revision, .. } = request;
    let halt_when = request.halt_when.map(|rule| format!("{rule:?}"));
    let staged = (format!("{:?}", request.stages), request.cohort_of, halt_when, &request.source);
    let input = (pack_id, format!("{schedule:?}"), notes, expected_content, expected_revision, staged);
    let crid = request.client_request_id.as_deref();
    let call = Repeatable::call(caller.id(), "releaseIntegrationPack", crid, &input)?;
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), ReleaseRefusal::ClientRequestIdReused).await? {
        // A repeated call can't return a release of a pack that was deleted since.
        packs::lock(&tx, &caller.scope, request.pack_id).await?.ok_or(Failure::NotFound)?;
        return Ok(single(&made)?);
    }
    let pack = packs::lock(&tx, &caller.scope, request.pack_id).await?.ok_or(Failure::NotFound)?;
    component_changes::lock_not_in_pack_version(&tx, pack.id).await?;
    let rows = drafts::of_pack(&tx, &pack).await?;
    let notes = check_request(request, &pack, &rows)?;
    let source = checked_source(request)?;
    let stages = checked_stages(&request.stages)?;
    let buckets = buckets_of(&tx, caller, &pack, &stages, request.cohort_of).await?;
    // Reads the account again under a lock, because the zone at the time of the call counts (R35).
    let account = accounts::lock(&tx, caller.id()).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let halt = request.halt_when.map(RequestedHaltRule::checked).transpose()?;
    let decision = decide_release(cx, &tx, &account, &pack, &rows, request.schedule, &journal).await?;
    let zone = cx.zone(account.time_zone.as_deref());
    let planning = Planning {
        window: decision.window.as_ref(),
        is_first: pack.standing.current_version.is_none(),
        zone: zone.as_ref(),
        days_ahead: cx.settings.release_days_ahead,
        buckets,
        now: journal.now,
    };
    let stages = plan_stages(&stages, planning)?;
    let new = NewRelease { decision, stages: &stages, notes, source, halt };
    let (release, follow) = match create(cx, &tx, &mut journal, pack, new).await {
        // The pack's lock should prevent a second release. The database's constraint enforces the same rule.
        Err(StoreError::Conflict(_)) => return Err(ReleaseRefusal::ReleaseInProgress { blocking: None }.into()),
        other => other?,
    };
    call.remember(&tx, &[release.0]).await?;
    commit_and_begin(cx, tx, journal, follow).await?;
    Ok(release)
}

async fn decide_release(
    cx: &Services,
    tx: &Tx,
    account: &Account,
    pack: &Pack,
    rows: &[DraftRow],
    schedule: RequestedSchedule,
    journal: &Journal<'_>,
) -> Outcome<Decision, ReleaseRefusal> {
    let standing = pack.standing.at(journal.now);
    let current = crate::domain::packs::ids(&drafts::content(tx, standing.current_version).await?);
    let zone = cx.zone(account.time_zone.as_deref());
    let facts = ReleaseFacts {
        rows,
        current: &current,
        standing,
        moving: tasks::moving(tx, pack.id).await?,
        time_zone: zone.as_ref(),
        days_ahead: cx.settings.release_days_ahead,
    };
    Ok(decide(&facts, schedule, journal.now)?)
}

/// Adds a follow-up task of a pack, and returns its id. `moves` is whether the task moves installations; then the pack
/// can't have another release before the task is finished.
pub(super) async fn add_task(
    cx: &Services,
    tx: &Tx,
    pack: &Pack,
    work: Work,
    moves: bool,
    now: crate::domain::Instant,
) -> Result<uuid::Uuid, StoreError> {
    tasks::add(tx, cx.ids.next(), pack.publisher_id, work, moves, now).await
}

fn checked_source(request: &ReleaseRequest) -> Outcome<Option<Source>, ReleaseRefusal> {
    let checked = request.source.clone().map_or(Ok(None), Source::checked);
    checked.map_err(|fault| ReleaseRefusal::SourceInvalid { fault }.into())
}

/// Checks a request's fields before the release is decided. Returns the normalized notes.
fn check_request(request: &ReleaseRequest, pack: &Pack, rows: &[DraftRow]) -> Outcome<String, ReleaseRefusal> {
    if request.expected_revision.is_some_and(|expected| expected != pack.revision) {
        return Err(ReleaseRefusal::StaleRevision { current: pack.revision }.into());
    }
    let content = || content_token(pack.id, &next_content(rows));
    if request.expected_content.as_ref().is_some_and(|expected| *expected != content()) {
        return Err(ReleaseRefusal::ContentChanged.into());
    }
    if request.schedule == RequestedSchedule::Invalid {
        return Err(ReleaseRefusal::InvalidSchedule.into());
    }
    match text::prose(&request.notes, RELEASE_NOTES_MAX) {
        Ok(notes) if notes.trim().is_empty() => Err(ReleaseRefusal::NotesRequired.into()),
        Ok(notes) => Ok(notes),
        Err(TextFault::ControlCharacter) => Err(Failure::BadInput(CONTROL_CHARACTER.into()).into()),
        Err(TextFault::Empty) => Err(ReleaseRefusal::NotesRequired.into()),
        Err(TextFault::TooLong) => Err(ReleaseRefusal::NotesTooLong.into()),
    }
}
