//! The commands. Each calls the server, decides by functions that need no connection, and reports.

mod find;
mod following;
mod package;
mod preview;
mod release;
mod steer;
mod whoami;

pub use following::{WatchRequest, watch};
pub use package::{Artifact, PackageRequest, package};
pub use preview::{PreviewRequest, preview};
pub use release::{ReleaseRequest, release};
pub use steer::{RollBackRequest, pause, resume, roll_back};
pub use whoami::whoami;
