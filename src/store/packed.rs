//! Many ids as one value of a group. Both databases would spend more time on returning a row for each id than on finding
//! it.

use sea_orm::QueryResult;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;

use super::{StoreError, StoreResult, Tx};

/// The ids in `column` of a group's rows, in the order in which the database read them.
pub(in crate::store) fn packed(tx: &Tx, column: &str) -> Expr {
    if tx.is_postgresql() {
        Expr::cust(format!("STRING_AGG(uuid_send(\"{column}\"), ''::bytea)"))
    } else {
        // SQLite joins texts alone.
        Expr::cust(format!("GROUP_CONCAT(HEX(\"{column}\"), '')"))
    }
}

/// The ids in a value of [`packed`].
///
/// # Errors
/// When the value is no list of ids.
pub(in crate::store) fn unpacked(tx: &Tx, row: &QueryResult, column: &str) -> StoreResult<Vec<Uuid>> {
    if tx.is_postgresql() {
        of_bytes(&row.try_get::<Vec<u8>>("", column)?)
    } else {
        of_digits(&row.try_get::<String>("", column)?)
    }
}

fn of_bytes(bytes: &[u8]) -> StoreResult<Vec<Uuid>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(no_list(bytes.len()));
    }
    Ok(ids.iter().map(|id| Uuid::from_bytes(*id)).collect())
}

fn of_digits(digits: &str) -> StoreResult<Vec<Uuid>> {
    let (ids, rest) = digits.as_bytes().as_chunks::<32>();
    if !rest.is_empty() {
        return Err(no_list(digits.len()));
    }
    ids.iter().map(|id| Uuid::try_parse_ascii(id).map_err(|_| no_list(digits.len()))).collect()
}

fn no_list(length: usize) -> StoreError {
    StoreError::Fault(format!("a value of {length} bytes isn't a list of ids"))
}
