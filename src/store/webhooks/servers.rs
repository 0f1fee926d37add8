//! The servers that deliver events to endpoints. Each states, by the database's clock, until when it counts as alive, and
//! until when it counts as one that takes endpoints.

use std::time::Duration;

use entity::{webhook_endpoint as endpoint, webhook_server as server};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QuerySelect as _, Statement,
};
use uuid::Uuid;

use crate::domain::accounts::ActorKind;
use crate::domain::installations::UpdateState;
use crate::domain::log::{Audience, EventKind};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::{Db, StoreResult, Tx};

use endpoint::Column as E;
use server::Column as S;

/// The seconds for which a server is remembered that ended without giving its endpoints back.
const REMEMBERED: f64 = 86_400.0;
/// How far ahead, in seconds, a living server's end can be: further than any lease. The database's clock was ahead when
/// an end that is further off was written.
const AHEAD_MAX: f64 = 60.0;

/// How many values of events this program can read. A newer version keeps all of them and may add more.
fn vocabulary() -> i32 {
    let values = [EventKind::NAMES.len(), ActorKind::NAMES.len(), UpdateState::NAMES.len(), Audience::NAMES.len()];
    i32::try_from(values.iter().sum::<usize>()).unwrap_or(i32::MAX)
}

fn clock(is_postgresql: bool) -> &'static str {
    if is_postgresql {
        "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
    } else {
        "unixepoch('now', 'subsec')"
    }
}

/// Whether a server counts as dead. When the clock is set back, a living server corrects its row at its next look.
pub(super) fn is_dead(is_postgresql: bool) -> Condition {
    let present = || Expr::cust(clock(is_postgresql));
    let until = || col(S::AliveUntil);
    Condition::any().add(until().lte(present())).add(until().gt(present().add(AHEAD_MAX)))
}

/// Whether a living server knows more values of events than this one. This server leaves out the events that it can't
/// read, so it would move an endpoint's place past an event that the other one can send.
pub(super) async fn is_outdated(conn: &impl ConnectionTrait, is_postgresql: bool) -> StoreResult<bool> {
    let newer = server::Entity::find()
        .select_only()
        .column(S::Id)
        .filter(col(S::Vocabulary).gt(vocabulary()))
        .filter(is_dead(is_postgresql).not());
    Ok(newer.into_tuple::<Uuid>().one(conn).await?.is_some())
}

/// How many other living servers take endpoints. A server whose turns have failed for a while takes none.
pub(super) async fn others(tx: &Tx, id: Uuid) -> StoreResult<u64> {
    let others = server::Entity::find()
        .select_only()
        .column(S::Id)
        .filter(col(S::Id).ne(id))
        .filter(col(S::Ends).eq(false))
        .filter(col(S::TakesUntil).gt(Expr::cust(clock(tx.is_postgresql()))))
        .filter(col(S::Vocabulary).gte(vocabulary()))
        .filter(is_dead(tx.is_postgresql()).not());
    Ok(others.count(tx.conn()).await?)
}

/// Saves that this server ends, so that the others take its part. It counts as alive until its attempts have ended.
pub async fn end(db: &Db, id: Uuid) -> StoreResult<()> {
    let tx = db.begin().await?;
    let row = server::ActiveModel { ends: Set(true), ..Default::default() };
    server::Entity::update_many().set(row).filter(col(S::Id).eq(id)).exec(tx.conn()).await?;
    tx.commit().await
}

/// Saves that this server counts as alive for the time `alive`, and as one that takes endpoints for the time `takes`. The
/// statement doesn't wait for the transactions of calls, because other servers take the endpoints of a server that says
/// nothing.
pub async fn stay_alive(db: &Db, id: Uuid, alive: Duration, takes: Duration) -> StoreResult<()> {
    let tx = db.begin_apart().await?;
    let now = clock(tx.is_postgresql());
    let sql = format!(
        "INSERT INTO webhook_server (id, alive_until, takes_until, vocabulary) VALUES ($1, {now} + $2, {now} + $3, $4)
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until, takes_until = excluded.takes_until"
    );
    let values = [id.into(), alive.as_secs_f64().into(), takes.as_secs_f64().into(), vocabulary().into()];
    let backend = tx.conn().get_database_backend();
    tx.conn().execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    tx.commit().await
}

/// Deletes the rows of servers that ended long ago without giving their endpoints back. The row of a server that an
/// endpoint still names is kept: the endpoint may be paused, and can be taken later because the row says that its
/// server is dead.
pub async fn forget_dead(db: &Db) -> StoreResult<()> {
    let tx = db.begin().await?;
    let named = Query::select()
        .expr(Expr::cust("1"))
        .from(endpoint::Entity)
        .and_where(Expr::col((endpoint::Entity, E::ServerId)).equals((server::Entity, S::Id)))
        .take();
    let long_ago = Expr::cust(clock(tx.is_postgresql())).sub(REMEMBERED);
    server::Entity::delete_many()
        .filter(col(S::AliveUntil).lt(long_ago))
        .filter(Expr::exists(named).not())
        .exec(tx.conn())
        .await?;
    tx.commit().await
}
