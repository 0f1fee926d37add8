//! A change in the number of a pack's installations that have a version.

use sea_orm::entity::prelude::*;

/// A row of `installation_tally`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installation_tally")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub pack_id: Uuid,
    pub version_id: Uuid,
    pub at: DateTimeUtc,
    pub installations: i32,
    pub accounts: i32,
    pub all_installations: i32,
    pub all_accounts: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
