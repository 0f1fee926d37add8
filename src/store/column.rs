//! Columns in the expressions of a statement, and rows by a column.

use std::collections::HashMap;

use sea_orm::ColumnTrait;
use sea_orm::sea_query::Expr;

use super::StoreResult;
use crate::domain::own_key::OwnKey;

/// A column, qualified with its table's name.
pub(in crate::store) fn col<C: ColumnTrait>(column: C) -> Expr {
    column.into_expr()
}

/// Rows by their own keys (R67). Rows without one are left out.
pub(in crate::store) fn by_own_key<M, T>(
    rows: Vec<M>,
    key: impl Fn(&M) -> Option<&str>,
    read: impl Fn(M) -> StoreResult<T>,
) -> StoreResult<HashMap<OwnKey, T>> {
    let keyed = rows.into_iter().filter_map(|row| Some((OwnKey::parse(key(&row)?).ok()?, row)));
    keyed.map(|(key, row)| Ok((key, read(row)?))).collect()
}
