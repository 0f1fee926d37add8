//! Locks of rows, and the columns of an actor. Transactions lock rows in a fixed order, so that they don't deadlock:
//! see `docs/architecture.md`.

use sea_orm::sea_query::LockType;
use sea_orm::{EntityTrait, QuerySelect, Select};

use crate::domain::accounts::Actor;
use crate::store::convert::Stored as _;

/// Locks rows: until the transaction ends, nobody else can change them, but foreign keys may still refer to them.
/// SQLite has one writing transaction at a time, and needs no lock.
pub(in crate::store) fn locked<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::NoKeyUpdate)
}

/// Holds rows: until the transaction ends, nobody can change them, but others may hold them too.
pub(in crate::store) fn shared_lock<E: EntityTrait>(select: Select<E>) -> Select<E> {
    select.lock(LockType::Share)
}

/// The four columns of an actor.
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
