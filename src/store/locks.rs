//! How a transaction locks rows, and the columns that say who acted. Rows are locked in one order, so that no two
//! transactions wait for each other: `docs/architecture.md` has it.

use sea_orm::sea_query::LockType;
use sea_orm::{EntityTrait, QuerySelect, Select};

use crate::domain::accounts::Actor;
use crate::store::convert::Stored as _;

/// Keeps everybody else from changing the row until the transaction ends, but not from pointing to it.
/// SQLite, where one transaction writes at a time, needs no lock and gets none.
pub(in crate::store) fn locked<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::NoKeyUpdate)
}

/// Keeps everybody else from changing the row, while others may hold it so too.
pub(in crate::store) fn held<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::Share)
}

/// The four columns that tell an actor.
pub(in crate::store) struct ActorColumns {
    pub(in crate::store) kind: String,
    pub(in crate::store) name: String,
    pub(in crate::store) token_id: Option<uuid::Uuid>,
    pub(in crate::store) account_id: Option<uuid::Uuid>,
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
