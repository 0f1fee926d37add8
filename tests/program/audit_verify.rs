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
    let (status, printed) = status_of(app, more).await;
    (status == 0, printed)
}

/// The status with which the command ends, and what it prints.
async fn status_of(app: &TestApp, more: &[&str]) -> (i32, String) {
    let url = database_url(app).await;
    let output = run(&[&["audit", "verify", "--database-url", &url], more].concat()).await;
    (output.status.code().expect("a status"), text_of(&output))
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
    let (status, printed) = status_of(&app, &[]).await;
    assert!(status == 1 && printed.contains("Nothing is sealed yet"), "{status}: {printed}");
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
    let (status, printed) = status_of(&app, &[]).await;
    let place = "an entry of seal 1 was changed, removed or inserted";
    assert!(status == 3 && printed.contains(place), "{status}: {printed}");
    assert!(printed.lines().any(|line| line.starts_with("Northwind") && line.contains(place)), "{printed}");

    // Somebody who makes the chain anew has another one than the file.
    for sql in ["DELETE FROM audit_seal", "DELETE FROM audit_chain"] {
        tables(&app).execute_unprepared(sql).await.expect("removed");
    }
    sealed(&app).await;
    let (holds, printed) = verify(&app, &["--seals", &file]).await;
    assert!(!holds && printed.contains("in the database differs from its copy in --seals"), "{printed}");
    let (status, printed) = status_of(&app, &["--seals", "no-such-file"]).await;
    assert!(status == 1 && printed.contains("--seals (PACKWRIGHT_SEALS) no-such-file"), "{status}: {printed}");
}

#[tokio::test]
async fn r51_seals_go_on_in_a_new_file_when_theirs_is_moved_away_and_damaged_lines_are_told() {
    let app = TestApp::new().await;
    app.component("Import").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, moved) = (folder.path().join("seals.jsonl"), folder.path().join("seals-1.jsonl"));
    // A server that died while it wrote has left a part of a line.
    std::fs::write(&file, "{\"publisher\":\"pub_").expect("written");
    let path = file.display().to_string();
    let program = Program::serve(&database_url(&app).await, &["--audit-seals", &path]).await;
    let has_a_line = || std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with("\"}\n"));
    until("the first seal", async || has_a_line()).await;
    sealed(&app).await;
    std::fs::rename(&file, &moved).expect("moved");
    app.component("Export").await;
    until("a new file", async || has_a_line()).await;
    sealed(&app).await;
    program.logs(&["INFO", "the file of seals was moved away"]).await;
    let whole = std::fs::read_to_string(&moved).expect("the former file");
    assert!(whole.starts_with("{\"hash\":") && whole.contains("pub_") && whole.ends_with('\n'), "{whole}");
    let lines = whole.lines().count();
    let seals = ["--seals", &moved.display().to_string(), "--seals", &path].map(str::to_owned);
    let seals: Vec<_> = seals.iter().map(String::as_str).collect();
    let (holds, printed) = verify(&app, &seals).await;
    assert!(holds && printed.contains(&format!("{lines} seal")) && printed.contains("compared with"), "{printed}");
    assert!(!printed.contains("not understood") && !printed.contains("1 seals"), "{printed}");

    // A part of a line at the end vouches for nothing, anywhere else it's damage.
    let hash = whole.find("hash\":\"").expect("a hash") + 7;
    std::fs::write(&moved, format!("{whole}{}", &whole[..20])).expect("written");
    let (status, printed) = status_of(&app, &seals).await;
    assert!(status == 0 && printed.contains("its last line is incomplete"), "{status}: {printed}");
    for damaged in [format!("{}{}", &whole[..hash], &whole[hash + 3..]), format!("{}\n{whole}", &whole[..20])] {
        std::fs::write(&moved, format!("{damaged}{whole}")).expect("written");
        let (status, printed) = status_of(&app, &seals).await;
        assert!(status == 1 && printed.contains("1 line not understood"), "{status}: {printed}");
        assert!(printed.contains("no whole seals: line 1."), "{printed}");
    }
    // A server's log has lines about other things.
    std::fs::write(&moved, format!("{{\"level\":\"INFO\",\"message\":\"listening\"}}\n\n{whole}")).expect("written");
    assert!(verify(&app, &seals).await.0);

    // A database that was restored lacks what was sent.
    drop(program);
    let mut ahead: Value = serde_json::from_str(whole.lines().last().expect("a line")).expect("JSON");
    ahead["seal"] = 97.into();
    std::fs::write(&moved, format!("{whole}{ahead}\n")).expect("written");
    let (status, printed) = status_of(&app, &seals).await;
    let lacks = "seal 97 is in --seals and isn't in the database, whose last seal is ";
    assert!(status == 3 && printed.contains(lacks), "{status}: {printed}");
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
