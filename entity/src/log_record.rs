//! A record: one installation, or one account, of a batch (R49, R51).

use sea_orm::entity::prelude::*;

/// A row of `log_record`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "log_record")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub batch: i64,
    pub account_id: Uuid,
    pub installation_id: Option<Uuid>,
    pub version_before: Option<i32>,
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
