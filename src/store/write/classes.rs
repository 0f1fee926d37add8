//! What a batch does with many installations at a time: it reads of each what a rule judges it by, and writes what
//! becomes of all that are alike in one statement.

use entity::{account, installation, installation_update as update};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _};
use uuid::Uuid;

use super::{locked, tallies};
use crate::domain::Instant;
use crate::domain::account::AccountStatus;
use crate::domain::adoption::{Stood, Tally};
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installation::{FailureCode, SkipReason, UpdateMethod, UpdateState};
use crate::domain::release::Release;
use crate::store::convert::Stored as _;
use crate::store::grants::{col, entitled};
use crate::store::{StoreError, StoreResult, Tx};

/// What a rule judges an installation and its update by one release by.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    pub id: InstallationId,
    pub account_id: AccountId,
    pub version_id: PackVersionId,
    /// Whether the installation is there, and not uninstalled.
    pub is_live: bool,
    /// Where the stored update stands, if there is one, and how it came to that.
    pub update: Option<Stood>,
    /// Whether the update was tried in vain and shall be tried again.
    pub is_tried_again: bool,
    /// Whether a group grants the pack to the account.
    pub is_entitled: bool,
    pub status: AccountStatus,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    account_id: Uuid,
    version_id: Uuid,
    is_live: bool,
    state: Option<String>,
    how: Option<String>,
    is_tried_again: bool,
    is_entitled: bool,
    status: String,
}

impl Row {
    fn judged(self) -> StoreResult<Judged> {
        Ok(Judged {
            id: self.id.into(),
            account_id: self.account_id.into(),
            version_id: self.version_id.into(),
            is_live: self.is_live,
            update: match self.state {
                Some(state) => {
                    Some((UpdateState::read(&state)?, self.how.as_deref().map(UpdateMethod::read).transpose()?))
                }
                None => None,
            },
            is_tried_again: self.is_tried_again,
            is_entitled: self.is_entitled,
            status: AccountStatus::read(&self.status)?,
        })
    }
}

fn columns(select: &mut SelectStatement) -> &mut SelectStatement {
    select
        .column((installation::Entity, installation::Column::Id))
        .column((installation::Entity, installation::Column::AccountId))
        .column((installation::Entity, installation::Column::VersionId))
        .expr_as(col(installation::Column::UninstalledAt).is_null(), "is_live")
        .columns([update::Column::State, update::Column::How].map(|column| (update::Entity, column)))
        .expr_as(col(update::Column::NextAttemptAt).is_not_null(), "is_tried_again")
        .expr_as(entitled(), "is_entitled")
        .column((account::Entity, account::Column::Status))
        .inner_join(account::Entity, col(account::Column::Id).eq(col(installation::Column::AccountId)))
}

async fn read(tx: &Tx, select: &SelectStatement) -> StoreResult<Vec<Judged>> {
    let rows = tx.conn().query_all(select).await?;
    rows.iter().map(|row| Row::from_query_result(row, "")?.judged()).collect()
}

/// Which installations of a pack a batch comes to: the first `limit` after one, or all up to another.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    First(u64),
    UpTo(Uuid),
}

/// The live installations of a pack after one, by id, with their updates by a release. They aren't locked: lock
/// the pack before, or them, so that nothing else changes what is read here.
///
/// # Errors
/// [`StoreError`].
pub async fn of_pack(
    tx: &Tx,
    pack: PackId,
    release: ReleaseId,
    after: Option<Uuid>,
    span: Span,
) -> StoreResult<Vec<Judged>> {
    let own = col(update::Column::InstallationId).eq(col(installation::Column::Id));
    let mut select = Query::select().from(installation::Entity).take();
    columns(&mut select)
        .left_join(update::Entity, own.and(col(update::Column::ReleaseId).eq(release.0)))
        .and_where(col(installation::Column::PackId).eq(pack.0))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where_option(after.map(|after| col(installation::Column::Id).gt(after)))
        .order_by((installation::Entity, installation::Column::Id), Order::Asc);
    match span {
        Span::First(limit) => select.limit(limit),
        Span::UpTo(last) => select.and_where(col(installation::Column::Id).lte(last)),
    };
    read(tx, &select).await
}

/// The updates of a release after that of one installation, up to another's, with their installations. Not locked,
/// as above.
///
/// # Errors
/// [`StoreError`].
pub async fn of_release(tx: &Tx, release: ReleaseId, after: Option<Uuid>, last: Uuid) -> StoreResult<Vec<Judged>> {
    let own = col(installation::Column::Id).eq(col(update::Column::InstallationId));
    let mut select = Query::select().from(update::Entity).inner_join(installation::Entity, own).take();
    columns(&mut select)
        .and_where(col(update::Column::ReleaseId).eq(release.0))
        .and_where_option(after.map(|after| col(update::Column::InstallationId).gt(after)))
        .and_where(col(update::Column::InstallationId).lte(last))
        .order_by((update::Entity, update::Column::InstallationId), Order::Asc);
    read(tx, &select).await
}

/// The same for the updates of some installations.
///
/// # Errors
/// [`StoreError`].
pub async fn of_installations(tx: &Tx, release: ReleaseId, ids: &[InstallationId]) -> StoreResult<Vec<Judged>> {
    let own = col(installation::Column::Id).eq(col(update::Column::InstallationId));
    let mut select = Query::select().from(update::Entity).inner_join(installation::Entity, own).take();
    columns(&mut select)
        .and_where(col(update::Column::ReleaseId).eq(release.0))
        .and_where(tx.among(col(update::Column::InstallationId), ids.iter().map(|id| id.0)));
    read(tx, &select).await
}

