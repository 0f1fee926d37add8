//! `packwright seed`: equal worlds for equal options, only in an empty database, all or nothing (R49).

use std::collections::BTreeMap;
use std::process::Stdio;

use packwright::cli::seed::{Filled, fill};
use packwright::seed::{Options, TooFewAccounts, World};
use packwright::store::seed::Load;
use packwright::store::{Db, DbOptions};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, EntityTrait as _, Statement};
use tokio::io::AsyncBufReadExt as _;

use crate::support::rows::{database_url, tables};
use crate::support::{START, Setup, TestApp, instant};

/// A small world. Its present is the day on which the tests begin.
pub(crate) fn options(packs: usize, installations: usize) -> Options {
    Options {
        seed: 11,
        at: instant("2026-11-22T00:00:00Z"),
        packs,
        installations,
        accounts: (installations / 4).max(12),
        groups: 12,
        components: 60,
    }
}

/// An app with a seeded world, whose publisher is the app's publisher.
pub(crate) async fn seeded(options: Options) -> (TestApp, Filled) {
    let mut app = TestApp::empty(Setup::default()).await;
    let world = World::new(options).expect("room enough");
    let filled = fill(&app.app.services.db, &world, |_| {}).await.expect("an empty database");
    app.publisher.clone_from(&filled.publisher_secret);
    (app, filled)
}

async fn texts(app: &TestApp, sql: &str) -> Vec<String> {
    let backend = tables(app).get_database_backend();
    let rows = tables(app).query_all_raw(Statement::from_string(backend, sql)).await.expect(sql);
    rows.iter().map(|row| row.try_get_by_index::<Option<String>>(0).expect("a text").unwrap_or_default()).collect()
}

/// The rows of every table as sorted texts, without secrets and migrations, which differ between databases.
async fn dump(app: &TestApp) -> BTreeMap<String, Vec<String>> {
    let postgresql = app.is_postgresql();
    let named = if postgresql {
        "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    let mut dump = BTreeMap::new();
    for table in texts(app, named).await {
        if ["seaql_migrations", "server_secret"].contains(&table.as_str()) {
            continue;
        }
        let columns = if postgresql {
            format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = current_schema()"
            )
        } else {
            format!("SELECT name FROM pragma_table_info('{table}')")
        };
        let secret = |column: &String| column != "secret_hash" || !["api_token"].contains(&table.as_str());
        let columns: Vec<String> = texts(app, &columns).await.into_iter().filter(secret).collect();
        let spelt = |column: &String| {
            if postgresql {
                format!("coalesce(\"{column}\"::text, '')")
            } else {
                format!("coalesce(quote(\"{column}\"), '')")
            }
        };
        let row = columns.iter().map(spelt).collect::<Vec<_>>().join(" || '|' || ");
        dump.insert(table.clone(), texts(app, &format!("SELECT {row} FROM \"{table}\" ORDER BY 1")).await);
    }
    dump
}

/// The definitions of the indexes; on PostgreSQL also of the constraints.
async fn indexes(app: &TestApp) -> Vec<String> {
    let sql = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => {
            "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
             UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = current_schema()::regnamespace ORDER BY 1"
        }
        _ => "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1",
    };
    texts(app, sql).await
}

#[tokio::test]
async fn r49_the_same_number_makes_the_same_world() {
    let (one, _) = seeded(options(20, 400)).await;
    let (other, _) = seeded(options(20, 400)).await;
    let (one, other) = (dump(&one).await, dump(&other).await);
    assert!(
        one["installation"].len() >= 400 && one["installation_update"].len() > 100,
        "{}",
        one["installation"].len()
    );
    for (table, rows) in &one {
        assert_eq!(rows, &other[table], "{table}");
    }
    let (third, _) = seeded(Options { seed: 12, ..options(20, 400) }).await;
    let third = dump(&third).await;
    for table in ["account", "component_version", "integration_pack", "installation", "installation_update"] {
        let shared = third[table].iter().filter(|row| one[table].contains(row)).count();
        assert_eq!(shared, 0, "{table}: another number makes another world");
    }
}

#[tokio::test]
async fn r49_a_seeded_world_has_the_requested_size() {
    for (packs, installations) in [(1, 0), (1, 9), (30, 1_000)] {
        let (app, filled) = seeded(options(packs, installations)).await;
        assert_eq!(filled.installations, installations);
        let live = texts(&app, "SELECT CAST(COUNT(*) AS text) FROM installation WHERE uninstalled_at IS NULL").await;
        assert_eq!(live, [installations.to_string()]);
        assert_eq!(texts(&app, "SELECT CAST(COUNT(*) AS text) FROM integration_pack").await, [packs.to_string()]);
    }
    let refused = World::new(Options { accounts: 10, ..options(1, 1_000) }).expect_err("ten accounts and one pack");
    assert!(matches!(refused, TooFewAccounts { packs: 1, accounts: 10, most } if most < 1_000), "{refused:?}");
    assert!(refused.to_string().contains("--accounts"));
}

