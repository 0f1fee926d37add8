//! Conditions on many ids at a time.

use std::fmt::Write as _;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _};

use super::{DatabaseKind, Db, Tx};

/// Whether `column` is one of `ids`.
///
/// On PostgreSQL all ids are one parameter: a statement with a parameter for each id would be another
/// statement for each number of ids, to be planned anew each time. The parameter is the text of an array, which
/// the driver binds without knowing arrays. SQLite knows no arrays, and prepares a statement in microseconds.
pub(in crate::store) fn among(kind: DatabaseKind, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
    match kind {
        DatabaseKind::Sqlite => column.is_in(ids),
        DatabaseKind::Postgresql => {
            let write = |array: &mut String, id: Uuid| {
                array.push_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            };
            column.eq(PgFunc::any(array(ids, write).cast_as("uuid[]")))
        }
    }
}

/// Whether `column` is one of these byte strings, said as [`among`] says it.
fn among_bytes(kind: DatabaseKind, column: Expr, values: Vec<Vec<u8>>) -> Expr {
    match kind {
        DatabaseKind::Sqlite => column.is_in(values),
        DatabaseKind::Postgresql => {
            let spelled = |bytes: &Vec<u8>| {
                let mut spelled = String::from(r#""\\x"#);
                for byte in bytes {
                    let _ = write!(spelled, "{byte:02x}");
                }
                spelled + "\""
            };
            let array = format!("{{{}}}", values.iter().map(spelled).collect::<Vec<_>>().join(","));
            column.eq(PgFunc::any(Expr::val(array).cast_as("bytea[]")))
        }
    }
}

/// The parameter that holds an array.
fn array<T>(values: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) -> Expr {
    let mut array = String::from("{");
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            array.push(',');
        }
        write(&mut array, value);
    }
    array.push('}');
    Expr::val(array)
}

impl Db {
    /// [`among`], as this database spells it.
    pub(in crate::store) fn among(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        among(self.kind(), column, ids)
    }

    /// [`among_bytes`], as this database spells it.
    pub(in crate::store) fn among_bytes(&self, column: Expr, values: Vec<Vec<u8>>) -> Expr {
        among_bytes(self.kind(), column, values)
    }

    /// The same for numbers.
    pub(in crate::store) fn among_numbers(&self, column: Expr, numbers: impl IntoIterator<Item = i64>) -> Expr {
        match self.kind() {
            DatabaseKind::Sqlite => column.is_in(numbers),
            DatabaseKind::Postgresql => {
                let write = |array: &mut String, number: i64| array.push_str(&number.to_string());
                column.eq(PgFunc::any(array(numbers, write).cast_as("bigint[]")))
            }
        }
    }
}

impl Tx {
    /// [`among`], as this database spells it.
    pub(in crate::store) fn among(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        let kind = if self.is_postgresql() { DatabaseKind::Postgresql } else { DatabaseKind::Sqlite };
        among(kind, column, ids)
    }
}
