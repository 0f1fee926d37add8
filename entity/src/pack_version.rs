//! A numbered snapshot of a pack's content (R22).

use sea_orm::entity::prelude::*;

/// A row of `pack_version`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pack_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub pack_id: Uuid,
    pub publisher_id: Uuid,
    pub number: i32,
    pub notes: String,
    pub release_id: Uuid,
    pub created_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
