//! The installations that the early stages of a release hold, part by part of the pack (R55). A stage may hold few
//! installations of a large pack, so a batch looks at so many installations at most, and not until it has found so many.

use entity::{installation, installation_update as update};
use sea_orm::ConnectionTrait as _;
use sea_orm::sea_query::{Condition, ExprTrait as _, LockType, Order, Query};
use uuid::Uuid;

use crate::domain::id::PackId;
use crate::domain::releases::Release;
use crate::store::column::col;
use crate::store::installations::classes::{First, Granted, Updates, add_updates, judged, of, updates};
use crate::store::releases::is_to_be_moved;
use crate::store::{StoreResult, Tx};

/// A part of a pack's installations in the order of ids.
#[derive(Debug, Default)]
pub struct Part {
    /// The live installations of the part that a stage holds and that the release hasn't moved yet.
    pub held: First,
    /// The id of the part's last installation; `None` if the pack ends with the part.
    pub last: Option<Uuid>,
}

/// Locks the installations that early stages of a release up to a position hold and that the release hasn't moved yet:
/// at most `limit` of the next `size` installations of the pack after the id `after`. The caller has locked the pack.
pub async fn next_part(
    tx: &Tx,
    release: &Release,
    position: i32,
    after: Option<Uuid>,
    (size, limit): (u64, u64),
) -> StoreResult<Part> {
    let pack = release.pack_id;
    let last = nth_after(tx, pack, after, size).await?;
    // With both bounds, PostgreSQL knows that they are few rows.
    let (id, from, to) = (col(installation::Column::Id), after.unwrap_or_default(), last.unwrap_or(Uuid::max()));
    let mut select = of(tx, pack, &Granted::read(tx, pack).await?);
    select
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where(id.clone().gt(from))
        .and_where(id.lte(to))
        .and_where(is_to_be_moved(release.id, position))
        .limit(limit)
        .lock_with_tables(LockType::NoKeyUpdate, [installation::Entity]);
    let mut found = judged(tx, &select, &Updates::new()).await?;
    if !found.is_empty() {
        let ids = found.iter().map(|installation| installation.id.0);
        let theirs = Condition::all().add(tx.any_of(col(update::Column::InstallationId), ids));
        add_updates(&mut found, &updates(tx, release.id, theirs).await?);
    }
    Ok(Part { held: First { installations: found, section: None }, last })
}

/// The id of the installation number `n` of a pack after the id `after`, in the order of ids. Uninstalled ones count,
/// so that no more than `n` rows are read.
pub async fn nth_after(tx: &Tx, pack: PackId, after: Option<Uuid>, n: u64) -> StoreResult<Option<Uuid>> {
    let select = Query::select()
        .column((installation::Entity, installation::Column::Id))
        .from(installation::Entity)
        .and_where(col(installation::Column::PackId).eq(pack.0))
        .and_where(col(installation::Column::Id).gt(after.unwrap_or_default()))
        .order_by((installation::Entity, installation::Column::Id), Order::Asc)
        .offset(n.saturating_sub(1))
        .limit(1)
        .take();
    Ok(tx.conn().query_one(&select).await?.map(|row| row.try_get("", "id")).transpose()?)
}
