//! The command line prints no control characters of stored text.

use packwright::cli::terminal;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::{Value, json};

use crate::program::starts::{run, text_of};
use crate::support::rows::{database_url, tables};
use crate::support::{At as _, TestApp};

/// Red text, a control character that clears the screen, an extra line, and reversed text.
const HOSTILE: &str = "\u{1b}[31mred\u{9b}2J\r\nforged\u{202e}\u{2028}\u{7f}\u{8}";

fn is_plain(text: &str) -> bool {
    let unfit = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
    !text.chars().any(unfit)
}

#[test]
fn control_characters_are_printed_escaped() {
    assert_eq!(terminal::line(HOSTILE), "\\u{1b}[31mred\\u{9b}2J\\r\\nforged\\u{202e}\\u{2028}\\u{7f}\\u{8}\n");
    assert_eq!(terminal::line("Grüße, 日本語 👩‍🚀"), "Grüße, 日本語 👩‍🚀\n", "all else is as it was");
    assert_eq!(terminal::lines("a\nb\t"), "a\nb\\t");
    let value = json!({ "kind": HOSTILE, "list": [1, "\u{1d173}\u{fffe}"] });
    let text = terminal::json(&value);
    assert!(is_plain(&text), "{text:?}");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value, "the same text");
}

/// Changes rows without the rules.
async fn overwrite(app: &TestApp, statement: &str, values: Vec<sea_orm::Value>) {
    let backend = tables(app).get_database_backend();
    let mut sql = statement.to_owned();
    if backend == DatabaseBackend::Postgres {
        for n in 1..=values.len() {
            sql = sql.replacen('?', &format!("${n}"), 1);
        }
    }
    tables(app).execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.expect("changed");
}

#[tokio::test]
async fn no_command_lets_stored_text_speak_to_the_terminal() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let account = app.gql(&app.publisher, "{ viewer { account { id } } }", Value::Null).await;
    let account = account.text("/viewer/account/id");
    crate::store::damaged_rows::task_of(&app, &pack.id).await;
    overwrite(&app, "UPDATE task SET kind = ?, last_failure = ?, failures = 1", vec![HOSTILE.into(), HOSTILE.into()])
        .await;
    overwrite(&app, "UPDATE integration_pack SET name = ?", vec![HOSTILE.into()]).await;
    overwrite(&app, "UPDATE api_token SET name = ?", vec![HOSTILE.into()]).await;
    overwrite(&app, "UPDATE account SET name = ?, time_zone = ?", vec![HOSTILE.into(), HOSTILE.into()]).await;
    let url = database_url(&app).await;
    for (command, holds) in [
        (vec!["task", "list"], true),
        (vec!["account", "list"], true),
        (vec!["token", "list", "--account", &account], true),
        (vec!["token", "list", "--account", HOSTILE], true),
        (vec!["token", "list", "--account", "\u{1b}[2Jnobody"], false),
        (vec!["migrate", "status"], false),
    ] {
        let output = run(&[&command[..], &["--database-url", &url]].concat()).await;
        let text = text_of(&output);
        assert!(is_plain(&text), "{command:?}: {text:?}");
        assert_eq!(text.contains("\\u{1b}[31mred\\u{9b}2J\\r\\nforged"), holds, "{command:?}: {text}");
        if holds {
            let headings = usize::from(command[0] != "task");
            let lines = String::from_utf8_lossy(&output.stdout).lines().count();
            assert_eq!(lines, headings + 1, "{command:?}: {text}");
        }
    }
    let output = run(&["task", "list", "--json", "--database-url", &url]).await;
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(is_plain(&text), "{text:?}");
    let tasks: Value = serde_json::from_str(&text).expect("JSON");
    for pointer in ["/0/kind", "/0/lastFailure", "/0/pack/name", "/0/publisher/name"] {
        assert_eq!(tasks.text(pointer), HOSTILE, "{pointer}");
    }
}
