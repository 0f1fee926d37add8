//! Tallies of the number of installations per version. Every write that installs, moves or uninstalls adds rows to
//! `installation_tally`, so that a pack's installations need not be counted.

use entity::{installation, installation_tally as tally, integration_pack as pack};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, ConnectionTrait as _, EntityTrait as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{InstallationId, PackId, PackVersionId};
use crate::domain::installations::Installation;
use crate::store::column::col;
use crate::store::installations::counts::{added_up, current};
use crate::store::{StoreError, StoreResult, Tx, WholeServer};

/// The number of rows to sum above which they are compacted.
pub const ROWS_MAX: i64 = 1_000;

/// The number of installations of a pack. The caller has locked or held the pack.
pub async fn of_pack(tx: &Tx, id: PackId) -> StoreResult<i64> {
    let mut select = current();
    select.expr_as(added_up(tally::Column::Installations, tally::Column::AllInstallations), "count");
    let row = tx.conn().query_one(select.and_where(col(pack::Column::Id).eq(id.0))).await?;
    let count = row.map(|row| row.try_get::<Option<i64>>("", "count")).transpose()?;
    Ok(count.flatten().unwrap_or(0))
}

/// Another live installation of the same pack and account.
fn another_installation() -> SelectStatement {
    let other = |column: installation::Column| Expr::col(("other", column));
    Query::select()
        .expr(Expr::cust("1"))
        .from_as(installation::Entity, "other")
        .and_where(other(installation::Column::PackId).eq(col(installation::Column::PackId)))
        .and_where(other(installation::Column::AccountId).eq(col(installation::Column::AccountId)))
        .and_where(other(installation::Column::Id).ne(col(installation::Column::Id)))
        .and_where(other(installation::Column::UninstalledAt).is_null())
        .take()
}

/// Tallies an installation that was just added. The caller has locked its account.
pub(in crate::store) async fn installed(tx: &Tx, new: &Installation) -> StoreResult<()> {
    let first = Query::select()
        .expr(Expr::cust("1"))
        .from(installation::Entity)
        .and_where(col(installation::Column::Id).eq(new.id.0))
        .and_where(Expr::exists(another_installation()).not())
        .take();
    let is_first = tx.conn().query_one(&first).await?.is_some();
    let row = tally::ActiveModel {
        accounts: Set(i32::from(is_first)),
        ..change(new.pack_id, new.version_id, new.installed_at, 1)
    };
    tally::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// A row for `installations` more, or fewer, of a version.
fn change(pack: PackId, version: PackVersionId, at: Instant, installations: i64) -> tally::ActiveModel {
    tally::ActiveModel {
        id: NotSet,
        pack_id: Set(pack.into()),
        version_id: Set(version.into()),
        at: Set(at),
        installations: Set(i32::try_from(installations).unwrap_or(i32::MAX)),
        accounts: Set(0),
        all_installations: Set(0),
        all_accounts: Set(0),
    }
}

/// Tallies installations that all move from one version to another.
pub(in crate::store) async fn moved(tx: &Tx, movement: Move, count: u64) -> StoreResult<()> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = [
        change(movement.pack, movement.from, movement.at, -count),
        change(movement.pack, movement.to, movement.at, count),
    ];
    tally::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// A move of installations of one pack that all have the same version.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    pub pack: PackId,
    pub from: PackVersionId,
    pub to: PackVersionId,
    pub at: Instant,
}

/// Adds rows from a statement that selects pack, version, instant, and the four numbers.
async fn add(tx: &Tx, rows: SelectStatement) -> StoreResult<()> {
    use tally::Column as T;
    let insert = Query::insert()
        .into_table(tally::Entity)
        .columns([T::PackId, T::VersionId, T::At, T::Installations, T::Accounts, T::AllInstallations, T::AllAccounts])
        .select_from(rows)
        .map_err(|e| StoreError::Fault(e.to_string()))?
        .take();
    tx.conn().execute(&insert).await?;
    Ok(())
}

/// Selects installations, grouped by pack.
fn of(tx: &Tx, ids: &[InstallationId]) -> SelectStatement {
    Query::select()
        .from(installation::Entity)
        .column((installation::Entity, installation::Column::PackId))
        .and_where(tx.any_of(col(installation::Column::Id), ids.iter().map(|id| id.0)))
        .group_by_col((installation::Entity, installation::Column::PackId))
        .take()
}

