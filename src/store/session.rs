//! A connection in use, and its transaction. If the database ends the transaction on its own, or the outcome of a
//! commit is unknown, the connection is closed, so that no later statement runs in the remains of the transaction.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::prelude::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, Statement, sqlx};
use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::connection::{Command, Connection, Reply};
use super::error::{self, Damage};
use super::hints::CHANNEL;
use super::pool::{Limits, Pool, timed_out};
use super::{StoreError, StoreResult};
use crate::metrics::{self, StatementError};
use crate::traces;

/// The extra time to wait for an answer after PostgreSQL's statement timeout. If it is exceeded, the network is broken.
const GRACE: Duration = Duration::from_secs(5);
/// The time after an answer for which a connection is assumed to work. It is longer than the second between two looks
/// at the tasks and at the log, so that a look takes one round trip and not two.
const TRUSTED: Duration = Duration::from_secs(2);

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// A transaction that may write.
    Write,
    /// Several reads that see one state.
    Snapshot,
    /// A single read.
    Statement,
}

impl Begin {
    /// The script that begins the transaction; `None` if no transaction is needed. On PostgreSQL it sets the time
    /// limits for the transaction alone, because a pooler may refuse session settings, or apply them to other clients.
    /// If the session has the limits, a single read needs no transaction.
    fn script(self, is_postgresql: bool, limits: Limits) -> Option<Cow<'static, str>> {
        if !is_postgresql {
            return match self {
                // With a plain BEGIN, a transaction that reads first can't write after another one has written.
                Self::Write => Some("BEGIN IMMEDIATE".into()),
                Self::Snapshot => Some("BEGIN".into()),
                Self::Statement => None,
            };
        }
        let (begin, stillness) = match self {
            // The database may have another default. Whoever has waited for a lock looks again, and must see what has
            // committed meanwhile.
            Self::Write => ("BEGIN ISOLATION LEVEL READ COMMITTED", limits.stillness),
            Self::Snapshot => ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", limits.reader_stillness()),
            Self::Statement => ("BEGIN READ ONLY", limits.reader_stillness()),
        };
        if limits.are_of_session {
            return (self != Self::Statement).then_some(begin.into());
        }
        let mut script = begin.to_owned();
        for (name, millis) in limits.settings(stillness) {
            script.push_str(&format!("; SET LOCAL {name} = {millis}"));
        }
        Some(script.into())
    }
}

/// A connection in use. Dropping it rolls its transaction back and returns the connection to the pool, or closes an
/// unusable connection.
pub(super) struct Session {
    pool: Arc<Pool>,
    connection: Option<Connection>,
    permit: Option<OwnedSemaphorePermit>,
    /// The turn of the account whose call uses the connection.
    turn: Option<OwnedSemaphorePermit>,
    begun: Option<Begin>,
    /// The first error of a statement in the transaction.
    failed: Option<Arc<sqlx::Error>>,
    /// Whether the connection must be closed.
    is_unusable: bool,
}

impl Session {
    /// Starts to use a connection as `begin` says. Begins a transaction if this use needs one. Otherwise a connection
    /// to PostgreSQL that was silent for a while shows that it still works.
    pub(super) async fn begin(
        pool: Arc<Pool>,
        connection: Connection,
        permit: OwnedSemaphorePermit,
        begin: Begin,
    ) -> Result<Self, sqlx::Error> {
        let script = begin.script(pool.is_of_postgresql(), pool.limits);
        let is_trusted = !pool.is_of_postgresql() || connection.silence() < TRUSTED;
        let mut session = Self {
            pool,
            connection: Some(connection),
            permit: Some(permit),
            turn: None,
            begun: None,
            failed: None,
            is_unusable: false,
        };
        if let Some(script) = script {
            session.begun = Some(begin);
            session.send(Command::Script(&script)).await?;
            session.observe_script(&script);
        } else if !is_trusted {
            session.ping().await?;
        }
        Ok(session)
    }

