//! The gate follows the specification (September 2025). In each of these cases the framework, or some version of the
//! validator, doesn't.

use std::sync::{Arc, LazyLock};

use packwright::gate::{Checked, Code, Gate, Limits, Location, Stored};
use packwright::graphql::{FACTS, sdl};

static GATE: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(&sdl(), FACTS, Limits::default(), Stored::Off).expect("a gate"));

fn check(document: &str) -> Arc<Checked> {
    GATE.check(document)
}

/// Fails unless all documents pass and the framework can read the printed text.
#[track_caller]
fn all_valid(documents: &[&str]) {
    for document in documents {
        let checked = check(document);
        let passed = checked.verdict.as_ref().unwrap_or_else(|why| panic!("{document}\nwas refused: {why:?}"));
        if let Err(error) = async_graphql::parser::parse_query(&passed.printed) {
            panic!("{document}\nwas printed as\n{}\n{error}", passed.printed);
        }
    }
}

/// Fails unless all documents are refused with this code.
#[track_caller]
fn all_refused(code: Code, documents: &[&str]) {
    for document in documents {
        let checked = check(document);
        let Err(why) = &checked.verdict else { panic!("{document}\nwas let pass") };
        assert!(why.iter().all(|objection| objection.code == code), "{document}\n{why:?}");
        for objection in why {
            let message = objection.message.to_lowercase();
            assert!(!message.contains("did you mean"), "{message}");
        }
    }
}

#[test]
fn typename_is_a_leaf_and_takes_the_directives_that_are_known() {
    all_valid(&["{ __typename }", "query($b: Boolean!) { __typename @skip(if: $b) }", "mutation { __typename }"]);
    all_refused(
        Code::ValidationFailed,
        &["{ __typename { a } }", "{ __typename @skip }", "{ __typename @nope }", "subscription { __typename }"],
    );
}

#[test]
fn a_variable_of_a_condition_is_a_boolean() {
    all_valid(&[
        "query($b: Boolean!) { viewer { __typename @include(if: $b) } }",
        "query($b: Boolean = true) { viewer { __typename @include(if: $b) } }",
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            "query($b: Boolean) { viewer { __typename @include(if: $b) } }",
            "query($b: Boolean = null) { viewer { __typename @include(if: $b) } }",
            "query($b: String!) { viewer { __typename @skip(if: $b) } }",
            "query($b: [Boolean!]!) { viewer { __typename @skip(if: $b) } }",
            "{ viewer { __typename @skip(if: null) } }",
        ],
    );
}

#[test]
fn fields_of_one_name_are_one_field_at_every_depth() {
    all_valid(&[
        "{ viewer { account { id } } viewer { account { id name } } }",
        "query($id: ID!) { node(id: $id) { ... on IntegrationPack { a: name } ... on Release { a: id b: state } } }"
            .replace("a: name", "a: id")
            .as_str(),
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            "{ viewer { account { a: id } } viewer { account { a: name } } }",
            "{ a: __typename a: viewer { __typename } }",
            // On two types that exclude each other. The answer still has a single field of that name, so it needs a
            // single type.
            "query($id: ID!) { node(id: $id) { ... on IntegrationPack { a: name } ... on Release { a: state } } }",
            "query($id: ID!) { node(id: $id) { ... on IntegrationPack { a: currentVersion { b: number } } ... on Release { a: version { b: id } } } }",
        ],
    );
}

#[test]
fn a_variable_used_in_a_condition_of_typename_alone_is_used() {
    all_valid(&["query($b: Boolean!) { ...F } fragment F on Query { __typename @include(if: $b) }"]);
    all_refused(Code::ValidationFailed, &["query($b: Boolean!) { __typename }", "{ __typename @include(if: $b) }"]);
}

