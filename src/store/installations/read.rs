//! Reads of installations: a managed account sees its own, and a publisher sees installations of its packs. Uninstalled
//! ones are hidden.

use std::collections::HashMap;

use entity::{
    account, account_group_member as member, installation, installation_update as update, integration_pack as pack,
    pack_release as release, pack_version as version,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{
    ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryResult, QueryTrait as _,
};

use crate::domain::Instant;
use crate::domain::accounts::AccountStatus;
use crate::domain::id::{AccountId, GroupId, InstallationId, PackId, PackVersionId};
use crate::domain::installations::{Installation, SkipReason, UpdateState, reason_to_skip};
use crate::domain::own_key::OwnKey;
use crate::domain::releases::ReleaseState;
use crate::store::column::{by_own_key, col};
use crate::store::convert::Stored as _;
use crate::store::installations::updates::has_pending;
use crate::store::installations::{counts, moving_back};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::{ManagedScope, PublisherScope, Scope};
use crate::store::sharing::{entitled, installation_is_visible};
use crate::store::{Snapshot, StoreResult, convert, page};

/// The number of installations of each of these packs, as a sum of tallies. A pack without any is absent.
pub async fn totals(snapshot: &Snapshot<PublisherScope>, packs: &[PackId]) -> StoreResult<HashMap<PackId, i64>> {
    let mut totals = HashMap::new();
    for count in counts::of_packs(snapshot, packs).await? {
        *totals.entry(count.pack_id).or_default() += count.count;
    }
    Ok(totals)
}

/// The installations among `ids` that the reader may see.
pub async fn by_ids(snapshot: &Snapshot, ids: &[InstallationId]) -> StoreResult<HashMap<InstallationId, Installation>> {
    let rows = installation::Entity::find()
        .filter(snapshot.any_of(col(installation::Column::Id), ids.iter().map(|id| id.0)))
        .filter(installation_is_visible(snapshot.scope()))
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(convert::installation).map(|found| (found.id, found)).collect())
}

/// The account's own installations with these keys (R67).
pub async fn by_keys(snapshot: &Snapshot<ManagedScope>, keys: &[OwnKey]) -> StoreResult<HashMap<OwnKey, Installation>> {
    let rows = installation::Entity::find()
        .filter(col(installation::Column::AccountId).eq(snapshot.scope().account_id().0))
        .filter(col(installation::Column::Key).is_in(keys.iter().map(OwnKey::as_str)))
        .filter(installation_is_visible(Scope::Managed(snapshot.scope())))
        .all(snapshot.conn())
        .await?;
    by_own_key(rows, |row| row.key.as_deref(), |row| Ok(convert::installation(row)))
}

/// A filter on installations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InstallationFilter {
    /// A text that the installation's or the account's name contains.
    pub search: Option<String>,
    pub pack: Option<PackId>,
    pub account: Option<AccountId>,
    /// Whether the installation is frozen (R45).
    pub frozen: Option<bool>,
    pub version_number: Option<i32>,
    /// Whether the installation has an update that can be applied early now.
    pub pending: Option<bool>,
    /// A group of which the account is a member.
    pub group: Option<GroupId>,
    /// Whether the installation has an update that failed and can be tried again.
    pub failed: Option<bool>,
}

/// The form of cursors into lists of [`pages`].
pub const BY_NAME: CursorForm = CursorForm::new("installation", &[KeyKind::Text, KeyKind::Id]);

fn by_name() -> Order<installation::Model> {
    Order::new(BY_NAME, vec![col(installation::Column::NameKey), col(installation::Column::Id)], |row| {
        vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
    })
}

fn filtered(scope: Scope, now: Instant, filter: &InstallationFilter) -> SelectStatement {
    use installation::Column as I;
    let visible = installation_is_visible(scope);
    // Few of a publisher's installations have failed updates, so the updates are searched first.
    let by_failure = filter.failed == Some(true) && matches!(scope, Scope::Publisher(_));
    let visible = if by_failure { checked(visible) } else { visible };
    let mut select = installation::Entity::find().filter(visible).into_query();
    if let Some(search) = &filter.search {
        select.and_where(contains(col(I::NameKey), search).or(contains(col(I::AccountNameKey), search)));
    }
    select
        .and_where_option(filter.pack.map(|pack| col(I::PackId).eq(pack.0)))
        .and_where_option(filter.account.map(|account| col(I::AccountId).eq(account.0)))
        .and_where_option(filter.frozen.map(|frozen| if frozen { entitled().not() } else { entitled() }))
        .and_where_option(filter.version_number.map(has_version))
        .and_where_option(filter.pending.map(|pending| if pending { has_pending(now) } else { has_pending(now).not() }))
        .and_where_option(filter.group.map(|group| col(I::AccountId).in_subquery(members(group))))
        .and_where_option(filter.failed.map(|failed| match (failed, scope) {
            (true, Scope::Publisher(by)) => col(I::Id).in_subquery(with_failed_update(by.publisher_id())),
            (true, Scope::Managed(_)) => Expr::exists(own_failed_update()),
            // Refers to the outer row, because PostgreSQL scans a large `NOT IN` result for each row.
            (false, _) => Expr::exists(own_failed_update()).not(),
        }));
    select
}

fn members(group: GroupId) -> SelectStatement {
    Query::select()
        .column(member::Column::AccountId)
        .from(member::Entity)
        .and_where(col(member::Column::GroupId).eq(group.0))
        .take()
}

