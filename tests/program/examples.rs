//! Every operation of the schema has an example in `examples/operations`. Each runs against the demo's world, in the
//! order and with the variables of `story.json` there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_graphql::parser::types::{DocumentOperations, OperationType, Selection};
use packwright::service::Settings;
use serde_json::{Value, json};

use crate::program::examples_story::{Demo, Step, kind_of};
use crate::support::At as _;

/// The accounts that may send an example, according to the last line of its comment.
const SENDERS: [(&str, &[&str]); 3] = [
    ("# Sent by a publisher.", &["publisher"]),
    ("# Sent by a managed account.", &["managed account"]),
    ("# Sent by a publisher or a managed account.", &["publisher", "managed account"]),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/operations")
}

/// The examples by name, such as `query.viewer`.
fn examples() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let documents = files.filter(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    documents.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

fn story() -> Vec<Step> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("story.json")).unwrap())
        .expect("the story is well formed")
}

/// The accounts that may send an example.
fn senders(name: &str, document: &str) -> &'static [&'static str] {
    let comment: Vec<_> = document.lines().take_while(|line| line.starts_with('#')).collect();
    assert!(comment.len() > 1, "{name} doesn't say what it is for");
    let last = comment.last().copied().unwrap_or_default();
    let by_comment = SENDERS.iter().find(|(line, _)| *line == last);
    by_comment.unwrap_or_else(|| panic!("the comment of {name} must end with who sends it, and says: {last}")).1
}

/// The name of an example according to its content: a single named operation with a single field.
fn name_of(document: &str) -> String {
    let parsed = async_graphql::parser::parse_query(document).unwrap_or_else(|error| panic!("{error}: {document}"));
    let DocumentOperations::Multiple(operations) = parsed.operations else { panic!("without a name: {document}") };
    let [operation] = operations.values().collect::<Vec<_>>()[..] else { panic!("not one operation: {document}") };
    let [field] = &operation.node.selection_set.node.items[..] else { panic!("not one field: {document}") };
    let Selection::Field(field) = &field.node else { panic!("not one field: {document}") };
    let kind = match operation.node.ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    format!("{kind}.{}", field.node.name.node)
}

/// Every field of the three root types, such as `query.viewer`.
async fn operations(demo: &Demo) -> BTreeSet<String> {
    let query = "{ __schema { query: queryType { fields(includeDeprecated: true) { name } }
        mutation: mutationType { fields(includeDeprecated: true) { name } }
        subscription: subscriptionType { fields(includeDeprecated: true) { name } } } }";
    let schema = demo.ask(None, query, json!(null)).await;
    let roots = schema.at("/data/__schema").as_object().unwrap();
    let named = |kind: &String, root: &Value| {
        root.list("/fields").iter().map(|field| format!("{kind}.{}", field.text("/name"))).collect::<Vec<_>>()
    };
    roots.iter().flat_map(|(kind, root)| named(kind, root)).collect()
}

#[test]
fn each_example_says_what_it_is() {
    for (name, document) in examples() {
        senders(&name, &document);
        assert_eq!(name_of(&document), name, "what {name}.graphql holds");
        assert!(
            document.lines().all(|line| line.chars().count() <= 120),
            "{name} has a line of more than 120 characters"
        );
    }
}

#[test]
fn each_example_is_in_the_story() {
    let (examples, story) = (examples(), story());
    let mut sent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in &story {
        assert!(examples.contains_key(&step.run), "the story runs {}, which isn't there", step.run);
        sent.entry(&step.run).or_default().insert(kind_of(&step.sender));
    }
    for (name, document) in &examples {
        let senders = senders(name, document).iter().copied().collect();
        assert_eq!(sent.get(name.as_str()), Some(&senders), "who sends {name} in the story, and who may");
    }
}

#[tokio::test]
async fn every_operation_has_an_example_that_runs() {
    let mut demo = Demo::build(Settings::default()).await;
    let examples = examples();
    let described: BTreeSet<_> = examples.keys().cloned().collect();
    assert_eq!(operations(&demo).await, described, "the operations of the schema, and those with an example");
    for step in story() {
        let document = &examples[&step.run];
        demo.refuses_others(&step, document, senders(&step.run, document)).await;
        demo.run(&step, document).await;
    }
    demo.has_received_all().await;
}
