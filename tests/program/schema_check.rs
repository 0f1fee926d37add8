//! `packwright schema check`, on the built program.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::program::starts::{run, text_of};
use crate::support::{Database, Program};

/// The repository's schema, with a change, in a file.
struct Older(tempfile::TempDir);

impl Older {
    fn with(change: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let schema =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).expect("the schema");
        std::fs::write(folder.path().join("old.graphql"), change(&schema)).expect("written");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("old.graphql")
    }

    async fn check(&self, more: &[&str]) -> Output {
        let path = self.path();
        run(&[&["schema", "check", path.to_str().expect("a path")], more].concat()).await
    }
}

/// A schema in which `Query` had one field more.
fn one_field_more(schema: &str) -> String {
    schema.replacen("type Query {", "type Query {\n  gone: Int", 1)
}

/// A schema in which an enum had one value less.
fn one_value_less(schema: &str) -> String {
    let (before, after) = schema.split_once("  POSTGRESQL\n").expect("the value");
    // Its description goes with it.
    let before = match before.trim_end().rfind('\n') {
        Some(at) if before.ends_with("\"\n") => &before[..=at],
        _ => before,
    };
    format!("{before}{after}")
}

#[tokio::test]
async fn a_schema_that_broke_nothing_ends_with_status_0() {
    let output = Older::with(str::to_owned).check(&[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("0 breaking, 0 dangerous and 0 harmless"));
}

#[tokio::test]
async fn what_broke_is_listed_and_ends_with_status_3() {
    let older = Older::with(|schema| one_field_more(&one_value_less(schema)));
    let output = older.check(&[]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert_eq!(lines[0], "BREAKING   Query.gone: the field was removed");
    assert!(lines[1].starts_with("DANGEROUS  ") && lines[1].ends_with(".POSTGRESQL: the value was added"), "{listed}");

    let output = older.check(&["--json"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&json["breaking"], &json["dangerous"]), (&1.into(), &1.into()));
    let first = json["changes"].as_array().expect("changes").iter().find(|change| change["path"] == "Query.gone");
    let expected = serde_json::json!({
        "criticality": "BREAKING", "type": "FIELD_REMOVED", "path": "Query.gone", "message": "the field was removed",
    });
    assert_eq!(first, Some(&expected));
}

#[tokio::test]
async fn what_is_dangerous_fails_the_check_when_asked() {
    let older = Older::with(one_value_less);
    assert_eq!(older.check(&[]).await.status.code(), Some(0));
    assert_eq!(older.check(&["--fail-on", "dangerous"]).await.status.code(), Some(3));
    let all = older.check(&["--all"]).await;
    assert!(String::from_utf8_lossy(&all.stdout).contains("harmless   "), "{}", text_of(&all));
}

#[tokio::test]
async fn two_schemas_of_others_can_be_compared() {
    let older = Older::with(|_| "type Query { a: Int }".into());
    let newer = Older::with(|_| "type Query { a: Int b: Int }".into());
    let new = newer.path();
    let output = older.check(&["--new", new.to_str().expect("a path"), "--all"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "harmless   Query.b: the field was added\n");
}

#[tokio::test]
async fn a_server_is_asked_for_its_schema() {
    let database = Database::untouched("").await;
    let server = Program::serve(database.url(), &[]).await;
    for path in ["", "/", "/graphql", "/schema.graphql"] {
        let output = run(&["schema", "check", &format!("http://{}{path}", server.address)]).await;
        assert_eq!(output.status.code(), Some(0), "{path}: {}", text_of(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains("0 breaking, 0 dangerous and 0 harmless"));
    }
    let output = run(&["schema", "check", &format!("http://{}/elsewhere/", server.address)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output).contains("404"), "{}", text_of(&output));
}

#[tokio::test]
async fn what_is_no_schema_is_told_and_ends_with_status_1() {
    let missing = run(&["schema", "check", "/nowhere/schema.graphql"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(text_of(&missing).contains("/nowhere/schema.graphql can't be read: "), "{}", text_of(&missing));
    let page = Older::with(|_| "<html></html>\n".repeat(1000));
    let output = page.check(&[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output).contains("isn't a schema of GraphQL") && text_of(&output).lines().count() < 20);
    let password = run(&["schema", "check", "https://me:secret@example.org"]).await;
    assert_eq!(password.status.code(), Some(1));
    assert!(!text_of(&password).contains("secret"), "{}", text_of(&password));
    assert_eq!(run(&["schema", "check"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn the_schema_is_printed_as_before() {
    let output = run(&["schema"]).await;
    let kept = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).expect("the schema");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), String::from_utf8_lossy(&kept).trim_end());
}
