//! A release of a pack.

use sea_orm::entity::prelude::*;

/// A row of `pack_release`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pack_release")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub pack_id: Uuid,
    pub publisher_id: Uuid,
    pub version_id: Uuid,
    pub previous_version_id: Option<Uuid>,
    pub has_stages: bool,
    pub state: String,
    pub schedule: String,
    pub date: Option<String>,
    pub time_zone: Option<String>,
    pub starts_at: Option<DateTimeUtc>,
    pub ends_at: Option<DateTimeUtc>,
    pub time_zone_data_version: Option<String>,
    pub lateness_seconds: Option<i64>,
    pub superseded_by_id: Option<Uuid>,
    pub created_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub promoted_at: Option<DateTimeUtc>,
    pub started_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub progressed_at: Option<DateTimeUtc>,
    pub paused_at: Option<DateTimeUtc>,
    pub pause_reason: Option<String>,
    pub pause_actor_kind: Option<String>,
    pub pause_actor_name: Option<String>,
    pub pause_actor_token_id: Option<Uuid>,
    pub pause_actor_account_id: Option<Uuid>,
    pub pause_executed: Option<i64>,
    pub pause_bad: Option<i64>,
    pub resumed_at: Option<DateTimeUtc>,
    pub reason: Option<String>,
    pub roll_back_began_at: Option<DateTimeUtc>,
    pub roll_back_installations: Option<i64>,
    pub halt_hundredths: Option<i32>,
    pub halt_at_least: Option<i32>,
    pub halt_then: Option<String>,
    pub halt_watch_hours: Option<i32>,
    pub halted_at: Option<DateTimeUtc>,
    pub source: Option<String>,
    pub tally_base_id: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
