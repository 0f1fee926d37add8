//! A webhook endpoint of an account.

use sea_orm::entity::prelude::*;

/// A row of `webhook_endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoint")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account_id: Uuid,
    pub name: String,
    pub name_key: String,
    pub url: String,
    pub kinds: Option<String>,
    pub pack_id: Option<Uuid>,
    pub installation_id: Option<Uuid>,
    pub release_id: Option<Uuid>,
    pub about_account_id: Option<Uuid>,
    pub document: Option<String>,
    pub state: String,
    pub disabled_reason: Option<String>,
    pub secret: Vec<u8>,
    pub former_secret: Option<Vec<u8>>,
    pub former_secret_until: Option<DateTimeUtc>,
    pub place: i64,
    pub place_event: Uuid,
    pub delivered: Option<i64>,
    pub delivered_event: Option<Uuid>,
    pub failed_attempts: i32,
    pub failing_since: Option<DateTimeUtc>,
    pub next_attempt_at: Option<DateTimeUtc>,
    pub attempts: i64,
    pub revision: i32,
    pub place_revision: i32,
    pub served_revision: i32,
    pub server_id: Option<Uuid>,
    pub created_at: DateTimeUtc,
    pub actor_kind: String,
    pub actor_name: String,
    pub actor_token_id: Option<Uuid>,
    pub actor_account_id: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
