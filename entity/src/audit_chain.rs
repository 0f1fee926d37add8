//! The chain of hashes over a publisher's audit entries (R51).

use sea_orm::entity::prelude::*;

/// A row of `audit_chain`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_chain")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publisher_id: Uuid,
    pub end_number: i64,
    pub end_position: i64,
    pub end_hash: Vec<u8>,
    pub cut_number: i64,
    pub cut_position: i64,
    pub cut_hash: Vec<u8>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
