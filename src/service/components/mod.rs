//! Packages components, and deletes packages.

mod deleting;
mod holders;
mod packaging;

pub(crate) use deleting::{delete_package, restore_package};
pub(in crate::service) use holders::{Holders, save_holders};
pub(crate) use packaging::{NewManifestEntry, NewPackage, create_component, create_packages};
