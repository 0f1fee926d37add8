//! The database's schema: its recorded shape, and upgrades of databases from each tagged version.
//! `tests/schemas/README.md` describes the records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use packwright::store::{Db, DbOptions};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseConnection, Statement};

use crate::support::Database;

/// When this variable is set, the records of the current schema are written again.
const RECORD: &str = "PACKWRIGHT_RECORD_SCHEMAS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas")
}

fn name_of(connection: &DatabaseConnection) -> &'static str {
    match connection.get_database_backend() {
        DatabaseBackend::Postgres => "postgresql",
        _ => "sqlite",
    }
}

/// Each row as text: the columns of a statement in their order.
async fn rows(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap_or_else(|e| panic!("{sql}: {e}"))).collect()
}

const SQLITE_SHAPE: &[&str] = &[
    "SELECT 'table ' || t.name || ' column ' || c.name || ' ' || lower(c.type) || iif(c.\"notnull\", ' not null', '') \
       || iif(c.pk > 0, ' key ' || c.pk, '') || coalesce(' default ' || c.dflt_value, '') \
     FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
    "SELECT 'table ' || t.name || ' references ' || f.\"table\" || ' ' || f.\"from\" || ' ' || coalesce(f.\"to\", '') || ' ' || f.on_delete \
     FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'",
    "SELECT 'table ' || t.name || ' unique ' || (SELECT group_concat(i.name, ' ') FROM pragma_index_info(l.name) i) \
     FROM sqlite_schema t, pragma_index_list(t.name) l WHERE t.type = 'table' AND l.origin IN ('u', 'pk')",
    "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL",
];

const POSTGRESQL_SHAPE: &[&str] = &[
    "SELECT 'table ' || table_name || ' column ' || column_name || ' ' || udt_name \
       || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END || coalesce(' default ' || column_default, '') \
       || coalesce(' collate ' || collation_name, '') \
     FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT 'table ' || c.relname || ' ' || pg_get_constraintdef(k.oid) \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = 'public' AND k.contype <> 'n'",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
];

/// Each column, constraint and index on a line, in alphabetical order.
async fn shape(connection: &DatabaseConnection) -> String {
    let statements = if name_of(connection) == "sqlite" { SQLITE_SHAPE } else { POSTGRESQL_SHAPE };
    let mut lines = Vec::new();
    for sql in statements {
        let found = rows(connection, sql).await;
        lines.extend(found.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    lines.sort();
    lines.dedup();
    lines.join("\n") + "\n"
}

/// The number of rows in each table.
async fn counts(connection: &DatabaseConnection) -> BTreeMap<String, String> {
    let tables = match name_of(connection) {
        "sqlite" => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        _ => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    };
    let mut counts = BTreeMap::new();
    for table in rows(connection, tables).await.into_iter().filter(|table| table != "seaql_migrations") {
        let count = rows(connection, &format!("SELECT CAST(count(*) AS text) FROM \"{table}\"")).await;
        counts.insert(table, count.concat());
    }
    counts
}

async fn connect(database: &Database) -> Db {
    Db::connect(database.url(), DbOptions::default()).await.expect("connected")
}

/// The shape of a database that this program creates.
async fn fresh_shape() -> String {
    let database = Database::untouched("").await;
    let db = connect(&database).await;
    db.migrate().await.expect("migrated");
    let shape = shape(db.for_migration()).await;
    db.close().await.expect("closed");
    shape
}

#[tokio::test]
async fn the_schema_is_what_is_recorded() {
    let database = Database::untouched("").await;
    let db = connect(&database).await;
    assert!(db.pending_migrations().await.expect("a number") > 0, "a new database lacks all");
    db.migrate().await.expect("migrated");
    let shape = shape(db.for_migration()).await;
    let file = folder().join(format!("present.{}.txt", name_of(db.for_migration())));
    if std::env::var_os(RECORD).is_some() {
        std::fs::write(&file, &shape).expect("written");
    }
    let recorded = std::fs::read_to_string(&file).expect("what is recorded");
    for (ours, other_shape) in [(&shape, &recorded), (&recorded, &shape)] {
        let other: Vec<_> = other_shape.lines().collect();
        let missing: Vec<_> = ours.lines().filter(|line| !other.contains(line)).collect();
        assert!(
            missing.is_empty(),
            "the schema isn't what {} records; if that is meant, run the test once with {RECORD}=1, on both databases. \
             It differs in {missing:#?}",
            file.display()
        );
    }
    db.migrate().await.expect("a second time there is nothing to do");
    db.close().await.expect("closed");
}

/// Loads a dump, upgrades it, and compares it with a new database.
async fn upgrade(dump: &str, name: &str) {
    let database = Database::untouched("").await;
    let db = connect(&database).await;
    let connection = db.for_migration();
    connection.execute_unprepared(dump).await.unwrap_or_else(|e| panic!("{name} can't be loaded: {e}"));
    let before = counts(connection).await;
    assert!(before.values().any(|count| count != "0"), "{name} has rows to be kept");
    db.migrate().await.unwrap_or_else(|e| panic!("{name} can't be upgraded: {e}"));
    assert_eq!(db.pending_migrations().await.expect("a number"), 0, "{name}");
    let after = counts(connection).await;
    for (table, count) in before {
        assert_eq!(after.get(&table), Some(&count), "{name}: rows of {table}");
    }
    assert_eq!(shape(connection).await, fresh_shape().await, "{name} isn't what a new database is");
    db.close().await.expect("closed");
}

#[tokio::test]
async fn a_database_of_each_tagged_version_is_upgraded() {
    let database = Database::untouched("").await;
    let db = connect(&database).await;
    let suffix = format!(".{}.sql", name_of(db.for_migration()));
    db.close().await.expect("closed");
    for entry in std::fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(&suffix) {
            upgrade(&std::fs::read_to_string(&path).expect("a dump"), &name).await;
        }
    }
}

/// Until there is a tagged version, this runs the test above with a dump of the current schema.
#[tokio::test]
async fn a_dump_of_the_present_schema_is_upgraded_to_itself() {
    let database = Database::untouched("").await;
    let db = connect(&database).await;
    if name_of(db.for_migration()) != "sqlite" {
        // pg_dump isn't installed everywhere. A dump of SQLite is enough to test the harness.
        db.migrate().await.expect("migrated");
        assert_eq!(shape(db.for_migration()).await, fresh_shape().await);
        return db.close().await.expect("closed");
    }
    db.migrate().await.expect("migrated");
    let connection = db.for_migration();
    let objects = "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, rowid";
    let mut dump = rows(connection, objects).await;
    dump.extend(rows(connection, "SELECT format('INSERT INTO server_secret (id, secret) VALUES (%d, x''%s'');', id, hex(secret)) FROM server_secret").await);
    dump.extend(rows(connection, "SELECT format('INSERT INTO seaql_migrations (version, applied_at) VALUES (''%s'', %d);', version, applied_at) FROM seaql_migrations").await);
    db.close().await.expect("closed");
    upgrade(&dump.join("\n"), "the present schema").await;
}
