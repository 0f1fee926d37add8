//! Accounts report how their updates went (R57).

use std::sync::atomic::AtomicBool;

use chrono::TimeDelta;

use crate::domain::accounts::Privilege;
use crate::domain::id::{OutcomeReportId, PackId, UpdateId};
use crate::domain::installations::{
    COMMENT_MAX, Installation, InstallationRefusal, OutcomeReport, SkipReason, UpdateOutcome, UpdateState, may_report,
};
use crate::domain::log::{Audience, EventData, EventKind};
use crate::domain::packs::Pack;
use crate::domain::releases::{Release, ReleaseState};
use crate::domain::text::{self, TextFault};
use crate::service::Services;
use crate::service::access::Managed;
use crate::service::ending::commit;
use crate::service::error::{CONTROL_CHARACTER, Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};
use crate::service::releases::{hold_to_judge, judge_step};
use crate::service::requests::{Repeatable, single};
use crate::store::Tx;
use crate::store::convert::Stored as _;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{write as installations, write_outcomes as outcomes, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::sharing::write_grants as grants;

/// A request to report how an update went.
#[derive(Clone, Debug)]
pub(crate) struct OutcomeRequest {
    pub(crate) update: UpdateId,
    pub(crate) outcome: UpdateOutcome,
    pub(crate) comment: String,
    pub(crate) client_request_id: Option<String>,
}

/// Reports how an applied update of the caller's account went. Returns the report.
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, OUTCOME_NOT_ALLOWED, COMMENT_TOO_LONG; not found.
pub(crate) async fn report_outcome(
    cx: &Services,
    caller: &Managed,
    request: OutcomeRequest,
) -> Outcome<OutcomeReportId, InstallationRefusal> {
    caller.viewer.require(Privilege::ApplyUpdates)?;
    let own = installations::pack_of_own(&cx.look_up(caller.scope), request.update.installation).await?;
    let pack = own.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.scope.publisher_id(), pack);
    let alone = AtomicBool::new(false);
    cx.after_due_windows(touched, || try_report(cx, caller, pack, &request, &alone)).await
}

async fn try_report(
    cx: &Services,
    caller: &Managed,
    pack: PackId,
    request: &OutcomeRequest,
    alone: &AtomicBool,
) -> Outcome<OutcomeReportId, InstallationRefusal> {
    let OutcomeRequest { update, outcome, comment, client_request_id } = request;
    let input = (update, outcome.stored(), comment);
    let call = Repeatable::call(caller.id(), "reportUpdateOutcome", client_request_id.as_deref(), &input)?;
    let tx = cx.db.begin().await?;
    let reused = InstallationRefusal::ClientRequestIdReused;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), reused).await? {
        return Ok(single(&made)?);
    }
    let (mut pack, mut release) = hold_to_judge(&tx, pack, update.release, alone).await?;
    let found = installations::lock_own(&tx, &caller.scope, update.installation).await?;
    let installation = found.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of_managed(cx, caller, cx.instant(&tx, [&pack])?);
    let row = updates::own(&tx, &caller.scope, *update).await?;
    // An account doesn't see an update that was skipped because the pack wasn't granted to it.
    let row = row.filter(|row| row.update.skip_reason != Some(SkipReason::NotEntitled));
    require_reportable(&tx, caller, (&pack, &release), &installation, row.as_ref()).await?;
    let comment = match text::prose(comment, COMMENT_MAX) {
        Ok(comment) => comment,
        Err(TextFault::ControlCharacter) => return Err(Failure::BadInput(CONTROL_CHARACTER.into()).into()),
        Err(TextFault::Empty | TextFault::TooLong) => return Err(InstallationRefusal::CommentTooLong.into()),
    };
    let before = outcomes::newest(&tx, *update).await?;
    let after_it = before.as_ref().map(|before| before.reported_at + TimeDelta::microseconds(1));
    let report = OutcomeReport {
        id: cx.ids.next(),
        update: *update,
        account_id: caller.id(),
        publisher_id: pack.publisher_id,
        pack_id: pack.id,
        outcome: *outcome,
        comment,
        reported_at: after_it.map_or(journal.now, |after_it| after_it.max(journal.now)),
        reported_by: journal.actor().clone(),
        account_name: caller.viewer.account.name.clone(),
    };
    let settled_at = row.as_ref().and_then(|row| row.update.settled_at);
    let newest = before.as_ref().map(|before| before.outcome);
    outcomes::add(&tx, &report, newest, (&release, release.counts(settled_at)), journal.now).await?;
    let number = packs::version_number(&tx, release.version_id).await?;
    record_report(&mut journal, &pack, &report, newest, number);
    judge_step(cx, &tx, &mut journal, &mut pack, &mut release).await?;
    call.remember(&tx, &[report.id.0]).await?;
    commit(tx, journal).await?;
    Ok(report.id)
}

/// Refuses a report on an update that isn't applied, or whose installation has another version by now (R57). To the
/// account, an update that it can't see doesn't exist.
async fn require_reportable(
    tx: &Tx,
    caller: &Managed,
    (pack, release): (&Pack, &Release),
    installation: &Installation,
    row: Option<&UpdateRow>,
) -> Outcome<(), InstallationRefusal> {
    // An update that no batch has stored yet is an offer.
    let state = row.map_or(UpdateState::Offered, |row| row.update.state);
    let (is_live, has_version) = (installation.uninstalled_at.is_none(), installation.version_id == release.version_id);
    if may_report(state, is_live, has_version) {
        return Ok(());
    }
    // An account sees an offer, stored or not, only while a group grants the pack.
    let is_open = matches!(release.state, ReleaseState::Scheduled | ReleaseState::InProgress);
    let is_offered = row.is_some() || is_live && !has_version && is_open;
    let is_settled = state != UpdateState::Offered;
    if is_settled || is_offered && !grants::entitled(tx, pack.id, &[caller.id()]).await?.is_empty() {
        return Err(InstallationRefusal::OutcomeNotAllowed.into());
    }
    Err(Failure::NotFound.into())
}

/// Appends a report to both logs. `before` is the outcome of the update's report before it.
fn record_report(
    journal: &mut Journal<'_>,
    pack: &Pack,
    report: &OutcomeReport,
    before: Option<UpdateOutcome>,
    version_number: i32,
) {
    let (update, account) = (report.update, report.account_id);
    let entry = Entry::of("reportUpdateOutcome", Subject::InstallationUpdate(update), pack.name.clone());
    let outcome = |outcome: UpdateOutcome| outcome.stored().to_owned();
    let comment = Some(report.comment.clone()).filter(|comment| !comment.is_empty());
    journal.append_entry(
        entry
            .concerning(account)
            .change("outcome", before.map(outcome), Some(outcome(report.outcome)))
            .change("comment", None, comment),
    );
    journal.append_event(JournalEvent {
        audience: Audience::PublisherAndAccount,
        account_id: Some(account),
        release_id: Some(update.release),
        installation_id: Some(update.installation),
        update_state: Some(UpdateState::Applied),
        data: EventData {
            version_number: Some(version_number),
            outcome_report: Some(report.id),
            ..EventData::default()
        },
        ..JournalEvent::of(EventKind::UpdateOutcomeReported, pack)
    });
}
