//! An entry of the audit log (R51).

use sea_orm::entity::prelude::*;

/// A row of `audit_entry`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub sequence: i64,
    pub id: Uuid,
    pub publisher_id: Uuid,
    pub account_id: Option<Uuid>,
    pub occurred_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
    pub actor_account_name: Option<String>,
    pub action: String,
    pub subject_type: String,
    pub subject_id: String,
    pub subject_name: Option<String>,
    pub own_subject_type: Option<String>,
    pub own_subject_id: Option<String>,
    pub own_subject_name: Option<String>,
    pub changes: String,
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
