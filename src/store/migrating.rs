//! Lists and runs migrations.
//!
//! They run in one transaction together with the table that lists them, so a process that is killed leaves the database
//! unchanged. The transaction begins before the list is read, under a lock. Other processes wait for the lock, and then
//! find nothing to do.

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, FromQueryResult, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait as _,
};

use super::{DatabaseKind, Db, MIGRATION_LOCK, StoreError, StoreResult};

/// Why a database can't be migrated to this program's last migration.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "The database {database} was migrated by a newer version of Packwright: this program doesn't know its migration {unknown}. Update the program."
    )]
    Newer { database: String, unknown: String },
    #[error("The database {database} holds tables of something else: name a database of its own for Packwright.")]
    Foreign { database: String },
    #[error("The database {database} could not be migrated, and is as it was: {why}.")]
    Failed { database: String, why: String },
    #[error("Which migrations the database {database} has can't be read: {why}.")]
    Unreadable { database: String, why: String },
}

#[derive(FromQueryResult)]
struct Applied {
    version: String,
}

/// Queries for the existence of the table of migrations.
const LIST_SQLITE: &str =
    "SELECT name AS version FROM sqlite_schema WHERE type = 'table' AND name = 'seaql_migrations'";
const LIST_POSTGRESQL: &str = "SELECT 'seaql_migrations' AS version WHERE to_regclass('seaql_migrations') IS NOT NULL";
const APPLIED: &str = "SELECT version FROM seaql_migrations ORDER BY version";

impl Db {
    /// All migrations by name, oldest first, and whether the database has them. Changes nothing.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, MigrationError> {
        self.compare(self.applied(self.present()).await)
    }

    /// The number of migrations that the database lacks. Changes nothing.
    pub async fn pending_migrations(&self) -> Result<usize, MigrationError> {
        Ok(self.migrations().await?.iter().filter(|(_, applied)| !applied).count())
    }

    /// Runs all missing migrations or none. Dropping the future early changes nothing.
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        // If nothing is missing, the database isn't locked, because a server may be using it.
        if self.pending_migrations().await? == 0 {
            return Ok(());
        }
        let failed = |why: String| self.failed(why);
        let tx = self.begin_alone().await.map_err(|error| failed(error.to_string()))?;
        let pending = self.compare(self.applied(&tx).await)?;
        if pending.iter().all(|(_, applied)| *applied) {
            return Ok(());
        }
        Migrator::up(&tx, None).await.map_err(|error| {
            let why = error.to_string();
            if why.contains("already exists") {
                MigrationError::Foreign { database: self.shown().to_owned() }
            } else {
                failed(why)
            }
        })?;
        tx.commit().await.map_err(|error| failed(StoreError::from(error).to_string()))
    }

    /// Begins the transaction of a migration, and waits until no other process has one.
    async fn begin_alone(&self) -> StoreResult<DatabaseTransaction> {
        let begin = async || -> StoreResult<DatabaseTransaction> {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            Ok(self.for_migration().begin_with_options(options).await?)
        };
        match self.kind() {
            DatabaseKind::Postgresql => {
                let tx = begin().await?;
                // Behind a pooler, another migration may have left prepared statements with the same names.
                tx.execute_unprepared("DEALLOCATE ALL").await?;
                // Removes the connection's time limits, because another process's migration may take long.
                for bound in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
                    tx.execute_unprepared(&format!("SET LOCAL {bound} = 0")).await?;
                }
                let sql = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
                tx.execute_unprepared(&sql).await?;
                Ok(tx)
            }
            DatabaseKind::Sqlite => loop {
                match begin().await {
                    Err(StoreError::Unavailable(why)) if why.contains("database is locked") => {
                        tracing::warn!(
                            database = self.shown(),
                            "waiting for another process that writes to the database"
                        );
                    }
                    begun => return begun,
                }
            },
        }
    }

    async fn applied(&self, on: &impl ConnectionTrait) -> StoreResult<Vec<String>> {
        let list = match self.kind() {
            DatabaseKind::Sqlite => LIST_SQLITE,
            DatabaseKind::Postgresql => LIST_POSTGRESQL,
        };
        let read = |sql: &str| Statement::from_string(on.get_database_backend(), sql);
        if Applied::find_by_statement(read(list)).one(on).await?.is_none() {
            return Ok(Vec::new());
        }
        let found = Applied::find_by_statement(read(APPLIED)).all(on).await?;
        Ok(found.into_iter().map(|applied| applied.version).collect())
    }

    fn compare(&self, applied: StoreResult<Vec<String>>) -> Result<Vec<(String, bool)>, MigrationError> {
        let applied = applied.map_err(|error| MigrationError::Unreadable {
            database: self.shown().to_owned(),
            why: error.to_string(),
        })?;
        let own: Vec<String> =
            Migrator::migrations().iter().map(|own_migration| own_migration.name().to_owned()).collect();
        let unknown: Vec<&str> = applied.iter().filter(|name| !own.contains(name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(MigrationError::Newer { database: self.shown().to_owned(), unknown: unknown.join(", ") });
        }
        Ok(own.into_iter().map(|name| (name.clone(), applied.contains(&name))).collect())
    }

    fn failed(&self, why: String) -> MigrationError {
        MigrationError::Failed { database: self.shown().to_owned(), why }
    }
}
