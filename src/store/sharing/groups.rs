//! Reads of account groups, for their publisher.

use std::collections::HashMap;

use entity::{account_group as group, account_group_member as member, library_share, pack_share as share};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::domain::accounts::AccountGroup;
use crate::domain::id::{AccountId, GroupId, LibraryProcessId, PackId};
use crate::domain::own_key::OwnKey;
use crate::store::column::{by_own_key, col};
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::PublisherScope;
use crate::store::{Snapshot, StoreResult, convert, page};

/// The groups among `ids` that belong to the publisher.
pub async fn by_ids(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[GroupId],
) -> StoreResult<HashMap<GroupId, AccountGroup>> {
    let rows = group::Entity::find()
        .filter(snapshot.any_of(col(group::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(group::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(convert::group).map(|group| (group.id, group)).collect())
}

/// The publisher's groups with these keys (R67).
pub async fn by_keys(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[OwnKey],
) -> StoreResult<HashMap<OwnKey, AccountGroup>> {
    let rows = group::Entity::find()
        .filter(col(group::Column::PublisherId).eq(snapshot.scope().publisher_id().0))
        .filter(col(group::Column::Key).is_in(keys.iter().map(OwnKey::as_str)))
        .all(snapshot.conn())
        .await?;
    by_own_key(rows, |row| row.key.as_deref(), |row| Ok(convert::group(row)))
}

/// A filter on groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupFilter {
    /// A text that the name contains.
    pub search: Option<String>,
    /// A pack that isn't shared with the group (R48).
    pub without_pack: Option<PackId>,
    /// A pack that is shared with the group. All Accounts is then sorted by name too.
    pub with_pack: Option<PackId>,
    /// A library process that is shared with the group. All Accounts is then sorted by name too.
    pub with_process: Option<LibraryProcessId>,
    /// An account that is a member of the group.
    pub with_account: Option<AccountId>,
}

/// The form of cursors into lists with All Accounts first.
pub const ALL_ACCOUNTS_FIRST: CursorForm = CursorForm::new("group", &[KeyKind::Number, KeyKind::Text, KeyKind::Id]);
/// The form of cursors into the groups of a pack or of a library process.
pub const BY_NAME: CursorForm = CursorForm::new("group_name", &[KeyKind::Text, KeyKind::Id]);

fn order(filter: &GroupFilter) -> Order<group::Model> {
    use group::Column as G;
    if filter.with_pack.is_some() || filter.with_process.is_some() {
        return Order::new(BY_NAME, vec![col(G::NameKey), col(G::Id)], |row| {
            vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
        });
    }
    Order::new(ALL_ACCOUNTS_FIRST, vec![col(G::Rank), col(G::NameKey), col(G::Id)], |row| {
        vec![Key::Number(row.rank.into()), Key::Text(row.name_key.clone()), Key::Id(row.id)]
    })
}

fn filtered(scope: PublisherScope, filter: &GroupFilter) -> SelectStatement {
    use group::Column as G;
    let sharing = |pack: PackId| {
        Query::select()
            .column(share::Column::GroupId)
            .from(share::Entity)
            .and_where(col(share::Column::PackId).eq(pack.0))
            .take()
    };
    // The subquery refers to the outer row, because PostgreSQL scans a large `NOT IN` result for each row.
    let shared_with_it = |pack: PackId| sharing(pack).and_where(col(share::Column::GroupId).eq(col(G::Id))).take();
    let taking = |process: LibraryProcessId| {
        Query::select()
            .column(library_share::Column::GroupId)
            .from(library_share::Entity)
            .and_where(col(library_share::Column::ProcessId).eq(process.0))
            .take()
    };
    let holding = |account: AccountId| {
        Query::select()
            .column(member::Column::GroupId)
            .from(member::Entity)
            .and_where(col(member::Column::AccountId).eq(account.0))
            .take()
    };
    let mut select = group::Entity::find().filter(col(G::PublisherId).eq(scope.publisher_id().0)).into_query();
    select
        .and_where_option(filter.search.as_deref().map(|search| contains(col(G::NameKey), search)))
        .and_where_option(filter.without_pack.map(|pack| Expr::exists(shared_with_it(pack)).not()))
        .and_where_option(filter.with_pack.map(|pack| col(G::Id).in_subquery(sharing(pack))))
        .and_where_option(filter.with_process.map(|process| col(G::Id).in_subquery(taking(process))))
        .and_where_option(filter.with_account.map(|account| col(G::Id).in_subquery(holding(account))));
    select
}

/// Pages of groups. All Accounts comes first and the others are ordered by name; with `with_pack` or `with_process`,
/// all are ordered by name.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[(GroupFilter, PageRequest)],
) -> StoreResult<HashMap<(GroupFilter, PageRequest), Page<AccountGroup>>> {
    let queries = keys.iter().map(|key| {
        let select = filtered(snapshot.scope(), &key.0);
        (key.clone(), ListQuery { select, order: order(&key.0), request: key.1.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    Ok(pages.into_iter().map(|(key, page)| (key, page.map(convert::group))).collect())
}
