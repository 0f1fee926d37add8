//! Rows that can't be read: a newer version of the program wrote them, a disk was damaged, or somebody changed them from
//! outside. What reads rows of all accounts logs such a row and skips it, so that one row doesn't block all others.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use sea_orm::{DbErr, FromQueryResult, QueryResult, TryGetable};

use super::{StoreError, StoreResult};

/// The most unreadable rows that a process logs.
const LOGGED_MAX: usize = 1_000;

/// Converts a row to a struct. The driver panics at an instant that its library can't represent, such as PostgreSQL's
/// `infinity`.
///
/// # Errors
/// [`StoreError::Fault`] if a value can't be read; also instead of the panic.
pub(in crate::store) fn row<M: FromQueryResult>(row: &QueryResult, prefix: &str) -> StoreResult<M> {
    match catch_unwind(AssertUnwindSafe(|| M::from_query_result(row, prefix))) {
        Ok(read) => Ok(read?),
        Err(panic) => Err(StoreError::Fault(reason(&*panic))),
    }
}

/// A column of a row. Handles panics as [`row`] does.
///
/// # Errors
/// [`StoreError::Fault`] if the value can't be read.
pub(in crate::store) fn column<T: TryGetable>(row: &QueryResult, name: &str) -> StoreResult<T> {
    match catch_unwind(AssertUnwindSafe(|| row.try_get("", name))) {
        Ok(read) => Ok(read?),
        Err(panic) => Err(StoreError::Fault(reason(&*panic))),
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a value is beyond what can be held: {}", text.unwrap_or("no reason is known"))
}

/// What was read of a row; `None` if the row can't be read. Then this is logged.
///
/// # Errors
/// Any other error, such as that of a database that can't be reached.
pub(crate) fn readable<T>(table: &'static str, id: impl Display, read: StoreResult<T>) -> StoreResult<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(why @ (StoreError::Newer(_) | StoreError::Fault(_))) => {
            skip(table, id, &why);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Logs that a row is skipped, once for each row.
pub(in crate::store) fn skip(table: &'static str, id: impl Display, why: &StoreError) {
    static LOGGED: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
    let id = id.to_string();
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < LOGGED_MAX && logged.insert((table, id.clone())) {
        tracing::warn!(table, id, %why, "a row can't be read, and is skipped");
    }
}

/// A row of the event log: its position, and the other columns if they can be read.
pub(in crate::store) struct EventLine<M> {
    pub(in crate::store) sequence: i64,
    pub(in crate::store) read: Option<M>,
}

impl<M: FromQueryResult> FromQueryResult for EventLine<M> {
    fn from_query_result(line: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let sequence = line.try_get(prefix, "sequence")?;
        let read = row(line, prefix).map_err(|why| skip("event", sequence, &why)).ok();
        Ok(Self { sequence, read })
    }
}
