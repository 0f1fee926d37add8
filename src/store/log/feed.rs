//! The event log as a server reads it once for all of its listeners (R49).

use std::collections::HashSet;

use entity::{event, installation, log_batch, log_record, past_visibility};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, UnionType};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::domain::id::AccountId;
use crate::domain::log::Event;
use crate::store::column::col;
use crate::store::log::event_log::{Extent, extent};
use crate::store::log::events::{Line, read, readable};
use crate::store::log::records::{Found, Log, PositionRange, RecordQuery};
use crate::store::log::{event_records, records};
use crate::store::page::checked;
use crate::store::{StoreResult, WholeServer};

use log_batch::Column as B;
use log_record::Column as R;

/// The most accounts in a statement. Both databases accept that many.
const ACCOUNTS_MAX: usize = 30_000;

/// Who listens to events that are stored as records. There can be a million of those, so only the records that somebody
/// listens to are read.
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
    /// Whether there are more events than asked for. `events` then has none.
    pub is_too_long: bool,
}

/// The events after a position, if there are at most `most`.
pub async fn read_after(server: &WholeServer, position: i64, listening: &Listening, most: u32) -> StoreResult<Feed> {
    let server = &server.one_state();
    let extent = extent(server).await?;
    let limit = u64::from(most) + 1;
    let rows: Vec<Line> = event::Entity::find()
        .filter(col(event::Column::Sequence).gt(position))
        .filter(checked(readable()))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_model()
        .all(server.conn())
        .await?;
    let mut all_located = Vec::new();
    let range = PositionRange { after: Some(position), size: most, ..PositionRange::default() };
    let ids = |accounts: &[AccountId]| accounts.iter().map(|id| id.0).collect::<Vec<_>>();
    if !listening.publishers.is_empty() {
        let of_publishers = server.reader().any_of(col(B::PublisherId), ids(&listening.publishers));
        let check = event_records::readable().and(of_publishers).and(event_records::to_publisher());
        // Finds the batches by their key, because the new ones are few.
        let found = Found::Batches(vec![col(B::FirstSequence).is_not_null()]);
        all_located = records::find(server.reader(), &RecordQuery { log: Log::Events, found, check }, range).await?;
    }
    for accounts in listening.accounts.chunks(ACCOUNTS_MAX) {
        let of_accounts = server.reader().any_of(col(R::AccountId), ids(accounts));
        let check = event_records::readable().and(of_accounts).and(event_records::to_account());
        let found = Found::Records(col(R::Sequence).gt(position));
        all_located
            .extend(records::find(server.reader(), &RecordQuery { log: Log::Events, found, check }, range).await?);
    }
    all_located.sort_by_key(|located| located.sequence);
    all_located.dedup_by_key(|located| located.sequence);
    let is_too_long = rows.len() + all_located.len() > usize::try_from(most).unwrap_or(usize::MAX);
    if is_too_long {
        return Ok(Feed { extent, events: Vec::new(), is_too_long });
    }
    records::fill(server.reader(), all_located.iter_mut().collect()).await?;
    let recorded = all_located.iter().filter_map(event_records::read);
    let mut events: Vec<Event> = rows.into_iter().filter_map(read).chain(recorded).collect();
    events.sort_by_key(|event| event.sequence);
    Ok(Feed { extent, events, is_too_long })
}

/// The accounts, among those given, that hear an event that is addressed to all who have its pack installed.
pub async fn hearers(server: &WholeServer, event: &Event, accounts: &[AccountId]) -> StoreResult<HashSet<AccountId>> {
    use installation::Column as I;
    use past_visibility::Column as H;
    let (sequence, pack) = (event.sequence, event.event.pack_id.0);
    let mut found = HashSet::new();
    for accounts in accounts.chunks(ACCOUNTS_MAX) {
        let ids = || accounts.iter().map(|id| id.0);
        let before = Query::select()
            .expr(col(H::AccountId))
            .from(past_visibility::Entity)
            .and_where(server.reader().any_of(col(H::AccountId), ids()))
            .and_where(col(H::PackId).eq(pack))
            .and_where(Expr::val(sequence).gt(col(H::VisibleAfter)))
            .and_where(Expr::val(sequence).lte(col(H::VisibleUntil)))
            .take();
        let installed = Query::select()
            .expr(col(I::AccountId))
            .from(installation::Entity)
            .and_where(server.reader().any_of(col(I::AccountId), ids()))
            .and_where(col(I::PackId).eq(pack))
            .and_where(Expr::val(sequence).gt(col(I::VisibleAfter)))
            .and_where(col(I::VisibleUntil).is_null().or(Expr::val(sequence).lte(col(I::VisibleUntil))))
            .union(UnionType::Distinct, before)
            .take();
        for row in server.conn().query_all(&installed).await? {
            let id: Uuid = row.try_get_by_index(0)?;
            found.insert(id.into());
        }
    }
    Ok(found)
}
