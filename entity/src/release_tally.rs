//! Changes in the number of a release's updates in each state, at one instant.

use sea_orm::entity::prelude::*;

/// A row of `release_tally`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "release_tally")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub release_id: Uuid,
    pub pack_id: Uuid,
    pub at: DateTimeUtc,
    pub offered: i32,
    pub applied_early: i32,
    pub applied_automatically: i32,
    pub applied_immediately: i32,
    pub skipped: i32,
    pub failed: i32,
    pub now_offered: i32,
    pub now_applied: i32,
    pub now_applied_early: i32,
    pub now_applied_staged: i32,
    pub now_skipped: i32,
    pub now_failed: i32,
    pub now_withdrawn: i32,
    pub now_moved_back: i32,
    pub now_works: i32,
    pub now_broken: i32,
    pub executed: i32,
    pub bad: i32,
    pub since_end: Option<i64>,
    pub reopens: bool,
    pub is_sum: bool,
    pub remaining: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
