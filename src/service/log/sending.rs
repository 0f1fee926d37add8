//! Copies seals out of the database, so that the copies can be kept where no attacker of the database reaches them
//! (R51).

use std::fs::{File, Metadata};
use std::io::{Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::domain::Instant;
use crate::domain::instant::to_text;
use crate::domain::log::Chain;

/// The place outside the database to which a server copies its seals. An attacker that can change the database can
/// compute its chain again, but can't change copies that are kept elsewhere.
#[derive(Debug, Default)]
pub enum SealsTo {
    #[default]
    Nowhere,
    /// The server's log.
    Log,
    /// A file, to which lines are added.
    File(Mutex<SealsFile>),
}

impl SealsTo {
    /// Opens a file to add seals to. It is created if it isn't there.
    ///
    /// # Errors
    /// The system's error, if it can't be opened for writing.
    pub fn file(path: &Path) -> Result<Self> {
        Ok(Self::File(Mutex::new(SealsFile { path: path.to_owned(), file: opened(path)?, is_torn: false })))
    }

    /// Sends the end of each chain. A seal that is lost on the way is covered by the next one.
    pub(super) fn send(&self, chains: &[Chain], sealed_at: Instant) {
        let mut lines = String::new();
        for chain in chains {
            let (seal, hash) = (chain.end.number, chain.end.hash);
            let publisher = chain.publisher_id.shown_as_publisher();
            match self {
                Self::Nowhere => return,
                Self::Log => tracing::info!(publisher, seal, %hash, "audit entries are sealed"),
                Self::File(_) => {
                    let sealed_at = to_text(sealed_at);
                    let line = json!({ "publisher": publisher, "seal": seal, "hash": hash.to_string(), "sealedAt": sealed_at });
                    lines += &format!("{line}\n");
                }
            }
        }
        if let Self::File(file) = self {
            file.lock().unwrap_or_else(PoisonError::into_inner).add(&lines);
        }
    }
}

/// A file of seals. The file can be moved away while the server runs: the server then continues in a new file at the
/// same path.
#[derive(Debug)]
pub struct SealsFile {
    path: PathBuf,
    file: File,
    /// Whether a write has failed, so that the file may end within a line.
    is_torn: bool,
}

impl SealsFile {
    fn add(&mut self, lines: &str) {
        if let Err(error) = self.try_add(lines) {
            self.is_torn = true;
            tracing::error!(%error, path = %self.path.display(), "a seal of the audit log could not be written");
        }
    }

    fn try_add(&mut self, lines: &str) -> Result<()> {
        if self.is_torn || !self.is_in_place()? {
            let was_torn = std::mem::take(&mut self.is_torn);
            self.file = opened(&self.path)?;
            if !was_torn {
                tracing::info!(path = %self.path.display(), "the file of seals was moved away: seals go into a new one");
            }
        }
        self.file.write_all(lines.as_bytes())
    }

    /// Whether the path still leads to the open file.
    fn is_in_place(&self) -> Result<bool> {
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok(is_same(&there, &self.file.metadata()?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Without inode numbers, any file at the path counts as the same.
#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// Opens a file of seals to append to it. Removes an incomplete line at its end, which a server that died may have
/// left.
fn opened(path: &Path) -> Result<File> {
    let open = |reads: bool| File::options().create(true).append(true).read(reads).open(path);
    // The server may have the permission to append to the file, but not to read it.
    let Ok(mut file) = open(true) else { return open(false) };
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    let (mut size, mut last) = (file.metadata()?.len(), [b'\n']);
    let ends = size;
    while size > 0 {
        file.seek(SeekFrom::Start(size - 1))?;
        file.read_exact(&mut last)?;
        if last == [b'\n'] {
            break;
        }
        size -= 1;
    }
    // If the file can't be shortened, ends the incomplete line instead.
    if size < ends && file.set_len(size).is_err() {
        file.write_all(b"\n")?;
    }
    Ok(file)
}
