//! How statements fail, and how that is told.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// What went wrong in the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint was in the way: a race that somebody else has won.
    #[error("a unique constraint was violated: {0}")]
    Conflict(String),
    /// The database can't be reached, takes no writes now, or gave up a lock; the same call may pass later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The answer to a commit was lost: either all of the transaction is done, or nothing of it.
    #[error("it isn't known whether a transaction was committed: {0}")]
    Unsettled(String),
    /// A statement took longer than one may.
    #[error("a statement took too long: {0}")]
    Timeout(String),
    /// A fault of ours.
    #[error("the database refused: {0}")]
    Fault(String),
}

/// What an error of the database means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The same call may pass later.
    Later,
    /// The statement took too long.
    Slow,
    /// A mistake in a statement.
    Mistake,
}

/// What an error means for the connection on which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    /// The connection can be used further.
    None,
    /// The connection is of no use.
    Connection,
    /// Every connection that was opened before is of no use: the server ends, or another one took its place.
    Server,
}

/// The code of an error: a SQLSTATE has five characters, a number of SQLite's at most four.
enum Code<'a> {
    Postgresql(&'a str),
    /// The number without the bits that extend it.
    Sqlite(u32),
}

impl<'a> Code<'a> {
    fn of(code: &'a str) -> Self {
        match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => Self::Sqlite(number & 0xff),
            _ => Self::Postgresql(code),
        }
    }

    fn meaning(&self) -> Meaning {
        match self {
            // query_canceled: the statement's timeout.
            Self::Postgresql("57014") => Meaning::Slow,
            Self::Postgresql(code) => {
                let class = code.get(..2).unwrap_or_default();
                let is_later = matches!(
                    class,
                    // Connection, transaction rollback (deadlocks), resources, operator intervention, system errors.
                    "08" | "40" | "53" | "57" | "58"
                );
                // read_only_sql_transaction, idle_in_transaction_session_timeout, transaction_timeout,
                // lock_not_available, and a prepared statement that is missing or there twice.
                if is_later || matches!(*code, "25006" | "25P03" | "25P04" | "55P03" | "26000" | "42P05") {
                    Meaning::Later
                } else {
                    Meaning::Mistake
                }
            }
            // SQLITE_INTERRUPT: the statement was ended by its time limit.
            Self::Sqlite(9) => Meaning::Slow,
            // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
            Self::Sqlite(5..=8 | 10 | 13..=15) => Meaning::Later,
            Self::Sqlite(_) => Meaning::Mistake,
        }
    }

    fn harm(&self) -> Harm {
        match self {
            // A server that ends or only reads: a failover. Other connections lead to the same one.
            Self::Postgresql("57P01" | "57P02" | "57P03" | "25006") => Harm::Server,
            Self::Postgresql("25P03" | "25P04" | "26000" | "42P05" | "57P04" | "57P05") => Harm::Connection,
            // A cached plan whose result has another shape after a migration.
            Self::Postgresql("0A000") => Harm::Connection,
            Self::Postgresql(code) if code.starts_with("08") || code.starts_with("58") => Harm::Connection,
            // ERROR, CONSTRAINT, MISMATCH, RANGE and INTERRUPT are of the statement. By any other error SQLite may
            // have ended the transaction; a new connection costs little.
            Self::Postgresql(_) | Self::Sqlite(1 | 9 | 18..=20 | 25) => Harm::None,
            Self::Sqlite(_) => Harm::Connection,
        }
    }

    /// Whether a COMMIT that was answered with this error has surely not been done.
    fn is_settled(&self) -> bool {
        match self {
            // A server that ends may have committed before. statement_completion_unknown says so itself.
            Self::Postgresql(code) => {
                !["08", "57", "58"].contains(&code.get(..2).unwrap_or_default()) && *code != "40003"
            }
            // After an error of the file SQLite undoes it for now; what is on the disk may be found by the next start.
            Self::Sqlite(code) => *code != 10,
        }
    }
}

/// What the database calls an error; its words may be in any language.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// What an error means for its connection.
pub(super) fn harm(error: &sqlx::Error) -> Harm {
    match code(error) {
        Some(code) => Code::of(&code).harm(),
        None => match error {
            // The row could be read, and wasn't of the shape that was expected.
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_) => Harm::None,
            _ => Harm::Connection,
        },
    }
}

/// Whether an error says that the database takes no writes now.
pub(super) fn stops_writes(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => match Code::of(&code) {
            Code::Postgresql(code) => {
                code == "25006" || matches!(code.get(..2), Some("08" | "53" | "58")) || code.starts_with("57P")
            }
            Code::Sqlite(code) => matches!(code, 8 | 10 | 13 | 14),
        },
        None => harm(error) > Harm::None,
    }
}

/// Whether an error says that PostgreSQL's disk is full.
pub(super) fn is_of_full_disk(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "53100")
}

/// How the failure of a COMMIT is told.
pub(super) fn of_commit(error: sqlx::Error) -> StoreError {
    match code(&error) {
        Some(code) if Code::of(&code).is_settled() => of(error),
        _ => StoreError::Unsettled(error.to_string()),
    }
}

/// How an error of the driver is told.
pub(super) fn of(error: sqlx::Error) -> StoreError {
    as_db_err(std::sync::Arc::new(error)).into()
}

/// An error of the driver as the library of the entities gives it.
pub(super) fn as_db_err(error: std::sync::Arc<sqlx::Error>) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error))
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(which)) = error.sql_err() {
            return Self::Conflict(which);
        }
        let text = error.to_string();
        let cause = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => return Self::Unavailable(text),
            _ => return Self::Fault(text),
        };
        let meaning = match code(cause) {
            Some(code) => Code::of(&code).meaning(),
            None if harm(cause) == Harm::None => Meaning::Mistake,
            None => Meaning::Later,
        };
        match meaning {
            Meaning::Later => Self::Unavailable(text),
            Meaning::Slow => Self::Timeout(text),
            Meaning::Mistake => Self::Fault(text),
        }
    }
}

impl StoreError {
    /// The same without the address of the database, that may hold a password.
    pub(super) fn without(self, url: &str) -> Self {
        let hide = |text: String| text.replace(url, "(the address given)");
        match self {
            Self::Conflict(text) => Self::Conflict(hide(text)),
            Self::Unavailable(text) => Self::Unavailable(hide(text)),
            Self::Unsettled(text) => Self::Unsettled(hide(text)),
            Self::Timeout(text) => Self::Timeout(hide(text)),
            Self::Fault(text) => Self::Fault(hide(text)),
        }
    }
}

/// What the store answers.
pub type StoreResult<T> = Result<T, StoreError>;
