//! A grant that was announced to an account (R50).

use sea_orm::entity::prelude::*;

/// A row of `announced_grant`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "announced_grant")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub pack_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