    /// Finds out whether the connection still works. A transaction would show that too, but it costs two statements.
    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::PoolClosed) };
        let answered = connection.ping().await;
        if let Err(error) = &answered {
            self.is_unusable = true;
            self.pool.record_error(error);
        }
        answered
    }

    /// The session with its account's turn, which ends when the connection is free again.
    pub(super) fn in_turn(self, turn: Option<OwnedSemaphorePermit>) -> Self {
        let mut session = self;
        session.turn = turn;
        session
    }

    /// Sends a command, and records the consequences of an error.
    async fn send(&mut self, command: Command<'_>) -> Result<Reply, sqlx::Error> {
        let (pool, limits) = (&self.pool, self.pool.limits);
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::PoolClosed) };
        let began = Instant::now();
        let sent = match limits.statement {
            // PostgreSQL stops the statement on its own. Without an answer the network is broken.
            Some(limit) if pool.is_of_postgresql() => {
                let sent = tokio::time::timeout(limit + GRACE, connection.run(command, None)).await;
                sent.unwrap_or_else(|_| Err(timed_out("the database did not answer")))
            }
            limit => connection.run(command, limit).await,
        };
        let failed = sent.as_ref().map_or_else(error::kind_of, |_| StatementError::None);
        let (kind, took) = (metrics::Statement::of(command.sql()), began.elapsed());
        pool.metrics.statements.took((kind, failed), took);
        traces::statement(pool.system(), kind, command.sql(), took, failed);
        if let Err(error) = &sent {
            self.is_unusable |= error::damage(error) > Damage::None;
            self.pool.record_error(error);
        }
        sent
    }

    /// Runs a command in the transaction.
    pub(super) async fn run(&mut self, command: Command<'_>) -> Result<Reply, DbErr> {
        let is_tried_again = !self.pool.is_of_postgresql() && self.begun != Some(Begin::Write) && !self.is_unusable;
        match &self.failed {
            // On SQLite a failed read doesn't affect other reads. In all other cases the first error ends the
            // transaction.
            Some(error) if !is_tried_again => return Err(error::as_db_err(error.clone())),
            _ => {}
        }
        let ran = match self.recover().await {
            Ok(()) => self.send(command).await,
            Err(error) => Err(error),
        };
        if let Some(observer) = &self.pool.observer {
            match command {
                Command::Execute(statement) | Command::One(statement) | Command::All(statement) => observer(statement),
                Command::Copy(sql, _) => observer(&Statement::from_string(DatabaseBackend::Postgres, sql)),
                Command::Script(_) => {}
            }
        }
        ran.map_err(|error| {
            let error = Arc::new(error);
            self.failed.get_or_insert_with(|| error.clone());
            error::as_db_err(error)
        })
    }

    /// Shows the observer the beginning of a transaction, or its commit just before that.
    fn observe_script(&self, script: &str) {
        if let Some(observer) = &self.pool.observer {
            let backend =
                if self.pool.is_of_postgresql() { DatabaseBackend::Postgres } else { DatabaseBackend::Sqlite };
            observer(&Statement::from_string(backend, script));
        }
    }

    /// Whether a failed read may be retried on another connection, because this one was broken, usually while it was
    /// idle.
    pub(super) fn was_broken(&self) -> bool {
        let is_slow = |error: &sqlx::Error| matches!(error, sqlx::Error::Io(io) if io.kind() == ErrorKind::TimedOut);
        let has_gone = self.failed.as_ref().is_some_and(|error| !is_slow(error) && error::damage(error) > Damage::None);
        has_gone && self.begun.is_none() && self.pool.is_of_postgresql()
    }

    /// Continues after a statement whose caller was dropped. Reads wait for its end; a writing transaction fails.
    async fn recover(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.connection {
            Some(connection) if connection.is_left_running() => {
                if self.begun == Some(Begin::Write) {
                    return Err(timed_out("a statement of the transaction was left in the middle"));
                }
                let recovered = connection.recover().await;
                self.is_unusable |= recovered.is_err();
                recovered
            }
            _ => Ok(()),
        }
    }

    /// Commits the transaction, unless a statement failed. After a failure PostgreSQL would roll back and still report
    /// a successful COMMIT, and SQLite may have ended the transaction already.
    /// With `announces`, other servers get the hint that the event log has grown.
    pub(super) async fn commit(mut self, announces: bool) -> StoreResult<()> {
        if let Err(error) = self.recover().await {
            return Err(error::of(error));
        }
        if let Some(error) = &self.failed {
            return Err(error::as_db_err(error.clone()).into());
        }
        self.observe_script("COMMIT");
        // In the same round trip. The transaction has appended events, so the sequence's current value is the position
        // of the last one.
        let last = "currval(pg_get_serial_sequence('event', 'sequence'))";
        let hint = format!("SELECT pg_notify('{CHANNEL}', {last}::text); COMMIT");
        let is_hinted = announces && self.pool.is_of_postgresql();
        match self.send(Command::Script(if is_hinted { &hint } else { "COMMIT" })).await {
            Ok(_) => {
                self.begun = None;
                self.pool.health.committed();
                Ok(())
            }
            Err(error) => {
                self.is_unusable = true;
                let error = error::of_commit(error);
                tracing::warn!(%error, "a commit failed; its connection is closed");
                Err(error)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let permits = (self.permit.take(), self.turn.take());
        if self.is_unusable || connection.is_left_running() {
            return;
        }
        let pool = self.pool.clone();
        if self.begun.is_none() {
            pool.put_back(connection);
            return;
        }
        // Without a runtime the process is ending, and the connection ends with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let undone = tokio::time::timeout(GRACE, connection.run(Command::Script("ROLLBACK"), None)).await;
            match undone {
                Ok(Ok(_)) => pool.put_back(connection),
                Ok(Err(error)) => tracing::debug!(%error, "a transaction had ended before its rollback"),
                Err(_) => {}
            }
            drop(permits);
        });
    }
}

