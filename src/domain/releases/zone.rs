//! A time zone as the rules need it: its name, its offset at an instant, and the version of its data.

use std::fmt;
use std::sync::Arc;

use crate::domain::Instant;

/// A version of time zone data, such as `2026b`: a year and one or two letters. Ordered by age; the empty version is
/// the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataVersion(String);

impl DataVersion {
    /// Finds the version in the first line of a text, such as `2026b`, `# version 2026b`, `tzdata2026b`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let words = text.lines().next()?.split(|c: char| !c.is_ascii_alphanumeric());
        words
            .map(|word| word.strip_prefix("tzdata").unwrap_or(word))
            .find(|word| is_version(word))
            .map(|word| Self(word.to_owned()))
    }

    /// Takes a version from the database, without checks.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

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

/// The offsets of one zone. The domain computes with this trait and doesn't know where the data comes from.
pub trait Offsets: Send + Sync {
    /// The offset from UTC in seconds at a Unix time; positive east of Greenwich.
    fn seconds_ahead(&self, unix_seconds: i64) -> i32;
}

/// A time zone.
#[derive(Clone)]
pub struct Zone {
    /// The zone's name as IANA spells it.
    pub name: String,
    /// The version of the data behind `offsets`.
    pub version: DataVersion,
    pub offsets: Arc<dyn Offsets>,
}

impl Zone {
    /// The offset from UTC at an instant; positive east of Greenwich.
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
