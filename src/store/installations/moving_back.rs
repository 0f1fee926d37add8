//! Counts the installations that a roll back would move or skip (R59).

use entity::{
    account, account_group as group, account_group_member as member, installation, installation_tally as tally,
    integration_pack as pack, pack_share as share, pack_version,
};
use sea_orm::ConnectionTrait as _;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};

use crate::domain::id::{PackId, PackVersionId};
use crate::domain::installations::SkipReason;
use crate::store::StoreResult;
use crate::store::column::col;
use crate::store::installations::counts::{added_up, current};
use crate::store::installations::read::ReleaseImpact;
use crate::store::reader::Reads;
use crate::store::sharing::entitled;

/// The installations that a roll back to the version `former` of a pack would move or skip now: all that have a later
/// version, because some may have the version of a superseded release. Their number is a sum of tallies, and few of
/// them belong to inactive accounts. Unless the pack is shared with All Accounts, the entitled installations are
/// counted by one join with the members of the groups. It has to be fast, because the pack may be locked.
pub(crate) async fn impact_back(from: &impl Reads, pack: PackId, former: PackVersionId) -> StoreResult<ReleaseImpact> {
    let number = async |select: SelectStatement| -> StoreResult<i64> {
        let row = from.source().query_one(&select).await?;
        Ok(row.map(|row| row.try_get::<Option<i64>>("", "count")).transpose()?.flatten().unwrap_or(0))
    };
    let is_for_all = from.source().query_one(&shared_with_all(pack)).await?.is_some();
    let mut suspended = suspended(pack, former);
    if !is_for_all {
        suspended.and_where(entitled());
    }
    let suspended = number(suspended).await?;
    let all = number(all(pack, former)).await?;
    let entitled = if is_for_all { all } else { number(of_members(pack, former)).await? };
    let skipped = [(SkipReason::AccountSuspended, suspended), (SkipReason::NotEntitled, all - entitled)];
    let skipped = skipped.into_iter().filter(|(_, count)| *count > 0).collect();
    Ok(ReleaseImpact { moved: entitled - suspended, skipped })
}

/// Counts the installations whose account is in a group that the pack is shared with.
fn of_members(pack: PackId, former: PackVersionId) -> SelectStatement {
    use installation::Column as I;
    let members = Query::select()
        .column((member::Entity, member::Column::AccountId))
        .from(share::Entity)
        .inner_join(member::Entity, col(member::Column::GroupId).eq(col(share::Column::GroupId)))
        .and_where(col(share::Column::PackId).eq(pack.0))
        .take();
    Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from(installation::Entity)
        .and_where(col(I::PackId).eq(pack.0))
        .and_where(is_later(col(I::VersionId), pack, former))
        .and_where(col(I::UninstalledAt).is_null())
        .and_where(col(I::AccountId).in_subquery(members))
        .take()
}

/// The condition that `version` is a later version of a pack than `former`.
fn is_later(version: Expr, pack: PackId, former: PackVersionId) -> Expr {
    let number = Query::select()
        .column(pack_version::Column::Number)
        .from(pack_version::Entity)
        .and_where(col(pack_version::Column::Id).eq(former.0))
        .take();
    let later = Query::select()
        .column(pack_version::Column::Id)
        .from(pack_version::Entity)
        .and_where(col(pack_version::Column::PackId).eq(pack.0))
        .and_where(col(pack_version::Column::Number).gt(Expr::SubQuery(None, Box::new(number.into()))))
        .take();
    version.in_subquery(later)
}

fn shared_with_all(pack: PackId) -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(share::Entity)
        .inner_join(group::Entity, col(group::Column::Id).eq(col(share::Column::GroupId)))
        .and_where(col(share::Column::PackId).eq(pack.0))
        .and_where(col(group::Column::IsAllAccounts).eq(true))
        .limit(1)
        .take()
}

fn all(id: PackId, former: PackVersionId) -> SelectStatement {
    let mut select = current();
    select
        .expr_as(added_up(tally::Column::Installations, tally::Column::AllInstallations), "count")
        .and_where(col(pack::Column::Id).eq(id.0))
        .and_where(is_later(col(tally::Column::VersionId), id, former));
    select
}

/// The status is a literal, so that PostgreSQL sees that the partial index on accounts matches.
fn suspended(pack: PackId, former: PackVersionId) -> SelectStatement {
    use installation::Column as I;
    Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from(account::Entity)
        .inner_join(installation::Entity, col(I::AccountId).eq(col(account::Column::Id)))
        .and_where(Expr::cust("\"account\".\"status\" <> 'ACTIVE'"))
        .and_where(col(I::PackId).eq(pack.0))
        .and_where(is_later(col(I::VersionId), pack, former))
        .and_where(col(I::UninstalledAt).is_null())
        .take()
}
