//! The real program seals the audit log, and `packwright audit verify` checks it (R51).

use sea_orm::ConnectionTrait as _;
use serde_json::Value;

use crate::log::sealing::{count, world};
use crate::program::kill::until;
use crate::program::starts::{run, text_of};
use crate::support::rows::{database_url, tables};
use crate::support::{Program, Setup, TestApp};

/// Whether the command succeeds, and what it prints.
async fn verify(app: &TestApp, more: &[&str]) -> (bool, String) {
    let url = database_url(app).await;
    let output = run(&[&["audit", "verify", "--database-url", &url], more].concat()).await;
    (output.status.success(), text_of(&output))
}

async fn sealed(app: &TestApp) {
    until("a sealed log", async || {
        let (holds, printed) = verify(app, &[]).await;
        holds && printed.lines().filter(|line| line.contains("  holds")).all(|line| line.contains("; 0 newer entries"))
    })
    .await;
}

#[tokio::test]
async fn r51_a_killed_server_leaves_nothing_unsealed_for_the_next_one_and_seals_nothing_twice() {
    let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", ..Setup::default() }).await;
    for n in 0..150 {
        app.component(&format!("Component {n}")).await;
    }
    let (holds, printed) = verify(&app, &[]).await;
    assert!(!holds && printed.contains("Nothing is sealed yet"), "{printed}");
    // Killed at the start, at some moment of reading, sealing or committing.
    for round in 0..3 {
        for n in 0..30 {
            app.component(&format!("Round {round} {n}")).await;
        }
        let mut program = Program::serve(&database_url(&app).await, &[]).await;
        program.child.kill().await.expect("killed");
        let (_, printed) = verify(&app, &[]).await;
        assert!(!printed.contains("BROKEN"), "{printed}");
    }
    let _program = Program::serve(&database_url(&app).await, &[]).await;
    sealed(&app).await;
    let entries = count(&app, "SELECT count(*) FROM audit_entry").await;
    assert_eq!(count(&app, "SELECT CAST(sum(entries) AS bigint) FROM audit_seal").await, entries);
}

#[tokio::test]
async fn r51_the_command_says_from_where_to_where_the_log_holds_and_fails_where_it_does_not() {
    let app = TestApp::new().await;
    world(&app).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("seals.jsonl").display().to_string();
    let _program = Program::serve(&database_url(&app).await, &["--audit-seals", &file]).await;
    sealed(&app).await;
    let (holds, printed) = verify(&app, &["--seals", &file]).await;
    assert!(holds, "{printed}");
    let northwind = printed.lines().find(|line| line.starts_with("Northwind")).expect("its line");
    assert!(northwind.contains("holds from 2026-11-22T09:00:00.000000Z (position 1) to 2026-1"), "{northwind}");
    let (holds, printed) = verify(&app, &["--json"]).await;
    let logs: Value = serde_json::from_str(&printed).expect("JSON");
    assert!(
        holds && logs.as_array().is_some_and(|logs| logs.len() == 2 && logs.iter().all(|log| log["holds"] == true)),
        "{printed}"
    );

    let change = "UPDATE audit_entry SET changes = '[]' WHERE sequence = (SELECT min(sequence) FROM audit_entry WHERE changes <> '[]')";
    tables(&app).execute_unprepared(change).await.expect("changed");
    let (holds, printed) = verify(&app, &[]).await;
    assert!(!holds && printed.contains("an entry of seal 1 was changed, removed or inserted"), "{printed}");

    // Somebody who makes the chain anew has another one than the file.
    for sql in ["DELETE FROM audit_seal", "DELETE FROM audit_chain"] {
        tables(&app).execute_unprepared(sql).await.expect("removed");
    }
    sealed(&app).await;
    let (holds, printed) = verify(&app, &["--seals", &file]).await;
    assert!(!holds && printed.contains("is not the one that was sent away"), "{printed}");
    let (holds, printed) = verify(&app, &["--seals", "no-such-file"]).await;
    assert!(!holds && printed.contains("--seals (PACKWRIGHT_SEALS) no-such-file"), "{printed}");
}

#[tokio::test]
async fn r51_seals_go_to_the_log_when_told_so() {
    let app = TestApp::new().await;
    app.component("Import").await;
    let program = Program::serve(&database_url(&app).await, &["--audit-seals", "log"]).await;
    program.logs(&["audit entries are sealed", "hash"]).await;
}

#[tokio::test]
async fn r51_the_settings_of_the_audit_log_are_checked_and_shown() {
    let check = async |more: &[&str]| {
        let output = run(&[&["check-config"], more].concat()).await;
        (output.status.success(), text_of(&output))
    };
    let shows =
        |printed: &str, begins: &[&str]| begins.iter().all(|begin| printed.lines().any(|line| line.starts_with(begin)));
    let (holds, printed) = check(&["--keep-audit", "30"]).await;
    assert!(!holds && printed.contains("give --keep-audit (PACKWRIGHT_KEEP_AUDIT) at least"), "{printed}");
    let (holds, printed) = check(&["--keep-audit", "3650", "--audit-seals", "log"]).await;
    assert!(holds && shows(&printed, &["keep-audit = 3650 ", "audit-seals = log "]), "{printed}");
    let (holds, printed) = check(&[]).await;
    assert!(holds && shows(&printed, &["keep-audit = for good ", "audit-seals = "]), "{printed}");
    let folder = tempfile::tempdir().expect("a folder");
    let (holds, printed) = check(&["--audit-seals", &folder.path().display().to_string()]).await;
    assert!(!holds && printed.contains("--audit-seals (PACKWRIGHT_AUDIT_SEALS)"), "{printed}");
}
