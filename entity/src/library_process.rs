//! A process in the process library (R53).

use sea_orm::entity::prelude::*;

/// A row of `library_process`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "library_process")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub publisher_id: Uuid,
    pub component_version_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub version: String,
    pub description: String,
    pub published_at: DateTimeUtc,
    pub withdrawn_at: Option<DateTimeUtc>,
    pub copy_count: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
