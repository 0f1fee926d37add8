//! The limits of documents, tested at the last document that passes and the first that doesn't, and the cost of
//! operations.

use std::sync::Arc;

use packwright::gate::{Gate, Limits, Objection, Prepared, Stored};
use packwright::graphql::{FACTS, sdl};
use packwright::http::{EngineOptions, GraphqlRequest};
use serde_json::{Value, json};

use crate::store::statements::PACKS_PAGE;
use crate::support::{At as _, Setup, TestApp};

/// The introspection query of common tools, with types wrapped up to nine times.
pub(crate) const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind }
    subscriptionType { name kind } types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
    fragment FullType on __Type { kind name description specifiedByURL isOneOf
        fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef }
            isDeprecated deprecationReason }
        inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

fn gate(limits: Limits) -> Gate {
    Gate::new(&sdl(), FACTS, limits, Stored::Off).expect("a gate")
}

fn prepared(gate: &Gate, document: &str, variables: Value) -> Result<Prepared, Vec<Objection>> {
    let Value::Object(variables) = variables else { panic!("variables are an object") };
    gate.prepare(&gate.judge(document)?, None, variables)
}

#[track_caller]
fn cost(document: &str, variables: Value) -> u64 {
    let unbounded = Limits { cost: u64::MAX, ..Limits::default() };
    prepared(&gate(unbounded), document, variables).unwrap_or_else(|why| panic!("{document}: {why:?}")).cost
}

/// Fails unless `within` passes, and `beyond` is refused with a message that has both numbers.
#[track_caller]
fn bounds(limits: Limits, within: &str, beyond: &str, limit: u64, requested: u64) {
    let gate = gate(limits);
    if let Err(why) = prepared(&gate, within, json!({})) {
        panic!("{within}\nwas refused: {why:?}");
    }
    let why = prepared(&gate, beyond, json!({})).expect_err("beyond the limit");
    assert_eq!((why.len(), why[0].bound), (1, Some((limit, requested))), "{why:?}");
    assert!(why[0].message.contains(&limit.to_string()), "{why:?}");
}

#[test]
fn a_document_has_a_length_and_a_number_of_tokens() {
    let limits = || Limits { document_bytes: 16, ..Limits::default() };
    bounds(limits(), "{ __typename   }", "{ __typename    }", 16, 17);
    let limits = || Limits { tokens: 6, ..Limits::default() };
    bounds(limits(), "{ a: __typename,,, # b: c\n }", "{ a: __typename b: __typename }", 6, 8);
    let tokens = |n: usize| format!("{{ nodes(ids: [{}]) {{ id }} }}", "1 ".repeat(n));
    bounds(Limits::default(), &tokens(1_988), &tokens(1_989), 2_000, 2_001);
}

#[test]
fn nesting_has_a_limit_whatever_is_nested() {
    let nested = |open: &str, close: &str, n: usize| format!("{{ {}__typename{} }}", open.repeat(n), close.repeat(n));
    let limit = Limits { depth: 100, ..Limits::default() };
    let is_refused = |document: &str| {
        let why = gate(limit.clone()).judge(document).expect_err("nested too deep");
        assert!(why[0].message.contains("64"), "{why:?}");
    };
    assert!(gate(limit.clone()).judge(&nested("... { ", " }", 60)).is_ok());
    is_refused(&nested("... { ", " }", 65));
    is_refused(&format!("{{ node(id: {}1{}) {{ id }} }}", "[".repeat(65), "]".repeat(65)));
    is_refused(&format!("{{ node(id: {}1{}) {{ id }} }}", "{a:".repeat(65), "}".repeat(65)));
    is_refused(&format!("query($a: {}ID{}) {{ node(id: $a) {{ id }} }}", "[".repeat(65), "]".repeat(65)));
}

#[test]
fn selections_are_counted_wherever_a_fragment_is_spread() {
    let limits = || Limits { selections: 7, ..Limits::default() };
    let twice =
        |more: &str| format!("{{ ...F ...F{more} }} fragment F on Query {{ __typename ... {{ b: __typename }} }}");
    bounds(limits(), &twice("").replace(" ... { b: __typename }", " b: __typename"), &twice(""), 7, 8);
    // A million selections, but each fragment is measured once.
    let why = gate(Limits::default()).judge(&doubled(20)).expect_err("too many");
    assert_eq!(why[0].bound.map(|(limit, _)| limit), Some(5_000), "{why:?}");
}

