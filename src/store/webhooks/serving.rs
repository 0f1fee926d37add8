//! Assigns endpoints to servers, and saves the progress of endpoints (R66).
//!
//! Each server's row says until when the server counts as alive, by the database's clock. After that time the other
//! servers take its endpoints.

use std::collections::{HashMap, HashSet};

use entity::{account, webhook_endpoint as endpoint, webhook_server as server};
use sea_orm::sea_query::{Expr, ExprTrait as _, LockBehavior, LockType, Query};
use sea_orm::{ActiveValue::Set, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountStatus};
use crate::domain::id::WebhookId;
use crate::domain::log::Position;
use crate::domain::webhooks::{Delivery, Endpoint, WebhookState};
use crate::store::column::col;
use crate::store::convert::{self, Stored as _};
use crate::store::locks::locked;
use crate::store::webhooks::endpoints::endpoint_of;
use crate::store::webhooks::servers::{self, is_dead};
use crate::store::webhooks::write_attempts;
use crate::store::{DatabaseKind, Db, StoreResult, Tx, WholeServer, readable, tolerant};

use endpoint::Column as E;

/// The most endpoints that a server takes at once.
const TAKEN_MAX: u64 = 1_000;
/// The most endpoints that a server gives back at once, because others have fewer. Nobody serves them for a moment.
const GIVEN_BACK_MAX: u64 = 100;

/// How the endpoints of a server change by its turn.
#[derive(Debug, Default)]
pub struct Turn {
    /// The endpoints that are new or were changed. The server begins to serve them.
    pub begun: HashSet<WebhookId>,
    /// All endpoints that the server serves, each with its revision. A missing endpoint was deleted, paused or disabled,
    /// or another server has taken it.
    pub served: HashMap<WebhookId, i32>,
    /// The endpoints among them that the server gives back, because they are beyond its part.
    pub beyond: HashSet<WebhookId>,
    /// Whether the server must give all endpoints back, because a server of a newer version lives.
    pub is_outdated: bool,
}

impl Turn {
    /// Whether the server gives an endpoint back.
    #[must_use]
    pub fn gives_back(&self, id: &WebhookId) -> bool {
        self.is_outdated || self.beyond.contains(id)
    }
}

pub(super) fn is_served() -> Expr {
    // Spelt as in the partial index `webhook_endpoint_of_server`, so that the database uses it.
    Expr::cust("state IN ('ACTIVE', 'FAILING')")
}

/// Whether there is an endpoint to which events are sent.
pub async fn any(server: &WholeServer) -> StoreResult<bool> {
    let select = endpoint::Entity::find().select_only().column(E::Id).filter(is_served());
    Ok(select.into_tuple::<Uuid>().one(server.conn()).await?.is_some())
}

/// Whether an endpoint may be sent events.
fn is_open() -> Condition {
    let suspended = Query::select()
        .expr(Expr::cust("1"))
        .from(account::Entity)
        .and_where(col(account::Column::Id).eq(col(E::AccountId)))
        // Spelt as in the partial index `account_not_active`.
        .and_where(Expr::cust("status <> 'ACTIVE'"))
        .take();
    Condition::all().add(is_served()).add(Expr::exists(suspended).not())
}

/// Whether an endpoint may be sent events, and no living server serves it.
pub(super) fn is_free(is_postgresql: bool) -> Condition {
    let dead =
        Query::select().column(server::Column::Id).from(server::Entity).cond_where(is_dead(is_postgresql)).take();
    is_open().add(col(E::ServerId).is_null().or(col(E::ServerId).in_subquery(dead)))
}

/// How many endpoints a server may take in a turn, and how many it gives back: when all servers that take endpoints have
/// the same part. A server without others takes what it finds, and nothing must be counted.
async fn room(tx: &Tx, id: Uuid) -> StoreResult<(u64, u64)> {
    let others = servers::others(tx, id).await?;
    if others == 0 {
        return Ok((TAKEN_MAX, 0));
    }
    let part = count(tx, is_open()).await?.div_ceil(others + 1);
    let own = count(tx, is_open().add(col(E::ServerId).eq(id))).await?;
    let (takes, beyond) = (part.saturating_sub(own), own.saturating_sub(part));
    Ok((std::cmp::min(TAKEN_MAX, takes), std::cmp::min(GIVEN_BACK_MAX, beyond)))
}

