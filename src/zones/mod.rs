//! Time zone data (R42): the built-in data, and a directory of TZif files if there is one. Zones come from the newest
//! data; a zone that it lacks comes from the other data.

mod built_in;
mod directory;
mod nearest;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::domain::releases::{DataVersion, Zone};

use self::rules::Rules;

pub use self::directory::DirectoryFault;

/// The directories in which operating systems keep time zone data.
const USUAL_DIRECTORIES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// Where to look for time zone data beside the built-in data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DataLocation {
    /// Only the built-in data.
    #[default]
    BuiltIn,
    /// The operating system's directory, if its data is newer than the built-in.
    Usual,
    /// The directory that the operator names.
    Directory(PathBuf),
}

/// The zones of one version of the data. Keys are names in lower case; values hold the name as IANA spells it.
#[derive(Debug)]
struct DataSet {
    version: DataVersion,
    /// `None` for the built-in data.
    directory: Option<PathBuf>,
    zones: BTreeMap<String, (String, Source)>,
}

impl DataSet {
    fn find(&self, lower: &str) -> Option<Zone> {
        let (name, source) = self.zones.get(lower)?;
        Some(Zone { name: name.clone(), version: self.version.clone(), offsets: source.rules()? })
    }
}

/// Where the rules of a zone come from.
#[derive(Debug)]
enum Source {
    Read(Arc<Rules>),
    /// They are built in, and read at their first use, because a server needs few of all zones. `None` if they can't be
    /// read.
    BuiltIn {
        bytes: &'static [u8],
        read: OnceLock<Option<Arc<Rules>>>,
    },
}

impl Source {
    fn rules(&self) -> Option<Arc<Rules>> {
        match self {
            Self::Read(rules) => Some(rules.clone()),
            // A test makes sure that all of them can be read.
            Self::BuiltIn { bytes, read } => read.get_or_init(|| Rules::read(bytes).ok().map(Arc::new)).clone(),
        }
    }
}

/// The error for an unknown zone name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone has this name; the nearest name is {nearest}")]
pub struct UnknownZone {
    /// The most similar name.
    pub nearest: String,
}

/// The zones that a server knows. Clones share the data, and a reload changes it for all of them.
#[derive(Clone)]
pub struct TimeZones(Arc<Inner>);

struct Inner {
    location: DataLocation,
    /// Newest first; never empty.
    sets: RwLock<Vec<Arc<DataSet>>>,
}

impl TimeZones {
    /// Only the built-in data.
    #[must_use]
    pub fn built_in() -> Self {
        Self(Arc::new(Inner { location: DataLocation::BuiltIn, sets: RwLock::new(vec![built_in::data()]) }))
    }

    /// The built-in data and the data from `location`. Fails only for a directory that the operator names.
    pub fn open(location: DataLocation) -> Result<Self, DirectoryFault> {
        let sets = read(&location)?;
        Ok(Self(Arc::new(Inner { location, sets: RwLock::new(sets) })))
    }

    /// Reads the directory again, in case it was updated. When that fails, the current data stays in use. Fails only
    /// for a directory that the operator names.
    pub fn reload(&self) -> Result<(), DirectoryFault> {
        if self.0.location == DataLocation::BuiltIn {
            return Ok(());
        }
        let sets = read(&self.0.location)?;
        *self.0.sets.write().unwrap_or_else(PoisonError::into_inner) = sets;
        Ok(())
    }

    fn sets(&self) -> Vec<Arc<DataSet>> {
        self.0.sets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds a zone by its name in any case. The error has the most similar name.
    pub fn find(&self, name: &str) -> Result<Zone, UnknownZone> {
        let (sets, lower) = (self.sets(), name.to_ascii_lowercase());
        sets.iter().find_map(|set| set.find(&lower)).ok_or_else(|| {
            let names = sets.iter().flat_map(|set| set.zones.values().map(|(name, _)| name.as_str()));
            UnknownZone { nearest: nearest::nearest(name, names) }
        })
    }

    /// The names of all zones, as IANA spells them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let sets = self.sets();
        let all: BTreeMap<_, _> = sets.iter().rev().flat_map(|set| &set.zones).collect();
        all.into_values().map(|(name, _)| name.clone()).collect()
    }

    /// The version of the newest data.
    #[must_use]
    pub fn version(&self) -> DataVersion {
        self.sets().first().map(|set| set.version.clone()).unwrap_or_default()
    }

    /// The versions in use and where they come from, newest first, for the operator to read.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let location =
            |set: &DataSet| set.directory.as_deref().map_or("built in".to_owned(), |at| at.display().to_string());
        self.sets().iter().map(|set| format!("{}, {}", set.version, location(set))).collect()
    }
}

/// The data sets, newest first. If both have one version, the directory comes first: an operator may have corrected it.
fn read(location: &DataLocation) -> Result<Vec<Arc<DataSet>>, DirectoryFault> {
    let built_in = built_in::data();
    let found = match location {
        DataLocation::BuiltIn => None,
        DataLocation::Directory(path) => Some(directory::read(path)?),
        DataLocation::Usual => USUAL_DIRECTORIES.iter().find_map(|path| newer(Path::new(path), &built_in.version)),
    };
    let mut sets: Vec<_> = found.map(Arc::new).into_iter().chain([built_in]).collect();
    sets.sort_by(|a, b| b.version.cmp(&a.version));
    if let (DataLocation::Directory(path), Some(newest)) = (location, sets.first())
        && newest.directory.is_none()
    {
        tracing::warn!(
            directory = %path.display(),
            "the time zone data of the directory is older than the built-in, {}: the built-in is used",
            newest.version
        );
    }
    Ok(sets)
}

/// The data of a usual directory, if it is newer than the built-in data and can be read.
fn newer(path: &Path, built_in: &DataVersion) -> Option<DataSet> {
    if directory::version(path)? <= *built_in {
        return None;
    }
    directory::read(path)
        .inspect_err(|fault| tracing::warn!(%fault, "the operating system's time zone data can't be used"))
        .ok()
}