/// A connection or pool that runs statements.
#[async_trait::async_trait]
pub(in crate::store) trait RunsStatements: Send + Sync {
    fn is_of_postgresql(&self) -> bool;

    async fn run(&self, command: Command<'_>) -> Result<Reply, DbErr>;
}

/// A session for several callers, one at a time.
pub(crate) struct SharedSession {
    session: Mutex<Session>,
    is_of_postgresql: bool,
}

impl SharedSession {
    pub(super) fn new(session: Session) -> Self {
        let is_of_postgresql = session.pool.is_of_postgresql();
        Self { session: Mutex::new(session), is_of_postgresql }
    }

    pub(super) fn into_session(self) -> Session {
        self.session.into_inner()
    }
}

#[async_trait::async_trait]
impl RunsStatements for SharedSession {
    fn is_of_postgresql(&self) -> bool {
        self.is_of_postgresql
    }

    async fn run(&self, command: Command<'_>) -> Result<Reply, DbErr> {
        self.session.lock().await.run(command).await
    }
}

/// Adapts [`RunsStatements`] to the connection trait of the entity library.
#[derive(Clone)]
pub(crate) struct Line<T>(pub(super) T);

#[async_trait::async_trait]
impl<T: RunsStatements> ConnectionTrait for Line<T> {
    fn get_database_backend(&self) -> DatabaseBackend {
        if self.0.is_of_postgresql() { DatabaseBackend::Postgres } else { DatabaseBackend::Sqlite }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        done(self.0.run(Command::Execute(&statement)).await?)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        done(self.0.run(Command::Script(sql)).await?)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(rows(self.0.run(Command::One(&statement)).await?).into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        Ok(rows(self.0.run(Command::All(&statement)).await?))
    }
}

fn done(reply: Reply) -> Result<ExecResult, DbErr> {
    match reply {
        Reply::Done(result) => Ok(result),
        Reply::Rows(_) => Err(DbErr::Custom("a statement returned unexpected rows".into())),
    }
}

fn rows(reply: Reply) -> Vec<QueryResult> {
    match reply {
        Reply::Rows(rows) => rows,
        Reply::Done(_) => Vec::new(),
    }
}

/// The error of the entity library for a session that isn't available.
pub(super) fn unavailable(error: StoreError) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::Internal(error.to_string()))
}
