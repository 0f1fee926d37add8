//! The data of the time zones (R42): what the program has built in, and a directory of TZif files where there is
//! one. The newest data answers first; a zone that it doesn't have is taken from the other.

mod built_in;
mod directory;
mod nearest;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::zone::{DataVersion, Zone};

use self::rules::Rules;

pub use self::directory::DirectoryFault;

/// The directories in which operating systems keep the data.
const USUAL_PLACES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// Where data is looked for, beside what is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    #[default]
    BuiltIn,
    /// Where operating systems keep it; it is read only when it is newer.
    Usual,
    /// In the directory that the operator names.
    Directory(PathBuf),
}

/// The zones of one version of the data, by their names in lower case.
#[derive(Debug)]
struct DataSet {
    version: DataVersion,
    /// `None` for the data that is built in.
    directory: Option<PathBuf>,
    zones: BTreeMap<String, (String, Arc<Rules>)>,
}

impl DataSet {
    fn find(&self, lower: &str) -> Option<Zone> {
        let (name, rules) = self.zones.get(lower)?;
        Some(Zone { name: name.clone(), version: self.version.clone(), offsets: rules.clone() })
    }
}

/// No zone has the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone has this name; the nearest name is {nearest}")]
pub struct UnknownZone {
    /// The name that is most like it.
    pub nearest: String,
}

/// The zones that a server knows: cheap to clone, and the same for all clones.
#[derive(Clone)]
pub struct TimeZones(Arc<Inner>);

struct Inner {
    place: Place,
    /// The newest first; never empty.
    sets: RwLock<Vec<Arc<DataSet>>>,
}

impl TimeZones {
    /// What is built in, and nothing else.
    #[must_use]
    pub fn built_in() -> Self {
        Self(Arc::new(Inner { place: Place::BuiltIn, sets: RwLock::new(vec![built_in::data()]) }))
    }

    /// What is built in, and what `place` has.
    ///
    /// # Errors
    /// [`DirectoryFault`], for a directory that the operator names.
    pub fn open(place: Place) -> Result<Self, DirectoryFault> {
        let sets = read(&place)?;
        Ok(Self(Arc::new(Inner { place, sets: RwLock::new(sets) })))
    }

    /// Reads the directory again, which others may have brought up to date. The data that is in use stays in use
    /// when that fails.
    ///
    /// # Errors
    /// [`DirectoryFault`], for a directory that the operator names.
    pub fn reload(&self) -> Result<(), DirectoryFault> {
        if self.0.place == Place::BuiltIn {
            return Ok(());
        }
        let sets = read(&self.0.place)?;
        *self.0.sets.write().unwrap_or_else(PoisonError::into_inner) = sets;
        Ok(())
    }

    fn sets(&self) -> Vec<Arc<DataSet>> {
        self.0.sets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The zone of a name, whatever its case.
    ///
    /// # Errors
    /// [`UnknownZone`], with the name that is nearest.
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
        let all: BTreeMap<_, _> = self.sets().iter().rev().flat_map(|set| set.zones.clone()).collect();
        all.into_values().map(|(name, _)| name).collect()
    }

    /// The version of the newest data.
    #[must_use]
    pub fn version(&self) -> DataVersion {
        self.sets().first().map(|set| set.version.clone()).unwrap_or_default()
    }

    /// The versions at hand and where they lie, the newest first: for whoever runs the server.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let place =
            |set: &DataSet| set.directory.as_deref().map_or("built in".to_owned(), |at| at.display().to_string());
        self.sets().iter().map(|set| format!("{}, {}", set.version, place(set))).collect()
    }
}

/// The data sets, the newest first. Of two of one version the directory's is asked first: it may have been mended.
fn read(place: &Place) -> Result<Vec<Arc<DataSet>>, DirectoryFault> {
    let built_in = built_in::data();
    let found = match place {
        Place::BuiltIn => None,
        Place::Directory(path) => Some(directory::read(path)?),
        Place::Usual => USUAL_PLACES.iter().find_map(|path| newer(Path::new(path), &built_in.version)),
    };
    let mut sets: Vec<_> = found.map(Arc::new).into_iter().chain([built_in]).collect();
    sets.sort_by(|a, b| b.version.cmp(&a.version));
    if let (Place::Directory(path), Some(newest)) = (place, sets.first())
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

/// The data of a directory that nobody named, when it is newer than what is built in, and whole.
fn newer(path: &Path, built_in: &DataVersion) -> Option<DataSet> {
    if directory::version(path)? <= *built_in {
        return None;
    }
    directory::read(path)
        .inspect_err(|fault| tracing::warn!(%fault, "the operating system's time zone data can't be used"))
        .ok()
}
