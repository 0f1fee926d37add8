//! The event log as a server reads it once for all of its listeners (R49).

use std::collections::{HashMap, HashSet};

use entity::{event, installation, log_batch, log_record, past_visibility};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, UnionType};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::domain::id::AccountId;
use crate::domain::log::{Event, Position};
use crate::store::column::col;
use crate::store::log::event_log::{Extent, event_at, extent};
use crate::store::log::events::{Line, read, readable};
use crate::store::log::records::{Found, Log, PositionRange, RecordQuery};
use crate::store::log::{event_records, records};
use crate::store::page::checked;
use crate::store::{StoreResult, WholeServer};

use log_batch::Column as B;
use log_record::Column as R;

/// The most accounts and packs in a statement. SQLite accepts 32,766 parameters, and each id is one twice.
const ACCOUNTS_MAX: usize = 12_000;
const PACKS_MAX: usize = 4_000;

/// The accounts that listen to events that are stored as records. There can be a million records, so only those for
/// listening accounts are read.
#[derive(Debug, Default)]
pub struct Listening {
    /// The publishers that listen.
    pub publishers: Vec<AccountId>,
    /// The managed accounts that listen.
    pub accounts: Vec<AccountId>,
}

/// New events, from one state of the database.
pub struct Feed {
    /// The stored part of the log in that state.
    pub extent: Extent,
    /// The events after the position, oldest first, without events that this program can't read, and without records
    /// that nobody listens to.
    pub events: Vec<Event>,
    /// The publisher with the most events, if there are more events than asked for. `events` then has none.
    pub busiest: Option<AccountId>,
    /// Whether the event at the position is missing although it wasn't pruned. Then events were lost, and its sequence
    /// number may belong to another event. `events` is then empty.
    pub is_lost: bool,
}

/// The events after a position, without the events of the publishers in `left_out`. If there are more than `most`,
/// reads none, and names the publisher with the most events. The position is a former end of the log.
pub async fn read_after(
    server: &WholeServer,
    position: Position,
    listening: &Listening,
    left_out: &[AccountId],
    most: u32,
) -> StoreResult<Feed> {
    let server = &server.one_state();
    let extent = extent(server).await?;
    if is_lost(server, position, &extent).await? {
        return Ok(Feed { extent, events: Vec::new(), busiest: None, is_lost: true });
    }
    let position = position.sequence;
    let limit = u64::from(most) + 1;
    let ids = |accounts: &[AccountId]| accounts.iter().map(|id| id.0).collect::<Vec<_>>();
    let rows = event::Entity::find()
        .filter(col(event::Column::Sequence).gt(position))
        .filter(checked(but_of(server, col(event::Column::PublisherId), left_out, readable())))
        .order_by_asc(event::Column::Sequence)
        .limit(limit);
    let rows: Vec<Line> = rows.into_model().all(server.conn()).await?;
    let mut all_located = Vec::new();
    // Usually there is no new batch.
    if extent.recorded_to > position {
        let range = PositionRange { after: Some(position), size: most, ..PositionRange::default() };
        let readable = but_of(server, col(B::PublisherId), left_out, event_records::readable());
        if !listening.publishers.is_empty() {
            let of_publishers = server.reader().any_of(col(B::PublisherId), ids(&listening.publishers));
            let check = readable.clone().and(of_publishers).and(event_records::to_publisher());
            // Finds the batches by their key, because the new ones are few.
            let found = Found::Batches(vec![col(B::FirstSequence).is_not_null()]);
            let query = RecordQuery { log: Log::Events, found, check };
            all_located = records::find(server.reader(), &query, range).await?;
        }
        for accounts in listening.accounts.chunks(ACCOUNTS_MAX) {
            let of_accounts = server.reader().any_of_many(col(R::AccountId), ids(accounts));
            let check = readable.clone().and(of_accounts).and(event_records::to_account());
            let found = Found::Records(col(R::Sequence).gt(position));
            let query = RecordQuery { log: Log::Events, found, check };
            all_located.extend(records::find(server.reader(), &query, range).await?);
        }
        all_located.sort_by_key(|located| located.sequence);
        all_located.dedup_by_key(|located| located.sequence);
    }
    if rows.len() + all_located.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        let of_rows = rows.iter().filter_map(|line| Some(line.read.as_ref()?.publisher_id));
        let busiest = most_frequent(of_rows.chain(all_located.iter().map(|located| located.batch.publisher_id)));
        return Ok(Feed { extent, events: Vec::new(), busiest: Some(busiest.into()), is_lost: false });
    }
    records::fill(server.reader(), all_located.iter_mut().collect()).await?;
    let recorded = all_located.iter().filter_map(event_records::read);
    let mut events: Vec<Event> = rows.into_iter().filter_map(read).chain(recorded).collect();
    events.sort_by_key(|event| event.sequence);
    Ok(Feed { extent, events, busiest: None, is_lost: false })
}

