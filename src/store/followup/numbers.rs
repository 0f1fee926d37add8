//! Numbers of open tasks, for the metrics.

use entity::task::{Column, Entity};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QuerySelect as _, QueryTrait as _};

use crate::domain::Instant;
use crate::store::column::col;
use crate::store::{StoreResult, WholeServer};

/// The open tasks of one kind.
#[derive(Clone, Debug)]
pub struct OfKind {
    pub kind: String,
    pub open: i64,
    /// The tasks whose last batch failed.
    pub failing: i64,
    /// The most failures in a row of a task.
    pub most_failures: i32,
    /// When the oldest task was created.
    pub oldest: Instant,
    /// When a task is due next, or was due first.
    pub first_due: Instant,
}

impl OfKind {
    /// The numbers of the open tasks of both kinds.
    #[must_use]
    pub fn joined(self, other: &Self) -> Self {
        Self {
            kind: self.kind,
            open: self.open + other.open,
            failing: self.failing + other.failing,
            most_failures: std::cmp::max(self.most_failures, other.most_failures),
            oldest: std::cmp::min(self.oldest, other.oldest),
            first_due: std::cmp::min(self.first_due, other.first_due),
        }
    }
}

/// The numbers of open tasks by kind. A kind without a task is left out.
pub async fn by_kind(server: &WholeServer) -> StoreResult<Vec<OfKind>> {
    let failing = Expr::case(col(Column::Failures).gt(0), 1).finally(0);
    let failing = Func::sum(failing).cast_as(Alias::new("bigint"));
    let select = Entity::find()
        .select_only()
        .column(Column::Kind)
        .expr_as(Expr::cust("COUNT(*)"), "open")
        .expr_as(failing, "failing")
        .expr_as(col(Column::Failures).max(), "most_failures")
        .expr_as(col(Column::CreatedAt).min(), "oldest")
        .expr_as(col(Column::NotBefore).min(), "first_due")
        .group_by(Column::Kind)
        .into_query();
    let rows = server.conn().query_all(&select).await?;
    let of_kind = |row: &sea_orm::QueryResult| {
        Ok(OfKind {
            kind: row.try_get("", "kind")?,
            open: row.try_get("", "open")?,
            failing: row.try_get("", "failing")?,
            most_failures: row.try_get("", "most_failures")?,
            oldest: row.try_get("", "oldest")?,
            first_due: row.try_get("", "first_due")?,
        })
    };
    rows.iter().map(of_kind).collect()
}
