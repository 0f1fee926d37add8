//! Files for their owner alone, whatever the umask says.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Makes an empty file, unless there is one. SQLite gives its files beside it (`-wal`, `-shm`) the same
/// permissions. A file that is there is not opened: to close it would take away this process's locks on it.
///
/// # Errors
/// When the file can't be made.
pub fn make(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = match options.clone().create_new(true).open(path) {
        // A link whose file isn't there yet: SQLite would make that file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !path.exists() => options.create(true).open(path),
        made => made,
    };
    match made {
        Ok(file) => own(&file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A umask may have taken permissions from the owner too.
fn own(file: &std::fs::File) -> Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let _ = file;
    Ok(())
}
