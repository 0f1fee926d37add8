//! Integration packs, their versions, their drafts, and previews of releases.

mod draft;
mod draft_rows;
mod integration_pack;
mod loaders;
mod mutations;
mod pack_component;
mod pack_diff;
mod pack_version;
mod pending_release;
mod refusal;
mod support_info;

pub(in crate::graphql) use draft::Draft;
pub use draft_rows::DraftRows;
pub(in crate::graphql) use integration_pack::packs_or_none;
pub use integration_pack::{IntegrationPack, IntegrationPackConnection, PacksOf, packs_connection};
pub(in crate::graphql) use loaders::PackLoaders;
pub(in crate::graphql) use mutations::Packs;
pub use pack_component::PackComponent;
pub(crate) use pack_component::content;
pub use pack_diff::{PackContentChange, PackDiff};
pub use pack_version::{PackContentItem, PackVersion};
pub use pending_release::PendingRelease;
pub use refusal::PackError;
pub use support_info::{Guide, SupportInfo};
