//! The use cases of installations.

mod applying;
mod installing;
mod names;
mod outcomes;
mod uninstalling;

pub use applying::apply_early;
pub use installing::{InstallRequest, install};
pub(crate) use names::{InstallationEdit, rename_installation};
pub(crate) use outcomes::{OutcomeRequest, report_outcome};
pub use uninstalling::uninstall;