/// Adds to a condition that the publisher isn't one of `left_out`.
fn but_of(server: &WholeServer, publisher: Expr, left_out: &[AccountId], condition: Expr) -> Expr {
    if left_out.is_empty() {
        return condition;
    }
    condition.and(server.reader().any_of(publisher, left_out.iter().map(|id| id.0)).not())
}

/// Whether the log has lost the event at a position, or another event stands there: after a failover or a restored
/// backup. Events that were pruned aren't lost.
pub async fn is_lost(server: &WholeServer, position: Position, extent: &Extent) -> StoreResult<bool> {
    if position.event == Position::ORIGIN.event {
        return Ok(position.sequence > extent.end);
    }
    let is_pruned = position.sequence <= extent.begin;
    Ok(!is_pruned && event_at(server, position.sequence).await? != Some(position.event))
}

fn most_frequent(ids: impl Iterator<Item = Uuid>) -> Uuid {
    let mut counts: HashMap<Uuid, usize> = HashMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(id, _)| id).unwrap_or_default()
}

/// For each of these events, the accounts among `accounts` that may see it. The events are addressed to all accounts
/// that have the pack installed.
pub async fn hearers(
    server: &WholeServer,
    events: &[&Event],
    accounts: &[AccountId],
) -> StoreResult<HashMap<i64, HashSet<AccountId>>> {
    use installation::Column as I;
    use past_visibility::Column as H;
    let mut of_packs: HashMap<Uuid, Vec<i64>> = HashMap::new();
    for event in events {
        if let Some(pack) = event.event.pack_id {
            of_packs.entry(pack.0).or_default().push(event.sequence);
        }
    }
    let first = events.iter().map(|event| event.sequence).min().unwrap_or(0);
    let all_packs: Vec<_> = of_packs.keys().copied().collect();
    let mut portions = Vec::new();
    for accounts in accounts.chunks(ACCOUNTS_MAX) {
        portions.extend(all_packs.chunks(PACKS_MAX).map(|packs| (accounts, packs)));
    }
    let mut found: HashMap<i64, HashSet<AccountId>> = HashMap::new();
    for (accounts, packs) in portions {
        let ids = || accounts.iter().map(|id| id.0);
        let before = Query::select()
            .exprs([col(H::AccountId), col(H::PackId), col(H::VisibleAfter), col(H::VisibleUntil)])
            .from(past_visibility::Entity)
            .and_where(server.reader().any_of_many(col(H::AccountId), ids()))
            .and_where(server.reader().any_of(col(H::PackId), packs.iter().copied()))
            .and_where(col(H::VisibleUntil).gte(first))
            .take();
        let installed = Query::select()
            .exprs([col(I::AccountId), col(I::PackId), col(I::VisibleAfter), col(I::VisibleUntil)])
            .from(installation::Entity)
            .and_where(server.reader().any_of_many(col(I::AccountId), ids()))
            .and_where(server.reader().any_of(col(I::PackId), packs.iter().copied()))
            .and_where(col(I::VisibleUntil).is_null().or(col(I::VisibleUntil).gte(first)))
            .union(UnionType::All, before)
            .take();
        for row in server.conn().query_all(&installed).await? {
            let (account, pack): (Uuid, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let (after, until): (i64, Option<i64>) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
            for sequence in of_packs.get(&pack).into_iter().flatten() {
                if *sequence > after && until.is_none_or(|until| *sequence <= until) {
                    found.entry(*sequence).or_default().insert(account.into());
                }
            }
        }
    }
    Ok(found)
}
