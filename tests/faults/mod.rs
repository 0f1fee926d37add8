//! Faults with real processes: servers that are killed or stopped, databases that restart, stand still or have a full
//! disk, and clicks that race. Each test counts from outside what was acknowledged, applied, announced and audited.
//!
//! The short run is a part of all tests. `PACKWRIGHT_FAULTS=long` asks for the long one (`CONTRIBUTING.md`).

pub(crate) mod client;
pub(crate) mod databases;
pub(crate) mod disks;
pub(crate) mod field;
pub(crate) mod kills;
pub(crate) mod listeners;
pub(crate) mod load;
pub(crate) mod races;
pub(crate) mod stopped;
