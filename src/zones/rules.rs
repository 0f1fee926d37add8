//! The rules of a single zone, from a TZif file (RFC 9636).

use crate::domain::releases::Offsets;

/// The rules of a zone: a table of transitions, and a rule for the time after the table.
#[derive(Debug)]
pub(super) struct Rules(tz::TimeZone);

impl Rules {
    /// Reads the bytes of a TZif file. A file without a rule for the time after its table is refused: the table's last
    /// offset doesn't hold forever (R42).
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
        // Fails only for years outside the range of dates.
        self.0.find_local_time_type(unix_seconds).map_or(0, tz::LocalTimeType::ut_offset)
    }
}
