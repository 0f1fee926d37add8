//! The real program, killed during a rollout and started again (R39, R41).
//!
//! The test chooses where the server is killed: a trigger blocks the transaction that moves a certain installation, and
//! the server is killed there.

use std::process::Stdio;
use std::time::Duration;

use packwright::service::Settings;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};

use crate::support::rows::{LogMark, database_url, tables, uuids_of};
use crate::support::{At, Installed, Setup, TestApp};

const INSTALLATIONS: usize = 10;
/// How often to check for a condition, and how long between two checks: a minute in all.
const LOOKS: usize = 1_200;
const BETWEEN: Duration = Duration::from_millis(50);

/// Starts the program on the app's database, with batches of three.
async fn start(app: &TestApp) -> tokio::process::Child {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"))
        .args(["serve", "--listen", "127.0.0.1:0", "--batch-size", "3", "--database-url", &database_url(app).await])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts")
}

/// Waits until `seen` is true; fails after a minute.
pub(crate) async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    for _ in 0..LOOKS {
        if seen().await {
            return;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    panic!("{what} never came");
}

/// Blocks the transaction that moves installation number `number` to its next version.
pub(crate) async fn set_trap(app: &TestApp, number: usize) {
    let statements = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => vec![
            "CREATE TABLE trap (n integer)".to_owned(),
            "INSERT INTO trap SELECT 0".into(),
            format!(
                "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF (SELECT count(*) FROM installation WHERE version_id = NEW.version_id) >= {number} THEN PERFORM pg_sleep(600); END IF;
                   RETURN NULL; END $$"
            ),
            "CREATE TRIGGER trap AFTER UPDATE OF version_id ON installation FOR EACH ROW EXECUTE FUNCTION trap()".into(),
        ],
        // SQLite can't sleep, but it can count for longer than the test lasts.
        _ => vec![
            "CREATE TABLE trap (n integer)".to_owned(),
            "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000) INSERT INTO trap SELECT n FROM up".into(),
            format!(
                "CREATE TRIGGER trap_moves AFTER UPDATE OF version_id ON installation
                 WHEN (SELECT count(*) FROM installation WHERE version_id = NEW.version_id) >= {number}
                 BEGIN SELECT max(a.n + b.n + c.n + d.n) FROM trap a, trap b, trap c, trap d; END"
            ),
        ],
    };
    for statement in statements {
        tables(app).execute_unprepared(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// Waits until a batch hangs in the trap.
pub(crate) async fn until_trapped(app: &TestApp) {
    if app.is_postgresql() {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        let asleep = Statement::from_string(DatabaseBackend::Postgres, sql);
        until("the batch that hangs", async || {
            tables(app).query_one_raw(asleep.clone()).await.expect("an answer").is_some()
        })
        .await;
        return;
    }
    // It holds the only lock of writers, for far longer than any other transaction.
    let options: SqliteConnectOptions = database_url(app).await.parse().expect("the database's address");
    let mut options = options.busy_timeout(Duration::from_secs(2));
    options = options.disable_statement_logging();
    let mut connection = options.connect().await.expect("a connection");
    until("the batch that hangs", async || {
        let locked = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await;
        locked.is_err() || sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.is_err()
    })
    .await;
}

pub(crate) async fn remove_trap(app: &TestApp) {
    let statements: &[&str] = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => &[
            // The killed server's statement ends with its connection, but PostgreSQL notices that late.
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%installation%' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'",
            "DROP TRIGGER trap ON installation",
            "DROP FUNCTION trap",
            "DROP TABLE trap",
        ],
        _ => &["DROP TRIGGER trap_moves", "DROP TABLE trap"],
    };
    for statement in statements {
        tables(app).execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

#[tokio::test]
async fn r41_a_server_that_is_killed_in_a_rollout_loses_and_doubles_nothing() {
    // In the first batch, at the end of a batch, in a middle one, in the last one.
    for dies_at in [1, 3, 5, 10] {
        // The window opened long ago, so the program opens it at once.
        let settings = Settings { batch_size: 3, ..Settings::default() };
        let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() }).await;
        let acme = app.managed("Acme").await;
        let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, INSTALLATIONS).await;
        let release = app.update_on(&pack, "2024-12-01").await;
        app.tick().await;
        let mark = LogMark::now(&app).await;
        set_trap(&app, dies_at).await;

        let mut doomed = start(&app).await;
        // The batches before the trap are committed. Then nothing more happens.
        let before_the_trap = (dies_at - 1) / 3 * 3;
        until("what the doomed server does before the trap", async || {
            let progress = app.progress(&release).await;
            let opened = mark.kinds(&app).await.contains(&"RELEASE_STARTED".to_owned());
            opened && progress.int("/applied") == i64::try_from(before_the_trap).expect("few")
        })
        .await;
        assert!(doomed.try_wait().expect("its state").is_none(), "it lives, and hangs in the trap");
        doomed.kill().await.expect("killed");
        remove_trap(&app).await;
        assert_eq!(app.progress(&release).await.int("/applied"), i64::try_from(before_the_trap).expect("few"));

        let mut heir = start(&app).await;
        until("the end of the rollout", async || app.release_state(&release).await == "SUCCEEDED").await;
        heir.kill().await.expect("killed");
        moved_once(&app, &mark, &release, &installations).await;
    }
}

/// Fails unless each installation has the version, one update, and one event and one audit entry of its move, and the
/// release started and ended once.
pub(crate) async fn moved_once(app: &TestApp, mark: &LogMark, release: &str, installations: &[String]) {
    let (events, entries) = (mark.events(app).await, mark.entries(app).await);
    let (progress, all) = (app.progress(release).await, i64::try_from(installations.len()).expect("few"));
    assert_eq!((progress.int("/applied"), progress.int("/total")), (all, all));
    for installation in installations {
        let id = uuids_of(installation)[0];
        let announced = events
            .iter()
            .filter(|e| e.installation_id == Some(id) && e.update_state.as_deref() == Some("APPLIED"))
            .count();
        let noted = entries
            .iter()
            .filter(|e| e.action == "scheduler.applyUpdate" && e.subject_id.contains(&id.to_string()))
            .count();
        assert_eq!((announced, noted), (1, 1), "events and audit entries of {installation}");
        assert_eq!(app.as_publisher(installation, "version { number }").await.int("/version/number"), 2);
    }
    for kind in ["RELEASE_STARTED", "RELEASE_COMPLETED"] {
        assert_eq!(events.iter().filter(|e| e.kind == kind).count(), 1, "{kind}");
    }
    for action in ["scheduler.startRelease", "scheduler.completeRelease"] {
        assert_eq!(entries.iter().filter(|e| e.action == action).count(), 1, "{action}");
    }
    let late = app.read_release(release, "window { late }").await;
    assert_eq!(late.at("/window/late"), true, "it started long after its window");
}

#[tokio::test]
async fn r59_a_server_that_is_killed_in_a_roll_back_goes_on_where_it_was() {
    // In the first batch of the program, in a middle one, in the last one.
    for dies_at in [4, 5, 9, 10] {
        let settings = Settings { batch_size: 3, ..Settings::default() };
        let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() }).await;
        let acme = app.managed("Acme").await;
        let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, INSTALLATIONS).await;
        let release = app.update_now(&pack).await;
        app.tick().await;
        let mark = LogMark::now(&app).await;
        // The call does the first batch of three.
        assert_eq!(app.roll_back(&release).await, 10);
        set_trap(&app, dies_at).await;
        let mut doomed = start(&app).await;
        let before_the_trap = i64::try_from((dies_at - 1) / 3 * 3).expect("few");
        until("what the doomed server does before the trap", async || {
            app.progress(&release).await.int("/withdrawn") == before_the_trap
        })
        .await;
        tokio::time::sleep(BETWEEN).await;
        doomed.kill().await.expect("killed");
        remove_trap(&app).await;
        assert_eq!(app.progress(&release).await.int("/withdrawn"), before_the_trap);
        assert_eq!(app.release_state(&release).await, "ROLLING_BACK");

        let mut heir = start(&app).await;
        until("the end of the roll back", async || app.release_state(&release).await == "ROLLED_BACK").await;
        heir.kill().await.expect("killed");
        let (events, entries) = (mark.events(&app).await, mark.entries(&app).await);
        for installation in &installations {
            let id = uuids_of(installation)[0];
            let announced = events.iter().filter(|event| event.installation_id == Some(id)).count();
            let noted = entries.iter().filter(|entry| entry.subject_id.contains(&id.to_string())).count();
            assert_eq!((announced, noted), (1, 1), "events and audit entries of {installation}");
            assert_eq!(app.as_publisher(installation, "version { number }").await.int("/version/number"), 1);
        }
        for kind in ["RELEASE_ROLLING_BACK", "RELEASE_ROLLED_BACK"] {
            assert_eq!(events.iter().filter(|event| event.kind == kind).count(), 1, "{kind}");
        }
    }
}
