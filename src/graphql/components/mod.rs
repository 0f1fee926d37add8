//! Components, and the packages and publications made of them.

mod changing;
mod component;
mod deleting;
mod loaders;
mod manifest;
mod mutations;
mod packaged_component;
mod refusal;

pub(in crate::graphql) use changing::Changing;
pub use component::{Component, ComponentConnection};
pub(in crate::graphql) use deleting::Deleting;
pub(in crate::graphql) use loaders::ComponentLoaders;
pub use manifest::{ExtensibilitySetting, ManifestEntry};
pub(in crate::graphql) use mutations::Components;
pub(crate) use packaged_component::packages_connection;
pub use packaged_component::{PackagedComponent, PackagedComponentConnection};
pub use refusal::PackagingError;
