//! The only module with access to the database. Reads take a [`Snapshot`] with a [scope](scope), so that
//! rows of another account can't be read. Writes take a [`Tx`], which only `service` begins.

pub mod accounts;
pub mod address;
mod among;
mod cache;
pub mod clock;
pub mod components;
mod connection;
pub mod convert;
pub mod cursor;
mod db;
mod error;
pub mod followup;
mod gathered;
mod health;
pub mod installations;
mod legible;
pub mod library;
mod lines;
pub mod locks;
pub mod log;
mod migrating;
pub mod packs;
pub mod page;
mod pool;
pub mod private_file;
mod probe;
mod reader;
pub mod releases;
pub mod requests;
pub mod scope;
pub mod seed;
mod served;
mod session;
pub mod sharing;
mod snapshot;
mod tx;

pub(in crate::store) use db::MIGRATION_LOCK;
pub use db::{DatabaseKind, Db, DbOptions, StatementObserver};
pub use error::{StoreError, StoreResult};
pub use lines::on_behalf_of;
pub use migrating::MigrationError;
pub use probe::Unusable;
pub use served::ServedFile;
pub use snapshot::{Snapshot, WholeServer};
pub use tx::{Commits, Tx};
