//! Columns in the expressions of a statement.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::Expr;

/// A column, qualified with its table's name.
pub(in crate::store) fn col<C: ColumnTrait>(column: C) -> Expr {
    column.into_expr()
}
