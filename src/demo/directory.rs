//! The directory with a demo's files. A demo that ends removes it. When a demo is killed, the next demo removes it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::Result;
use std::path::{Path, PathBuf};

use crate::store::address::Address;

/// The prefix of the directories' names.
const PREFIX: &str = "packwright-demo-";
/// The file that a running demo keeps locked. The operating system unlocks it when the process ends, even when it is
/// killed.
const LOCK_FILE: &str = "held";
/// How often to try again when another demo removes the new directory before it is locked.
const TRIES: usize = 10;

/// The database in which the story runs.
const START: &str = "start.db";

fn file(world: u32) -> String {
    format!("world-{world}.db")
}

/// A demo's own directory. Dropping it removes the files.
pub(super) struct Directory {
    path: PathBuf,
    /// The lock.
    _lock: File,
}

impl Directory {
    /// Creates a directory in `parent`, the directory of temporary files, and removes the directories that no process
    /// holds.
    pub(super) fn new(parent: &Path) -> Result<Self> {
        for _ in 1..TRIES {
            if let Some(made) = Self::make(parent)? {
                made.remove_left_behind(parent);
                return Ok(made);
            }
        }
        Err(std::io::Error::other("another process removes each directory that is made"))
    }

    /// `None` when another demo removed the directory before it was locked.
    fn make(parent: &Path) -> Result<Option<Self>> {
        let path = parent.join(crate::ids::secret(PREFIX));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let file = path.join(LOCK_FILE);
        let Ok(lock) = File::create_new(&file) else { return Ok(None) };
        lock.lock()?;
        Ok(file.exists().then_some(Self { path, _lock: lock }))
    }

    /// The address of the database in which the story runs.
    pub(super) fn start(&self) -> String {
        self.url(START)
    }

    /// Copies the story's database for a world, and returns the copy's address.
    pub(super) fn copy_start(&self, world: u32) -> Result<String> {
        let file = file(world);
        std::fs::copy(self.path.join(START), self.path.join(&file))?;
        Ok(self.url(&file))
    }

    /// Removes the database of a world that has ended. Files that can't be removed now are removed with the directory.
    pub(super) fn forget(&self, world: u32) {
        for beside in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path.join(file(world) + beside));
        }
    }

    /// Removes the directory. Returns whether it is gone.
    pub(super) fn remove(&self) -> bool {
        let _ = std::fs::remove_dir_all(&self.path);
        !self.path.exists()
    }

    fn url(&self, file: &str) -> String {
        Address::Sqlite { file: self.path.join(file), create: true }.reveal()
    }

    /// Removes the directories of killed demos. A directory that can't be removed stays and does no harm.
    fn remove_left_behind(&self, parent: &Path) {
        let Ok(entries) = std::fs::read_dir(parent) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_demo = entry.file_name().to_string_lossy().starts_with(PREFIX);
            if is_demo && path != self.path && self.is_ours(&path) {
                remove_unless_locked(&path);
            }
        }
    }

    /// Whether a path is a real directory of the same user. Others may write to the directory of temporary files, and
    /// could place a link there.
    fn is_ours(&self, path: &Path) -> bool {
        let (Ok(own), Ok(found)) = (std::fs::symlink_metadata(&self.path), std::fs::symlink_metadata(path)) else {
            return false;
        };
        #[cfg(unix)]
        let same_user = std::os::unix::fs::MetadataExt::uid(&own) == std::os::unix::fs::MetadataExt::uid(&found);
        #[cfg(not(unix))]
        let same_user = own.is_dir();
        found.is_dir() && same_user
    }
}

fn remove_unless_locked(path: &Path) {
    match File::open(path.join(LOCK_FILE)).map(|lock| lock.try_lock().map(|()| lock)) {
        Ok(Ok(_lock)) => drop(std::fs::remove_dir_all(path)),
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) => {}
        // The demo was killed before it created the file. This removes only an empty directory.
        Err(_) => drop(std::fs::remove_dir(path)),
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}
