//! Rows of batches and records, including rows that can't be read. Such a row keeps its position, so that readers of
//! the log skip it and miss none of the others.

use std::sync::Arc;

use chrono::DateTime;
use entity::{log_batch, log_record};
use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, FromQueryResult, QueryResult};

use crate::store::tolerant;

/// A batch, with the columns that can be read.
pub(in crate::store) struct BatchLine(pub(in crate::store) log_batch::Model);

impl FromQueryResult for BatchLine {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let why = match tolerant::row(row, pre) {
            Ok(batch) => return Ok(Self(batch)),
            Err(why) => why,
        };
        let first_sequence = row.try_get(pre, "first_sequence")?;
        tolerant::skip("log_batch", first_sequence, &why);
        let id = |column| row.try_get::<Uuid>(pre, column).unwrap_or_default();
        Ok(Self(log_batch::Model {
            first_sequence,
            last_sequence: row.try_get(pre, "last_sequence")?,
            first_entry: row.try_get(pre, "first_entry")?,
            id_base: id("id_base"),
            id_seal: id("id_seal"),
            publisher_id: id("publisher_id"),
            pack_id: id("pack_id"),
            // No kind, so that no reader takes the batch for one that could be read.
            kind: Some(String::new()),
            occurred_at: DateTime::default(),
            pack_name: String::new(),
            release_id: None,
            audience: None,
            update_state: None,
            action: None,
            for_account: false,
            changes: String::new(),
            version_after: None,
            version_is_gone: true,
        }))
    }
}

/// A record, if it can be read.
pub(in crate::store) struct RecordLine {
    pub(in crate::store) sequence: i64,
    pub(in crate::store) read: Option<log_record::Model>,
}

impl FromQueryResult for RecordLine {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let sequence = row.try_get(pre, "sequence")?;
        let read = tolerant::row(row, pre).map_err(|why| tolerant::skip("log_record", sequence, &why)).ok();
        Ok(Self { sequence, read })
    }
}

/// A record with its batch.
pub(in crate::store) struct Joined {
    pub(in crate::store) batch: Arc<log_batch::Model>,
    pub(in crate::store) record: RecordLine,
}

impl FromQueryResult for Joined {
    fn from_query_result(row: &QueryResult, pre: &str) -> Result<Self, DbErr> {
        let BatchLine(batch) = BatchLine::from_query_result(row, pre)?;
        Ok(Self { batch: Arc::new(batch), record: RecordLine::from_query_result(row, pre)? })
    }
}
