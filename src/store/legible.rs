//! Rows that can't be read: a disk has damaged them, or other hands have written them. What follows a log or a list
//! of tasks passes such a row over and says so; one row must not keep all others from being read.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use sea_orm::{DbErr, FromQueryResult, QueryResult, TryGetable};

use super::{StoreError, StoreResult};

/// Of how many rows a process remembers that it has told of them.
const TOLD_MAX: usize = 1_000;

/// A row as a struct. The driver panics at an instant that its library can't hold, such as PostgreSQL's `infinity`.
///
/// # Errors
/// [`StoreError::Fault`] with what can't be read.
pub(in crate::store) fn row<M: FromQueryResult>(row: &QueryResult, prefix: &str) -> StoreResult<M> {
    match catch_unwind(AssertUnwindSafe(|| M::from_query_result(row, prefix))) {
        Ok(read) => Ok(read?),
        Err(panic) => Err(StoreError::Fault(said(&*panic))),
    }
}

/// One column of a row, under the same conditions.
///
/// # Errors
/// [`StoreError::Fault`].
pub(in crate::store) fn column<T: TryGetable>(row: &QueryResult, name: &str) -> StoreResult<T> {
    match catch_unwind(AssertUnwindSafe(|| row.try_get("", name))) {
        Ok(read) => Ok(read?),
        Err(panic) => Err(StoreError::Fault(said(&*panic))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a value is beyond what can be held: {}", text.unwrap_or("no reason is known"))
}

/// Says in the log, once for each row, that a row is passed over.
pub(in crate::store) fn pass_over(table: &'static str, id: impl Display, why: &StoreError) {
    static TOLD: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
    let id = id.to_string();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < TOLD_MAX && told.insert((table, id.clone())) {
        tracing::warn!(table, id, %why, "a row can't be read, and is passed over");
    }
}

/// A row of the event log: its place, and the rest, where that can be read.
pub(in crate::store) struct EventLine<M> {
    pub(in crate::store) sequence: i64,
    pub(in crate::store) read: Option<M>,
}

impl<M: FromQueryResult> FromQueryResult for EventLine<M> {
    fn from_query_result(line: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let sequence = line.try_get(prefix, "sequence")?;
        let read = row(line, prefix).map_err(|why| pass_over("event", sequence, &why)).ok();
        Ok(Self { sequence, read })
    }
}
