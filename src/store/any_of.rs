//! Conditions on sets of values.

use std::fmt::Write as _;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};

use super::reader::Reader;
use super::{DatabaseKind, Snapshot, Tx};

/// The most ids or other values in a statement. SQLite accepts at most 32,766 parameters.
pub(in crate::store) const VALUES_MAX: usize = 30_000;

/// The condition that `column` is one of `ids`.
///
/// On PostgreSQL all ids are one parameter. With a parameter for each id, each number of ids would need its own
/// statement and plan. The parameter is the text of an array, because the driver can't bind arrays without knowing
/// their type. SQLite has no arrays, but prepares a statement in microseconds.
pub(in crate::store) fn any_of(kind: DatabaseKind, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
    match kind {
        DatabaseKind::Sqlite => column.is_in(ids),
        DatabaseKind::Postgresql => column.eq(PgFunc::any(uuids(ids))),
    }
}

/// The same condition as [`any_of`], for thousands of ids and a column without an index. For [`any_of`] PostgreSQL
/// would read the whole array again for each row: a thousand rows and a thousand ids take a quarter of a second. Here
/// it joins the ids as rows of a subquery.
fn any_of_many(kind: DatabaseKind, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
    match kind {
        DatabaseKind::Sqlite => column.is_in(ids),
        DatabaseKind::Postgresql => {
            column.in_subquery(Query::select().expr(Func::cust("unnest").arg(uuids(ids))).take())
        }
    }
}

/// The condition that `column` is one of `values`. Like [`any_of`], uses one parameter on PostgreSQL.
fn any_of_bytes(kind: DatabaseKind, column: Expr, values: Vec<Vec<u8>>) -> Expr {
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

fn uuids(ids: impl IntoIterator<Item = Uuid>) -> Expr {
    let write = |array: &mut String, id: Uuid| {
        array.push_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    };
    array(ids, write).cast_as("uuid[]")
}

/// A parameter with the text of an array.
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

fn any_of_numbers(kind: DatabaseKind, column: Expr, numbers: impl IntoIterator<Item = i64>) -> Expr {
    match kind {
        DatabaseKind::Sqlite => column.is_in(numbers),
        DatabaseKind::Postgresql => {
            let write = |array: &mut String, number: i64| array.push_str(&number.to_string());
            column.eq(PgFunc::any(array(numbers, write).cast_as("bigint[]")))
        }
    }
}

impl Reader {
    /// [`any_of`] for this database.
    pub(in crate::store) fn any_of(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        any_of(self.kind(), column, ids)
    }

    /// [`any_of_many`] for this database.
    pub(in crate::store) fn any_of_many(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        any_of_many(self.kind(), column, ids)
    }

    /// [`any_of_bytes`] for this database.
    pub(in crate::store) fn any_of_bytes(&self, column: Expr, values: Vec<Vec<u8>>) -> Expr {
        any_of_bytes(self.kind(), column, values)
    }

    /// Like [`Reader::any_of`], for numbers.
    pub(in crate::store) fn any_of_numbers(&self, column: Expr, numbers: impl IntoIterator<Item = i64>) -> Expr {
        any_of_numbers(self.kind(), column, numbers)
    }
}

impl<S: Copy> Snapshot<S> {
    /// [`any_of`] for this database.
    pub(in crate::store) fn any_of(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        self.reader().any_of(column, ids)
    }
}

impl Tx {
    fn kind(&self) -> DatabaseKind {
        if self.is_postgresql() { DatabaseKind::Postgresql } else { DatabaseKind::Sqlite }
    }

    /// [`any_of`] for this database.
    pub(in crate::store) fn any_of(&self, column: Expr, ids: impl IntoIterator<Item = Uuid>) -> Expr {
        any_of(self.kind(), column, ids)
    }

    /// Like [`Tx::any_of`], for numbers.
    pub(in crate::store) fn any_of_numbers(&self, column: Expr, numbers: impl IntoIterator<Item = i64>) -> Expr {
        any_of_numbers(self.kind(), column, numbers)
    }
}
