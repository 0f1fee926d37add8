//! A component, which its owner can package.

use sea_orm::entity::prelude::*;

/// A row of `component`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "component")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub component_type: String,
    pub created_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub latest_shareable_id: Option<Uuid>,
    pub latest_publication_id: Option<Uuid>,
    pub newest_at: Option<DateTimeUtc>,
    pub newest_revision: i32,
    pub highest_numeric_label: String,
    pub in_pack_version: bool,
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
