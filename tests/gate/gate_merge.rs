//! Equal mutations with the same response name in one document are executed once.

use std::sync::LazyLock;

use packwright::gate::{Gate, Limits, Stored};
use packwright::graphql::{FACTS, sdl};
use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

static GATE: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(&sdl(), FACTS, Limits::default(), Stored::Off).expect("a gate"));

/// The same mutation, with its arguments in different orders.
const MADE: &str = "createComponent(input: { name: \"Import\", type: PROCESS })";
const TURNED: &str = "createComponent(input: { type: PROCESS, name: \"Import\" })";

async fn components(app: &TestApp) -> i64 {
    app.gql(&app.publisher, "{ components { totalCount } }", Value::Null).await.int("/components/totalCount")
}

#[tokio::test]
async fn a_mutation_that_is_repeated_under_one_name_runs_once() {
    let id = "{ component { id } }";
    let rest = "{ component { name } errors { __typename } }";
    for document in [
        format!("mutation {{ {MADE} {id} {MADE} {rest} }}"),
        format!("mutation {{ {MADE} {id} {TURNED} {rest} }}"),
        format!("mutation {{ {MADE} {id} ... {{ {MADE} {rest} }} }}"),
        format!("mutation {{ ... on Mutation {{ {MADE} {id} }} ... on Mutation {{ {MADE} {rest} }} }}"),
        format!("mutation {{ {MADE} {id} ...More }} fragment More on Mutation {{ {MADE} {rest} }}"),
        format!(
            "mutation {{ ...More ...More }} fragment More on Mutation {{ {MADE} {{ component {{ id name }} errors {{ __typename }} }} }}"
        ),
        format!(
            "mutation {{ ...A ...B }} fragment A on Mutation {{ {MADE} {id} }} fragment B on Mutation {{ ...A {MADE} {rest} }}"
        ),
        format!("mutation {{ createComponent: {MADE} {id} {MADE} {rest} __typename __typename }}"),
        format!("mutation A {{ {MADE} {id} {MADE} {rest} }}"),
    ] {
        let app = TestApp::new().await;
        let answer = app.gql_raw(Some(&app.publisher), &document, Value::Null).await;
        assert!(answer.get("errors").is_none(), "{document}\n{answer:#}");
        let made = answer.at("/data/createComponent");
        assert_eq!((made.text("/component/name").as_str(), made.at("/errors")), ("Import", &json!([])), "{document}");
        assert!(!made.text("/component/id").is_empty(), "all that was selected: {answer:#}");
        assert_eq!(components(&app).await, 1, "{document}");
    }
}

#[tokio::test]
async fn with_variables_it_is_done_once_and_a_secret_is_of_the_one_token_that_there_is() {
    let app = TestApp::new().await;
    let document = "mutation($input: CreateApiTokenInput!) {
        createApiToken(input: $input) { secret } createApiToken(input: $input) { apiToken { id } } }";
    let input = json!({ "input": { "name": "twice", "role": "SUPPORT" } });
    let answer = app.gql(&app.publisher, document, input).await;
    assert!(
        !answer.text("/createApiToken/secret").is_empty() && !answer.text("/createApiToken/apiToken/id").is_empty()
    );
    let tokens = app
        .gql(
            &app.publisher,
            "{ viewer { account { ... on PublisherAccount { apiTokens(first: 100) { edges { node { name } } } } } } }",
            Value::Null,
        )
        .await;
    let named: Vec<_> =
        tokens.texts("/viewer/account/apiTokens", "/name").into_iter().filter(|name| name == "twice").collect();
    assert_eq!(named, ["twice"]);
    app.gql(&answer.text("/createApiToken/secret"), "{ viewer { role } }", Value::Null).await;
}

#[tokio::test]
async fn whether_it_is_done_twice_never_depends_on_a_condition() {
    let app = TestApp::new().await;
    for document in [
        format!(
            "mutation($c: Boolean!) {{ {MADE} {{ component {{ id }} }} {MADE} @include(if: $c) {{ component {{ name }} }} }}"
        ),
        format!(
            "mutation($c: Boolean!) {{ {MADE} @skip(if: $c) {{ component {{ id }} }} {MADE} @include(if: $c) {{ component {{ id }} }} }}"
        ),
        format!(
            "mutation($c: Boolean!) {{ {MADE} {{ component {{ id }} }} ...F @include(if: $c) }} fragment F on Mutation {{ {MADE} {{ component {{ name }} }} }}"
        ),
        format!(
            "mutation($c: Boolean!) {{ ... @include(if: $c) {{ {MADE} {{ component {{ id }} }} {MADE} {{ component {{ name }} }} }} }}"
        ),
        format!(
            "mutation($c: Boolean!) {{ ...F @include(if: $c) ...F }} fragment F on Mutation {{ {MADE} {{ component {{ name }} }} }}"
        ),
    ] {
        let answer = app.gql_raw(Some(&app.publisher), &document, json!({ "c": true })).await;
        assert_eq!(answer.text("/errors/0/extensions/code"), "GRAPHQL_VALIDATION_FAILED", "{document}\n{answer:#}");
        assert!(answer.text("/errors/0/message").contains("occurs twice under the name createComponent"), "{answer:#}");
        assert_eq!(components(&app).await, 0, "{document}");
    }
    // A single mutation may have a condition, even next to a repeated one.
    let document = format!(
        "mutation($c: Boolean!) {{ {MADE} {{ component {{ id }} }} b: createComponent(input: {{ name: \"Other\", type: PROCESS }}) @include(if: $c) {{ component {{ id }} }} {MADE} {{ component {{ name }} }} }}"
    );
    for (condition, count) in [(false, 1), (true, 2)] {
        let app = TestApp::new().await;
        let answer = app.gql(&app.publisher, &document, json!({ "c": condition })).await;
        assert_eq!(answer.text("/createComponent/component/name"), "Import");
        assert_eq!(components(&app).await, count);
    }
}

#[test]
fn only_what_is_the_same_is_put_together_and_nothing_else_is_touched() {
    let printed = |document: &str| GATE.judge(document).map(|judged| (judged.printed, judged.is_moved));
    let two = format!("mutation {{ a: {MADE} {{ component {{ id }} }} b: {MADE} {{ component {{ id }} }} }}");
    // A comma has no meaning, and is printed as a space.
    assert_eq!(printed(&two).expect("valid"), (two.replace(',', " "), false), "two names are two mutations");
    // The validation of the language refuses different mutations with the same name.
    for other in [
        "createComponent(input: { name: \"Other\", type: PROCESS })",
        "createComponent: createIntegrationPack(input: { name: \"Import\", installationType: SINGLE })",
    ] {
        let document =
            format!("mutation {{ {MADE} {{ errors {{ __typename }} }} {other} {{ errors {{ __typename }} }} }}");
        printed(&document).expect_err("they differ");
    }
    // The selections of merged mutations must be compatible too.
    let document = format!("mutation {{ {MADE} {{ component {{ x: id }} }} {MADE} {{ component {{ x: name }} }} }}");
    printed(&document).expect_err("one name, two fields");
    let many = ["mutation {", &format!("{MADE} {{ component {{ id }} }} ").repeat(30), "}"].concat();
    let (once, is_moved) = printed(&many).expect("one mutation in the end");
    assert_eq!((once.matches("createComponent").count(), is_moved), (1, true), "{once}");
    let query = "{ viewer { role } viewer { role } }";
    assert_eq!(printed(query).expect("valid"), (query.to_owned(), false), "a query may read twice");
}
