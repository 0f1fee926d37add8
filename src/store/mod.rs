//! The only room that knows a database. Reads take a [scope](scope), so that what belongs to another
//! account can't be asked for; writes take a [`Tx`], that only `service` opens.

pub mod accounts;
pub mod address;
pub mod adoption;
pub mod audit;
pub mod available;
mod cache;
pub mod clock;
pub mod component_versions;
pub mod components;
mod connection;
pub mod convert;
pub mod cursor;
mod db;
pub mod drafts;
mod error;
pub mod event_log;
pub mod events;
pub mod grants;
pub mod groups;
mod health;
pub mod installations;
pub mod library;
mod migrating;
pub mod pack_versions;
pub mod package_uses;
pub mod packs;
pub mod page;
mod pool;
pub mod private_file;
mod probe;
mod reader;
pub mod releases;
pub mod scope;
mod session;
pub mod tokens;
mod tx;
pub mod updates;
pub mod write;

pub(in crate::store) use db::MIGRATION_LOCK;
pub use db::{DatabaseKind, Db, DbOptions, StatementObserver};
pub use error::{StoreError, StoreResult};
pub use migrating::MigrationError;
pub use probe::Unusable;
pub use tx::Tx;
