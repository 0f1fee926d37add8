//! A time zone as the rules need it: a name, the version of the data that it comes from, and one function.

use std::fmt;
use std::sync::Arc;

use super::Instant;

/// The version of time zone data, such as `2026b`: a year and one or two letters. Ordered by age. The empty
/// version is older than each other one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataVersion(String);

impl DataVersion {
    /// The version that the first line of a text names: `2026b`, `# version 2026b`, `tzdata2026b`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let words = text.lines().next()?.split(|c: char| !c.is_ascii_alphanumeric());
        words
            .map(|word| word.strip_prefix("tzdata").unwrap_or(word))
            .find(|word| is_version(word))
            .map(|word| Self(word.to_owned()))
    }

    /// A version as a database keeps it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_version(word: &str) -> bool {
    let (year, letters) = word.split_at_checked(4).unwrap_or_default();
    year.len() == 4
        && year.bytes().all(|b| b.is_ascii_digit())
        && (1..=2).contains(&letters.len())
        && letters.bytes().all(|b| b.is_ascii_lowercase())
}

/// The rules of a zone: the seam behind which the data is read.
pub trait Offsets: Send + Sync {
    /// By how many seconds a wall clock in the zone is ahead of UTC, so many seconds after 1970 began in UTC.
    fn seconds_ahead(&self, unix_seconds: i64) -> i32;
}

/// A time zone.
#[derive(Clone)]
pub struct Zone {
    /// The name, as IANA spells it.
    pub name: String,
    /// The version of the data that `offsets` comes from.
    pub version: DataVersion,
    pub offsets: Arc<dyn Offsets>,
}

impl Zone {
    /// By how much a wall clock in the zone is ahead of UTC at an instant.
    #[must_use]
    pub fn offset(&self, at: Instant) -> chrono::Duration {
        chrono::Duration::seconds(self.offsets.seconds_ahead(at.timestamp()).into())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.version)
    }
}
