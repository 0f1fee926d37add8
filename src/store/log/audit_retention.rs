//! Cuts the audit log at its old end, always behind a seal (R51).

use entity::{audit_chain, audit_entry, audit_seal, event_log, log_batch, log_record};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SubQueryStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use crate::domain::Instant;
use crate::domain::id::AccountId;
use crate::domain::log::{ChainPlace, Seal, last_old};
use crate::store::column::col;
use crate::store::log::seals;
use crate::store::page::checked;
use crate::store::{StoreError, StoreResult, Tx, WholeServer};

use uuid::Uuid;

use audit_chain::Column as C;
use audit_entry::Column as E;
use audit_seal::Column as S;
use log_batch::Column as B;

/// The most seals that one transaction cuts. The entries of a batch are cut together, and a batch has up to 10,000
/// entries, under 157 seals.
const SEALS: u64 = 250;
/// How many seals' rows one statement removes.
const SPANS: usize = 50;
/// How many records one statement removes.
const CHUNK: usize = 4_000;

/// The publishers whose oldest seal may be cut off: its entries happened before `before`, or it has no readable time.
pub async fn with_old_seals(source: &WholeServer, before: Instant) -> StoreResult<Vec<AccountId>> {
    let oldest = Query::select()
        .expr(col(S::Number).min())
        .from(audit_seal::Entity)
        .and_where(col(S::PublisherId).eq(col(C::PublisherId)))
        .and_where(col(S::Number).gt(col(C::CutNumber)))
        .take();
    let old_seal = Query::select()
        .expr(Expr::val(1))
        .from(audit_seal::Entity)
        .and_where(col(S::PublisherId).eq(col(C::PublisherId)))
        .and_where(col(S::Number).eq(Expr::from(SubQueryStatement::from(oldest))))
        .and_where(S::NewestAt.lt(before).or(S::NewestAt.is_null()))
        .take();
    let found: Vec<Uuid> = audit_chain::Entity::find()
        .select_only()
        .column(C::PublisherId)
        .filter(Expr::exists(old_seal))
        .into_tuple()
        .all(source.conn())
        .await?;
    Ok(found.into_iter().map(AccountId).collect())
}

/// Removes the oldest entries of a publisher's log that happened before `before`, with their seals. Returns the number
/// of removed seals. Stops before the records of a batch whose events are still kept, and never within a batch.
pub async fn cut(tx: &Tx, publisher: AccountId, before: Instant) -> StoreResult<usize> {
    seals::lock(tx).await?;
    let Some(chain) = seals::locked_chain(tx, publisher).await? else { return Ok(0) };
    let oldest = seals::next_seals(tx, publisher, chain.cut.number, SEALS).await?;
    let Some(mut last) = last_old(&oldest, before).and_then(|index| oldest.get(..=index)) else { return Ok(0) };
    while let Some(end) = last.last() {
        let Some(first_entry) = first_kept_batch(tx, publisher, chain.cut, end).await? else { break };
        let goes = last.iter().take_while(|seal| seal.last_position < first_entry).count();
        last = last.get(..goes).unwrap_or_default();
    }
    let Some(end) = last.last() else { return Ok(0) };
    for seals in last.chunks(SPANS) {
        remove_rows(tx, publisher, seals).await?;
    }
    remove(tx, publisher, chain.cut, end).await?;
    Ok(last.len())
}

/// The position of the first batch that keeps the log from being cut behind a seal.
async fn first_kept_batch(tx: &Tx, publisher: AccountId, cut: ChainPlace, end: &Seal) -> StoreResult<Option<i64>> {
    let pruned_to = event_log::Entity::find_by_id(1).one(tx.conn()).await?;
    let pruned_to = pruned_to.ok_or_else(|| StoreError::Fault("the table event_log is empty".into()))?.pruned_to;
    let has_events = col(B::Kind).is_not_null().and(col(B::LastSequence).gt(pruned_to));
    let goes_on = col(B::FirstEntry).add(col(B::LastSequence).sub(col(B::FirstSequence))).gt(end.last_position);
    let first: Option<Option<i64>> = log_batch::Entity::find()
        .select_only()
        .column_as(B::FirstEntry.min(), "first_entry")
        .filter(B::PublisherId.eq(publisher.0))
        .filter(B::FirstEntry.gt(cut.position))
        .filter(B::FirstEntry.lte(end.last_position))
        .filter(Condition::any().add(has_events).add(goes_on))
        .into_tuple()
        .one(tx.conn())
        .await?;
    Ok(first.flatten())
}

/// Removes the entries of seals. Each seal has a condition of its own, because entries of other publishers lie between
/// two seals.
async fn remove_rows(tx: &Tx, publisher: AccountId, seals: &[Seal]) -> StoreResult<()> {
    let add = |any: Condition, seal: &Seal| any.add(E::Sequence.between(seal.first_position, seal.last_position));
    audit_entry::Entity::delete_many()
        .filter(seals.iter().fold(Condition::any(), add))
        .filter(checked(col(E::PublisherId).eq(publisher.0)))
        .exec(tx.conn())
        .await?;
    Ok(())
}

async fn remove(tx: &Tx, publisher: AccountId, cut: ChainPlace, end: &Seal) -> StoreResult<()> {
    let (from, to) = (cut.position + 1, end.last_position);
    let of_publisher = Condition::all().add(B::PublisherId.eq(publisher.0)).add(B::FirstEntry.between(from, to));
    remove_batches(tx, of_publisher).await?;
    audit_seal::Entity::delete_many()
        .filter(audit_seal::Column::PublisherId.eq(publisher.0))
        .filter(audit_seal::Column::Number.lte(end.number))
        .exec(tx.conn())
        .await?;
    let row = audit_chain::ActiveModel {
        publisher_id: Set(publisher.into()),
        cut_number: Set(end.number),
        cut_position: Set(end.last_position),
        cut_hash: Set(end.hash.bytes().to_vec()),
        ..Default::default()
    };
    audit_chain::Entity::update(row).exec(tx.conn()).await?;
    // Hours whose entries are gone from the log of each publisher.
    let hours = "DELETE FROM audit_hour WHERE last_sequence <= (SELECT MIN(cut_position) FROM audit_chain)";
    tx.conn().execute_unprepared(hours).await?;
    Ok(())
}

/// Removes batches and their records.
pub(in crate::store) async fn remove_batches(tx: &Tx, which: Condition) -> StoreResult<()> {
    let spans: Vec<(i64, i64)> = log_batch::Entity::find()
        .select_only()
        .columns([B::FirstSequence, B::LastSequence])
        .filter(which.clone())
        .order_by_asc(B::FirstSequence)
        .into_tuple()
        .all(tx.conn())
        .await?;
    if spans.is_empty() {
        return Ok(());
    }
    let sequences: Vec<_> = spans.into_iter().flat_map(|(first, last)| first..=last).collect();
    for chunk in sequences.chunks(CHUNK) {
        log_record::Entity::delete_many()
            .filter(tx.any_of_numbers(col(log_record::Column::Sequence), chunk.iter().copied()))
            .exec(tx.conn())
            .await?;
    }
    log_batch::Entity::delete_many().filter(which).exec(tx.conn()).await?;
    Ok(())
}
