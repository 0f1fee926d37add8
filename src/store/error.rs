//! Classifies errors of statements and connections.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use crate::metrics::StatementError;

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint was violated: another transaction was faster.
    #[error("a unique constraint was violated: {0}")]
    Conflict(String),
    /// The database can't be reached, refuses writes at the moment, or gave up waiting for a lock. The same call may
    /// succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The answer to a commit was lost. The transaction is either committed or rolled back as a whole.
    #[error("it isn't known whether a transaction was committed: {0}")]
    OutcomeUnknown(String),
    /// A statement exceeded its time limit.
    #[error("a statement took too long: {0}")]
    Timeout(String),
    /// A snapshot was asked for a read after it was closed, because everything needed should have been read before.
    #[error("a closed snapshot was asked for a read")]
    NotRead,
    /// Another transaction has added a row among those that this one changes as a whole. The transaction begins again.
    #[error("another transaction has added a row meanwhile")]
    Overtaken,
    /// A row has a value that only a newer version of the program knows. Another server may answer the same call.
    #[error("{0}")]
    Newer(String),
    /// A bug of the program.
    #[error("the database refused: {0}")]
    Fault(String),
}

/// The text of the entity library's error for [`StoreError::NotRead`].
const NOT_READ: &str = "not read before";

/// The entity library's error for [`StoreError::NotRead`].
pub(super) fn not_read() -> DbErr {
    DbErr::Custom(NOT_READ.into())
}

/// The meaning of a database error for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The same call may succeed later.
    Later,
    /// The statement exceeded its time limit.
    Slow,
    /// A mistake in the statement.
    Mistake,
}

/// The damage that an error shows for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Damage {
    /// The connection is usable.
    None,
    /// The connection is unusable.
    Connection,
    /// All connections opened earlier are unusable: the server shuts down, or another one took over.
    Server,
}

/// The code of an error. A SQLSTATE has five characters, and an SQLite number at most four.
enum Code<'a> {
    Postgresql(&'a str),
    /// The number without the extension bits.
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
            // query_canceled: the statement timeout.
            Self::Postgresql("57014") => Meaning::Slow,
            Self::Postgresql(code) => {
                let class = code.get(..2).unwrap_or_default();
                let is_later = matches!(
                    class,
                    // Connection, transaction rollback (deadlocks), resources, operator intervention, system errors.
                    "08" | "40" | "53" | "57" | "58"
                );
                // read_only_sql_transaction, idle_in_transaction_session_timeout, transaction_timeout,
                // lock_not_available, and a prepared statement that is missing or exists twice.
                if is_later || matches!(*code, "25006" | "25P03" | "25P04" | "55P03" | "26000" | "42P05") {
                    Meaning::Later
                } else {
                    Meaning::Mistake
                }
            }
            // SQLITE_INTERRUPT: the statement was stopped at its time limit.
            Self::Sqlite(9) => Meaning::Slow,
            // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
            Self::Sqlite(5..=8 | 10 | 13..=15) => Meaning::Later,
            Self::Sqlite(_) => Meaning::Mistake,
        }
    }

    fn damage(&self) -> Damage {
        match self {
            // The server shuts down or became read-only after a failover. Other connections lead to the same server.
            Self::Postgresql("57P01" | "57P02" | "57P03" | "25006") => Damage::Server,
            Self::Postgresql("25P03" | "25P04" | "26000" | "42P05" | "57P04" | "57P05") => Damage::Connection,
            // A cached plan doesn't match a result that changed in a migration.
            Self::Postgresql("0A000") => Damage::Connection,
            Self::Postgresql(code) if code.starts_with("08") || code.starts_with("58") => Damage::Connection,
            // ERROR, CONSTRAINT, MISMATCH, RANGE and INTERRUPT affect only the statement. With other errors SQLite may
            // have ended the transaction, and a new connection is cheap.
            Self::Postgresql(_) | Self::Sqlite(1 | 9 | 18..=20 | 25) => Damage::None,
            Self::Sqlite(_) => Damage::Connection,
        }
    }

    /// Whether a COMMIT that failed with this error was certainly not carried out.
    fn is_certainly_rolled_back(&self) -> bool {
        match self {
            // A server that shuts down may have committed before. 40003 is statement_completion_unknown.
            Self::Postgresql(code) => {
                !["08", "57", "58"].contains(&code.get(..2).unwrap_or_default()) && *code != "40003"
            }
            // After an I/O error SQLite rolls back, but the next start may find the commit on the disk.
            Self::Sqlite(code) => *code != 10,
        }
    }
}

