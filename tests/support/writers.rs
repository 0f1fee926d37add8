//! Servers beside the test app's own, with several connections for writing, and helpers that make transactions wait.

use std::time::Duration;

use async_graphql::{Request, Variables};
use packwright::app::{App, AppOptions};
use packwright::service::Settings;
use packwright::store::DbOptions;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseTransaction, Statement, TransactionTrait as _};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::client::document;
use super::rows::{database_url, tables};
use super::{At as _, TestApp, Watched, uuid_of};

/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Options for a server with several connections for writing.
pub(crate) fn several_writers() -> DbOptions {
    DbOptions { max_connections: 10, ..DbOptions::default() }
}

/// The payload of a mutation on another server.
pub(crate) async fn mutate_on(server: &App, token: &str, mutation: &str, input: Value, selection: &str) -> Value {
    let variables = Variables::from_json(json!({ "input": input }));
    let request = Request::new(document(mutation, selection)).variables(variables);
    let answer = serde_json::to_value(server.execute(Some(token), request).await).expect("an answer is JSON");
    answer.at(&format!("/data/{mutation}")).clone()
}

/// Runs `act` to its end, while the calling thread of a server stands still. `act` runs on a thread of its own: polling
/// it on this thread would swallow wake-ups of the server. The test's runtime must have several threads.
pub(crate) fn meanwhile<F: Future<Output = ()>>(act: impl FnOnce() -> F + Send + 'static) {
    let runtime = Handle::current();
    let thread = std::thread::spawn(move || runtime.block_on(act()));
    tokio::task::block_in_place(|| thread.join()).expect("it is done");
}

impl Watched {
    /// Runs `act` once, right after the next statement for which `is_meant` returns true, before the server goes on.
    pub(crate) fn once_after<F: Future<Output = ()>>(
        &self,
        mut is_meant: impl FnMut(&str) -> bool + Send + 'static,
        act: impl FnOnce() -> F + Send + 'static,
    ) {
        let mut act = Some(act);
        self.after_statements(move |sql| {
            if act.is_some() && is_meant(sql) {
                act.take().into_iter().for_each(meanwhile);
            }
        });
    }
}

impl TestApp {
    /// Whether the database is SQLite, which has one writer and no locks of rows to wait for.
    pub(crate) fn has_one_writer(&self) -> bool {
        assert!(self.is_postgresql() || self.app.services.db.writers() == 1);
        !self.is_postgresql()
    }

    /// Whether the database is PostgreSQL, for statements that the test writes itself.
    pub(crate) fn is_postgresql(&self) -> bool {
        tables(self).get_database_backend() == DatabaseBackend::Postgres
    }

    /// A server with the app's clock and mover. On PostgreSQL `parameters` are added to the database's address.
    pub(crate) async fn server_beside(&self, settings: Settings, db: DbOptions, parameters: &str) -> App {
        let mut url = database_url(self).await;
        if !self.has_one_writer() {
            url += parameters;
        }
        let (clock, mover) = (self.clock.clone(), self.mover.clone());
        let options = AppOptions { settings, migrate: false, db, mover, ..AppOptions::new(url, clock) };
        App::build(options).await.expect("a server beside the app's own")
    }

    /// Locks a row of a table on PostgreSQL until the transaction ends.
    pub(crate) async fn hold(&self, table: &str, id: &str) -> DatabaseTransaction {
        let held = tables(self).begin().await.expect("a transaction");
        let lock = format!("SELECT id FROM {table} WHERE id = '{}' FOR UPDATE", uuid_of(id));
        held.execute_unprepared(&lock).await.expect("the row is held");
        held
    }

    /// The value of the column `n` of a statement's single row, on PostgreSQL.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let row = tables(self).query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await;
        row.expect("an answer").expect("one row").try_get("", "n").expect("a number")
    }

    /// How many transactions on the app's database wait for a lock.
    pub(crate) async fn waiting(&self) -> i64 {
        let sql = "SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.number(sql).await
    }

    /// Waits until every other connection of the app's database is out of its transaction. PostgreSQL rolls the
    /// transaction of a server that died back a moment after its end, and until then a tick passes over the rows that
    /// the transaction has locked. On SQLite a tick waits for the write lock anyway.
    pub(crate) async fn until_transactions_have_ended(&self) {
        let sql = "SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        let looks = async {
            while !self.has_one_writer() && self.number(sql).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIME_LIMIT, looks).await.expect("the transactions end");
    }
}
