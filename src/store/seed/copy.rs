//! Writes rows with PostgreSQL's COPY, which saves parsing and planning a statement for each thousand rows.

use std::fmt::Write as _;

use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelTrait, ActiveValue, EntityTrait, IdenStatic as _, Iterable as _};

use crate::store::{StoreError, StoreResult, Tx};

/// Writes rows of one table. A column that is unset in the first row must be unset in all rows, and gets its default.
pub(in crate::store) async fn insert<A>(tx: &Tx, table: &str, rows: &[A]) -> StoreResult<()>
where
    A: ActiveModelTrait,
{
    let Some(first) = rows.first() else { return Ok(()) };
    let given = |column: &<A::Entity as EntityTrait>::Column| !matches!(first.get(*column), ActiveValue::NotSet);
    let columns: Vec<_> = <A::Entity as EntityTrait>::Column::iter().filter(given).collect();
    let mut text = String::with_capacity(rows.len() * 256);
    for row in rows {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                text.push('\t');
            }
            match row.get(*column) {
                ActiveValue::Set(value) | ActiveValue::Unchanged(value) => append_value(&mut text, value)?,
                ActiveValue::NotSet => return Err(cannot(&format!("a row of {table} lacks its {}", column.as_str()))),
            }
        }
        text.push('\n');
    }
    let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    tx.copy(&format!("COPY \"{table}\" ({}) FROM STDIN", names.join(", ")), text.as_bytes()).await
}

fn cannot(why: &str) -> StoreError {
    StoreError::Fault(why.to_owned())
}

/// Appends a value in COPY's text format.
fn append_value(text: &mut String, value: Value) -> StoreResult<()> {
    match value {
        Value::Bool(Some(yes)) => text.push(if yes { 't' } else { 'f' }),
        Value::Int(Some(number)) => {
            let _ = write!(text, "{number}");
        }
        Value::BigInt(Some(number)) => {
            let _ = write!(text, "{number}");
        }
        Value::Uuid(Some(id)) => {
            let _ = write!(text, "{id}");
        }
        Value::ChronoDateTimeUtc(Some(at)) => {
            let _ = write!(text, "{}", at.format("%Y-%m-%d %H:%M:%S%.6f+00"));
        }
        Value::Bytes(Some(bytes)) => {
            text.push_str("\\\\x");
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
        }
        Value::String(Some(raw)) => escape(text, &raw),
        Value::Bool(None)
        | Value::Int(None)
        | Value::BigInt(None)
        | Value::Uuid(None)
        | Value::ChronoDateTimeUtc(None)
        | Value::Bytes(None)
        | Value::String(None) => text.push_str("\\N"),
        other => return Err(cannot(&format!("a value that a load can't write: {other:?}"))),
    }
    Ok(())
}

fn escape(text: &mut String, raw: &str) {
    for letter in raw.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
    }
}
