//! Writes webhook endpoints, for the account that they belong to.

use entity::webhook_endpoint as endpoint;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::id::{AccountId, WebhookId};
use crate::domain::text;
use crate::domain::webhooks::{Delivery, Endpoint, EndpointFilter};
use crate::store::convert::{Stored as _, to_json};
use crate::store::locks::{ActorColumns, locked};
use crate::store::webhooks::endpoints::endpoint_of;
use crate::store::webhooks::write_attempts;
use crate::store::{StoreResult, Tx};

use endpoint::Column as E;

fn kinds(filter: &EndpointFilter) -> StoreResult<Option<String>> {
    let names = filter.kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.stored()).collect::<Vec<_>>());
    names.as_ref().map(to_json).transpose()
}

/// The columns of an endpoint that can change, without its secrets.
fn changeable(of: &Endpoint) -> StoreResult<endpoint::ActiveModel> {
    Ok(endpoint::ActiveModel {
        id: Set(of.id.into()),
        name: Set(of.name.clone()),
        name_key: Set(text::key(&of.name)),
        url: Set(of.url.clone()),
        kinds: Set(kinds(&of.filter)?),
        pack_id: Set(of.filter.pack_id.map(Into::into)),
        installation_id: Set(of.filter.installation_id.map(Into::into)),
        release_id: Set(of.filter.release_id.map(Into::into)),
        about_account_id: Set(of.filter.about_account_id.map(Into::into)),
        document: Set(of.document.clone()),
        state: Set(of.state.stored().into()),
        disabled_reason: Set(of.disabled_reason.map(|reason| reason.stored().into())),
        place: Set(of.place.sequence),
        place_event: Set(of.place.event.into()),
        failed_attempts: Set(of.failed_attempts.try_into().unwrap_or(i32::MAX)),
        failing_since: Set(of.failing_since),
        next_attempt_at: Set(of.next_attempt_at),
        revision: Set(of.revision),
        place_revision: Set(of.place_revision),
        ..Default::default()
    })
}

/// Adds an endpoint with its sealed secret.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name is taken.
pub async fn insert(tx: &Tx, new: &Endpoint, secret: Vec<u8>) -> StoreResult<()> {
    let actor = ActorColumns::from(&new.created_by);
    let row = endpoint::ActiveModel {
        account_id: Set(new.account_id.into()),
        secret: Set(secret),
        former_secret: Set(None),
        former_secret_until: Set(None),
        delivered: Set(None),
        delivered_event: Set(None),
        attempts: Set(0),
        served_revision: Set(new.revision),
        server_id: Set(None),
        created_at: Set(new.created_at),
        actor_kind: Set(actor.kind),
        actor_name: Set(actor.name),
        actor_token_id: Set(actor.token_id),
        actor_account_id: Set(actor.account_id),
        ..changeable(new)?
    };
    endpoint::Entity::insert(row).exec_without_returning(tx.conn()).await?;
    Ok(())
}

/// How many endpoints an account has.
pub async fn count(tx: &Tx, account: AccountId) -> StoreResult<u64> {
    Ok(endpoint::Entity::find().filter(E::AccountId.eq(Uuid::from(account))).count(tx.conn()).await?)
}

/// Whether another endpoint of the account has the name's key.
pub async fn is_taken(tx: &Tx, account: AccountId, key: &str, but: Option<WebhookId>) -> StoreResult<bool> {
    let mut select = endpoint::Entity::find()
        .select_only()
        .column(E::Id)
        .filter(E::AccountId.eq(Uuid::from(account)))
        .filter(E::NameKey.eq(key));
    if let Some(but) = but {
        select = select.filter(E::Id.ne(Uuid::from(but)));
    }
    Ok(select.into_tuple::<Uuid>().one(tx.conn()).await?.is_some())
}

/// Locks an endpoint of an account.
pub async fn lock(tx: &Tx, account: AccountId, id: WebhookId) -> StoreResult<Option<Endpoint>> {
    let select = endpoint::Entity::find_by_id(Uuid::from(id)).filter(E::AccountId.eq(Uuid::from(account)));
    locked(select).one(tx.conn()).await?.map(endpoint_of).transpose()
}

/// Saves the changeable columns of an endpoint, without its secrets. The server that serves the endpoint notices a new
/// revision.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name is taken.
pub async fn save(tx: &Tx, of: &Endpoint) -> StoreResult<()> {
    tx.notify();
    endpoint::Entity::update(changeable(of)?).exec(tx.conn()).await?;
    Ok(())
}

/// The sealed secret of an endpoint.
pub async fn secret(tx: &Tx, id: WebhookId) -> StoreResult<Option<Vec<u8>>> {
    let select = endpoint::Entity::find_by_id(Uuid::from(id)).select_only().column(E::Secret);
    Ok(select.into_tuple().one(tx.conn()).await?)
}

/// Saves a new sealed secret, and the former one with the end of its use.
pub async fn save_secrets(
    tx: &Tx,
    id: WebhookId,
    secret: Vec<u8>,
    former: Option<(Vec<u8>, Instant)>,
) -> StoreResult<()> {
    let (former, until) = former.unzip();
    let row = endpoint::ActiveModel {
        id: Set(id.into()),
        secret: Set(secret),
        former_secret: Set(former),
        former_secret_until: Set(until),
        ..Default::default()
    };
    endpoint::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}

/// Deletes an endpoint with its attempts.
pub async fn delete(tx: &Tx, id: WebhookId) -> StoreResult<()> {
    tx.notify();
    write_attempts::delete_all(tx, id).await?;
    endpoint::Entity::delete_by_id(Uuid::from(id)).exec(tx.conn()).await?;
    Ok(())
}

/// Adds the attempt of a test, which isn't a part of an endpoint's progress. The caller has locked the endpoint.
pub async fn add_attempts(tx: &Tx, id: WebhookId, added: &[Delivery]) -> StoreResult<()> {
    let select = endpoint::Entity::find_by_id(Uuid::from(id)).select_only().column(E::Attempts);
    let Some(before) = select.into_tuple::<i64>().one(tx.conn()).await? else { return Ok(()) };
    write_attempts::append(tx, id, before, added).await?;
    let count = i64::try_from(added.len()).unwrap_or(i64::MAX);
    let row = endpoint::ActiveModel { id: Set(id.into()), attempts: Set(before + count), ..Default::default() };
    endpoint::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
