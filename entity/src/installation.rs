//! A pack in a managed account.

use sea_orm::entity::prelude::*;

/// A row of `installation`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub pack_id: Uuid,
    pub account_id: Uuid,
    pub publisher_id: Uuid,
    pub override_name: Option<String>,
    pub name_key: String,
    pub account_name_key: String,
    pub version_id: Uuid,
    pub bucket_seed: i64,
    pub installed_at: DateTimeUtc,
    pub moved_at: Option<DateTimeUtc>,
    pub uninstalled_at: Option<DateTimeUtc>,
    pub frozen_at: Option<DateTimeUtc>,
    pub visible_after: i64,
    pub visible_until: Option<i64>,
    pub single_pack_id: Option<Uuid>,
    pub override_name_key: Option<String>,
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
