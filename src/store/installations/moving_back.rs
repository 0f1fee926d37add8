//! Which installations a roll back moves (R59).

use entity::{
    account, account_group as group, installation, installation_tally as tally, integration_pack as pack,
    pack_share as share, pack_version,
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

/// The installations that a roll back to the version `former` of a pack would move or skip now: all that have a later
/// version, because a superseded release may have brought some of them one. When all accounts have a grant, only the
/// installations of inactive accounts are skipped. These are few, and the number of all installations of a version is
/// kept, so none of those is counted.
pub(crate) async fn impact_back(from: &impl Reads, pack: PackId, former: PackVersionId) -> StoreResult<ReleaseImpact> {
    if from.source().query_one(&shared_with_all(pack)).await?.is_none() {
        let mut each = reached(pack);
        each.and_where(is_later(col(installation::Column::VersionId), pack, former));
        return counted(&from.source().query_all(&by_class(each)).await?);
    }
    let number = async |select: SelectStatement| -> StoreResult<i64> {
        let row = from.source().query_one(&select).await?;
        Ok(row.map(|row| row.try_get::<Option<i64>>("", "count")).transpose()?.flatten().unwrap_or(0))
    };
    let suspended = number(suspended(pack, former)).await?;
    let all = number(all(pack, former)).await?;
    let skipped = (suspended > 0).then_some((SkipReason::AccountSuspended, suspended));
    Ok(ReleaseImpact { moved: all - suspended, skipped: skipped.into_iter().collect() })
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
