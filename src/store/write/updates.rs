//! The updates of a release that have failed.

use entity::{account, installation, installation_update as update};
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{EntityTrait, PaginatorTrait as _, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

use super::installations::{UpdateRow, update_row};
use crate::domain::account::AccountStatus;
use crate::domain::id::ReleaseId;
use crate::domain::installation::UpdateState;
use crate::store::convert::Stored as _;
use crate::store::grants::{col, entitled};
use crate::store::{StoreResult, Tx};

/// The failed updates of a release whose installations can be moved: there, entitled, of active accounts.
fn failed(release: ReleaseId) -> Select<update::Entity> {
    let movable = Query::select()
        .column((installation::Entity, installation::Column::Id))
        .from(installation::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(installation::Column::AccountId)))
        .and_where(col(installation::Column::Id).eq(col(update::Column::InstallationId)))
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(col(account::Column::Status).eq(AccountStatus::Active.stored()))
        .and_where(entitled())
        .take();
    update::Entity::find()
        .filter(col(update::Column::ReleaseId).eq(Uuid::from(release)))
        .filter(col(update::Column::State).eq(UpdateState::Failed.stored()))
        .filter(sea_orm::sea_query::Expr::exists(movable))
}

/// How many failed updates of a release can be tried again.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn count_failed(tx: &Tx, release: ReleaseId) -> StoreResult<u64> {
    Ok(failed(release).count(tx.conn()).await?)
}

/// Those after one, by installation. Not locked: whoever changes one locks its installation first, and
/// reads it again.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn failed_after(tx: &Tx, release: ReleaseId, after: Option<Uuid>, limit: u64) -> StoreResult<Vec<UpdateRow>> {
    let mut select = failed(release);
    if let Some(after) = after {
        select = select.filter(col(update::Column::InstallationId).gt(after));
    }
    let select = select.order_by_asc(update::Column::InstallationId).limit(limit);
    select.all(tx.conn()).await?.into_iter().map(update_row).collect()
}
