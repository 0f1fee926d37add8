//! Pairs of packs and accounts: grants and announcements. Many pairs need as few statements as one, except for chunks.

use std::collections::BTreeSet;

use entity::{account_group_member as member, announced_grant, pack_share as share};
use sea_orm::sea_query::{ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, TryGetable as _,
};
use uuid::Uuid;

use crate::domain::id::{AccountId, PackId};
use crate::store::column::col;
use crate::store::sharing::grants::granted;
use crate::store::{StoreResult, Tx};

/// A pack and an account.
pub type Pair = (PackId, AccountId);

/// The number of pairs that one statement writes.
const CHUNK: usize = 500;

fn uuids<T: Copy + Into<Uuid>>(ids: &[T]) -> impl Iterator<Item = Uuid> {
    ids.iter().map(|id| (*id).into())
}

/// The pairs of these packs and accounts in which a group grants the pack to the account (R48).
pub async fn entitled(tx: &Tx, packs: &[PackId], accounts: &[AccountId]) -> StoreResult<BTreeSet<Pair>> {
    if packs.is_empty() || accounts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let select = Query::select()
        .column((share::Entity, share::Column::PackId))
        .column((member::Entity, member::Column::AccountId))
        .distinct()
        .from(share::Entity)
        .inner_join(member::Entity, col(member::Column::GroupId).eq(col(share::Column::GroupId)))
        .and_where(tx.any_of(col(share::Column::PackId), uuids(packs)))
        .and_where(tx.any_of(col(member::Column::AccountId), uuids(accounts)))
        .take();
    let rows = tx.conn().query_all(&select).await?;
    rows.iter()
        .map(|row| {
            let id = |index| Uuid::try_get_by_index(row, index).map_err(DbErr::from);
            Ok((id(0)?.into(), id(1)?.into()))
        })
        .collect()
}

/// The pairs of these packs and accounts in which the pack was announced to the account.
pub async fn announced(tx: &Tx, packs: &[PackId], accounts: &[AccountId]) -> StoreResult<BTreeSet<Pair>> {
    if packs.is_empty() || accounts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<(Uuid, Uuid)> = announced_grant::Entity::find()
        .select_only()
        .columns([announced_grant::Column::PackId, announced_grant::Column::AccountId])
        .filter(tx.any_of(announced_grant::Column::PackId.into_expr(), uuids(packs)))
        .filter(tx.any_of(announced_grant::Column::AccountId.into_expr(), uuids(accounts)))
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().map(|(pack, account)| (pack.into(), account.into())).collect())
}

/// Saves the pairs that this transaction announces. Pairs that are saved already are ignored.
pub async fn save_announced(tx: &Tx, pairs: &[Pair]) -> StoreResult<()> {
    use announced_grant::Column;
    for chunk in pairs.chunks(CHUNK) {
        let rows = chunk.iter().map(|(pack, account)| announced_grant::ActiveModel {
            pack_id: Set((*pack).into()),
            account_id: Set((*account).into()),
        });
        announced_grant::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns([Column::PackId, Column::AccountId]).do_nothing().to_owned())
            .exec_without_returning(tx.conn())
            .await?;
    }
    Ok(())
}

/// Deletes the announced pairs of these packs and accounts that no group grants. The caller has locked the packs, so
/// that no grant changes meanwhile.
pub async fn forget_not_granted(tx: &Tx, packs: &[PackId], accounts: &[AccountId]) -> StoreResult<()> {
    use announced_grant::Column;
    announced_grant::Entity::delete_many()
        .filter(tx.any_of(col(Column::PackId), uuids(packs)))
        .filter(tx.any_of(col(Column::AccountId), uuids(accounts)))
        .filter(granted(col(Column::AccountId), col(Column::PackId)).not())
        .exec(tx.conn())
        .await?;
    Ok(())
}
