//! The real program, killed at moments that only a rollout in ranges has, and started again as two servers (R41, R49,
//! ADR 55).

use packwright::service::Settings;
use sea_orm::ConnectionTrait as _;

use crate::program::kill::{moved_once, until};
use crate::support::rows::{LogMark, database_url, tables};
use crate::support::{Installed, Program, Setup, TestApp};

const INSTALLATIONS: usize = 10;

/// The moments at which a server hangs, each with the trigger that stops it there.
const MOMENTS: [(&str, &str); 4] = [
    ("it splits the rollout", "AFTER INSERT ON task FOR EACH ROW WHEN (NEW.kind = 'ROLL_OUT_RANGE')"),
    ("ranges are in the middle", "AFTER UPDATE OF version_id ON installation FOR EACH ROW"),
    ("a range ends", "AFTER DELETE ON task FOR EACH ROW WHEN (OLD.kind = 'ROLL_OUT_RANGE')"),
    ("the last range ends", "AFTER UPDATE ON task FOR EACH ROW WHEN (OLD.kind <> NEW.kind AND NEW.kind = 'ROLL_OUT')"),
];

/// Servers with the name `doomed`, and no others, hang at the trigger. A batch hangs once there are ranges.
async fn set_trap(app: &TestApp, trigger: &str) {
    let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') = 'doomed' AND (TG_TABLE_NAME = 'task'
            OR EXISTS (SELECT FROM task WHERE kind = 'ROLL_OUT_RANGE')) THEN PERFORM pg_sleep(600); END IF;
        RETURN NULL; END $$";
    for statement in [trap, &format!("CREATE TRIGGER trap {trigger} EXECUTE FUNCTION trap()")] {
        tables(app).execute_unprepared(statement).await.expect("the trap");
    }
}

#[tokio::test]
async fn r49_servers_that_are_killed_while_ranges_are_at_work_lose_and_double_nothing() {
    for (moment, trigger) in MOMENTS {
        let settings = Settings { batch_size: 1, ..Settings::default() };
        let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() }).await;
        if app.has_one_writer() {
            return;
        }
        let acme = app.managed("Acme").await;
        let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, INSTALLATIONS).await;
        // The window opened long ago, so the program opens it at once.
        let release = app.update_on(&pack, "2024-12-01").await;
        app.tick().await;
        let mark = LogMark::now(&app).await;
        set_trap(&app, trigger).await;
        let url = database_url(&app).await;
        let mut doomed = Program::serve(&format!("{url}?application_name=doomed"), &["--batch-size", "1"]).await;
        let hanging = "SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'doomed' AND wait_event = 'PgSleep'";
        until(moment, async || app.number(hanging).await > 0).await;
        doomed.child.kill().await.expect("killed");
        let heirs =
            (Program::serve(&url, &["--batch-size", "1"]).await, Program::serve(&url, &["--batch-size", "1"]).await);
        until("the end of the rollout", async || app.release_state(&release).await == "SUCCEEDED").await;
        moved_once(&app, &mark, &release, &installations).await;
        drop(heirs);
    }
}
