//! The servers that deliver events to endpoints. A server lives as long as it says so, by the database's clock.

use entity::{webhook_endpoint as endpoint, webhook_server as server};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _, Statement};
use uuid::Uuid;

use crate::domain::accounts::ActorKind;
use crate::domain::installations::UpdateState;
use crate::domain::log::{Audience, EventKind};
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::{Db, StoreResult};

use endpoint::Column as E;
use server::Column as S;

/// For how many seconds after its end a server that didn't take leave is remembered.
const REMEMBERED: f64 = 86_400.0;
/// How far ahead, in seconds, a living server's end can be: further than any lease. The database's clock was ahead when
/// an end that is further off was written.
const AHEAD_MAX: f64 = 60.0;

/// How many values of events this program can read. A newer version knows more of them: it leaves none out.
fn vocabulary() -> i32 {
    let values =
        [EventKind::NAMES.len(), ActorKind::NAMES.len(), UpdateState::NAMES.len(), Audience::NAMES.len()];
    i32::try_from(values.iter().sum::<usize>()).unwrap_or(i32::MAX)
}

fn clock(is_postgresql: bool) -> &'static str {
    if is_postgresql {
        "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
    } else {
        "unixepoch('now', 'subsec')"
    }
}

/// Whether a server is taken for dead. A living one whose clock was set back says anew at its next look until when it
/// lives.
pub(super) fn is_dead(is_postgresql: bool) -> Condition {
    let now = || Expr::cust(clock(is_postgresql));
    let until = || col(S::AliveUntil);
    Condition::any().add(until().lte(now())).add(until().gt(now().add(AHEAD_MAX)))
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

/// Says that this server lives for so many seconds more. It doesn't wait for others' transactions: other servers would
/// take a server for dead whose database is busy.
pub async fn stay_alive(db: &Db, id: Uuid, seconds: f64) -> StoreResult<()> {
    let tx = db.begin_apart().await?;
    let now = clock(tx.is_postgresql());
    let sql = format!(
        "INSERT INTO webhook_server (id, alive_until, vocabulary) VALUES ($1, {now} + $2, $3)
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until"
    );
    let values = [id.into(), seconds.into(), vocabulary().into()];
    let backend = tx.conn().get_database_backend();
    tx.conn().execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    tx.commit().await
}

/// Forgets servers that ended long ago without giving their endpoints back. One that an endpoint still names is kept:
/// the endpoint, which may be paused, is taken because its server is known to be dead.
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