#[test]
fn a_variable_fits_where_it_is_used_also_deep_in_a_value() {
    let packs = |variable: &str, value: &str| {
        format!("query($v: {variable}) {{ integrationPacks(filter: {value}) {{ totalCount }} }}")
    };
    all_valid(&[
        &packs("String", "{ search: $v }"),
        &packs("PackState!", "{ states: [$v] }"),
        "mutation($n: String = \"x\") { createComponent(input: { name: $n, type: PROCESS }) { component { id } } }",
        "query($i: Int = null) { integrationPacks(first: $i) { totalCount } }",
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            &packs("Int", "{ search: $v }"),
            &packs("PackState", "{ states: [$v] }"),
            &packs("PackState!", "{ states: $v }"),
            &packs("[PackState]", "{ states: $v }"),
            "mutation($n: String) { createComponent(input: { name: $n, type: PROCESS }) { component { id } } }",
            "mutation($n: String = null) { createComponent(input: { name: $n, type: PROCESS }) { component { id } } }",
            "query($d: Date = null) { releaseWindow(date: $d, timeZone: \"x\") { late } }",
            "query($s: [ID!]! = null) { nodes(ids: $s) { id } }",
        ],
    );
}

#[test]
fn exactly_one_field_of_a_one_of_is_given() {
    let release = |variables: &str, schedule: &str| {
        format!(
            "mutation{variables} {{ releaseIntegrationPack(input: {{ packId: 1, notes: \"\", schedule: {schedule} }}) {{ release {{ id }} }} }}"
        )
    };
    all_valid(&[
        &release("", "{ immediately: true }"),
        &release("($b: Boolean!)", "{ immediately: $b }"),
        &release("($s: ReleaseScheduleInput = { immediately: true })", "$s"),
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            &release("", "{}"),
            &release("", "{ immediately: null }"),
            &release("", "{ immediately: true, onDate: \"2027-01-01\" }"),
            &release("($b: Boolean)", "{ immediately: $b }"),
            &release("($s: ReleaseScheduleInput = {})", "$s"),
        ],
    );
}

