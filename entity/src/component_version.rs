//! A packaged component, or a publication (R52).

use sea_orm::entity::prelude::*;

/// A row of `component_version`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "component_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub component_id: Uuid,
    pub owner_id: Uuid,
    pub kind: String,
    pub version: String,
    pub version_key: String,
    pub numeric_key: Option<String>,
    pub shareable: bool,
    pub notes: Option<String>,
    pub revision: i32,
    pub created_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub deleted_at: Option<DateTimeUtc>,
    pub component_name_key: String,
    pub source: Option<String>,
    pub artifacts: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
