//! Creates files that only their owner can access, with any umask.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Creates an empty file, unless it exists. SQLite gives its `-wal` and `-shm` files the same permissions. An existing
/// file isn't opened, because closing it would release this process's locks on it.
pub fn make(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = match options.clone().create_new(true).open(path) {
        // A link to a missing file. SQLite would create that file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !path.exists() => options.create(true).open(path),
        made => made,
    };
    match made {
        Ok(file) => own(&file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The umask may have removed permissions of the owner too.
fn own(file: &std::fs::File) -> Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let _ = file;
    Ok(())
}
