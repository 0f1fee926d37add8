//! Deleting a pack (R47).

use entity::{draft_row, integration_pack, pack_share};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::PackId;
use crate::domain::packs::Pack;
use crate::store::locks::locked;
use crate::store::{StoreResult, Tx, convert};

/// Marks a pack as deleted, and deletes its draft and its shares. Versions, releases and installations stay for the
/// history. The deletion hides installations of the pack at once, and batches remove them later.
pub async fn delete(tx: &Tx, id: PackId, at: Instant, draft_revision: i64) -> StoreResult<()> {
    let pack = Uuid::from(id);
    draft_row::Entity::delete_many().filter(draft_row::Column::PackId.eq(pack)).exec(tx.conn()).await?;
    pack_share::Entity::delete_many().filter(pack_share::Column::PackId.eq(pack)).exec(tx.conn()).await?;
    integration_pack::Entity::update(integration_pack::ActiveModel {
        id: Set(pack),
        deleted_at: Set(Some(at)),
        draft_revision: Set(draft_revision),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// Locks a deleted pack.
pub async fn lock_deleted(tx: &Tx, id: PackId) -> StoreResult<Option<Pack>> {
    let select =
        integration_pack::Entity::find_by_id(Uuid::from(id)).filter(integration_pack::Column::DeletedAt.is_not_null());
    locked(select).one(tx.conn()).await?.map(convert::pack).transpose()
}
