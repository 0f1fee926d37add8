//! The range of the audit log that has the entries of one hour.

use sea_orm::entity::prelude::*;

/// A row of `audit_hour`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_hour")]
pub struct Model {
    /// The number of the hour since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    pub first_sequence: i64,
    pub last_sequence: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
