//! A server that delivers events to webhook endpoints.

use sea_orm::entity::prelude::*;

/// A row of `webhook_server`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_server")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub alive_until: f64,
    pub takes_until: f64,
    pub vocabulary: i32,
    pub ends: bool,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