fn doubled(n: usize) -> String {
    let fragments: String = (0..n).map(|i| format!(" fragment F{i} on Query {{ ...F{0} ...F{0} }}", i + 1)).collect();
    format!("{{ ...F0 }}{fragments} fragment F{n} on Query {{ __typename }}")
}

#[test]
fn fields_within_each_other_are_counted_through_fragments() {
    let limits = || Limits { depth: 3, ..Limits::default() };
    bounds(
        limits(),
        "{ integrationPacks { edges { ...F } } } fragment F on IntegrationPackEdge { cursor }",
        "{ integrationPacks { ...F } } fragment F on IntegrationPackConnection { edges { node { ... { id } } } }",
        3,
        4,
    );
    assert!(gate(Limits::default()).judge(INTROSPECTION).is_ok(), "the usual tools' introspection passes");
    let deeper =
        INTROSPECTION.replace("kind name } } } } } } } } } }", "kind name ofType { kind } } } } } } } } } } }");
    let why = gate(Limits::default()).judge(&deeper).expect_err("one deeper");
    assert_eq!(why[0].bound, Some((15, 16)));
}

#[test]
fn a_selection_has_so_many_aliases_and_a_mutation_so_many_fields() {
    let aliases = |n: usize| (0..n).map(|i| format!("a{i}: __typename ")).collect::<String>();
    bounds(Limits::default(), &format!("{{ {} }}", aliases(50)), &format!("{{ {} }}", aliases(51)), 50, 51);
    // Aliases in nested selections and in fragments count too.
    let below = |n| format!("{{ viewer {{ account {{ ...F a: id }} }} }} fragment F on Account {{ {} }}", aliases(n));
    bounds(Limits::default(), &below(49), &below(50), 50, 51);
    let create = "createComponent(input: { name: \"x\", type: PROCESS }) { __typename } ";
    let mutations = |n: usize| (0..n).map(|i| format!("m{i}: {create}")).collect::<String>();
    let whole = |n| format!("mutation {{ __typename ...F }} fragment F on Mutation {{ {} }}", mutations(n));
    bounds(Limits::default(), &whole(10), &whole(11), 10, 11);
}

