//! The comparison of schemas, by a table of changed schemas. `tests/clients/comparison.test.mjs` holds the same table
//! against graphql-inspector.

use std::collections::BTreeSet;

use packwright::comparison::{Change, Comparable, Criticality, compare};

/// A case of the table: its name, the two schemas, and a line for each change.
struct Case {
    name: &'static str,
    old: &'static str,
    new: &'static str,
    changes: Vec<String>,
}

fn cases() -> Vec<Case> {
    let table = include_str!("cases.txt");
    let case = |text: &'static str| {
        let (name, rest) = text.split_once("\n-- old\n").expect("an old schema");
        let (old, rest) = rest.split_once("-- new\n").expect("a new schema");
        let (new, changes) = rest.split_once("-- changes").expect("changes");
        Case { name, old, new, changes: changes.lines().filter(|line| !line.is_empty()).map(Into::into).collect() }
    };
    table.split("\n## ").skip(1).map(case).collect()
}

fn read(sdl: &str) -> Comparable {
    Comparable::read(sdl).unwrap_or_else(|why| panic!("{why}: {sdl}"))
}

/// A change as the table has it.
fn line(change: &Change) -> String {
    let word = |value: serde_json::Value| value.as_str().expect("a word").to_owned();
    let words = [serde_json::to_value(change.criticality), serde_json::to_value(change.kind)];
    let [grade, kind] = words.map(|value| word(value.expect("JSON")));
    format!("{grade} {kind} {}", change.path.as_deref().unwrap_or("-"))
}

#[test]
fn changes_are_found_and_graded_as_the_table_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found: BTreeSet<_> = compare(&read(case.old), &read(case.new)).iter().map(line).collect();
        let expected: BTreeSet<_> = case.changes.into_iter().collect();
        if found != expected {
            let name = case.name;
            wrong.extend(expected.difference(&found).map(|line| format!("{name}: missing {line}")));
            wrong.extend(found.difference(&expected).map(|line| format!("{name}: too much {line}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A kind that no case has could be graded in any way.
#[test]
fn every_kind_of_change_is_in_the_table() {
    let source = include_str!("../../src/comparison/changes.rs");
    let (_, kinds) = source.split_once("pub enum ChangeKind {").expect("the kinds");
    let kinds: BTreeSet<_> =
        kinds.lines().filter_map(|line| line.trim().strip_suffix(',')).map(str::to_lowercase).collect();
    assert!(kinds.len() > 70, "{kinds:?}");
    let in_table: BTreeSet<_> = cases()
        .iter()
        .flat_map(|case| &case.changes)
        .filter_map(|line| line.split(' ').nth(1))
        .map(|kind| kind.replace('_', "").to_lowercase())
        .collect();
    assert_eq!(kinds.difference(&in_table).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_schema_has_not_changed_from_itself() {
    let own = include_str!("../../schema.graphql");
    assert_eq!(compare(&read(own), &read(own)), []);
    for case in cases() {
        for sdl in [case.old, case.new] {
            assert_eq!(compare(&read(sdl), &read(sdl)), [], "{}", case.name);
        }
    }
}

#[test]
fn a_message_says_what_changed() {
    let old = read("type Query { a(x: Int = 1): [Int] }");
    let new = read("type Query { a(x: Int = 2): Int }");
    let changes = compare(&old, &new);
    let told: Vec<_> = changes.iter().map(|change| (change.criticality, change.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (Criticality::Breaking, "the type changed from [Int] to Int"),
            (Criticality::Dangerous, "the default changed from 1 to 2"),
        ]
    );
}

#[test]
fn a_text_that_is_no_schema_is_refused() {
    for text in ["", "{\"data\": null}", "type A { a: Int }", "type Query { a: Missing }", "query { a }"] {
        assert!(Comparable::read(text).is_err(), "{text}");
    }
}
