//! Windows that nobody has carried out yet, by their packs.

use entity::integration_pack;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId};
use crate::store::{Db, StoreResult};

/// The packs, of one publisher or of all, with a window that has opened and that nobody has carried out
/// yet, oldest window first (R39).
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn due(db: &Db, publisher: Option<AccountId>, now: Instant, limit: u64) -> StoreResult<Vec<PackId>> {
    let mut select = integration_pack::Entity::find();
    if let Some(publisher) = publisher {
        select = select.filter(integration_pack::Column::PublisherId.eq(Uuid::from(publisher)));
    }
    let found: Vec<Uuid> = select
        .select_only()
        .column(integration_pack::Column::Id)
        .filter(integration_pack::Column::PendingStartsAt.lte(now))
        .order_by_asc(integration_pack::Column::PendingStartsAt)
        .order_by_asc(integration_pack::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db.reader())
        .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// When the next window opens; `None` when no release is pending.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn next(db: &Db) -> StoreResult<Option<Instant>> {
    let found: Option<Option<Instant>> = integration_pack::Entity::find()
        .select_only()
        .column(integration_pack::Column::PendingStartsAt)
        .filter(integration_pack::Column::PendingStartsAt.is_not_null())
        .order_by_asc(integration_pack::Column::PendingStartsAt)
        .limit(1)
        .into_tuple()
        .one(db.reader())
        .await?;
    Ok(found.flatten())
}

/// Whether a window of the pack has opened and nobody has carried that out yet. Read without a lock, so
/// that a command on a pack of which nothing is due pays one look-up for it. With `publisher`, only a pack of
/// its: nobody else can set it in motion.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn is_due(db: &Db, publisher: Option<AccountId>, id: PackId, now: Instant) -> StoreResult<bool> {
    let mut select = integration_pack::Entity::find_by_id(Uuid::from(id));
    if let Some(publisher) = publisher {
        select = select.filter(integration_pack::Column::PublisherId.eq(Uuid::from(publisher)));
    }
    let found: Option<Uuid> = select
        .select_only()
        .column(integration_pack::Column::Id)
        .filter(integration_pack::Column::PendingStartsAt.lte(now))
        .into_tuple()
        .one(db.reader())
        .await?;
    Ok(found.is_some())
}
