//! The trace in which a transaction appended events, by the positions of the events.

use sea_orm::entity::prelude::*;

/// A row of `event_trace`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_trace")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub last_sequence: i64,
    pub first_sequence: i64,
    pub trace_parent: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
