//! The directory of a demo's files. It goes with its demo; one whose demo was killed goes with the next one.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::Result;
use std::path::{Path, PathBuf};

use crate::store::address::Address;

/// What the name of such a directory begins with.
const PREFIX: &str = "packwright-demo-";
/// The file that a demo holds locked. The system takes the lock away when the process ends, however it ends.
const HELD: &str = "held";
/// How often a directory is made anew that another demo took for one that was left behind.
const TRIES: usize = 10;

/// The database in which the story is told.
const START: &str = "start.db";

/// The file of a world's database.
fn file(world: u32) -> String {
    format!("world-{world}.db")
}

/// A directory of our own that goes when this does.
pub(super) struct Directory {
    path: PathBuf,
    /// Locked.
    _held: File,
}

impl Directory {
    /// Makes one among the system's temporary files, and removes those that no process holds.
    pub(super) fn new(among: &Path) -> Result<Self> {
        for _ in 1..TRIES {
            if let Some(made) = Self::make(among)? {
                made.remove_left_behind(among);
                return Ok(made);
            }
        }
        Err(std::io::Error::other("another process removes each directory that is made"))
    }

    /// `None` when another demo removed it before it was locked.
    fn make(among: &Path) -> Result<Option<Self>> {
        let path = among.join(crate::ids::secret(PREFIX));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let file = path.join(HELD);
        let Ok(held) = File::create_new(&file) else { return Ok(None) };
        held.lock()?;
        Ok(file.exists().then_some(Self { path, _held: held }))
    }

    /// The address of the database in which the story is told.
    pub(super) fn start(&self) -> String {
        self.url(START)
    }

    /// The address of a world's database: a copy of the one in which the story was told.
    pub(super) fn copy_start(&self, world: u32) -> Result<String> {
        let file = file(world);
        std::fs::copy(self.path.join(START), self.path.join(&file))?;
        Ok(self.url(&file))
    }

    /// Removes the database of a world that has ended. What fails here goes with the directory.
    pub(super) fn forget(&self, world: u32) {
        for beside in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path.join(file(world) + beside));
        }
    }

    fn url(&self, file: &str) -> String {
        Address::Sqlite { file: self.path.join(file), create: true }.reveal()
    }

    /// Removes the directories of demos that were killed. What can't be removed stays: it harms nobody.
    fn remove_left_behind(&self, among: &Path) {
        let Ok(entries) = std::fs::read_dir(among) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_demo = entry.file_name().to_string_lossy().starts_with(PREFIX);
            if is_demo && path != self.path && self.is_ours(&path) {
                remove_unless_held(&path);
            }
        }
    }

    /// A real directory of the same user: in a directory that all may write to, others could lay a trap.
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

fn remove_unless_held(path: &Path) {
    match File::open(path.join(HELD)).map(|held| held.try_lock().map(|()| held)) {
        Ok(Ok(_held)) => drop(std::fs::remove_dir_all(path)),
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) => {}
        // Killed before it made the file. Fails for one that holds anything.
        Err(_) => drop(std::fs::remove_dir(path)),
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
