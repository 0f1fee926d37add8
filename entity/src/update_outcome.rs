//! An account's report of the outcome of an update (R57).

use sea_orm::entity::prelude::*;

/// A row of `update_outcome`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "update_outcome")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub installation_id: Uuid,
    pub release_id: Uuid,
    pub account_id: Uuid,
    pub publisher_id: Uuid,
    pub pack_id: Uuid,
    pub outcome: String,
    pub comment: String,
    pub reported_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub account_name: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
