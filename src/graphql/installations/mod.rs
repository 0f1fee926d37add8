//! Installations of packs and their updates, for the publisher and for the account that has them.

mod adoption;
mod installation;
mod installation_update;
mod loaders;
mod mutations;
mod outcome;
mod query;
mod refusal;
mod version_count;

pub use adoption::{Adoption, AdoptionPoint};
pub(in crate::graphql) use installation::may_here;
pub use installation::{
    Installation, InstallationConnection, InstallationFilter, InstallationsOf, installations_connection,
};
pub use installation_update::{
    InstallationUpdate, InstallationUpdateConnection, InstallationUpdateFilter, updates_connection,
};
pub(in crate::graphql) use loaders::InstallationLoaders;
pub(in crate::graphql) use mutations::Installations;
pub use outcome::{OutcomeCounts, UpdateOutcomeReport, UpdateOutcomeReportConnection};
pub use query::ManagedQuery;
pub use refusal::InstallationError;
pub use version_count::VersionCount;
