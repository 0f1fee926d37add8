//! An installation update: one installation and one release.

use sea_orm::entity::prelude::*;

/// A row of `installation_update`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "installation_update")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub installation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub release_id: Uuid,
    pub account_id: Uuid,
    pub publisher_id: Uuid,
    pub pack_id: Uuid,
    pub state: String,
    pub how: Option<String>,
    pub skip_reason: Option<String>,
    pub failure_code: Option<String>,
    pub attempts: i32,
    pub next_attempt_at: Option<DateTimeUtc>,
    pub from_version_id: Uuid,
    pub to_version_id: Uuid,
    pub offered_at: DateTimeUtc,
    pub settled_at: Option<DateTimeUtc>,
    pub actor_kind: Option<String>,
    pub actor_name: Option<String>,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub outcome: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
