//! Writes of the process library: its processes, their shares, and their copies.

use entity::{account_group, library_copy, library_process, library_share};
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait as _, QueryFilter, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::domain::id::{ComponentId, ComponentVersionId, GroupId, LibraryProcessId};
use crate::domain::library::LibraryProcess;
use crate::domain::{Instant, text};
use crate::store::library::read::{is_offered, is_shared_with};
use crate::store::locks::locked;
use crate::store::scope::{ManagedScope, PublisherScope};
use crate::store::{StoreResult, Tx, convert};

/// Locks a publisher's process, withdrawn or not.
pub async fn lock(tx: &Tx, scope: &PublisherScope, id: LibraryProcessId) -> StoreResult<Option<LibraryProcess>> {
    let select = library_process::Entity::find_by_id(Uuid::from(id))
        .filter(library_process::Column::PublisherId.eq(Uuid::from(scope.publisher_id())));
    Ok(locked(select).one(tx.conn()).await?.map(convert::library_process))
}

/// Locks a process that is offered to an account. A second statement checks the offer while the lock is held, because
/// the locking statement may wait, and would still see the shares from before the wait.
pub async fn lock_offered(tx: &Tx, scope: &ManagedScope, id: LibraryProcessId) -> StoreResult<Option<LibraryProcess>> {
    let select = library_process::Entity::find_by_id(Uuid::from(id))
        .filter(library_process::Column::PublisherId.eq(Uuid::from(scope.publisher_id())));
    let locked_row = locked(select.clone()).one(tx.conn()).await?;
    // Runs for an unknown process too: both answers must take the same number of statements (R3).
    let offered = select.filter(is_offered()).filter(is_shared_with(scope.account_id())).one(tx.conn()).await?;
    Ok(locked_row.and(offered).map(convert::library_process))
}

/// Locks the library process of a package, withdrawn or not. The caller has locked the package's component, so that
/// nobody else can add the process meanwhile.
pub async fn lock_of_package(tx: &Tx, package: ComponentVersionId) -> StoreResult<Option<LibraryProcess>> {
    let select =
        library_process::Entity::find().filter(library_process::Column::ComponentVersionId.eq(Uuid::from(package)));
    Ok(locked(select).one(tx.conn()).await?.map(convert::library_process))
}

/// Whether the library offers the package (R8).
pub async fn holds(tx: &Tx, package: ComponentVersionId) -> StoreResult<bool> {
    let found = library_process::Entity::find()
        .filter(library_process::Column::ComponentVersionId.eq(Uuid::from(package)))
        .filter(is_offered())
        .count(tx.conn())
        .await?;
    Ok(found > 0)
}

pub async fn insert(tx: &Tx, new: &LibraryProcess) -> StoreResult<()> {
    library_process::Entity::insert(row(new)).exec_without_returning(tx.conn()).await?;
    Ok(())
}

pub(in crate::store) fn row(new: &LibraryProcess) -> library_process::ActiveModel {
    library_process::ActiveModel {
        id: Set(new.id.into()),
        publisher_id: Set(new.publisher_id.into()),
        component_version_id: Set(new.component_version_id.into()),
        name: Set(new.name.clone()),
        name_key: Set(text::key(&new.name)),
        version: Set(new.version.clone()),
        description: Set(new.description.clone()),
        published_at: Set(new.published_at),
        withdrawn_at: Set(new.withdrawn_at),
        copy_count: Set(new.copy_count),
    }
}

pub(in crate::store) fn copy_row(component: ComponentId, of: &LibraryProcess) -> library_copy::ActiveModel {
    library_copy::ActiveModel {
        component_id: Set(component.into()),
        process_id: Set(of.id.into()),
        name: Set(of.name.clone()),
        version: Set(of.version.clone()),
    }
}

fn change(id: LibraryProcessId) -> library_process::ActiveModel {
    library_process::ActiveModel { id: Set(id.into()), ..Default::default() }
}

/// Saves that a process is offered, since when, and its description.
pub async fn save_offer(tx: &Tx, id: LibraryProcessId, published_at: Instant, description: &str) -> StoreResult<()> {
    let row = library_process::ActiveModel {
        published_at: Set(published_at),
        withdrawn_at: Set(None),
        description: Set(description.to_owned()),
        ..change(id)
    };
    library_process::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Saves that a process was withdrawn, and deletes its shares.
pub async fn save_withdrawn(tx: &Tx, id: LibraryProcessId, withdrawn_at: Instant) -> StoreResult<()> {
    share(tx, id, &[]).await?;
    let row = library_process::ActiveModel { withdrawn_at: Set(Some(withdrawn_at)), ..change(id) };
    library_process::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Shares a process with exactly these groups.
pub async fn share(tx: &Tx, id: LibraryProcessId, groups: &[GroupId]) -> StoreResult<()> {
    library_share::Entity::delete_many()
        .filter(library_share::Column::ProcessId.eq(Uuid::from(id)))
        .exec(tx.conn())
        .await?;
    if groups.is_empty() {
        return Ok(());
    }
    let rows = groups
        .iter()
        .map(|group| library_share::ActiveModel { process_id: Set(id.into()), group_id: Set((*group).into()) });
    library_share::Entity::insert_many(rows).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// The groups that a process is shared with, by id.
pub async fn groups_of(tx: &Tx, id: LibraryProcessId) -> StoreResult<Vec<GroupId>> {
    let shared = library_share::Entity::find()
        .filter(library_share::Column::ProcessId.eq(Uuid::from(id)))
        .order_by_asc(library_share::Column::GroupId);
    Ok(shared.all(tx.conn()).await?.into_iter().map(|share| share.group_id.into()).collect())
}

/// The names of the groups that a process is shared with, in alphabetical order, for the audit log.
pub async fn group_names(tx: &Tx, id: LibraryProcessId) -> StoreResult<Vec<String>> {
    let shared = Query::select()
        .column(library_share::Column::GroupId)
        .from(library_share::Entity)
        .and_where(library_share::Column::ProcessId.into_expr().eq(Uuid::from(id)))
        .to_owned();
    let names = account_group::Entity::find()
        .select_only()
        .column(account_group::Column::Name)
        .filter(account_group::Column::Id.in_subquery(shared))
        .order_by_asc(account_group::Column::NameKey)
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(names)
}

/// Saves the source of a copied component, and counts the copy.
pub async fn add_copy(tx: &Tx, component: ComponentId, of: &LibraryProcess) -> StoreResult<()> {
    library_copy::Entity::insert(copy_row(component, of)).exec_without_returning(tx.conn()).await?;
    let row = library_process::ActiveModel { copy_count: Set(of.copy_count.saturating_add(1)), ..change(of.id) };
    library_process::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
