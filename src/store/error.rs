//! How statements fail, and how that is told.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint was in the way: a race that somebody else has won.
    #[error("a unique constraint was violated: {0}")]
    Conflict(String),
    /// The database can't be reached, or gave up a lock; the same call may pass later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A statement took longer than one may.
    #[error("a statement took too long: {0}")]
    Timeout(String),
    /// A fault of ours.
    #[error("the database refused: {0}")]
    Fault(String),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match (&error, error.sql_err()) {
            (_, Some(SqlErr::UniqueConstraintViolation(which))) => Self::Conflict(which),
            (DbErr::Conn(_) | DbErr::ConnectionAcquire(_), _) => Self::Unavailable(error.to_string()),
            _ => {
                let text = error.to_string();
                match code(&error).as_deref() {
                    // PostgreSQL's query_canceled.
                    Some("57014") => Self::Timeout(text),
                    // Its deadlock_detected and serialization_failure, and SQLite's busy: another try may pass.
                    Some("40P01" | "40001") => Self::Unavailable(text),
                    Some(code) if is_sqlite_busy(code) => Self::Unavailable(text),
                    _ => Self::Fault(text),
                }
            }
        }
    }
}

/// What the database calls an error: a SQLSTATE, or one of SQLite's numbers. Its words may be in any language.
fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return None;
    };
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// `SQLITE_BUSY`, also with what it extends it by in its higher bits. A SQLSTATE has five characters, and these
/// numbers at most three.
fn is_sqlite_busy(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 5)
}

impl StoreError {
    /// The same without the address of the database, that may hold a password.
    pub(super) fn without(self, url: &str) -> Self {
        let hide = |text: String| text.replace(url, "(the address given)");
        match self {
            Self::Conflict(text) => Self::Conflict(hide(text)),
            Self::Unavailable(text) => Self::Unavailable(hide(text)),
            Self::Timeout(text) => Self::Timeout(hide(text)),
            Self::Fault(text) => Self::Fault(hide(text)),
        }
    }
}

/// What the store answers.
pub type StoreResult<T> = Result<T, StoreError>;
