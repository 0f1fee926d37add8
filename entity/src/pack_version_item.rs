//! One component in a pack version.

use sea_orm::entity::prelude::*;

/// A row of `pack_version_item`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pack_version_item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub pack_version_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: Uuid,
    pub component_version_id: Uuid,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
