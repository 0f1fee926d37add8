//! The floor of a reader's event log: the last event that the reader could see and that was pruned (R49).

use entity::{event_floor as floor, installation, past_visibility};
use sea_orm::ConnectionTrait as _;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType};

use crate::domain::log::Position;
use crate::store::column::col;
use crate::store::log::event_log::event_at;
use crate::store::scope::{ManagedScope, Scope};
use crate::store::{Snapshot, StoreResult};

fn floors() -> SelectStatement {
    Query::select().expr(col(floor::Column::Sequence)).expr(col(floor::Column::EventId)).take()
}

/// Selects the floors of packs that the account has or had installed. A floor after the interval in which the account
/// could see the pack's events counts too, because the last pruned event within the interval isn't known any more.
fn of_packs(scope: ManagedScope) -> [SelectStatement; 2] {
    use installation::Column as I;
    use past_visibility::Column as H;
    let visible_from =
        |pack: Expr, from: Expr| col(floor::Column::OwnerId).eq(pack).and(col(floor::Column::Sequence).gt(from));
    let now = floors()
        .from(installation::Entity)
        .inner_join(floor::Entity, visible_from(col(I::PackId), col(I::VisibleAfter)))
        .and_where(col(I::AccountId).eq(scope.account_id().0))
        .take();
    let before = floors()
        .from(past_visibility::Entity)
        .inner_join(floor::Entity, visible_from(col(H::PackId), col(H::VisibleAfter)))
        .and_where(col(H::AccountId).eq(scope.account_id().0))
        .take();
    [now, before]
}

/// The last pruned event that the reader could see. All later events of the reader are still stored.
pub async fn floor(snapshot: &Snapshot) -> StoreResult<Position> {
    let scope = snapshot.scope();
    let mut select =
        floors().from(floor::Entity).and_where(col(floor::Column::OwnerId).eq(scope.account_id().0)).take();
    if let Scope::Managed(scope) = scope {
        for of_packs in of_packs(scope) {
            select.union(UnionType::All, of_packs);
        }
    }
    let mut last = Position::ORIGIN;
    for row in snapshot.conn().query_all(&select).await? {
        let (sequence, event): (i64, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if sequence > last.sequence {
            last = Position { sequence, event: event.into() };
        }
    }
    Ok(last)
}

/// Whether a reader's position is still valid: its event is stored or is the floor, and all later events of the reader
/// are stored. The error is the reader's floor.
pub async fn validity(snapshot: &Snapshot, position: Position) -> StoreResult<Result<(), Position>> {
    let there = event_at(snapshot, position.sequence).await?;
    let floor = floor(snapshot).await?;
    let validity = position == floor || position.sequence > floor.sequence && there == Some(position.event);
    Ok(if validity { Ok(()) } else { Err(floor) })
}
