//! Version labels. The server counts numeric labels up (R6) and compares them (R34). It handles them as text, because
//! they may be too long for any integer type.

use std::cmp::Ordering;

use crate::domain::text::{VERSION_LABEL_MAX, label_key};

/// A whole number of any length, as digits without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumericLabel(String);

impl NumericLabel {
    /// Reads digits. `None` for any other text.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        Some(Self(if significant.is_empty() { "0" } else { significant }.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number plus one.
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

impl Default for NumericLabel {
    fn default() -> Self {
        Self("0".into())
    }
}

impl PartialOrd for NumericLabel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NumericLabel {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

/// A numeric label: digits, or digits, a dot and digits (R6). Ordered as versions are read: by the whole number, then
/// by the number after the dot, so that `1.10` comes after `1.9`. `7` equals `7.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numeric {
    /// The number before the dot.
    pub whole: NumericLabel,
    /// The number after the dot; 0 without one.
    pub minor: NumericLabel,
}

impl Numeric {
    /// Reads a label, without its invisible characters. `None` when it isn't numeric.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let label = label_key(label);
        let (whole, minor) = label.split_once('.').unwrap_or((&label, "0"));
        Some(Self { whole: NumericLabel::parse(whole)?, minor: NumericLabel::parse(minor)? })
    }

    /// A text whose order byte by byte is the order of the labels, for a database column. Each number is preceded by
    /// its number of digits.
    #[must_use]
    pub fn sort_key(&self) -> String {
        let number = |n: &NumericLabel| format!("{:02}{}", n.0.len(), n.0);
        number(&self.whole) + &number(&self.minor)
    }
}

/// The label for a package that comes without one: the next whole number (R6). `highest` is the highest numeric label
/// of the component, deleted packages included. `None` when the label would be longer than allowed.
#[must_use]
pub fn next_label(highest: &NumericLabel) -> Option<String> {
    let label = format!("{}.0", highest.next().as_str());
    (label.len() <= VERSION_LABEL_MAX).then_some(label)
}
