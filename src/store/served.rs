//! Allows only one server at a time on an SQLite file. Commands such as `packwright token` can use the file meanwhile.
//!
//! A second server would compete for the one writer, and would open windows and run batches in the same file. The lock
//! is on a separate file, because closing the database's file would release SQLite's locks on it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::Address;
use super::private_file;
use super::probe::{Unusable, probe};

/// The suffix of the lock file's name. The lock file is empty, and stays when the server ends: a server that removed it
/// could remove the lock of another one that has just taken it.
const SUFFIX: &str = "-server";
/// How long to wait for a server that is ending.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(50);

/// The lock on an SQLite file for one server. The operating system releases it when the process ends, even when it is
/// killed.
#[derive(Debug)]
pub struct ServedFile {
    _lock: File,
}

impl ServedFile {
    /// Takes the lock for the database at `url`; `None` for PostgreSQL, which any number of servers can share, and on a
    /// file system without locks.
    ///
    /// # Errors
    /// [`Unusable`] if another server has the lock, or the database can't be used.
    pub async fn hold(url: &str) -> Result<Option<Self>, Unusable> {
        let address = Address::parse(url)?;
        let Address::Sqlite { file, .. } = &address else { return Ok(None) };
        // Creates the file, and finds out whether it can be used: the errors of the lock file would say less.
        probe(&address).await?;
        let lock = open(&place(file)).map_err(|error| {
            let shown = file.display();
            Unusable::new(format!(
                "The file {shown}{SUFFIX} can't be opened: {error}. It keeps a second server from the SQLite file \
                 {shown}: let this user read and write it, or remove it while no server runs."
            ))
        })?;
        let begun = tokio::time::Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Self { _lock: lock })),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => tokio::time::sleep(BETWEEN).await,
                Err(TryLockError::WouldBlock) => return Err(served(file)),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(
                        file = %file.display(),
                        %error,
                        "the file system of the database keeps no locks: take care that no second server uses the file"
                    );
                    return Ok(None);
                }
            }
        }
    }
}

fn served(file: &Path) -> Unusable {
    Unusable::new(format!(
        "Another server runs on the SQLite file {}: end that server first, or name another file with --database-url. \
         One server at a time can use an SQLite file; use PostgreSQL for several servers. Commands such as `packwright \
         token` work beside a running server.",
        file.display()
    ))
}

/// The path of the lock file. It follows symbolic links, as SQLite does for its own files beside the database.
fn place(file: &Path) -> PathBuf {
    let mut name: OsString = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()).into();
    name.push(SUFFIX);
    name.into()
}

fn open(place: &Path) -> std::io::Result<File> {
    private_file::make(place)?;
    File::options().read(true).write(true).open(place)
}
