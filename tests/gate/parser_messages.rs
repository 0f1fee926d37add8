//! The gate's errors for refused documents: in the terms of the language, and once for each mistake.

use std::sync::LazyLock;

use packwright::gate::{Gate, Limits, Objection, Stored};
use packwright::graphql::{FACTS, sdl};

static GATE: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(&sdl(), FACTS, Limits::default(), Stored::Off).expect("a gate"));

fn refused(document: &str) -> Vec<Objection> {
    GATE.judge(document).err().unwrap_or_else(|| panic!("{document}\nwas let pass"))
}

/// Every kind of token, and some invalid ones.
const TOKENS: [&str; 30] = [
    "!",
    "$",
    "&",
    "...",
    ",",
    ":",
    "=",
    "@",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "name",
    "on",
    "query",
    "1",
    "1.5",
    "\"text\"",
    "\"\"\"block\"\"\"",
    "",
    "# comment",
    "..",
    "-",
    "01",
    "1.x",
    "\"open",
    "\"\\u{zz}\"",
];

/// Documents with a placeholder at each position where a token is needed.
const HOLES: [&str; 33] = [
    "§",
    "{ § }",
    "{ a § }",
    "{ a § ",
    "{ a { § } }",
    "{ a(§) }",
    "{ a(b§) }",
    "{ a(b: §) }",
    "{ a(b: [§]) }",
    "{ a(b: [1 §]) }",
    "{ a(b: {§}) }",
    "{ a(b: {c§}) }",
    "{ a(b: {c: §}) }",
    "{ a @§ }",
    "{ a @b(§) }",
    "{ a: § }",
    "{ ... § }",
    "{ ... on § }",
    "{ ... on A § }",
    "{ ... @ § }",
    "query § { a }",
    "query A § { a }",
    "query A(§) { a }",
    "query A($§) { a }",
    "query A($a§) { a }",
    "query A($a: §) { a }",
    "query A($a: [§]) { a }",
    "query A($a: B = §) { a }",
    "fragment § on A { a }",
    "fragment F § A { a }",
    "fragment F on § { a }",
    "fragment F on A §",
    "type A § ",
];

#[test]
fn a_syntax_error_never_has_the_parsers_names() {
    let ours = ["GraphQL", "ID"];
    let (mut refusals, mut unread) = (0, 0);
    for hole in HOLES {
        for token in TOKENS {
            let document = hole.replace('§', token);
            let Err(why) = GATE.judge(&document) else { continue };
            for Objection { message, location, .. } in why {
                refusals += 1;
                assert!(location.is_some() || !message.starts_with("syntax error"), "{document}\n{message}");
                // Quoted texts are the client's own.
                let quoted: String = message.split('`').step_by(2).collect();
                for word in quoted.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !ours.contains(word))
                {
                    let shouts = word.len() > 1 && !word.chars().any(char::is_lowercase) && !word.starts_with('_');
                    let is_number = word.chars().all(|c| c.is_ascii_digit());
                    let is_camel = word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
                    let is_inside = ["Const", "Set", "Value", "Name", "Definition", "EOF"].contains(&word);
                    assert!(!(shouts && !is_number || is_camel || is_inside), "{document}\n{message}\n{word}");
                }
                for none in ["got ", "did you mean", "lexing", "token limit"] {
                    assert!(!quoted.to_lowercase().contains(none), "{document}\n{message}");
                }
                unread += usize::from(quoted.contains("else is expected") || quoted.contains("other than"));
            }
        }
    }
    assert!(refusals > 500, "{refusals}");
    // Only documents with type definitions get a vague message. All others say what is expected.
    assert!(unread < refusals / 20, "{unread} of {refusals}");
}

#[test]
fn missing_fields_are_named_as_the_schema_spells_them() {
    let first = |document: &str| refused(document).remove(0).message;
    assert_eq!(first("{ viewer { id }"), "syntax error: expected `}`, found the end of the document");
    assert_eq!(first("{ node(id: \"a\" { id } }"), "syntax error: expected `)`, found `{`");
    assert_eq!(first("query ($a: [ID) { a }"), "syntax error: expected `]`, found `)`");
    assert_eq!(first("{ node(id: ) { id } }"), "syntax error: expected a value, found `)`");
    assert_eq!(first("{ node(: 1) { id } }"), "syntax error: expected an argument, such as `first: 10`, found `:`");
    assert_eq!(first("query ($a: ) { a }"), "syntax error: expected a type, found `)`");
    assert_eq!(
        first("fragment F on Query"),
        "syntax error: expected fields within `{` and `}`, found the end of the document"
    );
    assert_eq!(first(""), "syntax error: the document is empty; it must have an operation");
    assert_eq!(first("{ node(id: \"a) { id } }"), "syntax error: a text is not closed");
    assert_eq!(first("query($a: Nope) { node(id: $a) { id } }"), "cannot find type `Nope` in the schema");
}

#[test]
fn a_location_has_ten_directives_and_one_error_says_so() {
    let field = |directives: &str| format!("{{ viewer {{ id: __typename {directives} }} }}");
    let why = refused(&field(&"@include(if: true) ".repeat(11)));
    assert_eq!((why.len(), why[0].bound), (1, Some((10, 11))), "{why:?}");
    assert!(why[0].message.contains("10") && why[0].message.contains("11"), "{why:?}");
    assert_eq!(why[0].location.map(|at| (at.line, at.column)), Some((1, 27)), "{why:?}");
    let eleven = "@a ".repeat(11);
    for bounded in [
        format!("query {eleven} {{ __typename }}"),
        format!("query($b: Boolean {eleven}) {{ __typename @skip(if: $b) }}"),
        format!("{{ ... {eleven} {{ __typename }} }}"),
        format!("{{ ...F {eleven} }} fragment F on Query {{ __typename }}"),
        format!("{{ ...F }} fragment F on Query {eleven} {{ __typename }}"),
        field(&eleven),
    ] {
        let why = refused(&bounded);
        assert_eq!((why.len(), why[0].bound), (1, Some((10, 11))), "{bounded}\n{why:?}");
    }
}

#[test]
fn wrong_directives_at_one_location_are_one_error() {
    let ten: String = (0..10).map(|n| format!("@nope{n} ")).collect();
    for directives in [ten.as_str(), &"@aa ".repeat(10), &"@skip(if: true) ".repeat(10), "@skip(nope: 1) @aa @bb"] {
        let why = refused(&format!("{{ __typename {directives} }}"));
        assert_eq!(why.len(), 1, "{directives}: {why:?}");
    }
    // Each location is reported, and other mistakes too.
    let why = refused("{ a: __typename @aa @bb, b: __typename @aa @bb, nope }");
    assert_eq!(why.len(), 3, "{why:?}");
    assert!(GATE.judge("query($b: Boolean!) { a: __typename @skip(if: $b) @include(if: $b) }").is_ok());
}
