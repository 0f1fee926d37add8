//! Directories of time zone data like those of `zic`, with invented zones.

use std::path::{Path, PathBuf};

use packwright::domain::releases::Zone;
use packwright::zones::{DataLocation, TimeZones};

use super::instant;

/// A zone of the built-in data.
pub(crate) fn zone(name: &str) -> Zone {
    TimeZones::built_in().find(name).unwrap_or_else(|unknown| panic!("{name}: {unknown}"))
}

/// A directory that is deleted when this is dropped.
pub(crate) struct ZoneDirectory(tempfile::TempDir);

impl ZoneDirectory {
    /// A directory without zones, with this version in the file `+VERSION`.
    pub(crate) fn new(version: &str) -> Self {
        let directory = Self(tempfile::tempdir().expect("a directory"));
        directory.write("+VERSION", format!("{version}\n").as_bytes());
        directory
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub(crate) fn location(&self) -> DataLocation {
        DataLocation::Directory(self.path())
    }

    pub(crate) fn zones(&self) -> TimeZones {
        TimeZones::open(self.location()).expect("the directory can be read")
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        let path = self.0.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Adds a zone with a single rule in the notation of POSIX: `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub(crate) fn zone(&self, name: &str, rule: &str) -> &Self {
        self.changing_zone(name, &[], rule)
    }

    /// Adds a zone with a table (the hours ahead of UTC from an instant on) and a rule for the time after it. Before
    /// the first instant, the first entry holds too.
    pub(crate) fn changing_zone(&self, name: &str, table: &[(&str, i32)], rule: &str) -> &Self {
        self.write(name, &tzif(table, rule));
        self
    }
}

/// The bytes of a TZif file of version 2.
pub(crate) fn tzif(table: &[(&str, i32)], rule: &str) -> Vec<u8> {
    let header = |times: usize, types: usize, characters: usize| {
        let mut bytes = b"TZif2".to_vec();
        bytes.extend([0; 15]);
        for count in [0, 0, 0, times, types, characters] {
            bytes.extend(u32::try_from(count).expect("a small count").to_be_bytes());
        }
        bytes
    };
    let kind = |hours: i32, index: u8| [(hours * 3_600).to_be_bytes().as_slice(), &[0, index]].concat();
    // Readers of version 1 find only one type.
    let mut bytes = header(0, 1, 4);
    bytes.extend(kind(0, 0));
    bytes.extend(b"UTC\0");
    let names: Vec<String> = table.iter().map(|(_, hours)| format!("{hours:+03}")).collect();
    let characters: usize = names.iter().map(|name| name.len() + 1).sum();
    let (changes, types) = (table.get(1..).unwrap_or_default(), table.len().max(1));
    bytes.extend(header(changes.len(), types, characters.max(4)));
    for (from, _) in changes {
        bytes.extend(instant(from).timestamp().to_be_bytes());
    }
    bytes.extend((1..=changes.len()).map(|index| u8::try_from(index).expect("a small table")));
    let mut location = 0_u8;
    for ((_, hours), name) in table.iter().zip(&names) {
        bytes.extend(kind(*hours, location));
        location += u8::try_from(name.len() + 1).expect("a short name");
    }
    if table.is_empty() {
        bytes.extend(kind(0, 0));
        bytes.extend(b"UTC\0");
    }
    for name in names {
        bytes.extend(name.bytes().chain([0]));
    }
    bytes.extend(format!("\n{rule}\n").into_bytes());
    bytes
}
