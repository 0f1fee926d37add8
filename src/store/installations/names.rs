//! The names and keys that accounts give their installations (R43, R67).

use entity::{installation, integration_pack};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use crate::domain::id::InstallationId;
use crate::domain::text;
use crate::store::column::col;
use crate::store::scope::ManagedScope;
use crate::store::{StoreResult, Tx};

/// The account's live installation with this override name (R43).
pub async fn with_override_name(tx: &Tx, scope: &ManagedScope, key: &str) -> StoreResult<Option<InstallationId>> {
    let found = installation::Entity::find()
        .filter(installation::Column::AccountId.eq(Uuid::from(scope.account_id())))
        .filter(installation::Column::OverrideNameKey.eq(key))
        .one(tx.conn())
        .await?;
    Ok(found.map(|m| m.id.into()))
}

/// The account's live installation with this key (R67).
pub async fn with_key(tx: &Tx, scope: &ManagedScope, key: &str) -> StoreResult<Option<InstallationId>> {
    let found = installation::Entity::find()
        .filter(installation::Column::AccountId.eq(Uuid::from(scope.account_id())))
        .filter(installation::Column::Key.eq(key))
        .one(tx.conn())
        .await?;
    Ok(found.map(|m| m.id.into()))
}

/// Takes the override name and the key from an installation whose pack was deleted, and which no batch has uninstalled
/// yet (R47). Returns false, and changes nothing, if the pack wasn't deleted.
pub async fn take_names_of_deleted(tx: &Tx, id: InstallationId) -> StoreResult<bool> {
    let deleted = Query::select()
        .expr(Expr::val(1))
        .from(integration_pack::Entity)
        .and_where(col(integration_pack::Column::Id).equals((installation::Entity, installation::Column::PackId)))
        .and_where(col(integration_pack::Column::DeletedAt).is_not_null())
        .take();
    let taken = installation::Entity::update_many()
        .col_expr(installation::Column::OverrideNameKey, Expr::value(Option::<String>::None))
        .col_expr(installation::Column::Key, Expr::value(Option::<String>::None))
        .filter(installation::Column::Id.eq(Uuid::from(id)))
        .filter(Expr::exists(deleted))
        .exec(tx.conn())
        .await?;
    Ok(taken.rows_affected > 0)
}

/// Changes an installation's override name.
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the name is taken.
pub async fn rename(tx: &Tx, id: InstallationId, name: &str) -> StoreResult<()> {
    installation::Entity::update(installation::ActiveModel {
        id: Set(id.into()),
        override_name: Set(Some(name.to_owned())),
        name_key: Set(text::key(name)),
        override_name_key: Set(Some(text::key(name))),
        ..Default::default()
    })
    .exec(tx.conn())
    .await?;
    Ok(())
}

/// Changes an installation's own key, or takes it away (R67).
///
/// # Errors
/// [`StoreError::Conflict`](crate::store::StoreError::Conflict) if the key is taken.
pub async fn save_key(tx: &Tx, id: InstallationId, key: Option<&str>) -> StoreResult<()> {
    let row = installation::ActiveModel { id: Set(id.into()), key: Set(key.map(Into::into)), ..Default::default() };
    installation::Entity::update(row).exec(tx.conn()).await?;
    Ok(())
}