/// Tallies installations at their present versions: subtracts them before a move, and adds them after it.
async fn at_their_versions(tx: &Tx, ids: &[InstallationId], at: Instant, count: &'static str) -> StoreResult<()> {
    let mut rows = of(tx, ids);
    rows.column((installation::Entity, installation::Column::VersionId))
        .expr(Expr::val(at))
        .expr(Expr::cust(count))
        .exprs([Expr::cust("0"), Expr::cust("0"), Expr::cust("0")])
        .group_by_col((installation::Entity, installation::Column::VersionId));
    add(tx, rows).await
}

/// Tallies installations before a move. Call [`tally_after_move`] after it.
pub(in crate::store) async fn tally_before_move(tx: &Tx, ids: &[InstallationId], at: Instant) -> StoreResult<()> {
    at_their_versions(tx, ids, at, "-COUNT(*)").await
}

/// Tallies installations after a move.
pub(in crate::store) async fn tally_after_move(tx: &Tx, ids: &[InstallationId], at: Instant) -> StoreResult<()> {
    at_their_versions(tx, ids, at, "COUNT(*)").await
}

/// Tallies installations that were just uninstalled. The caller has locked their accounts or packs.
pub(in crate::store) async fn uninstalled(tx: &Tx, ids: &[InstallationId], at: Instant) -> StoreResult<()> {
    // If several installations of an account were uninstalled together, only the one with the last id counts the
    // account.
    let later = |column: installation::Column| Expr::col(("later", column));
    let went_too = Query::select()
        .expr(Expr::cust("1"))
        .from_as(installation::Entity, "later")
        .and_where(later(installation::Column::PackId).eq(col(installation::Column::PackId)))
        .and_where(later(installation::Column::AccountId).eq(col(installation::Column::AccountId)))
        .and_where(later(installation::Column::Id).gt(col(installation::Column::Id)))
        .and_where(tx.any_of(later(installation::Column::Id), ids.iter().map(|id| id.0)))
        .take();
    let stands_for_account = Expr::exists(another_installation()).not().and(Expr::exists(went_too).not());
    let accounts: Expr = Expr::case(stands_for_account, Expr::cust("-1")).finally(Expr::cust("0")).into();
    let mut gone = of(tx, ids);
    gone.column((installation::Entity, installation::Column::VersionId))
        .expr(Expr::val(at))
        .expr(Expr::cust("-COUNT(*)"))
        .expr(accounts.sum())
        .exprs([Expr::cust("0"), Expr::cust("0")])
        .group_by_col((installation::Entity, installation::Column::VersionId));
    add(tx, gone).await
}

/// Packs with so many rows of tallies that they should be compacted; at most `limit`.
pub async fn to_compact(server: &WholeServer, limit: u64) -> StoreResult<Vec<PackId>> {
    let mut select = current();
    select
        .column((tally::Entity, tally::Column::PackId))
        .add_group_by([col(tally::Column::PackId)])
        .and_having(Expr::cust("COUNT(*)").gt(ROWS_MAX))
        .limit(limit);
    let rows = server.conn().query_all(&select).await?;
    rows.iter().map(|row| Ok(row.try_get::<Uuid>("", "pack_id")?.into())).collect()
}

/// Compacts a pack's tallies if more than `most` rows have to be summed: adds a row with the sums of each version, from
/// which the present numbers are summed afterwards. Older rows stay for the history. The caller has locked the pack, so
/// that nobody adds rows meanwhile.
pub async fn compact(tx: &Tx, id: PackId, at: Instant, most: i64) -> StoreResult<()> {
    let mut select = current();
    select
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .expr_as(col(tally::Column::Id).max(), "last")
        .and_where(col(pack::Column::Id).eq(id.0));
    let Some(row) = tx.conn().query_one(&select).await? else { return Ok(()) };
    let (count, last): (i64, Option<i64>) = (row.try_get("", "count")?, row.try_get("", "last")?);
    let Some(last) = last.filter(|_| count > most) else { return Ok(()) };
    let mut sums = current();
    sums.columns([tally::Column::PackId, tally::Column::VersionId].map(|column| (tally::Entity, column)))
        .expr(Expr::val(at))
        .exprs([Expr::cust("0"), Expr::cust("0")])
        .expr(added_up(tally::Column::Installations, tally::Column::AllInstallations))
        .expr(added_up(tally::Column::Accounts, tally::Column::AllAccounts))
        .and_where(col(pack::Column::Id).eq(id.0))
        .add_group_by([tally::Column::PackId, tally::Column::VersionId].map(col));
    add(tx, sums).await?;
    let row = pack::ActiveModel { id: Set(Uuid::from(id)), tally_base_id: Set(last + 1), ..Default::default() };
    pack::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