/// The code of a database error. Its message may be in any language.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The damage that an error shows for its connection.
pub(super) fn damage(error: &sqlx::Error) -> Damage {
    match code(error) {
        Some(code) => Code::of(&code).damage(),
        None => match error {
            // The row was read, but didn't have the expected columns or types.
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_) => Damage::None,
            _ => Damage::Connection,
        },
    }
}

/// The kind of an error, for the metrics.
pub(super) fn kind_of(error: &sqlx::Error) -> StatementError {
    let meaning = code(error).map(|code| Code::of(&code).meaning());
    match (meaning, error) {
        (Some(Meaning::Slow), _) => StatementError::Timeout,
        (None, sqlx::Error::Io(io)) if io.kind() == std::io::ErrorKind::TimedOut => StatementError::Timeout,
        (Some(Meaning::Later), _) => StatementError::Unavailable,
        (None, _) if damage(error) > Damage::None => StatementError::Unavailable,
        _ => StatementError::Failed,
    }
}

/// Whether an error shows that the database refuses writes at the moment.
pub(super) fn stops_writes(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => match Code::of(&code) {
            Code::Postgresql(code) => {
                code == "25006" || matches!(code.get(..2), Some("08" | "53" | "58")) || code.starts_with("57P")
            }
            Code::Sqlite(code) => matches!(code, 8 | 10 | 13 | 14),
        },
        None => damage(error) > Damage::None,
    }
}

/// Whether an error shows that PostgreSQL's disk is full.
pub(super) fn is_of_full_disk(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "53100")
}

/// The store's error for a failed COMMIT.
pub(super) fn of_commit(error: sqlx::Error) -> StoreError {
    match code(&error) {
        Some(code) if Code::of(&code).is_certainly_rolled_back() => of(error),
        _ => StoreError::OutcomeUnknown(error.to_string()),
    }
}

/// The store's error for an error of the driver.
pub(super) fn of(error: sqlx::Error) -> StoreError {
    as_db_err(std::sync::Arc::new(error)).into()
}

/// The error of the entity library for an error of the driver.
pub(super) fn as_db_err(error: std::sync::Arc<sqlx::Error>) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error))
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        // A foreign key is violated only when another transaction has deleted the row meanwhile.
        if let Some(SqlErr::UniqueConstraintViolation(which) | SqlErr::ForeignKeyConstraintViolation(which)) =
            error.sql_err()
        {
            return Self::Conflict(which);
        }
        let text = error.to_string();
        let cause = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => return Self::Unavailable(text),
            DbErr::Custom(which) if which == NOT_READ => return Self::NotRead,
            _ => return Self::Fault(text),
        };
        // The text of the cause doesn't have the entity library's prefix.
        let text = cause.to_string();
        let meaning = match code(cause) {
            Some(code) => Code::of(&code).meaning(),
            None if damage(cause) == Damage::None => Meaning::Mistake,
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
    /// Removes the database's address from the message, because it may contain a password.
    pub(super) fn without(self, url: &str) -> Self {
        let hide = |text: String| text.replace(url, "(the address given)");
        match self {
            Self::Conflict(text) => Self::Conflict(hide(text)),
            Self::Unavailable(text) => Self::Unavailable(hide(text)),
            Self::OutcomeUnknown(text) => Self::OutcomeUnknown(hide(text)),
            Self::Timeout(text) => Self::Timeout(hide(text)),
            Self::NotRead => Self::NotRead,
            Self::Overtaken => Self::Overtaken,
            Self::Newer(text) => Self::Newer(hide(text)),
            Self::Fault(text) => Self::Fault(hide(text)),
        }
    }
}

/// The result of a read or write of the store.
pub type StoreResult<T> = Result<T, StoreError>;