/// PostgreSQL takes the rows of a table by few COPYs, because each takes 40 ms however few its rows are.
#[tokio::test]
async fn r49_few_rows_are_not_copied_by_themselves() {
    let app = TestApp::empty(Setup::default()).await;
    if !app.is_postgresql() {
        return;
    }
    let world = World::new(options(40, 6_000)).expect("room enough");
    let (_, statements) = app.statements_of(fill(&app.app.services.db, &world, |_| {})).await;
    let mut copies = BTreeMap::new();
    for table in statements.iter().filter_map(|sql| sql.strip_prefix("COPY \"")?.split('"').next()) {
        *copies.entry(table.to_owned()).or_insert(0) += 1;
    }
    assert!(copies.len() > 20, "{copies:?}");
    let mut rows = 0;
    for (table, copies) in copies {
        let stored = if table == "audit_load" { "audit_entry" } else { &table };
        let count = texts(&app, &format!("SELECT CAST(COUNT(*) AS text) FROM {stored}")).await[0].parse::<usize>();
        let count = count.expect("a number");
        assert!(copies <= count / 20_000 + 1, "{table}: {copies} COPYs for {count} rows");
        rows += count;
    }
    assert!(rows > 40_000, "too few rows to be written in several steps: {rows}");
}

#[tokio::test]
async fn r49_a_world_comes_into_an_empty_database_alone_and_leaves_its_indexes() {
    let app = TestApp::empty(Setup::default()).await;
    let (before, empty) = (indexes(&app).await, dump(&app).await);
    let world = World::new(options(5, 50)).expect("room enough");
    // A seeding that is aborted.
    let mut load = Load::begin(&app.app.services.db).await.expect("a database").expect("an empty one");
    load.rows().account(&world.directory.publisher);
    drop(load);
    assert_eq!((indexes(&app).await, dump(&app).await), (before.clone(), empty));

    fill(&app.app.services.db, &world, |_| {}).await.expect("an empty database");
    assert_eq!(indexes(&app).await, before);
    let filled = dump(&app).await;
    let refused = fill(&app.app.services.db, &world, |_| {}).await.expect_err("it isn't empty any more");
    assert!(format!("{refused:?}").contains("name another with --database-url"), "{refused:?}");
    assert_eq!(dump(&app).await, filled);
    assert_eq!(indexes(&app).await, before);
}

#[tokio::test]
async fn r49_seed_prints_the_tokens_and_how_to_make_the_same_world() {
    let app = TestApp::empty(Setup::default()).await;
    let url = database_url(&app).await;
    let run = async |at: &str| {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"))
            .args(["seed", "--packs", "4", "--installations", "20", "--seed", "3", "--at", at, "--database-url", &url])
            .stdin(Stdio::null())
            .output()
            .await
            .expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (done, _, progress) = run("2999-01-01T00:00:00Z").await;
    assert!(!done && progress.contains("earlier --at"), "{progress}");
    let (done, generated_pack, progress) = run(START).await;
    assert!(done, "{progress}");
    assert!(
        generated_pack.contains("for load tests, and for nothing else")
            && generated_pack.contains("--seed 3 --at 2026-11-22T09:00:00.000000Z"),
        "{generated_pack}"
    );
    assert!(progress.contains("of 20 installations"), "{progress}");
    let secrets: Vec<&str> = generated_pack.split_whitespace().filter(|word| word.starts_with("pwt_")).collect();
    let viewer = "{ viewer { account { __typename } token { role } } }";
    for (secret, kind) in secrets.iter().zip(["PublisherAccount", "OwnAccount"]) {
        let seen = app.gql(secret, viewer, serde_json::Value::Null).await;
        assert_eq!(seen["viewer"]["account"]["__typename"], kind, "{seen}");
        assert_eq!(seen["viewer"]["token"]["role"], "ADMINISTRATOR");
    }
    assert_eq!(secrets.len(), 2);
    let (done, _, progress) = run(START).await;
    assert!(!done && progress.contains("accounts already"), "{progress}");
}

#[tokio::test]
async fn r49_a_database_that_is_new_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("new.db").display());
    let output = seed(&url, 20).output().await.expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let db = Db::connect(&url, DbOptions::default()).await.expect("it is there");
    let found = entity::installation::Entity::find().all(db.for_migration()).await.expect("it has the tables");
    assert_eq!(found.iter().filter(|installation| installation.uninstalled_at.is_none()).count(), 20);
}

#[tokio::test]
async fn r49_a_world_that_is_stopped_on_the_way_is_none() {
    let app = TestApp::empty(Setup::default()).await;
    let before = (indexes(&app).await, dump(&app).await);
    let mut program = seed(&database_url(&app).await, 400_000).spawn().expect("the program runs");
    let stderr = program.stderr.take().expect("it is read");
    let mut progress = tokio::io::BufReader::new(stderr).lines();
    let shown = progress.next_line().await.expect("it tells how far it is").expect("a line");
    assert!(shown.contains("of 400000 installations"), "{shown}");
    let id = program.id().expect("it is running").to_string();
    let generated_pack = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(generated_pack.expect("there is such a command").success());
    let mut rest = String::new();
    while let Some(line) = progress.next_line().await.expect("text") {
        rest.push_str(&line);
    }
    assert!(!program.wait().await.expect("it ends").success());
    assert!(rest.contains("the database is as empty as it was"), "{rest}");
    assert_eq!((indexes(&app).await, dump(&app).await), before);
}

/// The command for a world with so many installations.
fn seed(url: &str, installations: usize) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"));
    command
        .args(["seed", "--packs", "40", "--seed", "3", "--at", START, "--database-url", url, "--installations"])
        .arg(installations.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
