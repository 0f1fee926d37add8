//! Reads a directory of TZif files, as operating systems and `zic` arrange it: the path `Europe/Berlin` is also the
//! zone's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rules::Rules;
use super::{DataSet, DataVersion, Source};

/// The files that may name the data's version. `+VERSION` comes first, because it contains nothing else.
const VERSION_FILES: [&str; 3] = ["+VERSION", "version", "tzdata.zi"];
/// Entries that aren't zones: copies of all zones with and without leap seconds, and links to the machine's own zone.
const NO_ZONES: [&str; 4] = ["posix", "right", "posixrules", "localtime"];
/// The most parts in a zone's name, such as `America/Argentina/Ushuaia`.
const DEPTH: usize = 3;
/// The most bytes in a zone's file. A large zone has a few thousand.
const FILE_BYTES: u64 = 1 << 20;

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFault {
    #[error("the time zone data in {} can't be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// Without a version, servers can't decide which data is newer.
    #[error("the version of the time zone data in {} can't be known: write it, such as 2026b, into a file +VERSION there", path.display())]
    NoVersion { path: PathBuf },
    #[error("there is no time zone in {}: name a directory of TZif files, as /usr/share/zoneinfo is one", path.display())]
    Empty { path: PathBuf },
    #[error("the time zone data in {} changed while it was read", path.display())]
    Changing { path: PathBuf },
}

/// The version of a directory's data; `None` when no file names it.
pub(super) fn version(path: &Path) -> Option<DataVersion> {
    VERSION_FILES.iter().find_map(|file| DataVersion::read(&beginning(&path.join(file))?))
}

/// Reads the beginning of a file: `tzdata.zi` is long, and only its first line matters.
fn beginning(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(200).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads all zones of a directory. Logs and skips a file that isn't valid.
pub(super) fn read(path: &Path) -> Result<DataSet, DirectoryFault> {
    let unreadable = |error| DirectoryFault::Unreadable { path: path.to_owned(), error };
    std::fs::read_dir(path).map_err(unreadable)?;
    let version_now = || version(path).ok_or_else(|| DirectoryFault::NoVersion { path: path.to_owned() });
    let version = version_now()?;
    let mut zones = BTreeMap::new();
    collect(path, "", DEPTH, &mut zones).map_err(unreadable)?;
    // An update of the directory may be in progress, one file after the other.
    if version_now()? != version {
        return Err(DirectoryFault::Changing { path: path.to_owned() });
    }
    if zones.is_empty() {
        return Err(DirectoryFault::Empty { path: path.to_owned() });
    }
    Ok(DataSet { version, directory: Some(path.to_owned()), zones })
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    zones: &mut BTreeMap<String, (String, Source)>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(part) = entry.file_name().into_string() else { continue };
        let spelt = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
        if !spelt || (prefix.is_empty() && NO_ZONES.contains(&part.as_str())) {
            continue;
        }
        let (path, name) = (entry.path(), format!("{prefix}{part}"));
        // Follows links, and skips broken ones.
        let Ok(kind) = std::fs::metadata(&path) else { continue };
        if kind.is_dir() {
            if depth > 1 {
                collect(&path, &format!("{name}/"), depth - 1, zones)?;
            }
        } else if kind.is_file() && kind.len() <= FILE_BYTES {
            let bytes = std::fs::read(&path)?;
            if !bytes.starts_with(b"TZif") {
                continue;
            }
            match Rules::read(&bytes) {
                Ok(rules) => {
                    zones.insert(name.to_ascii_lowercase(), (name, Source::Read(Arc::new(rules))));
                }
                Err(fault) => tracing::warn!(file = %path.display(), fault, "a time zone's file can't be used"),
            }
        }
    }
    Ok(())
}
