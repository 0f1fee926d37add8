//! Many ids as one value of a group. PostgreSQL would spend more time on sending a row for each id than on finding it.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;

use super::{StoreError, StoreResult};

/// The ids of a group's rows, in the order in which PostgreSQL read them.
pub(in crate::store) fn packed(column: &str) -> Expr {
    Expr::cust(format!("STRING_AGG(uuid_send(\"{column}\"), ''::bytea)"))
}

/// The ids in a value of [`packed`].
pub(in crate::store) fn unpacked(bytes: &[u8]) -> StoreResult<Vec<Uuid>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(StoreError::Fault(format!("{} bytes aren't a list of ids", bytes.len())));
    }
    Ok(ids.iter().map(|id| Uuid::from_bytes(*id)).collect())
}
