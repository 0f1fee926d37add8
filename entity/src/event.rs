//! An event of the event log (R49).

use sea_orm::entity::prelude::*;

/// A row of `event`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub id: Uuid,
    pub kind: String,
    pub audience: String,
    pub publisher_id: Uuid,
    pub account_id: Option<Uuid>,
    pub pack_id: Option<Uuid>,
    pub pack_name: String,
    pub occurred_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub actor_account_name: Option<String>,
    pub release_id: Option<Uuid>,
    pub installation_id: Option<Uuid>,
    pub update_state: Option<String>,
    pub component_version_id: Option<Uuid>,
    pub group_id: Option<Uuid>,
    pub data: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
