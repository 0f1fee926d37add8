//! Reads of a publisher's managed accounts, of the reader's own account, and of the name of its publisher.

use std::collections::HashMap;

use entity::{account, account_group_member as member, installation};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _};

use crate::domain::accounts::{Account, AccountKind, AccountStatus};
use crate::domain::id::{AccountId, GroupId, PackId};
use crate::domain::own_key::OwnKey;
use crate::store::column::{by_own_key, col};
use crate::store::convert::Stored as _;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::{ManagedScope, PublisherScope};
use crate::store::{Snapshot, StoreResult, convert, page};

/// The accounts among `ids` that the publisher manages.
pub async fn managed_by_ids(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[AccountId],
) -> StoreResult<HashMap<AccountId, Account>> {
    let rows = account::Entity::find()
        .filter(snapshot.any_of(col(account::Column::Id), ids.iter().map(|id| id.0)))
        .filter(checked(col(account::Column::PublisherId).eq(snapshot.scope().publisher_id().0)))
        .filter(col(account::Column::Kind).eq(AccountKind::Managed.stored()))
        .all(snapshot.conn())
        .await?;
    rows.into_iter().map(|row| convert::account(row).map(|account| (account.id, account))).collect()
}

/// The accounts with these keys that the publisher manages (R67).
pub async fn managed_by_keys(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[OwnKey],
) -> StoreResult<HashMap<OwnKey, Account>> {
    let rows = account::Entity::find()
        .filter(col(account::Column::PublisherId).eq(snapshot.scope().publisher_id().0))
        .filter(col(account::Column::Key).is_in(keys.iter().map(OwnKey::as_str)))
        .all(snapshot.conn())
        .await?;
    by_own_key(rows, |row| row.key.as_deref(), convert::account)
}

/// The name of the publisher that manages the reader's account.
pub async fn publisher_name(snapshot: &Snapshot<ManagedScope>) -> StoreResult<Option<String>> {
    let name = account::Entity::find_by_id(snapshot.scope().publisher_id().0)
        .select_only()
        .column(account::Column::Name)
        .into_tuple()
        .one(snapshot.conn())
        .await?;
    Ok(name)
}

/// The reader's account as it is now. A mutation may have changed it since the token was authenticated.
pub async fn own(snapshot: &Snapshot) -> StoreResult<Option<Account>> {
    let row = account::Entity::find_by_id(snapshot.scope().account_id().0).one(snapshot.conn()).await?;
    row.map(convert::account).transpose()
}

/// A filter on managed accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccountFilter {
    /// A text that the name contains.
    pub search: Option<String>,
    pub status: Option<AccountStatus>,
    /// A group of which the account is a member.
    pub group: Option<GroupId>,
    /// A group of which the account isn't a member.
    pub without_group: Option<GroupId>,
    /// Whether the account has made its first token (R1).
    pub enrolled: Option<bool>,
    /// A pack that the account has installed.
    pub with_pack: Option<PackId>,
}

/// The form of cursors into lists of [`pages`].
pub const BY_NAME: CursorForm = CursorForm::new("account", &[KeyKind::Text, KeyKind::Id]);

fn by_name() -> Order<account::Model> {
    Order::new(BY_NAME, vec![col(account::Column::NameKey), col(account::Column::Id)], |row| {
        vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
    })
}

fn filtered(scope: PublisherScope, filter: &AccountFilter) -> SelectStatement {
    use account::Column as A;
    let members = |group: GroupId| {
        Query::select()
            .column(member::Column::AccountId)
            .from(member::Entity)
            .and_where(col(member::Column::GroupId).eq(group.0))
            .take()
    };
    // The subquery refers to the outer row, because PostgreSQL scans a large `NOT IN` result for each row.
    let is_member = |group: GroupId| members(group).and_where(col(member::Column::AccountId).eq(col(A::Id))).take();
    let having = |pack: PackId| {
        Query::select()
            .column(installation::Column::AccountId)
            .from(installation::Entity)
            .and_where(col(installation::Column::PackId).eq(pack.0))
            .and_where(col(installation::Column::UninstalledAt).is_null())
            .take()
    };
    let mut select = account::Entity::find()
        .filter(col(A::PublisherId).eq(scope.publisher_id().0))
        .filter(col(A::Kind).eq(AccountKind::Managed.stored()))
        .into_query();
    select
        .and_where_option(filter.search.as_deref().map(|search| contains(col(A::NameKey), search)))
        .and_where_option(filter.status.map(|status| col(A::Status).eq(status.stored())))
        .and_where_option(filter.group.map(|group| col(A::Id).in_subquery(members(group))))
        .and_where_option(filter.without_group.map(|group| Expr::exists(is_member(group)).not()))
        .and_where_option(
            filter.enrolled.map(
                |enrolled| {
                    if enrolled { col(A::EnrolledAt).is_not_null() } else { col(A::EnrolledAt).is_null() }
                },
            ),
        )
        .and_where_option(filter.with_pack.map(|pack| col(A::Id).in_subquery(having(pack))));
    select
}

/// Pages of the publisher's managed accounts, by name.
pub async fn pages(
    snapshot: &Snapshot<PublisherScope>,
    keys: &[(AccountFilter, PageRequest)],
) -> StoreResult<HashMap<(AccountFilter, PageRequest), Page<Account>>> {
    let queries = keys.iter().map(|key| {
        let select = filtered(snapshot.scope(), &key.0);
        (key.clone(), ListQuery { select, order: by_name(), request: key.1.clone() })
    });
    let pages = page::pages(snapshot.reader(), queries.collect()).await?;
    pages.into_iter().map(|(key, page)| Ok((key, page.try_map(convert::account)?))).collect()
}
