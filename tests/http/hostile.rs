//! Harmful requests are refused quickly, with an error code.

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

fn code(answer: &Value) -> String {
    answer.text("/errors/0/extensions/code")
}

#[tokio::test]
async fn a_document_nested_without_end_is_refused_before_it_is_parsed() {
    let app = TestApp::new().await;
    for (open, close) in [("[", "]"), ("{a:", "}")] {
        let document = format!("{{ node(id: {}1{}) {{ id }} }}", open.repeat(20_000), close.repeat(20_000));
        assert_eq!(code(&app.gql_raw(None, &document, json!({})).await), "GRAPHQL_PARSE_FAILED");
    }
    // Brackets in strings and comments don't count.
    let many = "[".repeat(1_000);
    let document =
        format!("{{ __typename # {many}\n a: integrationPacks(filter: {{ search: \"{many}\" }}) {{ totalCount }} }}");
    assert_eq!(code(&app.gql_raw(Some(&app.publisher), &document, json!({})).await), "BAD_USER_INPUT", "a long search");
    let document = format!(
        "{{ b: integrationPacks(filter: {{ search: \"\"\"{} \\\"\"\" [\"\"\" }}) {{ totalCount }} }}",
        "[".repeat(300)
    );
    let answer = app.gql_raw(Some(&app.publisher), &document, json!({})).await;
    assert_eq!(answer, json!({ "data": { "b": { "totalCount": 0 } } }));
}

#[tokio::test]
async fn fragments_that_double_are_refused_at_once() {
    let app = TestApp::new().await;
    let doubling = |n: usize| {
        let fragments: String =
            (0..n).map(|i| format!(" fragment f{i} on Query {{ ...f{} ...f{} }}", i + 1, i + 1)).collect();
        format!("{{ ...f0 }}{fragments} fragment f{n} on Query {{ __typename }}")
    };
    assert_eq!(app.gql_raw(None, &doubling(3), json!({})).await, json!({ "data": { "__typename": "Query" } }));
    for n in [14, 40, 100] {
        assert_eq!(code(&app.gql_raw(None, &doubling(n), json!({})).await), "GRAPHQL_VALIDATION_FAILED", "{n}");
    }
    assert_eq!(code(&app.gql_raw(None, &doubling(5_000), json!({})).await), "GRAPHQL_PARSE_FAILED", "too many tokens");
}

#[tokio::test]
async fn a_list_without_end_in_a_filter_is_as_good_as_a_short_one() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let releases = "query($s: [ReleaseState!]) { releases(filter: { states: $s }) { totalCount } }";
    let many = json!({ "s": vec!["SUCCEEDED"; 60_000] });
    assert_eq!(app.gql(&app.publisher, releases, many).await, json!({ "releases": { "totalCount": 1 } }));
    let packs = "query($s: [PackState!]) { integrationPacks(filter: { states: $s }) { totalCount } }";
    let many = json!({ "s": vec!["CURRENT"; 60_000] });
    assert_eq!(app.gql(&app.publisher, packs, many).await, json!({ "integrationPacks": { "totalCount": 1 } }));
}

#[tokio::test]
async fn an_error_of_syntax_does_not_repeat_the_document() {
    let app = TestApp::new().await;
    let answer = app.gql_raw(None, &format!("{{ {} ! }}", "a ".repeat(50_000)), json!({})).await;
    assert_eq!(code(&answer), "GRAPHQL_PARSE_FAILED");
    assert!(answer.to_string().len() < 2_000, "{} bytes", answer.to_string().len());
}
