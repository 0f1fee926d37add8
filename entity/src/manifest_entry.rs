//! A component in the manifest of a package.

use sea_orm::entity::prelude::*;

/// A row of `manifest_entry`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "manifest_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_version_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    pub component_id: Uuid,
    pub revision: i32,
    pub extensibility: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
