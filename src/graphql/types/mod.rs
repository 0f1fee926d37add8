//! The types of the schema, one file a type.

pub mod account_group;
pub mod actor;
pub mod announced_release;
pub mod api_token;
pub mod available_pack;
pub mod available_pack_version;
pub mod component;
pub mod event;
pub mod installation;
pub mod installation_update;
pub mod integration_pack;
pub mod managed_account;
pub mod manifest;
pub mod own_account;
pub mod pack_component;
pub mod pack_diff;
pub mod pack_version;
pub mod packaged_component;
pub mod progress;
pub mod publisher_account;
pub mod release;
pub mod release_window;
pub mod support_info;
pub mod testing_period;
pub mod version_count;
pub mod viewer;
