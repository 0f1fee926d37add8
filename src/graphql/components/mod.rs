//! Components, and the packages and publications made of them.

pub mod component;
pub(crate) mod deleting;
pub mod loaders;
pub mod manifest;
pub(crate) mod mutations;
pub mod packaged_component;
pub(crate) mod refusal;
