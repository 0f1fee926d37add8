//! Makes, changes and packages components, and deletes packages.

mod changing;
mod deleting;
mod holders;
mod packaging;

pub(crate) use changing::{ComponentEdit, NewComponent, create_component, delete_component, update_component};
pub(crate) use deleting::{delete_package, restore_package};
pub(in crate::service) use holders::{Holders, save_holders};
pub(crate) use packaging::{NewManifestEntry, NewPackage, create_packages};
