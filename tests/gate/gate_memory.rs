//! The size that the gate computes for cached verdicts and for introspection is the size that they really have.

use packwright::gate::{Gate, Limits, Stored};
use packwright::graphql::{FACTS, sdl};
use serde_json::{Map, Value, json};

use crate::gate::gate_limits::INTROSPECTION;
use crate::support::TestApp;

fn gate() -> Gate {
    Gate::new(&sdl(), FACTS, Limits::default(), Stored::Automatic).expect("a gate")
}

#[test]
fn a_small_document_with_a_megabyte_of_comment_is_kept_as_a_small_one() {
    let gate = gate();
    let comment = "x".repeat(1_000_000);
    for n in 0..20 {
        for document in [
            format!("{{__typename}}#{n}{comment}"),
            format!("#{n}{comment}\n{{__typename}}"),
            format!("subscription {{ ... on Subscription {{ eventsOfChance{n}: __typename }} }} #{comment}"),
        ] {
            let checked = gate.check(&document);
            match &checked.verdict {
                Ok(document) => assert!(document.printed.capacity() < 200, "{}", document.printed.capacity()),
                Err(why) => assert!(why.iter().all(|one| one.message.capacity() < 1_100)),
            }
        }
    }
    assert!(gate.kept_bytes() < 200_000, "{}", gate.kept_bytes());
}

#[test]
fn the_name_in_an_error_is_kept_as_far_as_it_is_told() {
    let gate = gate();
    for n in 0..20 {
        let name = format!("n{n}{}", "x".repeat(500_000));
        for document in [format!("{{ {name} }}"), format!("{{ __typename @{name} }}"), format!("{{ a(b: {name} }}")] {
            let checked = gate.check(&document);
            let why = checked.verdict.as_ref().expect_err("refused");
            assert!(why.iter().all(|one| one.message.capacity() <= 4_100), "{}", why[0].message.capacity());
        }
    }
}

#[test]
fn long_names_and_defaults_weigh_what_they_take() {
    let weighs = |document: &str| {
        let gate = gate();
        assert!(gate.check(document).verdict.is_ok(), "{document:.200}");
        gate.kept_bytes()
    };
    let name = "n".repeat(30_000);
    let named = weighs(&format!("query {name} {{ __typename }}"));
    assert!(named > 60_000, "in the text and as the operation's: {named}");
    let variable =
        weighs(&format!("query(${name}: Int) {{ integrationPacks(first: ${name}) {{ edges {{ cursor }} }} }}"));
    assert!(variable > 120_000, "twice in the text, as the variable's, and in the formula: {variable}");
    let list = "1 ".repeat(900);
    let default = weighs(&format!("query($a: [ID!]! = [{list}]) {{ nodes(ids: $a) {{ id }} }}"));
    assert!(default > 900 * 33, "each a value of its own: {default}");
}

/// The size of a document's introspection in bytes, as the gate computes it.
fn weighed(gate: &Gate, document: &str, variables: Map<String, Value>) -> u64 {
    let judged = gate.judge(document).unwrap_or_else(|why| panic!("{document}: {why:?}"));
    gate.prepare(&judged, None, variables).expect("prepared").introspection_bytes
}

#[tokio::test]
async fn introspection_is_estimated_at_no_less_than_its_answers_size() {
    let app = TestApp::new().await;
    let gate = gate();
    let aliases = |field: &str, n: usize| (0..n).map(|n| format!("a{n}: {field} ")).collect::<String>();
    let long = "a".repeat(2_000);
    let documents = [
        INTROSPECTION.to_owned(),
        format!("{{ __type(name: \"Node\") {{ possibleTypes {{ fields {{ {} }} }} }} }}", aliases("description", 50)),
        format!("{{ __type(name: \"Query\") {{ fields {{ {long}: name }} }} }}"),
        format!("{{ __type(name: \"PackErrorCode\") {{ enumValues {{ {} }} }} }}", aliases("description", 40)),
        "query($n: String!) { __type(name: $n) { fields { name description args { name defaultValue } } } }".to_owned(),
        "{ __schema { types { ...T fields { type { ...T } } inputFields { type { ...T } } } } }
         fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"
            .to_owned(),
        "{ __schema { directives { name description locations args { name type { kind ofType { name } } } } } }"
            .to_owned(),
    ];
    for document in documents {
        let variables = Map::from_iter([("n".to_owned(), json!("IntegrationPack"))]);
        let weighed = weighed(&gate, &document, variables.clone());
        let answer = app.gql_raw(None, &document, Value::Object(variables)).await;
        assert!(answer.get("errors").is_none(), "{document:.100}: {:.300}", answer.to_string());
        let written = answer.to_string().len() as u64;
        assert!(weighed >= written, "{document:.100}: {weighed} for {written}");
        // A type's name in a variable counts as all types, because the verdict is for all variables.
        let most = if document.contains("$n") { 100 } else { 12 };
        assert!(weighed < written * most, "{document:.100}: {weighed} for {written}");
    }
}

#[test]
fn introspection_has_a_limit_that_tools_keep_twice_over_and_aliases_cannot_pass() {
    let gate = gate();
    let usual = weighed(&gate, INTROSPECTION, Map::new());
    let aliases: String = (0..50).map(|n| format!("a{n}: description ")).collect();
    let wide = format!("__type(name: \"Node\") {{ possibleTypes {{ fields {{ {aliases} }} }} }}");
    let often: String = (0..10).map(|n| format!("b{n}: {wide} ")).collect();
    let why = gate.judge(&format!("{{ {often} }}")).expect_err("a short text that asks for many megabytes");
    let (limit, requested) = why[0].bound.expect("a bound");
    assert!(requested > limit, "{why:?}");
    assert!((2 * usual..4 * usual).contains(&limit), "the usual tools ask for {usual}, the limit is {limit}");
    // A long alias has the same effect as many fields.
    let long = "a".repeat(100_000);
    let named = format!("{{ __schema {{ types {{ fields {{ {long}: name }} }} }} }}");
    assert_eq!(gate.judge(&named).expect_err("too much")[0].bound.map(|(limit, _)| limit), Some(limit));
    // A variable may name any type.
    let any = format!("query($n: String!) {{ {} }}", often.replace("\"Node\"", "$n"));
    assert!(gate.judge(&any).is_err());
    assert_eq!(weighed(&gate, "{ viewer { account { id } } }", Map::new()), 0);
}
