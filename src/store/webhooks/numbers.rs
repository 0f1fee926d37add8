//! Numbers of webhook endpoints, for the metrics.

use entity::webhook_endpoint::{Column as E, Entity};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QuerySelect as _, QueryTrait as _};

use crate::store::webhooks::serving::is_free;
use crate::store::{DatabaseKind, StoreResult, WholeServer};

/// The endpoints in one state.
#[derive(Clone, Debug)]
pub struct InState {
    /// The state's stored name.
    pub state: String,
    pub count: i64,
    /// The number of endpoints to which events should be sent, and that no living server serves.
    pub unserved: i64,
}

/// The numbers of endpoints by state. A state without an endpoint is left out.
pub async fn by_state(server: &WholeServer) -> StoreResult<Vec<InState>> {
    let unserved = Expr::case(is_free(server.kind() == DatabaseKind::Postgresql), 1).finally(0);
    let select = Entity::find()
        .select_only()
        .column(E::State)
        .expr_as(Expr::cust("COUNT(*)"), "endpoints")
        .expr_as(Func::sum(unserved).cast_as(Alias::new("bigint")), "unserved")
        .group_by(E::State)
        .into_query();
    let rows = server.conn().query_all(&select).await?;
    let of_state = |row: &sea_orm::QueryResult| {
        Ok(InState {
            state: row.try_get("", "state")?,
            count: row.try_get("", "endpoints")?,
            unserved: row.try_get("", "unserved")?,
        })
    };
    rows.iter().map(of_state).collect()
}
