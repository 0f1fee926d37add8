//! Writes the changes of a batch. Installations that change in the same way share statements.

use entity::{installation, installation_update as update};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _};

use crate::domain::Instant;
use crate::domain::id::InstallationId;
use crate::domain::installations::{
    FailureCode, ReachedState, SkipReason, Tally, UpdateMethod, UpdateOutcome, UpdateState,
};
use crate::domain::releases::{HaltFigures, Release};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::installations::section::Members;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{tallies, write_updates};
use crate::store::{StoreError, StoreResult, Tx};

/// The new state of the updates of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub state: UpdateState,
    pub how: Option<UpdateMethod>,
    pub skip_reason: Option<SkipReason>,
    pub failure: Option<FailureCode>,
}

impl Change {
    /// A state without details.
    #[must_use]
    pub fn to(state: UpdateState) -> Self {
        Self { state, how: None, skip_reason: None, failure: None }
    }
}

/// The changes of a batch of one release at one instant. Their tally is written at the end. Batches change the numbers
/// that a halt rule is judged by only while the release is open.
pub struct Changes<'a> {
    tx: &'a Tx,
    release: &'a Release,
    now: Instant,
    /// See [`Release::settles_at`].
    settled: Instant,
    tally: Tally,
}

impl<'a> Changes<'a> {
    /// No changes so far.
    #[must_use]
    pub fn new(tx: &'a Tx, release: &'a Release, now: Instant) -> Self {
        Self { tx, release, now, settled: release.settles_at(now), tally: Tally::default() }
    }

    /// Changes updates that all have the state `before`; with `None`, adds updates to installations without one.
    /// All installations of a section have such an update, or none of them has one.
    pub async fn make(
        &mut self,
        before: Option<ReachedState>,
        change: Change,
        members: Members<'_>,
    ) -> StoreResult<()> {
        if members.count() == 0 {
            return Ok(());
        }
        let changed = match before {
            None => self.insert(change, members).await?,
            Some(_) => self.save(change, members).await?,
        };
        members.are_all(changed)?;
        let count = i64::try_from(members.count()).unwrap_or(i64::MAX);
        let mut tally = Tally::of_change(before, (change.state, change.how));
        if before.is_none() {
            tally += Tally::OFFER;
        }
        self.tally += tally * count;
        Ok(())
    }

    /// Adds a number of updates to the figures of the halt rule: updates that failed before their release was resumed,
    /// and are applied or have failed again now (R58).
    pub fn count_anew(&mut self, updates: usize) {
        let count = i64::try_from(updates).unwrap_or(i64::MAX);
        self.tally.judged += HaltFigures { executed: count, bad: count };
    }

    /// Tallies applied updates that are taken back together with their newest reports (R57).
    pub fn take_back(&mut self, outcomes: impl IntoIterator<Item = UpdateOutcome>) {
        for outcome in outcomes {
            self.tally += Tally::of_report(Some(outcome), None);
        }
    }

    /// An update's version before is read from its installation, so call this before the installations are moved.
    async fn insert(&self, change: Change, members: Members<'_>) -> StoreResult<u64> {
        use installation::Column as I;
        use update::Column as U;
        let settled_at = (change.state != UpdateState::Offered).then_some(self.settled);
        let mut select = Query::select();
        select
            .from(installation::Entity)
            .columns([I::Id, I::AccountId, I::PublisherId, I::PackId, I::VersionId].map(|c| (installation::Entity, c)))
            .expr(Expr::val(self.release.id.0))
            .expr(Expr::val(self.release.version_id.0))
            .expr(Expr::val(change.state.stored()))
            .expr(Expr::val(change.how.map(|how| how.stored())))
            .expr(Expr::val(change.skip_reason.map(|reason| reason.stored())))
            .expr(Expr::val(change.failure.map(|failure| failure.stored())))
            .expr(Expr::val(0))
            .expr(Expr::val(self.now))
            .expr(Expr::val(settled_at))
            .and_where(members.any_of(self.tx));
        let insert = Query::insert()
            .into_table(update::Entity)
            .columns([
                U::InstallationId,
                U::AccountId,
                U::PublisherId,
                U::PackId,
                U::FromVersionId,
                U::ReleaseId,
                U::ToVersionId,
                U::State,
                U::How,
                U::SkipReason,
                U::FailureCode,
                U::Attempts,
                U::OfferedAt,
                U::SettledAt,
            ])
            .select_from(select)
            .map_err(|e| StoreError::Fault(e.to_string()))?
            .take();
        Ok(self.tx.conn().execute(&insert).await?.rows_affected())
    }

    async fn save(&self, change: Change, members: Members<'_>) -> StoreResult<u64> {
        let row = update::ActiveModel {
            state: Set(change.state.stored().into()),
            how: Set(change.how.map(|how| how.stored().into())),
            skip_reason: Set(change.skip_reason.map(|reason| reason.stored().into())),
            failure_code: Set(change.failure.map(|failure| failure.stored().into())),
            next_attempt_at: Set(None),
            settled_at: Set(Some(self.settled)),
            ..Default::default()
        };
        let installation = col(update::Column::InstallationId);
        let any_of = match members {
            Members::Listed(ids) => self.tx.any_of(installation, ids.iter().map(|id| id.0)),
            Members::All(section) => section.bounds(installation),
        };
        let done = update::Entity::update_many()
            .set(row)
            .filter(update::Column::ReleaseId.eq(self.release.id.0))
            .filter(any_of)
            .exec(self.tx.conn())
            .await?;
        Ok(done.rows_affected)
    }

    /// Ends further attempts of updates. Their state stays.
    pub async fn give_up(&self, ids: &[InstallationId]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        update::Entity::update_many()
            .set(update::ActiveModel { next_attempt_at: Set(None), ..Default::default() })
            .filter(update::Column::ReleaseId.eq(self.release.id.0))
            .filter(self.tx.any_of(col(update::Column::InstallationId), ids.iter().map(|id| id.0)))
            .exec(self.tx.conn())
            .await?;
        Ok(())
    }

    /// Saves rows that are changed individually, and writes one tally of all changes of the batch.
    pub async fn end_with(self, rows: &[UpdateRow]) -> StoreResult<()> {
        write_updates::write(self.tx, rows).await?;
        let tally = (self.release.id, self.release.pack_id, self.now, self.tally);
        tallies::add(self.tx, rows, Some(tally), &tallies::Ends::new(), self.now).await
    }

    /// Writes the tally of all changes.
    pub async fn end(self) -> StoreResult<()> {
        let of = (self.release.id, self.release.pack_id);
        tallies::add_one(self.tx, of, self.now, &self.tally, None).await
    }
}
