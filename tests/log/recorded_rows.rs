//! Both logs row by row, including the rows that records represent. For tests that look at the tables.

use entity::{audit_entry, event, event_log, log_batch, log_record};
use packwright::domain::log::IdRange;
use sea_orm::{
    ColumnTrait as _, DatabaseBackend, DatabaseTransaction, EntityTrait as _, IsolationLevel, QueryFilter as _,
    QueryOrder as _, TransactionTrait as _,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::rows::tables;

/// A transaction whose statements all see the same rows, while another server writes. A transaction of SQLite does so by
/// itself.
async fn snapshot(app: &TestApp) -> DatabaseTransaction {
    let level = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => Some(IsolationLevel::RepeatableRead),
        _ => None,
    };
    tables(app).begin_with_config(level, None).await.expect("a transaction")
}

/// The records of the batches that end after a position, in order, each with its batch and its id.
async fn records(tx: &DatabaseTransaction, after: i64) -> Vec<(log_batch::Model, log_record::Model, Uuid)> {
    let batches = log_batch::Entity::find().filter(log_batch::Column::LastSequence.gt(after)).all(tx);
    let batches = batches.await.expect("the batches");
    let first = batches.iter().map(|batch| batch.first_sequence).min().unwrap_or(i64::MAX);
    let records = log_record::Entity::find().filter(log_record::Column::Batch.gte(first));
    let records = records.order_by_asc(log_record::Column::Sequence);
    let records = records.all(tx).await.expect("the records");
    let positions: i64 = batches.iter().map(|batch| batch.last_sequence - batch.first_sequence + 1).sum();
    assert_eq!(positions, i64::try_from(records.len()).expect("few"), "each place of a batch has its record");
    let records = records.into_iter();
    let joined = records.map(|record| {
        let batch = batches.iter().find(|batch| batch.first_sequence == record.batch).expect("a record's batch");
        assert!((batch.first_sequence..=batch.last_sequence).contains(&record.sequence), "{record:?} in {batch:?}");
        let index = u32::try_from(record.sequence - batch.first_sequence).expect("a place");
        (batch.clone(), record, IdRange::new(batch.id_base, batch.id_seal).id(index))
    });
    joined.collect()
}

/// The event log, oldest first.
pub(crate) async fn events(app: &TestApp) -> Vec<event::Model> {
    events_after(app, i64::MIN).await
}

/// The events after a position, oldest first.
pub(crate) async fn events_after(app: &TestApp, after: i64) -> Vec<event::Model> {
    let tx = snapshot(app).await;
    let log = event_log::Entity::find().one(&tx).await.expect("a row").expect("the log's row");
    let rows = event::Entity::find().filter(event::Column::Sequence.gt(after)).all(&tx);
    let mut rows = rows.await.expect("the events");
    for (batch, record, id) in records(&tx, after).await {
        let (Some(kind), Some(audience)) = (batch.kind, batch.audience) else { continue };
        if record.sequence <= log.pruned_to.max(after) {
            continue;
        }
        let number = batch.version_after.or(record.version_before);
        rows.push(event::Model {
            sequence: record.sequence,
            id,
            kind,
            audience,
            publisher_id: batch.publisher_id,
            account_id: Some(record.account_id),
            pack_id: Some(batch.pack_id),
            pack_name: batch.pack_name,
            occurred_at: batch.occurred_at,
            actor_kind: "SCHEDULER".into(),
            actor_name: "scheduler".into(),
            actor_token_id: None,
            actor_account_id: None,
            actor_account_name: None,
            release_id: batch.release_id,
            installation_id: record.installation_id,
            update_state: batch.update_state,
            component_version_id: None,
            group_id: None,
            data: number.map_or("{}".into(), |number| json!({ "version_number": number }).to_string()),
        });
    }
    tx.commit().await.expect("its end");
    rows.sort_by_key(|row| row.sequence);
    rows
}

/// The audit log, oldest first.
pub(crate) async fn entries(app: &TestApp) -> Vec<audit_entry::Model> {
    let tx = snapshot(app).await;
    let mut rows = audit_entry::Entity::find().all(&tx).await.expect("the audit log");
    for (batch, record, id) in records(&tx, i64::MIN).await {
        let (Some(first), Some(action)) = (batch.first_entry, batch.action) else { continue };
        let mut changes: Vec<Value> = serde_json::from_str(&batch.changes).expect("changes");
        let after = if batch.version_is_gone { None } else { batch.version_after.or(record.version_before) };
        if record.version_before != after {
            let number = |number: Option<i32>| number.map(|number| number.to_string());
            changes
                .push(json!({ "field": "version", "before": number(record.version_before), "after": number(after) }));
        }
        rows.push(audit_entry::Model {
            sequence: first + record.sequence - batch.first_sequence,
            id,
            publisher_id: batch.publisher_id,
            account_id: Some(record.account_id).filter(|_| batch.for_account),
            occurred_at: batch.occurred_at,
            actor_kind: "SCHEDULER".into(),
            actor_name: "scheduler".into(),
            actor_token_id: None,
            actor_account_id: None,
            actor_account_name: None,
            action,
            subject_type: "Installation".into(),
            subject_id: record.installation_id.expect("what is told about").to_string(),
            subject_name: Some(record.name.unwrap_or(batch.pack_name)),
            own_subject_type: None,
            own_subject_id: None,
            own_subject_name: None,
            changes: Value::from(changes).to_string(),
            request_id: None,
        });
    }
    tx.commit().await.expect("its end");
    rows.sort_by_key(|row| row.sequence);
    rows
}
