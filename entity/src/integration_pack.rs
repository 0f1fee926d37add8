//! An integration pack.

use sea_orm::entity::prelude::*;

/// A row of `integration_pack`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integration_pack")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub publisher_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub description: String,
    pub installation_type: String,
    pub deployment_model: String,
    pub support: String,
    pub revision: i32,
    pub last_number: i32,
    pub component_count: i32,
    pub newer_count: i32,
    pub has_unreleased_changes: bool,
    pub draft_revision: i64,
    pub current_version_id: Option<Uuid>,
    pub pending_release_id: Option<Uuid>,
    pub pending_version_id: Option<Uuid>,
    pub pending_starts_at: Option<DateTimeUtc>,
    pub pending_due_at: Option<DateTimeUtc>,
    pub running_release_id: Option<Uuid>,
    pub release_paused: bool,
    pub former_version_id: Option<Uuid>,
    pub tally_base_id: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub deleted_at: Option<DateTimeUtc>,
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