/// The updates that `retryFailedUpdates` would try again: failed ones of the release whose version is the current one,
/// while no release of the pack is pending.
fn failed_updates() -> SelectStatement {
    let retried = [ReleaseState::PartiallySucceeded, ReleaseState::Failed].map(|state| state.stored());
    Query::select()
        .from(pack::Entity)
        .inner_join(version::Entity, col(version::Column::Id).eq(col(pack::Column::CurrentVersionId)))
        .inner_join(release::Entity, col(release::Column::Id).eq(col(version::Column::ReleaseId)))
        .inner_join(update::Entity, col(update::Column::ReleaseId).eq(col(release::Column::Id)))
        .and_where(col(pack::Column::DeletedAt).is_null())
        .and_where(col(pack::Column::PendingReleaseId).is_null())
        .and_where(col(release::Column::State).is_in(retried))
        .and_where(col(update::Column::FailureCode).is_not_null())
        .and_where(col(update::Column::State).eq(UpdateState::Failed.stored()))
        .take()
}

/// The installations of a publisher's packs with a failed update, found from the few releases with such updates.
fn with_failed_update(publisher: AccountId) -> SelectStatement {
    failed_updates()
        .column((update::Entity, update::Column::InstallationId))
        .and_where(col(pack::Column::PublisherId).eq(publisher.0))
        .take()
}

/// A failed update of the installation of the outer row.
fn own_failed_update() -> SelectStatement {
    failed_updates()
        .expr(Expr::cust("1"))
        .and_where(col(pack::Column::Id).eq(col(installation::Column::PackId)))
        .and_where(col(update::Column::InstallationId).eq(col(installation::Column::Id)))
        .take()
}

fn has_version(number: i32) -> Expr {
    let numbered = Query::select()
        .column(version::Column::Id)
        .from(version::Entity)
        .and_where(col(version::Column::Id).eq(col(installation::Column::VersionId)))
        .and_where(col(version::Column::Number).eq(number))
        .take();
    Expr::exists(numbered)
}

/// Pages of installations that the reader may see, by name.
pub async fn pages(
    snapshot: &Snapshot,
    keys: &[(InstallationFilter, PageRequest)],
) -> StoreResult<HashMap<(InstallationFilter, PageRequest), Page<Installation>>> {
    let (scope, now) = (snapshot.scope(), snapshot.now());
    let queries = keys.iter().map(|key| {
        let select = filtered(scope, now, &key.0);
        (key.clone(), ListQuery { select, order: by_name(), request: key.1.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    Ok(pages.into_iter().map(|(key, page)| (key, page.map(convert::installation))).collect())
}

#[derive(FromQueryResult)]
struct ImpactRow {
    entitled: bool,
    status: String,
    count: i64,
}

/// The number of installations that a release of a pack would move, and that it would skip for each reason (R34, R45,
/// R46).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseImpact {
    pub moved: i64,
    /// By reason; reasons without installations are absent.
    pub skipped: Vec<(SkipReason, i64)>,
}

/// The installations that a release of the publisher's pack would move or skip now.
pub async fn impact(snapshot: &Snapshot<PublisherScope>, pack: PackId) -> StoreResult<ReleaseImpact> {
    use installation::Column as I;
    let mut each = reached(pack);
    each.and_where(checked(col(I::PublisherId).eq(snapshot.scope().publisher_id().0)));
    counted(&snapshot.conn().query_all(&by_class(each)).await?)
}

/// The installations that a roll back to the version `former` of the publisher's pack would move or skip now.
pub async fn impact_back(
    snapshot: &Snapshot<PublisherScope>,
    pack: PackId,
    former: PackVersionId,
) -> StoreResult<ReleaseImpact> {
    moving_back::impact_back(snapshot, pack, former).await
}

/// Live installations of a pack, with the facts that decide whether a release moves them.
fn reached(pack: PackId) -> SelectStatement {
    use installation::Column as I;
    Query::select()
        .expr_as(entitled(), "entitled")
        .expr_as(col(account::Column::Status), "status")
        .from(installation::Entity)
        .inner_join(account::Entity, col(account::Column::Id).eq(col(I::AccountId)))
        .and_where(col(I::PackId).eq(pack.0))
        .and_where(col(I::UninstalledAt).is_null())
        .take()
}

/// Counts installations by class.
fn by_class(each: SelectStatement) -> SelectStatement {
    Query::select()
        .columns(["entitled", "status"])
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .from_subquery(each, "reached")
        .group_by_columns(["entitled", "status"])
        .take()
}

/// The impact of a release, from rows of [`by_class`].
fn counted(rows: &[QueryResult]) -> StoreResult<ReleaseImpact> {
    let mut impact = ReleaseImpact::default();
    for row in rows {
        let ImpactRow { entitled, status, count } = ImpactRow::from_query_result(row, "")?;
        match reason_to_skip(entitled, AccountStatus::read(&status)?) {
            None => impact.moved += count,
            Some(reason) => match impact.skipped.iter_mut().find(|(counted, _)| *counted == reason) {
                Some((_, skipped)) => *skipped += count,
                None => impact.skipped.push((reason, count)),
            },
        }
    }
    impact.skipped.sort_by_key(|(reason, _)| reason.stored());
    Ok(impact)
}
