//! Accounts, tokens and JWTs: what callers may do, and what strangers can find out.

pub(crate) mod access;
pub(crate) mod access_hidden;
pub(crate) mod access_roles;
pub(crate) mod access_tokens;
pub(crate) mod authority;
pub(crate) mod basics;
pub(crate) mod bearers;
pub(crate) mod jwt;
pub(crate) mod jwt_access;
pub(crate) mod jwt_issuer;
pub(crate) mod jwt_keys;
pub(crate) mod missing_ids;
pub(crate) mod pipeline_ends;
pub(crate) mod pipeline_issuer;
pub(crate) mod pipeline_keys;
pub(crate) mod pipelines;
pub(crate) mod roles;
pub(crate) mod secrets_shown;
pub(crate) mod stranger;
pub(crate) mod stranger_world;
pub(crate) mod suspending;
pub(crate) mod tokens;
pub(crate) mod trusted_publishers;
