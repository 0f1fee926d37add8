//! Seals of the audit log and the chains that they form (R51).

use std::collections::{BTreeMap, BTreeSet};

use entity::{audit_chain, audit_seal};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _,
};

use crate::domain::id::AccountId;
use crate::domain::log::{Chain, ChainPlace, Hash, Link, Seal};
use crate::store::column::col;
use crate::store::locks::locked;
use crate::store::log::links;
use crate::store::reader::Reads;
use crate::store::{StoreResult, Tx, WholeServer, tolerant};

use audit_chain::Column as C;
use audit_seal::Column as S;

/// The key of the advisory lock under which seals are written and cut off. The number is arbitrary, but the same for
/// all servers.
const SEAL_LOCK: i64 = 0x0070_6163_6b73_6561;
/// How many seals one statement reads or writes.
const PAGE: u64 = 500;

/// Waits until no other transaction makes or cuts seals. SQLite has one writing transaction at a time.
pub(in crate::store) async fn lock(tx: &Tx) -> StoreResult<()> {
    if tx.is_postgresql() {
        tx.conn().execute_unprepared(&format!("SELECT pg_advisory_xact_lock({SEAL_LOCK})")).await?;
    }
    Ok(())
}

/// The position up to which the log is sealed, of all publishers together.
pub async fn sealed_to(source: &WholeServer) -> StoreResult<i64> {
    end(source).await
}

async fn end(source: &impl Reads) -> StoreResult<i64> {
    let end: Option<Option<i64>> = audit_chain::Entity::find()
        .select_only()
        .column_as(C::EndPosition.max(), "sealed_to")
        .into_tuple()
        .one(source.source())
        .await?;
    Ok(end.flatten().unwrap_or(0))
}

/// Whether there are entries after the last seal.
pub async fn has_unsealed(source: &WholeServer) -> StoreResult<bool> {
    links::has_unsealed(source.reader()).await
}

/// The next entries of all publishers after a position, and the position up to which they were read; `None` at the end
/// of the log.
pub async fn links_after(source: &WholeServer, position: i64) -> StoreResult<Option<(Vec<Link>, i64)>> {
    links::after(source.reader(), position).await
}

/// The records after a position of the event log that lie outside the positions of their batch: each publisher and
/// position in the audit log, and the position up to which the event log was searched; `None` at the end.
pub async fn strays_after(source: &WholeServer, position: i64) -> StoreResult<Option<(Vec<(AccountId, i64)>, i64)>> {
    let Some((strays, searched_to)) = links::strays(source.reader(), position).await? else { return Ok(None) };
    Ok(Some((strays.into_iter().map(|(publisher, position)| (publisher.into(), position)).collect(), searched_to)))
}

/// The chains of all publishers that have one. A row that can't be read is a chain without seals.
pub async fn chains(source: &WholeServer) -> StoreResult<Vec<Chain>> {
    let rows: Vec<ChainLine> = audit_chain::Entity::find().into_model().all(source.conn()).await?;
    let mut chains: BTreeMap<_, _> = rows.into_iter().map(|ChainLine(chain)| (chain.publisher_id, chain)).collect();
    let publishers: Vec<Uuid> = audit_seal::Entity::find()
        .select_only()
        .column(S::PublisherId)
        .distinct()
        .into_tuple()
        .all(source.conn())
        .await?;
    for publisher in publishers.into_iter().map(AccountId) {
        chains.entry(publisher).or_insert_with(|| Chain::empty(publisher));
    }
    Ok(chains.into_values().collect())
}

/// A publisher's next seals after a number, in order.
pub async fn seals_after(source: &WholeServer, publisher: AccountId, number: i64) -> StoreResult<Vec<Seal>> {
    next_seals(source, publisher, number, PAGE).await
}

/// Like [`seals_after`], with a limit for the number of seals.
pub(in crate::store) async fn next_seals(
    source: &impl Reads,
    publisher: AccountId,
    number: i64,
    limit: u64,
) -> StoreResult<Vec<Seal>> {
    let rows: Vec<SealLine> = audit_seal::Entity::find()
        .filter(S::PublisherId.eq(publisher.0))
        .filter(S::Number.gt(number))
        .order_by_asc(S::Number)
        .limit(limit)
        .into_model()
        .all(source.source())
        .await?;
    Ok(rows.into_iter().map(|SealLine(seal)| seal).collect())
}

