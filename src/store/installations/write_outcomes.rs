//! Writes accounts' reports of how updates went (R57).

use entity::{installation_update as update, update_outcome as outcome};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::UpdateId;
use crate::domain::installations::{OutcomeReport, Tally, UpdateOutcome};
use crate::domain::releases::Release;
use crate::store::convert::Stored as _;
use crate::store::installations::{outcomes, tallies};
use crate::store::locks::ActorColumns;
use crate::store::{StoreResult, Tx};

/// The newest report of an update. The caller has locked the installation.
pub async fn newest(tx: &Tx, id: UpdateId) -> StoreResult<Option<OutcomeReport>> {
    let newest = outcome::Entity::find()
        .filter(outcome::Column::InstallationId.eq(Uuid::from(id.installation)))
        .filter(outcome::Column::ReleaseId.eq(Uuid::from(id.release)))
        .order_by_desc(outcome::Column::ReportedAt)
        .one(tx.conn())
        .await?;
    newest.map(outcomes::report).transpose()
}

/// Adds the newest report of an applied update, and tallies it at `now`, when the halt rule judges it: a report's own
/// time may lie after the time of another report. `before` is the outcome until then. `is_judged` is whether the rule
/// of the update's release counts the update (R58, R60).
pub async fn add(
    tx: &Tx,
    report: &OutcomeReport,
    before: Option<UpdateOutcome>,
    (release, is_judged): (&Release, bool),
    now: Instant,
) -> StoreResult<()> {
    let actor = ActorColumns::from(&report.reported_by);
    let row = outcome::ActiveModel {
        id: Set(report.id.into()),
        installation_id: Set(report.update.installation.into()),
        release_id: Set(report.update.release.into()),
        account_id: Set(report.account_id.into()),
        publisher_id: Set(report.publisher_id.into()),
        pack_id: Set(report.pack_id.into()),
        outcome: Set(report.outcome.stored().into()),
        comment: Set(report.comment.clone()),
        reported_at: Set(report.reported_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        account_name: Set(report.account_name.clone()),
    };
    outcome::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    update::Entity::update_many()
        .set(update::ActiveModel { outcome: Set(Some(report.outcome.stored().into())), ..Default::default() })
        .filter(update::Column::InstallationId.eq(Uuid::from(report.update.installation)))
        .filter(update::Column::ReleaseId.eq(Uuid::from(report.update.release)))
        .exec(tx.conn())
        .await?;
    let tally = Tally::of_judged_report(before, report.outcome, is_judged);
    let since_end = tallies::since_end_of(release, now);
    tallies::add_one(tx, (release.id, release.pack_id), now, &tally, since_end).await
}
