//! `packwright backup`: copies an SQLite database while it is served.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::store::{DatabaseKind, Db, DbOptions, private_file};
use crate::telemetry;

use super::ending::Signals;
use super::terminal::line;
use super::{CliError, Common, print};

#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The file to write. It must not exist yet; nobody but its owner may read it
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// A backup's file while it is being written. Dropping it removes the file, unless [`Unfinished::keep`] was called.
struct Unfinished(PathBuf);

impl Unfinished {
    /// Keeps the file, which is complete.
    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) async fn run(args: BackupArgs) -> Result<(), CliError> {
    telemetry::start(&args.common.log).map_err(CliError::new)?;
    let shown = args.file.display().to_string();
    let exists = || CliError::new(format!("{shown} exists already: name a new file. A backup overwrites nothing."));
    if args.file.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let db = Db::connect(&args.common.database.existing_address()?.reveal(), DbOptions::default()).await?;
    if db.kind() != DatabaseKind::Sqlite {
        return Err(CliError::new(
            "This command copies SQLite's file. PostgreSQL has its own: pg_dump --format=custom --file FILE DATABASE.",
        ));
    }
    let name = args.file.file_name().ok_or_else(|| CliError::new(format!("{shown} isn't the name of a file.")))?;
    // Another command may be writing a backup of the same name at the same time.
    let own = getrandom::u64().map_err(|error| CliError::new(error.to_string()))?;
    let unfinished = args.file.with_file_name(format!("{}.{own:016x}.part", name.to_string_lossy()));
    let cant_write = |error: std::io::Error| CliError::new(format!("{shown} can't be written: {error}."));
    private_file::make(&unfinished).map_err(cant_write)?;
    let unfinished = Unfinished(unfinished);
    let mut signals = Signals::caught()?;
    let copied = tokio::select! {
        copied = db.copy_into(&unfinished.0) => copied,
        _ = signals.next() => return Err(CliError::new("Stopped before the end: there is no backup.")),
    };
    copied.map_err(|error| CliError::new(format!("{shown} can't be written: {error}.")))?;
    File::open(&unfinished.0).and_then(|file| file.sync_all()).map_err(cant_write)?;
    match put_in_place(&unfinished.0, &args.file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists()),
        placed => placed.map_err(cant_write)?,
    }
    let bytes = fs::metadata(&args.file).map_err(cant_write)?.len();
    print(&line(&format!("{shown} has the whole database, {bytes} bytes.")));
    Ok(db.close().await?)
}

/// Gives the copy its name, unless there is such a file by now. The name is on the disk when this returns, where the
/// file system can promise that.
fn put_in_place(copy: &Path, file: &Path) -> std::io::Result<()> {
    match fs::hard_link(copy, file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
        // Some file systems have no links.
        Err(_) => {
            drop(File::create_new(file)?);
            let placed = Unfinished(file.to_owned());
            fs::rename(copy, file)?;
            placed.keep();
        }
        Ok(()) => {}
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The copy is complete all the same if this fails. Some file systems can't sync a folder.
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(%error, "the folder of the backup was not synced");
    }
    Ok(())
}
