//! Whoever changes the audit log past the server is noticed (R51).

use packwright::domain::log::Broken;
use packwright::service::log::SentSeal;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};

use crate::log::sealing::{broken, count, seal_all, verified, world};
use crate::support::TestApp;
use crate::support::rows::tables;

async fn run(app: &TestApp, sql: &str) {
    tables(app).execute_unprepared(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

async fn sealed_world() -> TestApp {
    let app = TestApp::new().await;
    world(&app).await;
    seal_all(&app.app.services).await;
    assert_eq!(broken(&app).await, None, "nobody has changed it yet");
    app
}

/// The tables of the log and of its seals.
const TABLES: [&str; 5] = ["audit_entry", "log_batch", "log_record", "audit_seal", "audit_chain"];

/// Keeps copies of the tables.
async fn save(app: &TestApp) {
    for table in TABLES {
        run(app, &format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await;
    }
}

/// Makes the tables as they were.
async fn restore(app: &TestApp) {
    for table in TABLES {
        run(app, &format!("DELETE FROM {table}")).await;
        run(app, &format!("INSERT INTO {table} SELECT * FROM saved_{table}")).await;
    }
}

/// The columns of a table with their types.
async fn columns(app: &TestApp, table: &str) -> Vec<(String, String)> {
    let sql = if app.is_postgresql() {
        format!(
            "SELECT column_name::text, udt_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
        )
    } else {
        format!("SELECT name, lower(type) FROM pragma_table_info('{table}')")
    };
    let statement = Statement::from_string(tables(app).get_database_backend(), sql);
    let rows = tables(app).query_all_raw(statement).await.expect("the columns");
    rows.iter()
        .map(|row| (row.try_get_by_index(0).expect("a name"), row.try_get_by_index(1).expect("a type")))
        .collect()
}

/// Another value for a column.
fn another(column: &str, of_type: &str, postgresql: bool) -> String {
    match of_type {
        _ if column == "publisher_id" || column == "account_id" => format!(
            "(SELECT id FROM account WHERE kind = 'MANAGED' AND (changed.{column} IS NULL OR id <> changed.{column}) LIMIT 1)"
        ),
        "uuid" => "gen_random_uuid()".into(),
        "bytea" => format!("set_byte({column}, 31, get_byte({column}, 31) # 1)"),
        "blob" if column.contains("hash") => "randomblob(32)".into(),
        "blob" => "randomblob(16)".into(),
        "timestamptz" => format!("{column} + interval '1 microsecond'"),
        "bool" | "boolean" => format!("NOT {column}"),
        "text" if column.ends_with("_at") && !postgresql => format!("replace({column}, '2026', '2027')"),
        "text" => format!("coalesce({column}, '') || 'x'"),
        _ => format!("coalesce({column}, 0) + 1000000"),
    }
}

#[tokio::test]
async fn r51_a_change_of_any_column_of_an_entry_or_a_seal_is_noticed() {
    let app = sealed_world().await;
    // One sealed row of each table, in the middle of the log.
    let rows = [
        (
            "audit_entry",
            "sequence = (SELECT sequence FROM audit_entry WHERE account_id IS NOT NULL ORDER BY sequence LIMIT 1)",
        ),
        (
            "audit_entry",
            "sequence = (SELECT sequence FROM audit_entry WHERE account_id IS NULL ORDER BY sequence DESC LIMIT 1)",
        ),
        ("log_batch", "first_sequence = (SELECT min(first_sequence) FROM log_batch WHERE first_entry IS NOT NULL)"),
        (
            "log_record",
            "batch = (SELECT min(first_sequence) FROM log_batch WHERE first_entry IS NOT NULL) AND sequence = batch + 1",
        ),
        (
            "audit_seal",
            "number = 1 AND publisher_id = (SELECT publisher_id FROM audit_chain ORDER BY end_number DESC LIMIT 1)",
        ),
        (
            "audit_seal",
            "number = 2 AND publisher_id = (SELECT publisher_id FROM audit_chain ORDER BY end_number DESC LIMIT 1)",
        ),
        ("audit_chain", "end_number = (SELECT max(end_number) FROM audit_chain)"),
    ];
    save(&app).await;
    let mut changed = 0;
    for (table, which) in rows {
        let columns = columns(&app, table).await;
        assert_eq!(count(&app, &format!("SELECT count(*) FROM {table} WHERE {which}")).await, 1, "{table}: {which}");
        for (column, of_type) in &columns {
            let value = another(column, of_type, app.is_postgresql());
            run(&app, &format!("UPDATE {table} AS changed SET {column} = {value} WHERE {which}")).await;
            assert!(broken(&app).await.is_some(), "{table}.{column} = {value}");
            changed += 1;
            restore(&app).await;
        }
        assert_eq!(broken(&app).await, None, "{table} is as it was");
    }
    assert_eq!(changed, 19 + 19 + 18 + 6 + 9 + 9 + 7, "all columns of all tables");
}

#[tokio::test]
async fn r51_an_entry_that_was_taken_away_or_inserted_is_noticed() {
    let entries = "(SELECT sequence FROM audit_entry ORDER BY sequence LIMIT 1 OFFSET 70)";
    let app = sealed_world().await;
    save(&app).await;
    for (what, by) in [
        ("an entry", vec![format!("DELETE FROM audit_entry WHERE sequence = {entries}")]),
        ("the first one", vec!["DELETE FROM audit_entry WHERE sequence = (SELECT min(sequence) FROM audit_entry)".into()]),
        ("the last one", vec!["DELETE FROM audit_entry WHERE sequence = (SELECT max(sequence) FROM audit_entry)".into()]),
        ("a record", vec!["DELETE FROM log_record WHERE sequence = (SELECT max(sequence) FROM log_record r JOIN log_batch b ON b.first_sequence = r.batch WHERE b.first_entry IS NOT NULL)".into()]),
        ("a batch", vec!["DELETE FROM log_batch WHERE first_sequence = (SELECT min(first_sequence) FROM log_batch WHERE first_entry IS NOT NULL)".into()]),
        ("a stray record", vec!["INSERT INTO log_record (sequence, batch, account_id, installation_id) SELECT sequence + 1000000, batch, account_id, installation_id FROM log_record WHERE sequence = (SELECT min(r.sequence) FROM log_record r JOIN log_batch b ON b.first_sequence = r.batch WHERE b.first_entry IS NOT NULL)".into()]),
        ("all of it", vec!["DELETE FROM audit_entry".into(), "DELETE FROM log_record".into(), "DELETE FROM log_batch".into()]),
        ("a seal", vec!["DELETE FROM audit_seal WHERE number = 2".into()]),
        ("the chains", vec!["DELETE FROM audit_chain".into()]),
        ("the end", vec![
            "DELETE FROM audit_entry WHERE sequence > (SELECT max(last_position) FROM audit_seal WHERE number = 1)".into(),
            "DELETE FROM log_batch WHERE first_entry > (SELECT max(last_position) FROM audit_seal WHERE number = 1)".into(),
            "DELETE FROM audit_seal WHERE number > 1".into(),
        ]),
    ] {
        for sql in by {
            run(&app, &sql).await;
        }
        assert!(broken(&app).await.is_some(), "{what}");
        restore(&app).await;
    }
    let names: Vec<_> = columns(&app, "audit_entry").await.into_iter().map(|(name, _)| name).collect();
    let id = if app.is_postgresql() { "gen_random_uuid()" } else { "randomblob(16)" };
    let values = names.iter().map(|name| match name.as_str() {
        "sequence" => "-sequence",
        "id" => id,
        other => other,
    });
    let (columns, values) = (names.join(", "), values.collect::<Vec<_>>().join(", "));
    run(
        &app,
        &format!("INSERT INTO audit_entry ({columns}) SELECT {values} FROM audit_entry WHERE sequence = {entries}"),
    )
    .await;
    assert!(matches!(broken(&app).await, Some(Broken::Entries { seal: 1, .. })), "before the first one");
    run(&app, "UPDATE audit_entry SET sequence = 1000 - sequence WHERE sequence < 0").await;
    assert_eq!(broken(&app).await, None, "after the last one it is an entry as any other, until it is sealed");
}

#[tokio::test]
async fn r51_the_broken_place_is_named() {
    let app = sealed_world().await;
    run(&app, "UPDATE audit_entry SET actor_name = 'somebody else' WHERE sequence = (SELECT max(e.sequence) FROM audit_entry e JOIN audit_seal s ON s.publisher_id = e.publisher_id AND e.sequence BETWEEN s.first_position AND s.last_position WHERE s.number = 2)").await;
    let logs = verified(&app, &[]).await;
    let touched: Vec<_> = logs.iter().filter(|log| log.verified.broken.is_some()).collect();
    assert_eq!(touched.len(), 1, "the other publisher's log holds");
    assert!(matches!(touched[0].verified.broken, Some(Broken::Entries { .. })), "{touched:?}");
    seal_all(&app.app.services).await;
    app.component("Later").await;
    seal_all(&app.app.services).await;
    assert!(broken(&app).await.is_some(), "no later seal covers it up");
}

#[tokio::test]
async fn r51_a_log_that_was_cut_short_with_its_seals_lacks_those_that_were_sent() {
    let app = sealed_world().await;
    let log = verified(&app, &[]).await.into_iter().max_by_key(|log| log.verified.seals).expect("a log").verified;
    let sent = SentSeal { publisher: log.chain.publisher_id, number: log.chain.end.number, hash: log.chain.end.hash };
    assert!(verified(&app, &[sent]).await.iter().all(|log| log.verified.broken.is_none()));
    let last = "(SELECT number FROM audit_seal s WHERE number = (SELECT max(end_number) FROM audit_chain) LIMIT 1)";
    let before = format!("FROM audit_seal WHERE number = {last} - 1 AND publisher_id = audit_chain.publisher_id");
    for sql in [
        format!(
            "DELETE FROM audit_entry WHERE sequence >= (SELECT first_position FROM audit_seal WHERE number = {last}) AND publisher_id = (SELECT publisher_id FROM audit_seal WHERE number = {last})"
        ),
        format!(
            "DELETE FROM log_batch WHERE first_entry >= (SELECT first_position FROM audit_seal WHERE number = {last})"
        ),
        format!(
            "UPDATE audit_chain SET end_position = (SELECT last_position {before}), end_hash = (SELECT hash {before}), end_number = end_number - 1 WHERE end_number = {last}"
        ),
    ] {
        run(&app, &sql).await;
    }
    run(&app, "DELETE FROM audit_seal WHERE number > (SELECT max(end_number) FROM audit_chain)").await;
    let [ours] = &verified(&app, &[sent])
        .await
        .into_iter()
        .filter(|log| log.verified.chain.publisher_id == sent.publisher)
        .collect::<Vec<_>>()[..]
    else {
        panic!("one log")
    };
    assert!(ours.verified.broken.is_some(), "{ours:?}");
}

/// Each byte of a row is changed in turn, one bit of it.
#[tokio::test]
async fn r51_any_single_byte_of_an_entry_counts() {
    let app = sealed_world().await;
    if app.is_postgresql() {
        // Its values have types, of which not every byte can be changed. The test of columns changes each of them.
        return;
    }
    let row = "sequence = (SELECT sequence FROM audit_entry WHERE account_id IS NOT NULL AND own_subject_id IS NOT NULL ORDER BY sequence LIMIT 1)";
    for (column, of_type) in columns(&app, "audit_entry").await {
        if of_type == "integer" || column == "publisher_id" || column == "account_id" {
            continue;
        }
        let select = format!("SELECT coalesce(hex(CAST({column} AS blob)), '') FROM audit_entry WHERE {row}");
        let statement = Statement::from_string(DatabaseBackend::Sqlite, select);
        let was: String = tables(&app).query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        let was: Vec<u8> =
            (0..was.len()).step_by(2).map(|at| u8::from_str_radix(&was[at..at + 2], 16).unwrap()).collect();
        let spelled = |bytes: &[u8]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("CAST(x'{hex}' AS {of_type})")
        };
        for at in 0..was.len() {
            let mut now = was.clone();
            now[at] ^= 1;
            run(&app, &format!("UPDATE audit_entry SET {column} = {} WHERE {row}", spelled(&now))).await;
            // The row may be found by no look for its columns any more, but its place is known.
            assert!(broken(&app).await.is_some(), "{column}, byte {at}");
            run(&app, &format!("UPDATE audit_entry SET {column} = {} WHERE sequence = (SELECT sequence FROM audit_entry WHERE {column} = {})", spelled(&was), spelled(&now))).await;
        }
    }
    assert_eq!(broken(&app).await, None, "all is as it was");
}