/// Saves new seals with the chains that they continue. `sealed_to` is the end of the log's sealed part that the caller
/// has read. Returns false, and saves nothing, if another server has sealed entries since.
pub async fn save(tx: &Tx, sealed_to: i64, chains: &[Chain], seals: &[Seal]) -> StoreResult<bool> {
    lock(tx).await?;
    if end(tx).await? != sealed_to {
        return Ok(false);
    }
    let rows: Vec<_> = seals.iter().map(seal_row).collect();
    for chunk in rows.chunks(500) {
        audit_seal::Entity::insert_many(chunk.to_vec()).exec_without_returning(tx.conn()).await?;
    }
    let rows: Vec<_> = chains.iter().map(chain_row).collect();
    for chunk in rows.chunks(500) {
        let moved =
            OnConflict::column(C::PublisherId).update_columns([C::EndNumber, C::EndPosition, C::EndHash]).to_owned();
        audit_chain::Entity::insert_many(chunk.to_vec()).on_conflict(moved).exec_without_returning(tx.conn()).await?;
    }
    Ok(true)
}

/// The chains of these publishers, as they are for further seals.
pub async fn chains_of(source: &WholeServer, publishers: &BTreeSet<AccountId>) -> StoreResult<Vec<Chain>> {
    let rows: Vec<ChainLine> = audit_chain::Entity::find()
        .filter(source.reader().any_of(col(C::PublisherId), publishers.iter().map(|id| id.0)))
        .into_model()
        .all(source.conn())
        .await?;
    let known: BTreeMap<_, _> = rows.into_iter().map(|ChainLine(chain)| (chain.publisher_id, chain)).collect();
    Ok(publishers.iter().map(|id| known.get(id).copied().unwrap_or_else(|| Chain::empty(*id))).collect())
}

/// A publisher's chain, locked until the transaction ends.
pub(in crate::store) async fn locked_chain(tx: &Tx, publisher: AccountId) -> StoreResult<Option<Chain>> {
    let row: Option<ChainLine> =
        locked(audit_chain::Entity::find_by_id(publisher.0)).into_model().one(tx.conn()).await?;
    Ok(row.map(|ChainLine(chain)| chain))
}

fn seal_row(seal: &Seal) -> audit_seal::ActiveModel {
    audit_seal::ActiveModel {
        publisher_id: Set(seal.publisher_id.into()),
        number: Set(seal.number),
        first_position: Set(seal.first_position),
        last_position: Set(seal.last_position),
        entries: Set(seal.entries),
        newest_at: Set(seal.newest_at),
        salt: Set(seal.salt),
        hash_before: Set(seal.before.bytes().to_vec()),
        hash: Set(seal.hash.bytes().to_vec()),
    }
}

fn chain_row(chain: &Chain) -> audit_chain::ActiveModel {
    audit_chain::ActiveModel {
        publisher_id: Set(chain.publisher_id.into()),
        end_number: Set(chain.end.number),
        end_position: Set(chain.end.position),
        end_hash: Set(chain.end.hash.bytes().to_vec()),
        cut_number: Set(chain.cut.number),
        cut_position: Set(chain.cut.position),
        cut_hash: Set(chain.cut.hash.bytes().to_vec()),
    }
}

/// A row of `audit_chain`; an empty chain if it can't be read.
struct ChainLine(Chain);

impl FromQueryResult for ChainLine {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let publisher_id: Uuid = row.try_get(pre, "publisher_id")?;
        let read = tolerant::row::<audit_chain::Model>(row, pre)
            .map_err(|why| tolerant::skip("audit_chain", publisher_id, &why))
            .ok()
            .and_then(|row| {
                let place =
                    |number, position, hash: &[u8]| Some(ChainPlace { number, position, hash: Hash::read(hash)? });
                let end = place(row.end_number, row.end_position, &row.end_hash)?;
                let cut = place(row.cut_number, row.cut_position, &row.cut_hash)?;
                Some(Chain { publisher_id: row.publisher_id.into(), end, cut })
            });
        Ok(Self(read.unwrap_or_else(|| Chain::empty(publisher_id.into()))))
    }
}

/// A row of `audit_seal`. One that can't be read is a seal without entries, which continues no chain.
pub(in crate::store) struct SealLine(pub(in crate::store) Seal);

impl FromQueryResult for SealLine {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let number: i64 = row.try_get(pre, "number")?;
        let read = tolerant::row::<audit_seal::Model>(row, pre)
            .map_err(|why| tolerant::skip("audit_seal", number, &why))
            .ok()
            .and_then(|row| {
                let (before, hash) = (Hash::read(&row.hash_before)?, Hash::read(&row.hash)?);
                Some(Seal {
                    publisher_id: row.publisher_id.into(),
                    number: row.number,
                    first_position: row.first_position,
                    last_position: row.last_position,
                    entries: row.entries,
                    newest_at: row.newest_at,
                    salt: row.salt,
                    before,
                    hash,
                })
            });
        Ok(Self(read.unwrap_or(Seal {
            publisher_id: AccountId(Uuid::nil()),
            number,
            first_position: 0,
            last_position: -1,
            entries: 0,
            newest_at: None,
            salt: Uuid::nil(),
            before: Hash::default(),
            hash: Hash::default(),
        })))
    }
}
