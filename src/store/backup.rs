//! Copies an SQLite database while other connections use it.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};

use super::{Db, StoreError, StoreResult};

impl Db {
    /// Copies the SQLite database into an empty file. Other connections can write meanwhile; the copy has the state in
    /// which it began.
    ///
    /// # Errors
    /// [`StoreError`] if the file's name isn't Unicode, or the file can't be written.
    pub async fn copy_into(&self, file: &Path) -> StoreResult<()> {
        let name = file.to_str().ok_or_else(|| StoreError::Unavailable("its name isn't Unicode".into()))?;
        // The connection for migrations has no time limit for a statement.
        let copy = Statement::from_sql_and_values(DatabaseBackend::Sqlite, "VACUUM INTO ?", [name.into()]);
        self.for_migration().execute_raw(copy).await?;
        Ok(())
    }
}
