//! The installations that the early stages of a release hold (R55). If they are those of few accounts, they are found by
//! these accounts. Otherwise they are found part by part of the pack: stages may still hold few installations of a large
//! pack, so a batch looks at so many installations at most, and not until it has found so many.

use entity::{installation, installation_update as update, release_stage_account as stage_account};
use sea_orm::sea_query::{Condition, ExprTrait as _, LockType, Order, Query};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
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
/// at most `limit` of the next `size` installations of the pack after the id `after`, or of all of them if they hold at
/// most `size`. `by_groups` is whether all of these stages are stages of groups. The caller has locked the pack.
pub async fn next_part(
    tx: &Tx,
    release: &Release,
    (position, by_groups): (i32, bool),
    after: Option<Uuid>,
    (size, limit): (u64, u64),
) -> StoreResult<Part> {
    let pack = release.pack_id;
    let few = if by_groups { of_few_accounts(tx, release, position, size).await? } else { None };
    let last = if few.is_some() { None } else { nth_after(tx, pack, after, size).await? };
    // With both bounds, PostgreSQL knows that they are few rows.
    let (id, from, to) = (col(installation::Column::Id), after.unwrap_or_default(), last.unwrap_or(Uuid::max()));
    let mut select = of(tx, pack, &Granted::read(tx, pack).await?);
    select
        .and_where(col(installation::Column::UninstalledAt).is_null())
        .and_where_option(few.map(|ids| tx.any_of(id.clone(), ids)))
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

/// The live installations of a pack whose accounts were in the groups of stages up to a position when these opened;
/// `None` if there are more than `most` such accounts or installations. In two statements, because PostgreSQL has no
/// statistics on accounts that were stored a moment ago, and might read the whole pack to join it with them.
async fn of_few_accounts(tx: &Tx, release: &Release, position: i32, most: u64) -> StoreResult<Option<Vec<Uuid>>> {
    let are_few = |found: &[Uuid]| u64::try_from(found.len()).is_ok_and(|found| found <= most);
    let accounts: Vec<Uuid> = stage_account::Entity::find()
        .select_only()
        .column(stage_account::Column::AccountId)
        .filter(stage_account::Column::ReleaseId.eq(Uuid::from(release.id)))
        .filter(stage_account::Column::Position.lte(position))
        .limit(most.saturating_add(1))
        .into_tuple()
        .all(tx.conn())
        .await?;
    if !are_few(&accounts) {
        return Ok(None);
    }
    let ids: Vec<Uuid> = installation::Entity::find()
        .select_only()
        .column(installation::Column::Id)
        .filter(installation::Column::PackId.eq(Uuid::from(release.pack_id)))
        .filter(tx.any_of(col(installation::Column::AccountId), accounts))
        .filter(installation::Column::UninstalledAt.is_null())
        .limit(most.saturating_add(1))
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(are_few(&ids).then_some(ids))
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
