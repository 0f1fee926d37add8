//! Calls that are safe to repeat. Each `clientRequestId` is remembered for 24 hours.

use chrono::Duration;
use entity::client_request::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::AccountId;
use crate::store::convert::{from_json, to_json};
use crate::store::{Db, StoreResult, Tx};

/// A call with a client request id.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    pub account_id: AccountId,
    pub mutation: &'static str,
    pub client_request_id: String,
    pub input_hash: Vec<u8>,
}

/// The result of claiming a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The call is new. This transaction carries it out.
    New,
    /// The call was carried out before. Has the ids of the objects that it created.
    Repeat(Vec<Uuid>),
    /// The id was used before with a different input.
    Reused,
}

fn remembered_since(now: Instant) -> Instant {
    now - Duration::hours(24)
}

/// Claims the call for this transaction. A second call with the same id waits here until the transaction ends.
pub async fn claim(tx: &Tx, request: &ClientRequest, now: Instant) -> StoreResult<Claim> {
    let key = (request.account_id.into(), request.mutation.to_owned(), request.client_request_id.clone());
    Entity::delete_by_id(key.clone()).filter(Column::CreatedAt.lte(remembered_since(now))).exec(tx.conn()).await?;
    let row = ActiveModel {
        account_id: Set(request.account_id.into()),
        mutation: Set(request.mutation.into()),
        client_request_id: Set(request.client_request_id.clone()),
        input_hash: Set(request.input_hash.clone()),
        result: Set("[]".into()),
        created_at: Set(now),
    };
    let on_conflict =
        OnConflict::columns([Column::AccountId, Column::Mutation, Column::ClientRequestId]).do_nothing().to_owned();
    let inserted = Entity::insert(row).on_conflict(on_conflict).exec_without_returning(tx.conn()).await?;
    if inserted == 1 {
        return Ok(Claim::New);
    }
    match Entity::find_by_id(key).one(tx.conn()).await? {
        Some(former) if former.input_hash == request.input_hash => Ok(Claim::Repeat(from_json(&former.result)?)),
        _ => Ok(Claim::Reused),
    }
}

/// Saves the ids of the objects that the call created.
pub async fn remember(tx: &Tx, request: &ClientRequest, result: &[Uuid]) -> StoreResult<()> {
    let row = ActiveModel {
        account_id: Set(request.account_id.into()),
        mutation: Set(request.mutation.into()),
        client_request_id: Set(request.client_request_id.clone()),
        result: Set(to_json(&result)?),
        ..Default::default()
    };
    Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes calls that are older than 24 hours, and returns their number.
pub async fn forget_old(db: &Db, now: Instant) -> StoreResult<u64> {
    let tx = db.begin().await?;
    let deleted = Entity::delete_many().filter(Column::CreatedAt.lte(remembered_since(now))).exec(tx.conn()).await?;
    tx.commit().await?;
    Ok(deleted.rows_affected)
}
