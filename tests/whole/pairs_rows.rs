//! The state of the database in a form in which two runs can be compared: ids that were made during a run are replaced
//! by what they are ids of, and what depends on chance or on the number of tries is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use packwright::domain::Instant;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

use crate::log::recorded_rows;
use crate::support::TestApp;
use crate::support::rows::tables;

/// Tables that aren't compared: what a process keeps for itself, and both logs, which are compared by what they tell.
const ASIDE: [&str; 10] = [
    "audit_entry",
    "audit_hour",
    "event",
    "event_floor",
    "event_log",
    "event_trace",
    "log_batch",
    "log_record",
    "seaql_migrations",
    "server_secret",
];
/// Columns that depend on chance, or on places in the logs.
const OPAQUE: [&str; 11] = [
    "bucket_seed",
    "secret_hash",
    "content_key",
    "visible_after",
    "visible_until",
    "tally_base_id",
    "last_used_at",
    "draft_revision",
    "input_hash",
    "failures",
    "last_failure",
];

/// The tables of the database.
pub(crate) async fn all_tables(app: &TestApp) -> Vec<String> {
    let sql = "SELECT table_name::text AS name FROM information_schema.tables
               WHERE table_schema = 'public' AND table_name <> 'seaql_migrations' ORDER BY 1";
    let found = tables(app).query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await;
    found.expect("the tables").iter().map(|row| row.try_get("", "name").expect("a name")).collect()
}

/// All rows that are compared, each as a line. `all` are the tables of the database.
async fn lines(app: &TestApp, all: &[String]) -> Vec<String> {
    let compared = all.iter().filter(|table| !ASIDE.contains(&table.as_str()));
    let parts: Vec<_> =
        compared.map(|table| format!("SELECT '{table}' AS name, to_jsonb(t)::text AS line FROM {table} t")).collect();
    let sql = Statement::from_string(DatabaseBackend::Postgres, parts.join(" UNION ALL "));
    let found = tables(app).query_all_raw(sql).await.expect("the rows");
    let line = |row: sea_orm::QueryResult| {
        let (name, line): (String, String) =
            (row.try_get("", "name").expect("a table"), row.try_get("", "line").expect("a row"));
        let mut line: Value = serde_json::from_str(&line).expect("JSON");
        let columns = line.as_object_mut().expect("an object");
        columns.retain(|column, _| !OPAQUE.contains(&column.as_str()));
        if name.ends_with("_tally") {
            columns.remove("id");
        }
        format!("{name} {line}")
    };
    let mut lines: Vec<_> = found.into_iter().map(line).collect();
    for mut event in recorded_rows::events(app).await {
        // The caller's account has the name by which it was let in.
        (event.sequence, event.id, event.actor_account_name) = (0, Uuid::nil(), None);
        lines.push(format!("{event:?}"));
    }
    for mut entry in recorded_rows::entries(app).await {
        (entry.sequence, entry.id, entry.actor_account_name) = (0, Uuid::nil(), None);
        lines.push(format!("{entry:?}"));
    }
    lines
}

/// The positions and the texts of the UUIDs in a line.
fn uuids(line: &str) -> Vec<(usize, &str)> {
    let is_uuid = |text: &str| text.as_bytes()[8] == b'-' && text.len() == 36 && Uuid::try_parse(text).is_ok();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 36 <= line.len() {
        match line.get(at..at + 36).filter(|text| is_uuid(text)) {
            Some(text) => {
                found.push((at, text));
                at += 36;
            }
            None => at += 1,
        }
    }
    found
}

/// The state at the beginning of a run, and the ids that exist then.
pub(crate) struct Beginning {
    all: Vec<String>,
    known: BTreeSet<String>,
    now: Instant,
}

impl Beginning {
    pub(crate) async fn of(app: &TestApp) -> Self {
        let all = all_tables(app).await;
        let lines = lines(app, &all).await;
        let known = lines.iter().flat_map(|line| uuids(line)).map(|(_, id)| id.to_owned()).collect();
        Self { all, known, now: app.now() }
    }

    /// The time at which runs begin.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The present state: one sorted line for each row, event and audit entry.
    pub(crate) async fn state(&self, app: &TestApp) -> Vec<String> {
        let lines = lines(app, &self.all).await;
        let mut labels: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, id) in lines.iter().flat_map(|line| uuids(line)) {
            if !self.known.contains(id) {
                labels.insert(id, 0);
            }
        }
        // What an id is the id of follows from the lines with it, and from those with the ids that stand beside it.
        for _ in 0..4 {
            let mut next: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for line in &lines {
                let own: BTreeSet<_> = uuids(line).into_iter().map(|(_, id)| id).collect();
                for id in own.into_iter().filter(|id| labels.contains_key(id)) {
                    next.entry(id).or_default().push(labelled(line, &labels, Some(id)));
                }
            }
            labels = next
                .into_iter()
                .map(|(id, mut lines)| {
                    lines.sort();
                    let mut hasher = DefaultHasher::new();
                    lines.hash(&mut hasher);
                    (id, hasher.finish())
                })
                .collect();
        }
        let mut state: Vec<_> = lines.iter().map(|line| labelled(line, &labels, None)).collect();
        state.sort();
        state
    }
}

/// A line with labels in the place of new ids.
fn labelled(line: &str, labels: &BTreeMap<&str, u64>, own: Option<&str>) -> String {
    let mut text = String::with_capacity(line.len());
    let mut from = 0;
    for (at, id) in uuids(line) {
        text += &line[from..at];
        match labels.get(id) {
            _ if own == Some(id) => text += "ITSELF",
            Some(label) => text += &format!("new:{label:016x}"),
            None => text += id,
        }
        from = at + id.len();
    }
    text + &line[from..]
}
