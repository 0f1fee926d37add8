//! A publisher account or a managed account.

use sea_orm::entity::prelude::*;

/// A row of `account`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub publisher_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub time_zone: Option<String>,
    pub status: String,
    pub suspended_at: Option<DateTimeUtc>,
    pub enrolled_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
