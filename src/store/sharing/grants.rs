//! Conditions on grants: a pack is shared with groups, and accounts are members of groups (R45, R48). Nothing is
//! cached. All Accounts has a row for each member too, so that it needs no special case.

use std::collections::HashSet;

use entity::{account_group_member as member, installation, integration_pack as pack, pack_share as share};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::domain::Instant;
use crate::domain::id::{AccountId, InstallationId};
use crate::store::column::col;
use crate::store::packs::{is_due, is_not_due};
use crate::store::scope::Scope;
use crate::store::{Snapshot, StoreResult};

/// The condition that at least one group grants `pack` to `account` (R48).
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

/// The condition that an installation is entitled: its account has a grant of its pack (R45).
pub(in crate::store) fn entitled() -> Expr {
    granted(col(installation::Column::AccountId), col(installation::Column::PackId))
}

/// The condition that `account` has `pack` installed.
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

/// The condition that a pack has a current version at `now`, also if its window has opened but the release isn't
/// started yet (R30).
pub(in crate::store) fn has_current(now: Instant) -> Expr {
    col(pack::Column::CurrentVersionId).is_not_null().or(is_due(now))
}

/// The condition that `version` is its pack's current version at `now` (R30).
pub(in crate::store) fn is_current(version: Expr, now: Instant) -> Expr {
    let by_window = is_due(now).and(col(pack::Column::PendingVersionId).eq(version.clone()));
    by_window.or(is_not_due(now).and(col(pack::Column::CurrentVersionId).eq(version)))
}

/// The condition that accounts are offered `version` of its pack at `now`: they read it as the current version, and an
/// installation made now gets it (R56).
pub(in crate::store) fn is_offered(version: Expr, now: Instant) -> Expr {
    let stored = Func::coalesce([col(pack::Column::FormerVersionId), col(pack::Column::CurrentVersionId)]);
    let by_window = is_due(now).and(col(pack::Column::PendingVersionId).eq(version.clone()));
    by_window.or(is_not_due(now).and(Expr::from(stored).eq(version)))
}

/// The condition that a managed account may see a pack (R2): it is granted and has a current version, or is installed.
pub(in crate::store) fn pack_is_available(account: AccountId, now: Instant) -> Expr {
    let id = || col(pack::Column::Id);
    let offered = granted(Expr::val(account.0), id()).and(has_current(now));
    col(pack::Column::DeletedAt).is_null().and(offered.or(has_installed(account, id())))
}

/// The condition that the pack with the id `id` isn't deleted. A deletion hides rows of the pack at once, before a
/// batch removes them (R47, R49). Uses EXISTS, because PostgreSQL scans the whole result of a `NOT IN` subquery for
/// each row when the result exceeds its working memory.
pub(in crate::store) fn of_living_pack(id: Expr) -> Expr {
    // The alias avoids a clash with a surrounding statement on packs.
    let of_deleted = |column: pack::Column| Expr::col(("deleted_pack", column));
    let deleted = Query::select()
        .expr(Expr::cust("1"))
        .from_as(pack::Entity, "deleted_pack")
        .and_where(of_deleted(pack::Column::Id).eq(id))
        .and_where(of_deleted(pack::Column::DeletedAt).is_not_null())
        .take();
    Expr::exists(deleted).not()
}

/// The condition that a scope may see an installation: a publisher sees installations of its packs, and a managed
/// account its own. Uninstalled ones and ones of deleted packs are hidden.
pub(in crate::store) fn installation_is_visible(scope: Scope) -> Expr {
    let own = match scope {
        Scope::Publisher(scope) => col(installation::Column::PublisherId).eq(scope.publisher_id().0),
        Scope::Managed(scope) => col(installation::Column::AccountId).eq(scope.account_id().0),
    };
    own.and(col(installation::Column::UninstalledAt).is_null()).and(of_living_pack(col(installation::Column::PackId)))
}

/// The installations among `ids` that are entitled. The others are frozen (R45).
pub async fn entitled_installations(
    snapshot: &Snapshot,
    ids: &[InstallationId],
) -> StoreResult<HashSet<InstallationId>> {
    let found: Vec<sea_orm::prelude::Uuid> = installation::Entity::find()
        .select_only()
        .column(installation::Column::Id)
        .filter(snapshot.any_of(col(installation::Column::Id), ids.iter().map(|id| id.0)))
        .filter(installation_is_visible(snapshot.scope()))
        .filter(entitled())
        .into_tuple()
        .all(snapshot.conn())
        .await?;
    Ok(found.into_iter().map(InstallationId).collect())
}