#[test]
fn texts_are_read_with_every_escape() {
    let search = |text: &str| format!("{{ integrationPacks(filter: {{ search: {text} }}) {{ totalCount }} }}");
    let printed = |text: &str| check(&search(text)).verdict.as_ref().map(|it| it.printed.clone()).unwrap_or_default();
    for same in [
        r#""\u{1F600}""#,
        r#""\uD83D\uDE00""#,
        r#""\ud83d\ude00""#,
        "\"😀\"",
        "\"\"\"😀\"\"\"",
        "\"\"\"\n   😀\n\"\"\"",
    ] {
        assert!(printed(same).contains("search: \"😀\""), "{same}: {}", printed(same));
    }
    assert!(printed(r#""""a\""" "b" \n""""#).contains(r#""a\"\"\" \"b\" \\n""#));
    assert!(printed("\"\"\"a\r\n  b\r  c\"\"\"").contains(r#""a\nb\nc""#));
    for wrong in [
        r#""\uD83D""#,
        r#""\uDE00""#,
        r#""\uD83Dx""#,
        r#""\u{}""#,
        r#""\u{110000}""#,
        r#""\u{D83D}""#,
        r#""\x""#,
        "\"a\nb\"",
        "\"a",
        "\"\"\"a",
    ] {
        all_refused(Code::ParseFailed, &[&search(wrong)]);
    }
}

#[test]
fn ignored_tokens_are_ignored_everywhere() {
    all_valid(&[
        "\u{feff}{ __typename,,, }",
        "query Q($a: [ ID # the ids\n ! ] ! , $b: Int) { nodes(ids: $a) { id } integrationPacks(first: $b) { totalCount } }",
        "{ ...on#comment\nQuery { __typename } ...on,Query{__typename} }",
        "{ __typename # a line ends at\r __typename }",
    ]);
    all_refused(Code::ParseFailed, &["{\u{a0}__typename}", "{__typename}\0", "{ é }", "", "  ", "# nothing"]);
}

#[test]
fn operations_fragments_and_variables_may_be_described() {
    let described = "\"one\" query Q(\"\"\"the\nid\"\"\" $id: ID! \"n\" $n: Int = 1) { node(id: $id) { ...F } integrationPacks(first: $n) { totalCount } }
        \"\"\"three \"\"\" fragment F on Node { id }";
    all_valid(&[described]);
    let checked = check(described);
    let printed = &checked.verdict.as_ref().unwrap().printed;
    assert!(!printed.contains('"') && !printed.contains("three"), "{printed}");
    all_refused(Code::ParseFailed, &["\"described\" { __typename }"]);
}

#[test]
fn selections_are_not_empty() {
    all_refused(
        Code::ParseFailed,
        &[
            "{}",
            "query {}",
            "{ viewer {} }",
            "{ viewer { ... {} } }",
            "{ ...F } fragment F on Query {}",
            "query() { __typename }",
        ],
    );
}

#[test]
fn names_that_are_words_of_the_language_are_names() {
    all_valid(&[
        "query query { query: __typename on: __typename true: __typename null: __typename fragment: __typename }",
        "query Q($on: ID!, $fragment: Int) { node(id: $on) { id } integrationPacks(first: $fragment) { totalCount } }",
        "{ ...onQuery ...F } fragment onQuery on Query { __typename } fragment F on Query { __typename }",
    ]);
    all_refused(Code::ParseFailed, &["fragment on on Query { __typename } { __typename }", "{ ...on }"]);
}

#[test]
fn documents_keep_the_rules_of_operations_and_fragments() {
    all_valid(&["query A { __typename } mutation B { __typename }"]);
    all_refused(
        Code::ValidationFailed,
        &[
            "{ __typename } query A { __typename }",
            "query A { __typename } query A { __typename }",
            "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
            "{ ...F }",
            "{ __typename } fragment F on Query { __typename }",
            "fragment F on Query { __typename }",
            "{ __typename } type A { a: Int }",
            "{ ... on Release { id } }",
            "{ ... on ID { a } }",
            "query($q: Query) { __typename @skip(if: $q) }",
            "query($a: ID!, $a: ID!) { node(id: $a) { id } }",
        ],
    );
}

#[test]
fn values_are_of_their_types() {
    let field = |arguments: &str| format!("{{ integrationPacks({arguments}) {{ totalCount }} }}");
    all_valid(&[
        &field("first: -1"),
        &field("filter: {}"),
        &field("filter: { states: [CURRENT,] }"),
        "{ node(id: 1) { id } }",
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            &field("first: \"1\""),
            &field("first: 1.0"),
            &field("first: 3000000000"),
            &field("first: 1, first: 1"),
            &field("filter: { search: \"a\", search: \"b\" }"),
            &field("filter: { nope: 1 }"),
            &field("filter: { states: \"CURRENT\" }"),
            &field("filter: { states: NOPE }"),
            "{ node(id: true) { id } }",
            "{ node { id } }",
            "{ node(id: null) { id } }",
            // This schema's custom scalars.
            "{ releaseWindow(date: \"2027-02-30\", timeZone: \"Europe/Berlin\") { late } }",
            "{ releaseWindow(date: 20270201, timeZone: \"Europe/Berlin\") { late } }",
            "{ releaseWindow(date: \"2027-02-01\", timeZone: UTC) { late } }",
            "query($d: Date! = \"tomorrow\") { releaseWindow(date: $d, timeZone: \"UTC\") { late } }",
            "{ __type(name: \"Query\") { fields(includeDeprecated: null) { name } } }",
        ],
    );
    all_refused(Code::ParseFailed, &[&field("first: 01"), &field("first: +1"), &field("first: 1a"), &field("")]);
    // A name without a value.
    all_refused(
        Code::ParseFailed,
        &[
            &field("first"),
            &field("first: 1 last"),
            &field("filter: { search }"),
            &field("filter: { search: \"\" on }"),
        ],
    );
}

#[test]
fn a_subscription_has_one_field_however_it_is_written() {
    all_valid(&[
        "subscription { releaseAnnounced { id } }",
        "subscription { ...F } fragment F on Subscription { releaseAnnounced { id } }",
        "subscription { ... { ... on Subscription { releaseAnnounced { id } } } }",
        "subscription { releaseAnnounced { id } releaseAnnounced { cursor } }",
        "subscription { ...F releaseAnnounced { ...E } } fragment F on Subscription { releaseAnnounced { id ...E } } fragment E on ReleaseEvent { packName }",
        "\"described\" subscription S(\"d\" $p: ID = \"\\\"x\") { ...F } fragment F on Subscription { releaseAnnounced(packId: $p) { id } }",
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            "subscription { a: releaseAnnounced { id } b: releaseAnnounced { id } }",
            "subscription { ...F releaseAnnounced(packId: \"a\") { id } } fragment F on Subscription { releaseAnnounced { id } }",
            "subscription { releaseAnnounced @skip(if: true) { id } }",
            "subscription { ... @include(if: true) { releaseAnnounced { id } } }",
            "subscription { ...F } fragment F on Subscription { ...F }",
            "subscription { ...F } fragment F on Subscription { releaseAnnounced { id } } fragment U on Subscription { releaseAnnounced { id } }",
        ],
    );
}

#[test]
fn introspection_is_what_the_framework_answers() {
    all_valid(&[
        "{ __schema { description types { name specifiedByURL isOneOf fields(includeDeprecated: true) { args(includeDeprecated: true) { isDeprecated deprecationReason } } } directives { isRepeatable locations } } }",
        "query($b: Boolean = true) { __type(name: \"Query\") { fields(includeDeprecated: $b) { name } } }",
    ]);
    all_refused(
        Code::ValidationFailed,
        &[
            "{ __schema { directives { isDeprecated } } }",
            "{ __schema { directives(includeDeprecated: true) { name } } }",
        ],
    );
}

#[test]
fn an_objection_says_where() {
    let at = |document: &str| check(document).verdict.as_ref().unwrap_err()[0].location;
    assert_eq!(at("{\n  nope\n}"), Some(Location { line: 2, column: 3 }));
    assert_eq!(at("{\r\n  __typename\r  nope\n}"), Some(Location { line: 3, column: 3 }));
    // A line separator of Unicode is a line end in editors, but not in the specification.
    let document = "{ integrationPacks(filter: { search: \"a\u{2028}😀\" }) { totalCount } nope }";
    let column = 1 + document.chars().count() - "nope }".len();
    assert_eq!(at(document), Some(Location { line: 1, column }));
    assert_eq!(at("{ viewer ( }").map(|at| at.line), Some(1));
}

#[test]
fn printed_tokens_keep_their_positions() {
    let printed = |document: &str| check(document).verdict.as_ref().unwrap().printed.clone();
    let document = "# a comment\nquery Q($a: [ ID ! ] !, $b: Int) {\n\tnodes(ids: $a) { id } # é\r\n  b: integrationPacks(first: $b, filter: { search: \"\"\"x\n  y\"\"\" }) { totalCount }\r  __typename }";
    let printed = printed(document);
    for word in ["nodes", "id }", "b: integrationPacks", "totalCount", "__typename", "$b: Int", "first"] {
        let location_in = |text: &str| {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            let before = &text[..text.find(word).unwrap()];
            (before.matches('\n').count(), before.rsplit('\n').next().unwrap().chars().count())
        };
        assert_eq!(location_in(&printed), location_in(document), "{word}\n{printed}");
    }
}

#[test]
fn the_check_of_scalars_knows_each_of_ours() {
    let schema = sdl();
    for line in schema.lines().filter_map(|line| line.strip_prefix("scalar ")) {
        let name = line.split(' ').next().unwrap();
        assert!((FACTS.check_scalar)(name, &serde_json::json!({ "an": "object" })).is_err(), "{name} takes anything");
    }
}
