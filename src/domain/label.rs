//! Version labels: numeric ones are counted on (R6) and compared (R34), as text and so however long they are.

use std::cmp::Ordering;

use super::text::{VERSION_LABEL_MAX, label_key};

/// A whole number of any length, in digits, without zeros before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whole(String);

impl Whole {
    /// Takes digits; `None` for any other text.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        Some(Self(if significant.is_empty() { "0" } else { significant }.to_owned()))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The next one.
    #[must_use]
    pub fn next(&self) -> Self {
        let rest = self.0.trim_end_matches('9');
        let zeros = "0".repeat(self.0.len() - rest.len());
        let counted = match rest.char_indices().next_back() {
            None => "1".to_owned(),
            Some((at, last)) => format!("{}{}", &rest[..at], char::from_u32(u32::from(last) + 1).unwrap_or(last)),
        };
        Self(counted + &zeros)
    }
}

impl Default for Whole {
    fn default() -> Self {
        Self("0".into())
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Whole {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

/// A numeric label: digits, or digits, a dot and digits (R6). By its whole number, then by the number after the
/// dot: as versions are read, `1.10` comes after `1.9`, and `7` is `7.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numeric {
    /// What stands before the dot.
    pub whole: Whole,
    /// What stands after it.
    pub minor: Whole,
}

impl Numeric {
    /// Reads a label; `None` when it isn't numeric. Characters that can't be seen don't count.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let label = label_key(label);
        let (whole, minor) = label.split_once('.').unwrap_or((&label, "0"));
        Some(Self { whole: Whole::parse(whole)?, minor: Whole::parse(minor)? })
    }

    /// The label as a text that a database orders as labels are ordered, byte by byte: each number after how many
    /// digits it has.
    #[must_use]
    pub fn sort_key(&self) -> String {
        let number = |n: &Whole| format!("{:02}{}", n.0.len(), n.0);
        number(&self.whole) + &number(&self.minor)
    }
}

/// The label that a package without one gets: the next whole number after `highest`, the highest numeric label of
/// the component, deleted ones included (R6). `None` when it would be longer than a label can be.
#[must_use]
pub fn next_label(highest: &Whole) -> Option<String> {
    let label = format!("{}.0", highest.next().as_str());
    (label.len() <= VERSION_LABEL_MAX).then_some(label)
}