async fn count(tx: &Tx, of: Condition) -> StoreResult<u64> {
    Ok(endpoint::Entity::find().select_only().column(E::Id).filter(of).count(tx.conn()).await?)
}

/// Takes endpoints that no living server serves, and finds the changed ones among those of this server. The caller has
/// saved that this server counts as alive. A server takes no more than its part of all endpoints, and gives back the
/// ones beyond, so that a server that is added takes work off the others.
pub async fn take_turn(db: &Db, id: Uuid) -> StoreResult<Turn> {
    let tx = db.begin().await?;
    let mut turn = Turn { is_outdated: servers::is_outdated(tx.conn(), tx.is_postgresql()).await?, ..Turn::default() };
    if turn.is_outdated {
        turn.served = served_by(&tx, id).await?;
        tx.commit().await?;
        return Ok(turn);
    }
    let (takes, beyond) = room(&tx, id).await?;
    let free = endpoint::Entity::find()
        .select_only()
        .columns([E::Id, E::Revision])
        .filter(is_free(tx.is_postgresql()))
        .limit(takes)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let taken: Vec<(Uuid, i32)> = free.into_tuple().all(tx.conn()).await?;
    for (endpoint, revision) in &taken {
        save_server(&tx, *endpoint, Some(id), *revision).await?;
        turn.begun.insert((*endpoint).into());
    }
    let changed = endpoint::Entity::find()
        .select_only()
        .columns([E::Id, E::Revision, E::State])
        .filter(col(E::ServerId).eq(id))
        // Spelt as in the partial index `webhook_endpoint_changed`.
        .filter(Expr::cust("served_revision <> revision"))
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let changed: Vec<(Uuid, i32, String)> = changed.into_tuple().all(tx.conn()).await?;
    for (endpoint, revision, state) in changed {
        // The task that serves an endpoint gives it back after it has saved its progress.
        save_server(&tx, endpoint, Some(id), revision).await?;
        // Nobody serves an endpoint in a state that only a newer program knows, until that program changes it.
        let state = readable("webhook_endpoint", endpoint, WebhookState::read(&state))?;
        if state.is_some_and(WebhookState::is_served) {
            turn.begun.insert(endpoint.into());
        }
    }
    turn.served = served_by(&tx, id).await?;
    if beyond > 0 {
        // In order, so that the next turn finds the same ones while their attempts last.
        let mut ids: Vec<_> = turn.served.keys().copied().collect();
        ids.sort_unstable();
        turn.beyond = ids.into_iter().take(usize::try_from(beyond).unwrap_or(usize::MAX)).collect();
    }
    tx.commit().await?;
    Ok(turn)
}

/// The endpoints that bear a server's id, each with the revision that the server knows.
async fn served_by(tx: &Tx, id: Uuid) -> StoreResult<HashMap<WebhookId, i32>> {
    let served = endpoint::Entity::find()
        .select_only()
        .columns([E::Id, E::ServedRevision])
        .filter(col(E::ServerId).eq(id))
        .filter(is_served());
    let served: Vec<(Uuid, i32)> = served.into_tuple().all(tx.conn()).await?;
    Ok(served.into_iter().map(|(endpoint, revision)| (endpoint.into(), revision)).collect())
}

async fn save_server(tx: &Tx, endpoint: Uuid, server: Option<Uuid>, revision: i32) -> StoreResult<()> {
    let row = endpoint::ActiveModel {
        id: Set(endpoint),
        server_id: Set(server),
        served_revision: Set(revision),
        ..Default::default()
    };
    endpoint::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Gives an endpoint back to be taken by any server, unless this server has begun to serve another revision of it.
pub async fn leave(db: &Db, id: Uuid, endpoint: WebhookId, revision: i32) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = endpoint::ActiveModel { server_id: Set(None), ..Default::default() };
    endpoint::Entity::update_many()
        .set(row)
        .filter(col(E::ServerId).eq(id))
        .filter(col(E::Id).eq(Uuid::from(endpoint)))
        .filter(col(E::ServedRevision).eq(revision))
        .exec(tx.conn())
        .await?;
    tx.commit().await
}

