//! Reads the facts by which a batch decides on many installations: entitlement, the account's status, and the state of
//! the update. Many installations need as few statements as one.

use std::collections::BTreeMap;

use entity::{
    account, account_group as group, account_group_member as member, installation, installation_update as update,
    pack_share as share,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, LockType, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::accounts::AccountStatus;
use crate::domain::id::{AccountId, InstallationId, PackId, PackVersionId, ReleaseId};
use crate::domain::installations::{ReachedState, UpdateMethod, UpdateOutcome, UpdateState};
use crate::domain::releases::Release;
use crate::store::column::col;
use crate::store::convert::{Stored as _, read_some};
use crate::store::installations::section::Section;
use crate::store::locks::locked;
use crate::store::packed::{packed, unpacked};
use crate::store::{StoreResult, Tx};

/// The facts by which a rule decides on an installation and its update by one release.
#[derive(Clone, Copy, Debug)]
pub struct InstallationFacts {
    pub id: InstallationId,
    pub account_id: AccountId,
    pub version_id: PackVersionId,
    /// Whether the installation still exists: it isn't uninstalled.
    pub is_live: bool,
    /// The state of the stored update and how it came about; `None` without a stored update.
    pub update: Option<ReachedState>,
    /// Whether an attempt of the update failed and another one will follow.
    pub is_tried_again: bool,
    /// The outcome of the update's newest report (R57).
    pub outcome: Option<UpdateOutcome>,
    /// Whether a group grants the pack to the account.
    pub is_entitled: bool,
    pub status: AccountStatus,
}

/// The accounts that have a grant of a pack.
pub(super) enum Granted {
    /// All accounts: the pack is shared with All Accounts.
    All,
    /// The members of these groups.
    MembersOf(Vec<Uuid>),
}

impl Granted {
    pub(super) async fn read(tx: &Tx, pack: PackId) -> StoreResult<Self> {
        let select = Query::select()
            .columns([group::Column::Id, group::Column::IsAllAccounts].map(|column| (group::Entity, column)))
            .from(share::Entity)
            .inner_join(group::Entity, col(group::Column::Id).eq(col(share::Column::GroupId)))
            .and_where(col(share::Column::PackId).eq(pack.0))
            .take();
        let mut groups = Vec::new();
        for row in tx.conn().query_all(&select).await? {
            if row.try_get("", "is_all_accounts")? {
                return Ok(Self::All);
            }
            groups.push(row.try_get("", "id")?);
        }
        Ok(Self::MembersOf(groups))
    }

    /// The condition that the account of an installation has the grant.
    fn by(&self, tx: &Tx) -> Expr {
        match self {
            Self::All => Expr::custom_keyword("TRUE"),
            // A subquery for one membership of each account, because PostgreSQL would read all members first for
            // EXISTS.
            Self::MembersOf(groups) => {
                let membership = Query::select()
                    .column((member::Entity, member::Column::GroupId))
                    .from(member::Entity)
                    .and_where(col(member::Column::AccountId).eq(col(installation::Column::AccountId)))
                    .and_where(tx.any_of(col(member::Column::GroupId), groups.iter().copied()))
                    .limit(1)
                    .take();
                Expr::SubQuery(None, Box::new(membership.into())).is_not_null()
            }
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    version_id: Uuid,
    is_live: bool,
    is_entitled: bool,
    /// The account's status; `None` if it is active.
    status: Option<String>,
}

/// Selects the facts about installations of a pack. Accounts that aren't active are few, and a partial index has only
/// them, so it quickly shows that an account is active. The status is a literal and not a parameter, so that PostgreSQL
/// sees that the index matches.
pub(super) fn of(tx: &Tx, pack: PackId, granted: &Granted) -> SelectStatement {
    let not_active = Query::select()
        .column((account::Entity, account::Column::Status))
        .from(account::Entity)
        .and_where(col(account::Column::Id).eq(col(installation::Column::AccountId)))
        .and_where(Expr::cust("\"account\".\"status\" <> 'ACTIVE'"))
        .take();
    Query::select()
        .columns(
            [installation::Column::Id, installation::Column::AccountId, installation::Column::VersionId]
                .map(|column| (installation::Entity, column)),
        )
        .expr_as(col(installation::Column::UninstalledAt).is_null(), "is_live")
        .expr_as(granted.by(tx), "is_entitled")
        .expr_as(Expr::SubQuery(None, Box::new(not_active.into())), "status")
        .from(installation::Entity)
        .and_where(col(installation::Column::PackId).eq(pack.0))
        .order_by((installation::Entity, installation::Column::Id), Order::Asc)
        .take()
}

/// The stored updates, by installation: the state, whether another attempt will follow, and the newest report.
pub(super) type Updates = BTreeMap<Uuid, (ReachedState, bool, Option<UpdateOutcome>)>;

/// The updates of a release that meet a condition. They are ordered like the index that should be used: PostgreSQL has
/// no statistics on a new release, and might choose another index otherwise.
pub(super) async fn updates(tx: &Tx, release: ReleaseId, which: Condition) -> StoreResult<Updates> {
    let columns = [update::Column::InstallationId, update::Column::State, update::Column::How, update::Column::Outcome];
    let select = Query::select()
        .columns(columns.map(|column| (update::Entity, column)))
        .expr_as(col(update::Column::NextAttemptAt).is_not_null(), "is_tried_again")
        .from(update::Entity)
        .and_where(col(update::Column::ReleaseId).eq(release.0))
        .cond_where(which)
        .order_by((update::Entity, update::Column::InstallationId), Order::Asc)
        .take();
    let mut found = Updates::new();
    for row in tx
        .conn()
        .query_all(&grouped(tx, select, &["installation_id"], &["state", "how", "outcome", "is_tried_again"]))
        .await?
    {
        let how: Option<String> = row.try_get("", "how")?;
        let how = how.as_deref().map(UpdateMethod::read).transpose()?;
        let reached = (UpdateState::read(&row.try_get::<String>("", "state")?)?, how);
        let outcome: Option<String> = row.try_get("", "outcome")?;
        let found_here = (reached, row.try_get("", "is_tried_again")?, read_some(outcome.as_deref())?);
        found.extend(unpacked(tx, &row, "installation_id")?.into_iter().map(|id| (id, found_here)));
    }
    Ok(found)
}

/// Groups the rows that differ only in their ids into one row, so that fewer rows are returned.
fn grouped(tx: &Tx, rows: SelectStatement, of_ids: &[&'static str], others: &[&'static str]) -> SelectStatement {
    let mut select = Query::select();
    select.from_subquery(rows, "found");
    for column in others {
        select.column(*column).group_by_col(*column);
    }
    for column in of_ids {
        select.expr_as(packed(tx, column), *column);
    }
    select
}

pub(super) async fn judged(
    tx: &Tx,
    installations: &SelectStatement,
    updates: &Updates,
) -> StoreResult<Vec<InstallationFacts>> {
    let others = ["version_id", "is_live", "is_entitled", "status"];
    let rows = tx.conn().query_all(&grouped(tx, installations.clone(), &["id", "account_id"], &others)).await?;
    let mut found = Vec::new();
    for row in &rows {
        let class = Row::from_query_result(row, "")?;
        let status = class.status.as_deref().map_or(Ok(AccountStatus::Active), AccountStatus::read)?;
        for (id, account) in unpacked(tx, row, "id")?.into_iter().zip(unpacked(tx, row, "account_id")?) {
            let update = updates.get(&id);
            found.push(InstallationFacts {
                id: id.into(),
                account_id: account.into(),
                version_id: class.version_id.into(),
                is_live: class.is_live,
                update: update.map(|(reached, ..)| *reached),
                is_tried_again: update.is_some_and(|(_, is_tried_again, _)| *is_tried_again),
                outcome: update.and_then(|(.., outcome)| *outcome),
                is_entitled: class.is_entitled,
                status,
            });
        }
    }
    found.sort_by_key(|installation| installation.id);
    Ok(found)
}

/// Adds the states of `updates` to the facts of their installations.
pub(super) fn add_updates(found: &mut [InstallationFacts], updates: &Updates) {
    for installation in found {
        if let Some((reached, is_tried_again, outcome)) = updates.get(&installation.id.0) {
            (installation.update, installation.is_tried_again) = (Some(*reached), *is_tried_again);
            installation.outcome = *outcome;
        }
    }
}

/// The condition that `column` is after `after` and not after `last`.
fn between(column: Expr, after: Option<Uuid>, last: Uuid) -> Condition {
    Condition::all().add_option(after.map(|after| column.clone().gt(after))).add(column.lte(last))
}

/// Which installations of a pack a batch reads.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Only installations after this one.
    pub after: Option<Uuid>,
    /// Only installations up to this one.
    pub until: Option<Uuid>,
    /// Whether the pack is locked, and not only held together with others.
    pub is_locked: bool,
}

/// Locks the next live installations of a pack in the order of ids, within the bounds, at most `limit`, and returns them
/// with their updates by a release. The caller has locked or held the pack, so the grants stay as they are even if
/// locking rows has to wait. Whatever changes an installation's version or its updates has locked the installation, so
/// the updates, which are read afterwards, stay as they are, too.
pub async fn first_of_pack(
    tx: &Tx,
    pack: PackId,
    release: ReleaseId,
    Bounds { after, until, is_locked }: Bounds,
    limit: u64,
) -> StoreResult<First> {
    let mut select = of(tx, pack, &Granted::read(tx, pack).await?);
    select
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where_option(after.map(|after| col(installation::Column::Id).gt(after)))
        .and_where_option(until.map(|until| col(installation::Column::Id).lte(until)))
        .limit(limit)
        .lock_with_tables(LockType::NoKeyUpdate, [installation::Entity]);
    let mut found = judged(tx, &select, &Updates::new()).await?;
    let Some(last) = found.last().map(|installation| installation.id.0) else { return Ok(First::default()) };
    let updates = updates(tx, release, between(col(update::Column::InstallationId), after, last)).await?;
    add_updates(&mut found, &updates);
    // Updates of installations that were uninstalled since lie within the bounds, too.
    let alike = updates.is_empty() || updates.len() == found.len() && found.iter().all(|i| i.update.is_some());
    let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let section = Section { pack, after: after.unwrap_or_default(), last, count, is_locked };
    Ok(First { installations: found, section: alike.then_some(section) })
}

/// The next installations of a pack.
#[derive(Debug, Default)]
pub struct First {
    pub installations: Vec<InstallationFacts>,
    /// The section of these installations, if all of them have an update by the release, or none has one.
    pub section: Option<Section>,
}

impl First {
    /// Cuts the list off so that at most `limit` of its installations count. Returns whether any was cut off.
    pub fn keep(&mut self, limit: u64, counts: impl Fn(&InstallationFacts) -> bool) -> bool {
        let mut left = limit;
        let end = self.installations.iter().position(|installation| {
            let is_beyond = counts(installation) && left == 0;
            left = left.saturating_sub(u64::from(counts(installation)));
            is_beyond
        });
        let Some(end) = end else { return false };
        self.installations.truncate(end);
        self.section = None;
        true
    }
}

/// The facts about the live installations of a pack from after `after` to `last`. The caller has locked them.
pub async fn of_pack(
    tx: &Tx,
    pack: PackId,
    release: ReleaseId,
    after: Option<Uuid>,
    last: Uuid,
) -> StoreResult<Vec<InstallationFacts>> {
    let mut select = of(tx, pack, &Granted::read(tx, pack).await?);
    select.and_where(col(installation::Column::UninstalledAt).is_null()).cond_where(between(
        col(installation::Column::Id),
        after,
        last,
    ));
    let mut found = judged(tx, &select, &Updates::new()).await?;
    // Read after the installations: an account may install meanwhile, and its installation comes with its offer.
    let updates = updates(tx, release, between(col(update::Column::InstallationId), after, last)).await?;
    add_updates(&mut found, &updates);
    Ok(found)
}

/// The facts about installations with updates of a release, from after `after` to `last`.
pub async fn of_release(
    tx: &Tx,
    release: &Release,
    after: Option<Uuid>,
    last: Uuid,
) -> StoreResult<Vec<InstallationFacts>> {
    let which = between(col(update::Column::InstallationId), after, last);
    of_updates(tx, release, &updates(tx, release.id, which).await?).await
}

/// The facts about the installations among `ids` with an update of a release.
pub async fn of_installations(
    tx: &Tx,
    release: &Release,
    ids: &[InstallationId],
) -> StoreResult<Vec<InstallationFacts>> {
    let which = tx.any_of(col(update::Column::InstallationId), ids.iter().map(|id| id.0));
    of_updates(tx, release, &updates(tx, release.id, Condition::all().add(which)).await?).await
}

async fn of_updates(tx: &Tx, release: &Release, updates: &Updates) -> StoreResult<Vec<InstallationFacts>> {
    let mut select = of(tx, release.pack_id, &Granted::read(tx, release.pack_id).await?);
    select.and_where(tx.any_of(col(installation::Column::Id), updates.keys().copied()));
    judged(tx, &select, updates).await
}

/// Locks the next live installations of a pack in the order of ids, after the id `after`, at most `limit`. Returns
/// their number and the last id.
pub async fn lock_of_pack(
    tx: &Tx,
    pack: PackId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<(usize, Option<Uuid>)> {
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

/// Locks live installations with an update of a release, for the next updates after the installation `after`, at most
/// `limit`. Returns the number of updates, including those of uninstalled installations, and the last one's
/// installation.
pub async fn lock_of_release(
    tx: &Tx,
    release: ReleaseId,
    after: Option<Uuid>,
    limit: u64,
) -> StoreResult<(usize, Option<Uuid>)> {
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
            .filter(tx.any_of(col(installation::Column::Id), ids))
            .filter(installation::Column::UninstalledAt.is_null())
            .order_by_asc(installation::Column::Id);
        let _: Vec<Uuid> = locked(live).into_tuple().all(tx.conn()).await?;
    }
    Ok((found, last))
}
