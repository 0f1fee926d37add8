//! Writes attempts to deliver events.

use std::collections::VecDeque;

use entity::webhook_attempts as attempts;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ActiveValue::Set, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::domain::Instant;
use crate::domain::id::WebhookId;
use crate::domain::webhooks::{DELIVERIES_KEPT, DELIVERIES_MAX, Delivery};
use crate::store::column::col;
use crate::store::convert::{from_json, to_json};
use crate::store::webhooks::attempts::{PER_ROW, Packed};
use crate::store::{Db, StoreResult, Tx};

use attempts::Column as A;

/// Adds attempts of an endpoint. `before` is how many there were before; the caller has locked the endpoint.
pub(in crate::store) async fn append(tx: &Tx, id: WebhookId, before: i64, added: &[Delivery]) -> StoreResult<()> {
    let mut next = before;
    let mut left: VecDeque<Packed> = added.iter().map(Packed::from).collect();
    let newest = attempts::Entity::find()
        .filter(col(A::EndpointId).eq(id.0))
        .order_by_desc(A::FirstNumber)
        .one(tx.conn())
        .await?;
    let (mut first, mut row, mut is_new) = match newest {
        Some(row) if before - row.first_number < PER_ROW => {
            (row.first_number, from_json::<Vec<Packed>>(&row.attempts)?, false)
        }
        _ => (before, Vec::new(), true),
    };
    while !left.is_empty() {
        while next - first < PER_ROW
            && let Some(attempt) = left.pop_front()
        {
            row.push(attempt);
            next += 1;
        }
        save(tx, id, first, &row, is_new).await?;
        (first, row, is_new) = (next, Vec::new(), true);
    }
    attempts::Entity::delete_many()
        .filter(col(A::EndpointId).eq(id.0))
        .filter(col(A::FirstNumber).lte(next - DELIVERIES_MAX))
        .exec(tx.conn())
        .await?;
    Ok(())
}

async fn save(tx: &Tx, id: WebhookId, first: i64, row: &[Packed], is_new: bool) -> StoreResult<()> {
    let Some(newest_at) = row.iter().map(|attempt| attempt.at).max() else { return Ok(()) };
    let row = attempts::ActiveModel {
        endpoint_id: Set(id.0),
        first_number: Set(first),
        newest_at: Set(newest_at),
        attempts: Set(to_json(&row)?),
    };
    if is_new {
        attempts::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    } else {
        attempts::Entity::update(row).exec(tx.conn()).await?;
    }
    Ok(())
}

/// Deletes attempts that are too old to be shown (R65).
pub async fn forget_old(db: &Db, now: Instant) -> StoreResult<()> {
    let tx = db.begin().await?;
    attempts::Entity::delete_many().filter(col(A::NewestAt).lt(now - DELIVERIES_KEPT)).exec(tx.conn()).await?;
    tx.commit().await
}

/// Deletes all attempts of an endpoint.
pub(in crate::store) async fn delete_all(tx: &Tx, id: WebhookId) -> StoreResult<()> {
    attempts::Entity::delete_many().filter(col(A::EndpointId).eq(id.0)).exec(tx.conn()).await?;
    Ok(())
}
