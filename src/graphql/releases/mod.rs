//! Releases of packs: creating, previewing and following them.

pub mod announced_release;
pub mod loaders;
pub(crate) mod mutations;
pub mod progress;
pub(crate) mod refusal;
pub mod release;
pub mod release_preview;
pub mod release_schedule;
pub mod release_warning;
pub mod release_window;
pub mod testing_period;
