//! Both logs row by row, including the rows that records represent. For tests that look at the tables.

use entity::{audit_entry, event, event_log, log_batch, log_record};
use packwright::domain::log::IdRange;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::rows::tables;

/// The records in order, each with its batch and its id.
async fn records(app: &TestApp) -> Vec<(log_batch::Model, log_record::Model, Uuid)> {
    let batches = log_batch::Entity::find().all(tables(app)).await.expect("the batches");
    let records = log_record::Entity::find().order_by_asc(log_record::Column::Sequence);
    let records = records.all(tables(app)).await.expect("the records");
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
    let log = event_log::Entity::find().one(tables(app)).await.expect("a row").expect("the log's row");
    let mut rows = event::Entity::find().all(tables(app)).await.expect("the events");
    for (batch, record, id) in records(app).await {
        let (Some(kind), Some(audience)) = (batch.kind, batch.audience) else { continue };
        if record.sequence <= log.pruned_to {
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
    rows.sort_by_key(|row| row.sequence);
    rows
}

/// The audit log, oldest first.
pub(crate) async fn entries(app: &TestApp) -> Vec<audit_entry::Model> {
    let mut rows = audit_entry::Entity::find().all(tables(app)).await.expect("the audit log");
    for (batch, record, id) in records(app).await {
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
    rows.sort_by_key(|row| row.sequence);
    rows
}