/// Gives back all endpoints of a server that ends.
pub async fn leave_all(db: &Db, id: Uuid) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = endpoint::ActiveModel { server_id: Set(None), ..Default::default() };
    endpoint::Entity::update_many().set(row).filter(col(E::ServerId).eq(id)).exec(tx.conn()).await?;
    server::Entity::delete_by_id(id).exec(tx.conn()).await?;
    tx.commit().await
}

/// Whether a living server of a newer version knows more values of events than this one.
pub async fn is_outdated(server: &WholeServer) -> StoreResult<bool> {
    servers::is_outdated(server.conn(), server.kind() == DatabaseKind::Postgresql).await
}

/// An endpoint as its server needs it.
pub struct Served {
    pub endpoint: Endpoint,
    pub account: Account,
    /// Sealed.
    pub secret: Vec<u8>,
    /// Sealed, while it signs too.
    pub former_secret: Option<(Vec<u8>, Instant)>,
    pub server: Option<Uuid>,
}

impl Served {
    /// Whether events may be sent to the endpoint: its account isn't suspended, and it is neither paused nor disabled.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.endpoint.state.is_served() && self.account.status == AccountStatus::Active
    }
}

/// Reads an endpoint for its server, or for a test.
pub async fn load(from: &WholeServer, id: WebhookId) -> StoreResult<Option<Served>> {
    let found = endpoint::Entity::find_by_id(Uuid::from(id)).one(from.conn()).await?;
    let Some(row) = found else { return Ok(None) };
    let Some(account) = account::Entity::find_by_id(row.account_id).one(from.conn()).await? else { return Ok(None) };
    let (secret, server) = (row.secret.clone(), row.server_id);
    let former_secret = row.former_secret.clone().zip(row.former_secret_until);
    let endpoint = endpoint_of(row).inspect_err(|why| tolerant::skip("webhook_endpoint", Uuid::from(id), why))?;
    Ok(Some(Served { account: convert::account(account)?, endpoint, secret, former_secret, server }))
}

/// The progress of an endpoint.
#[derive(Clone, Debug)]
pub struct Progress {
    pub state: WebhookState,
    pub place: Position,
    /// The position that was saved last.
    pub saved: Position,
    pub delivered: Option<Position>,
    pub failed_attempts: u32,
    pub failing_since: Option<Instant>,
    pub next_attempt_at: Option<Instant>,
    /// The attempts since the last progress that was saved.
    pub attempts: Vec<Delivery>,
}

/// Saves the progress of an endpoint that this server serves in this revision. Returns whether it still does. If the
/// endpoint was changed meanwhile, its position is saved nevertheless, so that no event is sent twice, unless a call has
/// set the position in a later revision, even to the same one.
pub async fn save_progress(tx: &Tx, server: Uuid, id: WebhookId, revision: i32, of: &Progress) -> StoreResult<bool> {
    let select = endpoint::Entity::find_by_id(Uuid::from(id))
        .select_only()
        .columns([E::Attempts, E::Revision, E::PlaceRevision])
        .filter(col(E::ServerId).eq(server))
        .filter(col(E::Place).eq(of.saved.sequence).or(col(E::PlaceRevision).gt(revision)));
    let found = locked(select).into_tuple::<(i64, i32, i32)>().one(tx.conn()).await?;
    let Some((before, now, placed)) = found else { return Ok(false) };
    let count = i64::try_from(of.attempts.len()).unwrap_or(i64::MAX);
    let (delivered, delivered_event) = of.delivered.map(|at| (at.sequence, Uuid::from(at.event))).unzip();
    let mut row = endpoint::ActiveModel {
        id: Set(id.into()),
        delivered: Set(delivered),
        delivered_event: Set(delivered_event),
        attempts: Set(before + count),
        ..Default::default()
    };
    if placed <= revision {
        (row.place, row.place_event) = (Set(of.place.sequence), Set(of.place.event.into()));
    }
    if now == revision {
        row.state = Set(of.state.stored().into());
        row.failed_attempts = Set(of.failed_attempts.try_into().unwrap_or(i32::MAX));
        row.failing_since = Set(of.failing_since);
        row.next_attempt_at = Set(of.next_attempt_at);
    }
    endpoint::Entity::update(row).exec(tx.conn()).await?;
    if !of.attempts.is_empty() {
        write_attempts::append(tx, id, before, &of.attempts).await?;
    }
    Ok(now == revision)
}