/// Locks live installations of a pack after one, by id. Gives how many those are, and the last one.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_of_pack(
    tx: &Tx,
    pack: PackId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<(usize, Option<Uuid>)> {
    use sea_orm::{ColumnTrait as _, QueryOrder as _, QuerySelect as _};
    let mut select = installation::Entity::find()
        .select_only()
        .column(installation::Column::Id)
        .filter(installation::Column::PackId.eq(pack.0))
        .filter(installation::Column::UninstalledAt.is_null());
    if let Some(after) = after {
        select = select.filter(installation::Column::Id.gt(after));
    }
    let select = locked(select.order_by_asc(installation::Column::Id).limit(limit));
    let ids: Vec<Uuid> = select.into_tuple().all(tx.conn()).await?;
    Ok((ids.len(), ids.last().copied()))
}

/// Locks the live installations that have an update of a release, after one. Gives how many updates those are, of
/// uninstalled ones too, and the last one's installation.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_of_release(
    tx: &Tx,
    release: ReleaseId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<(usize, Option<Uuid>)> {
    use sea_orm::{ColumnTrait as _, QueryOrder as _, QuerySelect as _};
    let mut select = update::Entity::find()
        .select_only()
        .column(update::Column::InstallationId)
        .filter(update::Column::ReleaseId.eq(release.0));
    if let Some(after) = after {
        select = select.filter(update::Column::InstallationId.gt(after));
    }
    let select = select.order_by_asc(update::Column::InstallationId).limit(limit);
    let ids: Vec<Uuid> = select.into_tuple().all(tx.conn()).await?;
    let (found, last) = (ids.len(), ids.last().copied());
    if tx.is_postgresql() {
        let live = installation::Entity::find()
            .select_only()
            .column(installation::Column::Id)
            .filter(tx.among(col(installation::Column::Id), ids))
            .filter(installation::Column::UninstalledAt.is_null())
            .order_by_asc(installation::Column::Id);
        let _: Vec<Uuid> = locked(live).into_tuple().all(tx.conn()).await?;
    }
    Ok((found, last))
}

/// What becomes of the updates of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub state: UpdateState,
    pub how: Option<UpdateMethod>,
    pub skip_reason: Option<SkipReason>,
    pub failure: Option<FailureCode>,
}

impl Change {
    /// A state without more to say of it.
    #[must_use]
    pub fn to(state: UpdateState) -> Self {
        Self { state, how: None, skip_reason: None, failure: None }
    }
}

/// The changes of a batch of one release, at one instant. What they add up to is tallied at the end.
pub struct Changes<'a> {
    tx: &'a Tx,
    release: &'a Release,
    now: Instant,
    tally: Tally,
}

impl<'a> Changes<'a> {
    /// None yet.
    #[must_use]
    pub fn new(tx: &'a Tx, release: &'a Release, now: Instant) -> Self {
        Self { tx, release, now, tally: Tally::default() }
    }

    /// Makes a change: of updates that stood so before, or of installations without an update, which get one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn make(&mut self, before: Option<Stood>, change: Change, ids: &[InstallationId]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        match before {
            None => self.insert(change, ids).await?,
            Some(_) => self.save(change, ids).await?,
        }
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let mut tally = Tally::of_change(before, (change.state, change.how));
        if before.is_none() {
            tally += Tally::OFFER;
        }
        self.tally += tally * count;
        Ok(())
    }

    /// Each update begins at the version that its installation has: make it before the installations are moved.
    async fn insert(&self, change: Change, ids: &[InstallationId]) -> StoreResult<()> {
        use installation::Column as I;
        use update::Column as U;
        let settled_at = (change.state != UpdateState::Offered).then_some(self.now);
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
            .and_where(self.tx.among(col(I::Id), ids.iter().map(|id| id.0)));
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
        self.tx.conn().execute(&insert).await?;
        Ok(())
    }

    async fn save(&self, change: Change, ids: &[InstallationId]) -> StoreResult<()> {
        use sea_orm::ColumnTrait as _;
        let row = update::ActiveModel {
            state: Set(change.state.stored().into()),
            how: Set(change.how.map(|how| how.stored().into())),
            skip_reason: Set(change.skip_reason.map(|reason| reason.stored().into())),
            failure_code: Set(change.failure.map(|failure| failure.stored().into())),
            next_attempt_at: Set(None),
            settled_at: Set(Some(self.now)),
            ..Default::default()
        };
        update::Entity::update_many()
            .set(row)
            .filter(update::Column::ReleaseId.eq(self.release.id.0))
            .filter(self.tx.among(col(update::Column::InstallationId), ids.iter().map(|id| id.0)))
            .exec(self.tx.conn())
            .await?;
        Ok(())
    }

    /// Ends all further attempts of updates, that stay as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_up(&self, ids: &[InstallationId]) -> StoreResult<()> {
        use sea_orm::ColumnTrait as _;
        if ids.is_empty() {
            return Ok(());
        }
        update::Entity::update_many()
            .set(update::ActiveModel { next_attempt_at: Set(None), ..Default::default() })
            .filter(update::Column::ReleaseId.eq(self.release.id.0))
            .filter(self.tx.among(col(update::Column::InstallationId), ids.iter().map(|id| id.0)))
            .exec(self.tx.conn())
            .await?;
        Ok(())
    }

    /// Tallies what was changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end(self) -> StoreResult<()> {
        tallies::add_one(self.tx, self.release.id, self.release.pack_id, self.now, &self.tally).await
    }
}
