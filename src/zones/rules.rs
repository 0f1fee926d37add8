//! One zone's rules, read from the bytes of a TZif file (RFC 9636).

use crate::domain::zone::Offsets;

/// The rules of one zone: a table of changes, and a rule for the time past it.
#[derive(Debug)]
pub(super) struct Rules(tz::TimeZone);

impl Rules {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// What is wrong with them. A file that says nothing of the time past its table can't be used: the last
    /// offset of a table is no rule.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let zone = tz::TimeZone::from_tz_data(bytes).map_err(|error| error.to_string())?;
        let parts = zone.as_ref();
        if parts.extra_rule().is_none() && !parts.transitions().is_empty() {
            return Err("it has no rule for the time past its table".into());
        }
        Ok(Self(zone))
    }
}

impl Offsets for Rules {
    fn seconds_ahead(&self, unix_seconds: i64) -> i32 {
        // Fails only for years that a date can't have.
        self.0.find_local_time_type(unix_seconds).map_or(0, tz::LocalTimeType::ut_offset)
    }
}
