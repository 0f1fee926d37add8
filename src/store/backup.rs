//! A copy of an SQLite database, made while others work on it.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};

use super::{Db, StoreError, StoreResult};

impl Db {
    /// Writes one state of the SQLite database into an empty file. Others can write meanwhile: the copy has what was
    /// committed when it began.
    ///
    /// # Errors
    /// [`StoreError`] if the file's name isn't Unicode, or the file can't be written.
    pub async fn copy_into(&self, file: &Path) -> StoreResult<()> {
        let name = file.to_str().ok_or_else(|| StoreError::Unavailable("its name isn't Unicode".into()))?;
        // The connection for migrations has no limit of time for a statement.
        let copy = Statement::from_sql_and_values(DatabaseBackend::Sqlite, "VACUUM INTO ?", [name.into()]);
        self.for_migration().execute_raw(copy).await?;
        Ok(())
    }
}