#[test]
fn a_cost_is_what_the_formula_says() {
    let none = json!({});
    let packs = |arguments: &str, below: &str| format!("{{ integrationPacks{arguments} {{ {below} }} }}");
    let cases = [
        ("{ __typename }".to_owned(), 0),
        (INTROSPECTION.to_owned(), 0),
        ("{ viewer { account { id } } }".to_owned(), 3),
        ("mutation { createComponent(input: { name: \"x\", type: PROCESS }) { component { id } } }".to_owned(), 3),
        // 1 + 20 × (edges 1 + node 1 + id 2)
        (packs("", "edges { node { id __typename } }"), 81),
        (packs("(first: 3)", "edges { node { id } }"), 13),
        (packs("(last: 3)", "edges { node { id } }"), 13),
        (packs("(first: null, last: 3)", "edges { node { id } }"), 13),
        (packs("(first: null)", "edges { node { id } }"), 81),
        // A page size that the field refuses counts as the nearest allowed size.
        (packs("(first: 0)", "edges { node { id } }"), 5),
        (packs("(first: 5000)", "edges { node { id } }"), 401),
        (packs("(first: 3)", "totalCount t: totalCount pageInfo { hasNextPage }"), 1 + 100 + 3 * 4),
        // Rows that are read and left out count once for the page and once for the total.
        (packs("(first: 3, filter: { search: \"zq\" })", "edges { cursor }"), 1 + 4_000 + 3 * 2),
        (packs("(first: 3, filter: { search: \"zq\" })", "totalCount"), 1 + 4_000 + 100 + 4_000 + 3),
        (packs("(first: 3, filter: { hasPendingRelease: true })", "totalCount"), 1 + 200 + 100 + 200 + 3),
        (packs("(first: 3, filter: {})", "edges { cursor }"), 1 + 3 * 2),
        // Fields of a row's connections count for each row.
        (packs("(first: 3)", "edges { node { installations(first: 1) { totalCount } } }"), 1 + 3 * (2 + 2 + 100 + 1)),
        // 1 + 3 × (2 + adoption 2 + 100 + 100 points of 1 + at 1)
        (packs("(first: 3)", "edges { node { adoption { curve(points: 100) { at } } } }"), 1 + 3 * (2 + 102 + 1 + 100)),
        (packs("(first: 3)", "edges { node { adoption { curve { at } } } }"), 1 + 3 * (2 + 102 + 1 + 50)),
        // A long text, and a long alias.
        ("{ release(id: \"a\") { notes } }".to_owned(), 1 + 21),
        (format!("{{ {}: release(id: \"a\") {{ id }} }}", "a".repeat(3_200)), 1 + 100 + 1),
        // A pack's rows are a plain list: 1 + 2 × (1 + 1 + 2 + 20 × 1)
        (packs("(first: 2)", "edges { node { components { pinned } } }"), 49),
        ("{ nodes(ids: [\"a\", \"b\", \"c\"]) { id } }".to_owned(), 1 + 3),
        // Fragments count at each spread.
        (
            "{ ...F a: viewer { account { id } } ... { ...F } } fragment F on Query { viewer { account { id } } }"
                .to_owned(),
            9,
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(cost(&document, none.clone()), expected, "{document}");
    }
}

#[test]
fn a_formula_is_completed_by_the_variables_of_each_request() {
    let document = "query($n: Int = 2, $ids: [ID!]! = []) { integrationPacks(first: $n) { edges { node { id } } } nodes(ids: $ids) { id } }";
    for (variables, expected) in [
        (json!({}), 1 + 2 * 4 + 1),
        (json!({ "n": 50 }), 1 + 50 * 4 + 1),
        (json!({ "n": null }), 1 + 20 * 4 + 1),
        (json!({ "n": 1000 }), 1 + 100 * 4 + 1),
        (json!({ "n": -1, "ids": ["a", "b"] }), 1 + 4 + 1 + 2),
        (json!({ "n": 1, "ids": "a" }), 1 + 4 + 1 + 1),
    ] {
        assert_eq!(cost(document, variables.clone()), expected, "{variables}");
    }
    // The same document is refused and accepted in turn, depending on its variables.
    let gate = gate(Limits::default());
    let document = "query($p: Int!, $i: Int!) { integrationPacks(first: $p) { edges { node { installations(first: $i) { edges { node { id } } } } } } }";
    let ask = |packs: i32, installations: i32| prepared(&gate, document, json!({ "p": packs, "i": installations }));
    assert_eq!(ask(20, 100).map(|it| it.cost).ok(), Some(1 + 20 * (4 + 100 * 4)));
    let why = ask(100, 100).expect_err("too much");
    let cost_of_page = 1 + 100 * (4 + 100 * 4);
    assert_eq!(why[0].bound, Some((40_000, cost_of_page)));
    for number in ["40000".to_owned(), cost_of_page.to_string()] {
        assert!(why[0].message.contains(&number), "{why:?}");
    }
    assert!(ask(99, 100).is_ok(), "just below");
}

#[test]
fn a_cost_beyond_all_numbers_is_the_greatest_and_does_not_begin_again_at_nothing() {
    let level = "installations(first: 100) { edges { node { pack { ... on IntegrationPack { ";
    let (open, close) = (level.repeat(10), "} } } } } ".repeat(10));
    let deep = format!("integrationPacks(first: 100) {{ edges {{ node {{ {open} id {close} }} }} }}");
    let more = "c: viewer { account { id } }";
    let gate = gate(Limits { depth: 60, ..Limits::default() });
    for document in [format!("{{ {deep} {more} }}"), format!("{{ {more} {deep} }}")] {
        let why = prepared(&gate, &document, json!({})).expect_err("beyond the limit");
        assert_eq!(why[0].bound, Some((40_000, u64::MAX)), "{why:?}");
    }
}

#[test]
fn a_page_of_twenty_packs_with_all_their_rows_is_served() {
    let cost_of_page = cost(PACKS_PAGE, json!({}));
    assert!((5_000..20_000).contains(&cost_of_page), "{cost_of_page}");
    assert!(prepared(&gate(Limits::default()), PACKS_PAGE, json!({})).is_ok());
    assert!(prepared(&gate(Limits::default()), PACKS_PAGE, json!({ "first": 100 })).is_err());
}

#[test]
fn the_cache_does_not_outgrow_its_limit() {
    let gate = gate(Limits { cache_bytes: 200_000, ..Limits::default() });
    for n in 0..2_000 {
        // Each document has more than a kilobyte.
        assert!(gate.check(&format!("{{ {} a{n}: __typename }}", "__typename ".repeat(200))).verdict.is_ok());
        assert!(gate.check(&format!("{{ nope{n} }}")).verdict.is_err());
    }
    assert!(gate.kept_bytes() <= 200_000, "{} bytes", gate.kept_bytes());
    let again = "{ again: __typename }";
    assert!(Arc::ptr_eq(&gate.check(again), &gate.check(again)), "the second time from memory");
}

fn request(document: &str) -> GraphqlRequest {
    GraphqlRequest { query: Some(document.into()), ..GraphqlRequest::default() }
}

#[tokio::test]
async fn an_error_over_a_limit_has_the_limit_and_the_requested_number() {
    let documents = Limits::default();
    let app =
        TestApp::with(Setup { engine: EngineOptions { documents, ..EngineOptions::default() }, ..Setup::default() })
            .await;
    let document =
        "{ integrationPacks(first: 100) { edges { node { installations(first: 100) { edges { node { id } } } } } } }";
    let answer = app.gql_raw(Some(&app.publisher), document, json!({})).await;
    assert!(answer.get("data").is_none(), "{answer:#}");
    assert_eq!(answer.text("/errors/0/extensions/code"), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(answer.at("/errors/0/extensions/limit"), 40_000);
    assert_eq!(answer.at("/errors/0/extensions/requested"), 40_401);
    let answer = app.answer(Some(&app.publisher), request("{ viewer { account { id } } }")).await;
    assert_eq!(answer.at("/extensions/cost"), &json!({ "requested": 3, "limit": 40_000 }));
}

#[tokio::test]
async fn at_most_twenty_errors_of_300_characters_are_answered() {
    let app = TestApp::new().await;
    let many: String = (0..70).map(|i| format!(" nope{i}")).collect();
    let answer = app.answer(None, request(&format!("{{{many} }}"))).await;
    assert_eq!(answer.list("/errors").len(), 20);
    assert_eq!(answer.at("/extensions/errorsLeftOut"), 50);
    let long = app.answer(None, request(&format!("{{ {} }}", "x".repeat(5_000)))).await;
    let message = long.text("/errors/0/message");
    assert!(message.chars().count() == 300 && message.ends_with('…'), "{message}");
    // The limits hold for errors of the execution too.
    let failing: String = (0..30).map(|i| format!(" a{i}: integrationPack(id: \"x\") {{ id }}")).collect();
    let answer = app.answer(None, request(&format!("{{{failing} }}"))).await;
    assert_eq!(answer.list("/errors").len(), 20);
    assert_eq!(answer.at("/extensions/errorsLeftOut"), 10);
    assert!(answer.at("/data/a29").is_null(), "the answer is whole: {answer:#}");
}

#[test]
fn introspection_is_bounded_though_it_is_free() {
    let gate = gate(Limits::default());
    let passed = |document: &str| gate.judge(document).err().and_then(|why| why[0].bound);
    assert_eq!(passed("{ __schema { types { possibleTypes { interfaces { name } } } } }"), None);
    let thrice = "{ __schema { types { possibleTypes { interfaces { possibleTypes { name } } } } } }";
    assert_eq!(passed(thrice), Some((2, 3)));
    let spread = "query A { ...Root } fragment Root on Query { __type(name: \"Node\") { possibleTypes { ...Below } } }
        fragment Below on __Type { interfaces { ... on __Type { fields { name } } } }";
    assert_eq!(passed(spread), Some((2, 3)));
}

#[test]
fn a_long_document_with_many_variables_is_judged_in_one_walk() {
    let name = "N".repeat(400_000);
    let variables: String = (0..300).map(|n| format!("$v{n}: ID! ")).collect();
    let used: String = (0..300).map(|n| format!("$v{n} ")).collect();
    let began = std::time::Instant::now();
    let gate = gate(Limits { tokens: 5_000, ..Limits::default() });
    assert!(gate.judge(&format!("query {name}({variables}) {{ nodes(ids: [{used}]) {{ id }} }}")).is_ok());
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    let why = gate.judge("query A($b: ID!) {\r\n  node(id: $b) { id, nothing }\r\n}").unwrap_err();
    let locations: Vec<_> = why.iter().filter_map(|one| one.location).map(|at| (at.line, at.column)).collect();
    assert_eq!(locations, [(2, 22)], "{why:?}");
}
