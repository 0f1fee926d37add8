//! Whether an account has a grant: a pack is shared with groups, and an account is in groups (R45, R48).
//! Derived each time, from explicit rows alone; All Accounts has its members as rows too.

use std::collections::HashSet;

use entity::{account_group_member as member, installation, integration_pack as pack, pack_share as share};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::domain::Instant;
use crate::domain::id::{AccountId, InstallationId};
use crate::store::scope::Scope;
use crate::store::{Db, StoreResult};

/// A column with its table's name.
pub(in crate::store) fn col<C: ColumnTrait>(column: C) -> Expr {
    column.into_expr()
}

/// Whether a group that `account` is in has `pack`: the union of all groups (R48).
pub(in crate::store) fn granted(account: Expr, pack: Expr) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(share::Entity)
            .inner_join(member::Entity, col(member::Column::GroupId).eq(col(share::Column::GroupId)))
            .and_where(col(share::Column::PackId).eq(pack))
            .and_where(col(member::Column::AccountId).eq(account))
            .take(),
    )
}

/// Whether the installation at hand is entitled: its account has a grant of its pack (R45).
pub(in crate::store) fn entitled() -> Expr {
    granted(col(installation::Column::AccountId), col(installation::Column::PackId))
}

/// Whether `account` has `pack` installed.
pub(in crate::store) fn has_installed(account: AccountId, pack: Expr) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(installation::Entity)
            .and_where(col(installation::Column::PackId).eq(pack))
            .and_where(col(installation::Column::AccountId).eq(account.0))
            .and_where(col(installation::Column::UninstalledAt).is_null())
            .take(),
    )
}

/// Whether the pack at hand has a version in force at `now`: a due window counts as open (R30).
pub(in crate::store) fn has_current(now: Instant) -> Expr {
    col(pack::Column::CurrentVersionId).is_not_null().or(col(pack::Column::PendingStartsAt).lte(now))
}

/// Whether `version` is the one in force of the pack at hand at `now` (R30).
pub(in crate::store) fn is_current(version: Expr, now: Instant) -> Expr {
    let due = col(pack::Column::PendingStartsAt).is_not_null().and(col(pack::Column::PendingStartsAt).lte(now));
    let not_due = col(pack::Column::PendingStartsAt).is_null().or(col(pack::Column::PendingStartsAt).gt(now));
    let by_window = due.and(col(pack::Column::PendingVersionId).eq(version.clone()));
    by_window.or(not_due.and(col(pack::Column::CurrentVersionId).eq(version)))
}

/// What may be seen of the pack at hand by a managed account (R2): granted and in force, or installed.
pub(in crate::store) fn pack_is_available(account: AccountId, now: Instant) -> Expr {
    let id = || col(pack::Column::Id);
    let offered = granted(Expr::val(account.0), id()).and(has_current(now));
    col(pack::Column::DeletedAt).is_null().and(offered.or(has_installed(account, id())))
}

/// Whether `id` names no deleted pack: what still hangs on one is hidden from the deletion on, also before a
/// batch has come to it (R47, R49). Asked with EXISTS: PostgreSQL goes through all that a `NOT IN` of a subquery
/// gives for each row, once that is more than its working memory takes.
pub(in crate::store) fn of_living_pack(id: Expr) -> Expr {
    // Under a name of its own, as the statement around it may be about packs.
    let of_deleted = |column: pack::Column| Expr::col(("deleted_pack", column));
    let deleted = Query::select()
        .expr(Expr::cust("1"))
        .from_as(pack::Entity, "deleted_pack")
        .and_where(of_deleted(pack::Column::Id).eq(id))
        .and_where(of_deleted(pack::Column::DeletedAt).is_not_null())
        .take();
    Expr::exists(deleted).not()
}

/// The rows of `installation` that a scope may see: a publisher those of its packs, a managed account
/// its own; what was uninstalled is gone, and what went with its pack.
pub(in crate::store) fn installation_is_seen(scope: Scope) -> Expr {
    let own = match scope {
        Scope::Publisher(scope) => col(installation::Column::PublisherId).eq(scope.publisher_id().0),
        Scope::Managed(scope) => col(installation::Column::AccountId).eq(scope.account_id().0),
    };
    own.and(col(installation::Column::UninstalledAt).is_null()).and(of_living_pack(col(installation::Column::PackId)))
}

/// Which of these installations are entitled; the others are frozen (R45).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn entitled_installations(
    db: &Db,
    scope: Scope,
    ids: &[InstallationId],
) -> StoreResult<HashSet<InstallationId>> {
    let found: Vec<sea_orm::prelude::Uuid> = installation::Entity::find()
        .select_only()
        .column(installation::Column::Id)
        .filter(db.among(col(installation::Column::Id), ids.iter().map(|id| id.0)))
        .filter(installation_is_seen(scope))
        .filter(entitled())
        .into_tuple()
        .all(db.reader())
        .await?;
    Ok(found.into_iter().map(InstallationId).collect())
}
