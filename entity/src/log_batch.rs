//! A batch: the same change of many installations, made by one step of the scheduler (R49, R51).

use sea_orm::entity::prelude::*;

/// A row of `log_batch`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "log_batch")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_sequence: i64,
    pub last_sequence: i64,
    pub first_entry: Option<i64>,
    pub id_base: Uuid,
    pub id_seal: Uuid,
    pub publisher_id: Uuid,
    pub occurred_at: DateTimeUtc,
    pub pack_id: Uuid,
    pub pack_name: String,
    pub release_id: Option<Uuid>,
    pub kind: Option<String>,
    pub audience: Option<String>,
    pub update_state: Option<String>,
    pub action: Option<String>,
    pub for_account: bool,
    pub changes: String,
    pub version_after: Option<i32>,
    pub version_is_gone: bool,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
