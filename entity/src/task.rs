//! A task: work that follows from a decision and is done in batches (R49).

use sea_orm::entity::prelude::*;

/// A row of `task`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub publisher_id: Uuid,
    pub pack_id: Option<Uuid>,
    pub release_id: Option<Uuid>,
    pub account_id: Option<Uuid>,
    pub moves_installations: bool,
    pub resume_after: Option<Uuid>,
    pub done: i64,
    pub until: Option<Uuid>,
    pub not_before: DateTimeUtc,
    pub deferred: bool,
    pub failures: i32,
    pub last_failure: Option<String>,
    pub created_at: DateTimeUtc,
    pub trace_parent: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
