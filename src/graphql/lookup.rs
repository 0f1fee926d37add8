//! Looking an object up by its ID or by its owner's key (R67).

use std::future::Future;

use async_graphql::{ID, Result};

use super::error::{bad_input, not_found};
use crate::domain::own_key::OwnKey;

/// Loads the object that a field's arguments name. NOT_FOUND for an unknown one, and for a text that can't be a key;
/// BAD_USER_INPUT unless exactly one of them is given.
pub(in crate::graphql) async fn one<T, I, K>(
    id: Option<ID>,
    key: Option<String>,
    by_id: impl FnOnce(ID) -> I,
    by_key: impl FnOnce(OwnKey) -> K,
) -> Result<T>
where
    I: Future<Output = Result<Option<T>>>,
    K: Future<Output = Result<Option<T>>>,
{
    match (id, key) {
        (Some(id), None) => by_id(id.clone()).await?.ok_or_else(|| not_found(&id)),
        (None, Some(raw)) => {
            let found = match OwnKey::parse(&raw) {
                Ok(key) => by_key(key).await?,
                Err(_) => None,
            };
            found.ok_or_else(|| not_found(&ID(raw)))
        }
        _ => Err(bad_input("Give an id or a key, and not both.")),
    }
}
