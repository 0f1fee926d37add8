//! Reads the rows of long pages by the positions of their columns. The entity library looks up each column by its name,
//! and writes an error text for each column without a value; both take longer than everything else that is done with a
//! row.

/// Implements [`FromQueryResult`](sea_orm::FromQueryResult) for a row of an entity's model and another value. All
/// columns of the entity must come first in the statement, in their order, and the value after them.
macro_rules! by_position {
    ($row:ident($entity:ident::Model, $value:ident) { $($field:ident: $column:ident),+ $(,)? }) => {
        impl ::sea_orm::FromQueryResult for $row {
            fn from_query_result(row: &::sea_orm::QueryResult, _: &str) -> Result<Self, ::sea_orm::DbErr> {
                use ::sea_orm::sqlx::Row as _;
                const AFTER: usize = [$(stringify!($field)),+].len();
                // Both drivers have methods of the same names. A variant's number is its position.
                macro_rules! read {
                    ($driver:expr) => {{
                        let row = $driver;
                        let read = || -> Result<Self, ::sea_orm::sqlx::Error> {
                            let model = $entity::Model { $($field: row.try_get($entity::Column::$column as usize)?),+ };
                            Ok(Self(model, row.try_get(AFTER)?))
                        };
                        read().map_err(|error| ::sea_orm::DbErr::Query(::sea_orm::RuntimeErr::SqlxError(::std::sync::Arc::new(error))))
                    }};
                }
                match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
                    (Some(row), _) => read!(row),
                    (None, Some(row)) => read!(row),
                    (None, None) => Err(::sea_orm::DbErr::Custom("a row of an unknown driver".into())),
                }
            }
        }
    };
}

pub(in crate::store) use by_position;
