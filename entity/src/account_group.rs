//! A publisher's group of managed accounts.

use sea_orm::entity::prelude::*;

/// A row of `account_group`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_group")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub publisher_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub is_all_accounts: bool,
    pub rank: i32,
    pub created_at: DateTimeUtc,
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
