//! Numbers about the database itself, for the metrics.

use sea_orm::{ConnectionTrait as _, Statement};

pub use super::cache::Lookups;
use super::{DatabaseKind, Db, StoreError, StoreResult, WholeServer};
use crate::metrics::{CacheName, PoolName};

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    pub pool: PoolName,
    pub used: usize,
    pub idle: usize,
    pub max: usize,
}

/// The space of the file system that has the SQLite file.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    pub free: u64,
    pub size: u64,
}

impl Db {
    /// The connections in use.
    #[must_use]
    pub fn connections(&self) -> [Connections; 3] {
        self.pools().map(|pool| {
            let (used, idle) = pool.connections();
            Connections { pool: pool.name(), used, idle, max: pool.size() }
        })
    }

    /// The look-ups in each cache.
    pub fn lookups(&self) -> impl Iterator<Item = (CacheName, Lookups)> {
        self.cache().lookups().into_iter().chain([(CacheName::Tokens, self.bearers().lookups())])
    }

    /// The space of the file system that has the SQLite file; `None` for PostgreSQL.
    #[cfg(unix)]
    #[must_use]
    pub fn disk(&self) -> Option<Disk> {
        let space = rustix::fs::statvfs(self.file()?).ok()?;
        // The space that users other than root may still use.
        Some(Disk { free: space.f_bavail * space.f_frsize, size: space.f_blocks * space.f_frsize })
    }

    /// Always `None`, because other systems don't offer this call.
    #[cfg(not(unix))]
    #[must_use]
    pub fn disk(&self) -> Option<Disk> {
        self.file().and(None)
    }
}

/// The bytes that the database takes.
pub async fn size(server: &WholeServer) -> StoreResult<i64> {
    let size = match server.kind() {
        DatabaseKind::Sqlite => "SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size",
        DatabaseKind::Postgresql => "SELECT pg_database_size(current_database()) AS size",
    };
    let size = Statement::from_string(server.conn().get_database_backend(), size);
    let row = server
        .conn()
        .query_one_raw(size)
        .await?
        .ok_or_else(|| StoreError::Fault("the query of the size returned no row".into()))?;
    Ok(row.try_get("", "size")?)
}
