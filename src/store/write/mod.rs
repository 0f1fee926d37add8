//! What a use case writes, within its transaction. Rows are locked in one order, so that no two
//! transactions wait for each other: `docs/architecture.md` has it.

pub mod accounts;
pub mod authority;
pub mod bearers;
pub mod changes;
pub mod classes;
pub mod components;
pub mod counts;
pub mod deletion;
pub mod drafts;
pub mod grants;
pub mod installations;
pub mod journal;
pub mod library;
pub mod packs;
pub mod pairs;
pub mod records;
pub mod releases;
pub mod requests;
pub mod retention;
pub mod seed;
pub mod tallies;
pub mod task_sets;
pub mod tasks;
pub mod turns;
pub mod updates;
pub mod uses;
pub mod windows;
pub mod work;

use sea_orm::sea_query::LockType;
use sea_orm::{EntityTrait, QuerySelect, Select};

use crate::domain::account::Actor;
use crate::store::convert::Stored as _;

/// Keeps everybody else from changing the row until the transaction ends, but not from pointing to it.
/// SQLite, where one transaction writes at a time, needs no lock and gets none.
fn locked<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::NoKeyUpdate)
}

/// Keeps everybody else from changing the row, while others may hold it so too.
fn held<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::Share)
}

/// The four columns that tell an actor.
struct ActorColumns {
    kind: String,
    name: String,
    token_id: Option<uuid::Uuid>,
    account_id: Option<uuid::Uuid>,
}

impl From<&Actor> for ActorColumns {
    fn from(actor: &Actor) -> Self {
        Self {
            kind: actor.kind.stored().into(),
            name: actor.name.clone(),
            token_id: actor.token_id.map(Into::into),
            account_id: actor.account_id.map(Into::into),
        }
    }
}
