//! Which installations a roll back moves (R59).

use entity::{
    account, account_group as group, installation, installation_tally as tally, integration_pack as pack,
    pack_share as share,
};
use sea_orm::ConnectionTrait as _;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};

use crate::domain::id::{PackId, PackVersionId};
use crate::domain::installations::SkipReason;
use crate::store::StoreResult;
use crate::store::column::col;
use crate::store::installations::counts::{added_up, current};
use crate::store::installations::read::{ReleaseImpact, by_class, counted, reached};
use crate::store::reader::Reads;

/// The installations that a roll back from a version of a pack would move or skip now. When all accounts have a grant, only those that aren't active are skipped. These are few, and the number of all
/// installations of a version is kept, so none of those is counted.
pub(crate) async fn impact_back(from: &impl Reads, pack: PackId, version: PackVersionId) -> StoreResult<ReleaseImpact> {
    if from.source().query_one(&shared_with_all(pack)).await?.is_none() {
        let mut each = reached(pack);
        each.and_where(col(installation::Column::VersionId).eq(version.0));
        return counted(&from.source().query_all(&by_class(each)).await?);
    }
    let number = async |select: SelectStatement| -> StoreResult<i64> {
        let row = from.source().query_one(&select).await?;
        Ok(row.map(|row| row.try_get::<Option<i64>>("", "count")).transpose()?.flatten().unwrap_or(0))
    };
    let suspended = number(suspended(pack, version)).await?;
    let all = number(all(pack, version)).await?;
    let skipped = (suspended > 0).then_some((SkipReason::AccountSuspended, suspended));
    Ok(ReleaseImpact { moved: all - suspended, skipped: skipped.into_iter().collect() })
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

fn all(id: PackId, version: PackVersionId) -> SelectStatement {
    let mut select = current();
    select
        .expr_as(added_up(tally::Column::Installations, tally::Column::AllInstallations), "count")
        .and_where(col(pack::Column::Id).eq(id.0))
        .and_where(col(tally::Column::VersionId).eq(version.0));
    select
}

/// The status is a literal, so that PostgreSQL sees that the partial index on accounts matches.
fn suspended(pack: PackId, version: PackVersionId) -> SelectStatement {
    use installation::Column as I;
    Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from(account::Entity)
        .inner_join(installation::Entity, col(I::AccountId).eq(col(account::Column::Id)))
        .and_where(Expr::cust("\"account\".\"status\" <> 'ACTIVE'"))
        .and_where(col(I::PackId).eq(pack.0))
        .and_where(col(I::VersionId).eq(version.0))
        .and_where(col(I::UninstalledAt).is_null())
        .take()
}
