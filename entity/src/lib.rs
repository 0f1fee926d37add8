//! The database's rows, one module a table. Only the `store` of the server looks at them.

pub mod account;
pub mod account_group;
pub mod account_group_member;
pub mod announced_grant;
pub mod api_token;
pub mod audit_entry;
pub mod client_request;
pub mod component;
pub mod component_version;
pub mod content_key;
pub mod draft_row;
pub mod enrolment_token;
pub mod event;
pub mod event_log;
pub mod heard_before;
pub mod installation;
pub mod installation_update;
pub mod integration_pack;
pub mod manifest_entry;
pub mod pack_release;
pub mod pack_share;
pub mod pack_version;
pub mod pack_version_item;
pub mod release_tally;
pub mod server_secret;
pub mod task;
