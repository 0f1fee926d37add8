//! Reads of the process library. A publisher sees its whole library, and an account the processes that one of its
//! groups shares (R53).

use std::collections::HashMap;

use entity::{
    account_group_member as member, component, library_copy as copy, library_process as process, library_share as share,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{EntityTrait as _, QueryFilter as _, QueryTrait as _};

use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, LibraryProcessId};
use crate::domain::library::{CopySource, LibraryProcess};
use crate::store::column::col;
use crate::store::page::{CursorForm, Key, KeyKind, ListQuery, Order, Page, PageRequest, checked, contains};
use crate::store::scope::{PublisherScope, Scope};
use crate::store::{Snapshot, StoreResult, convert, page};

/// Whether the queried process is in the library now.
pub(in crate::store) fn is_offered() -> Expr {
    col(process::Column::WithdrawnAt).is_null()
}

/// Whether the queried process is shared with a group of the account.
pub(in crate::store) fn is_shared_with(account: AccountId) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::cust("1"))
            .from(share::Entity)
            .inner_join(member::Entity, col(member::Column::GroupId).eq(col(share::Column::GroupId)))
            .and_where(col(share::Column::ProcessId).eq(col(process::Column::Id)))
            .and_where(col(member::Column::AccountId).eq(account.0))
            .take(),
    )
}

/// The processes that a reader may see: for a publisher its own, including withdrawn ones; for an account the ones that
/// are offered to it.
fn visible(scope: Scope) -> Expr {
    let own = col(process::Column::PublisherId).eq(scope.publisher_id().0);
    match scope {
        Scope::Publisher(_) => own,
        Scope::Managed(scope) => own.and(is_offered()).and(is_shared_with(scope.account_id())),
    }
}

/// The processes among `ids` that the reader may see.
pub async fn by_ids(
    snapshot: &Snapshot,
    ids: &[LibraryProcessId],
) -> StoreResult<HashMap<LibraryProcessId, LibraryProcess>> {
    let rows = process::Entity::find()
        .filter(snapshot.any_of(col(process::Column::Id), ids.iter().map(|id| id.0)))
        .filter(visible(snapshot.scope()))
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(convert::library_process).map(|process| (process.id, process)).collect())
}

/// The library processes of these packages. A package that isn't in the library is absent.
pub async fn of_packages(
    snapshot: &Snapshot<PublisherScope>,
    ids: &[ComponentVersionId],
) -> StoreResult<HashMap<ComponentVersionId, LibraryProcess>> {
    let rows = process::Entity::find()
        .filter(snapshot.any_of(col(process::Column::ComponentVersionId), ids.iter().map(|id| id.0)))
        .filter(visible(Scope::Publisher(snapshot.scope())))
        .filter(is_offered())
        .all(snapshot.conn())
        .await?;
    Ok(rows.into_iter().map(convert::library_process).map(|process| (process.component_version_id, process)).collect())
}

/// The sources of the components among `ids` that are copies and belong to the reader's account.
pub async fn copy_sources(snapshot: &Snapshot, ids: &[ComponentId]) -> StoreResult<HashMap<ComponentId, CopySource>> {
    let own = Query::select()
        .column(component::Column::Id)
        .from(component::Entity)
        .and_where(snapshot.any_of(col(component::Column::Id), ids.iter().map(|id| id.0)))
        .and_where(checked(col(component::Column::OwnerId).eq(snapshot.scope().account_id().0)))
        .take();
    let rows =
        copy::Entity::find().filter(col(copy::Column::ComponentId).in_subquery(own)).all(snapshot.conn()).await?;
    let source = |row: copy::Model| {
        let of = CopySource { process_id: row.process_id.into(), name: row.name, version: row.version };
        (row.component_id.into(), of)
    };
    Ok(rows.into_iter().map(source).collect())
}

/// The form of cursors into lists of [`page()`].
pub const BY_NAME: CursorForm = CursorForm::new("process", &[KeyKind::Text, KeyKind::Id]);

/// A page of the library as the reader sees it, by name, without withdrawn processes.
pub async fn page(
    snapshot: &Snapshot,
    search: Option<&str>,
    request: PageRequest,
) -> StoreResult<Page<LibraryProcess>> {
    let mut select = process::Entity::find().filter(visible(snapshot.scope())).filter(is_offered()).into_query();
    select.and_where_option(search.map(|search| contains(col(process::Column::NameKey), search)));
    let order =
        Order::new(BY_NAME, vec![col(process::Column::NameKey), col(process::Column::Id)], |row: &process::Model| {
            vec![Key::Text(row.name_key.clone()), Key::Id(row.id)]
        });
    Ok(page::page(snapshot.reader(), ListQuery { select, order, request }).await?.map(convert::library_process))
}
