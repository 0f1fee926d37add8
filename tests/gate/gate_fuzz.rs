//! Random documents at the gate: none breaks it, none takes it long, and the framework can read and execute each one
//! that passes.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use packwright::gate::{Document, Gate, Limits, Stored};
use packwright::graphql::{FACTS, sdl};
use packwright::http::GraphqlRequest;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Map;
use tokio::runtime::Runtime;

use crate::support::{At as _, TestApp};

/// Enough for the slowest machine and an unoptimized program. Usually the gate takes a thousandth of it.
const LONG: Duration = Duration::from_secs(2);

static GATE: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(&sdl(), FACTS, Limits::default(), Stored::Off).expect("a gate"));

/// The documents to change: valid ones and strange ones.
static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/operations");
    let examples = std::fs::read_dir(folder).expect("examples").map(|entry| entry.expect("an example").path());
    let examples = examples.map(|path| std::fs::read_to_string(path).expect("a text"));
    let strange = [
        "query($a: [ID!]! = [\"a\", \"b\"], $b: Boolean = true) { nodes(ids: $a) { ...F @skip(if: $b) } } fragment F on Node { id ... on Release { state } }",
        "subscription S { ...F ...F } fragment F on Subscription { releaseAnnounced { id ... { cursor } } }",
        "{ a: __typename b: integrationPacks(first: 3, filter: { search: \"\"\"x\n  \\u{41}\"\"\", states: [CURRENT] }) { edges { node { id } } } }",
        "{ __schema { types { name fields(includeDeprecated: true) { name } } } __type(name: \"\\u{1F600}\\uD83D\\uDE00\") { isOneOf } }",
    ];
    examples.chain(strange.map(str::to_owned)).collect()
});

/// Pieces to insert: tokens of the language, and a few texts that aren't.
const PIECES: [&str; 46] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    ",",
    " ",
    "\n",
    "\r\n",
    "#",
    "\u{feff}",
    "on",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "type",
    "extend",
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "9999999999",
    "\"",
    "\"\"\"",
    "\\",
    "\\u{110000}",
    "\"\\uD83D\"",
    "id",
    "node",
    "F",
    "$a",
    "viewer",
    "__typename",
    "@skip(if: true)",
    "\0",
];

/// A change of a document: replaces `drop` pieces from `at` on by `put`.
#[derive(Clone, Debug)]
struct Change {
    at: Index,
    drop: usize,
    put: Put,
}

#[derive(Clone, Debug)]
enum Put {
    Nothing,
    Piece(&'static str),
    /// A range of the document's own pieces.
    Copy(Index, usize),
    Noise(String),
}

fn change() -> impl Strategy<Value = Change> {
    let put = prop_oneof![
        1 => Just(Put::Nothing),
        3 => select(PIECES.as_slice()).prop_map(Put::Piece),
        3 => (any::<Index>(), 1..40_usize).prop_map(|(from, count)| Put::Copy(from, count)),
        1 => any::<String>().prop_map(Put::Noise),
    ];
    (any::<Index>(), 0..4_usize, put).prop_map(|(at, drop, put)| Change { at, drop, put })
}

/// Splits a document into words and single characters.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        match pieces.last_mut().filter(|_| is_word && in_word) {
            Some(word) => word.push(c),
            None => pieces.push(c.to_string()),
        }
        in_word = is_word;
    }
    pieces
}

fn mutated() -> impl Strategy<Value = String> {
    (any::<Index>(), prop::collection::vec(change(), 0..4)).prop_map(|(seed, changes)| {
        let mut pieces = pieces(&SEEDS[seed.index(SEEDS.len())]);
        for Change { at, drop, put } in changes {
            let at = at.index(pieces.len() + 1);
            let put = match put {
                Put::Nothing => Vec::new(),
                Put::Piece(piece) => vec![piece.to_owned()],
                Put::Noise(noise) => vec![noise],
                Put::Copy(from, count) => {
                    pieces.iter().skip(from.index(pieces.len() + 1)).take(count).cloned().collect()
                }
            };
            pieces.splice(at..(at + drop).min(pieces.len()), put);
        }
        pieces.concat()
    })
}

fn documents() -> impl Strategy<Value = String> {
    let soup = prop::collection::vec(select(PIECES.as_slice()), 0..60).prop_map(|pieces| pieces.join(" "));
    prop_oneof![8 => mutated(), 2 => soup, 1 => any::<String>()]
}

/// Judges a document. Returns it if it passes, and fails if the gate takes long.
fn judged(text: &str) -> Option<Document> {
    let began = Instant::now();
    let verdict = GATE.judge(text);
    assert!(began.elapsed() < LONG, "{:?} for {text}", began.elapsed());
    verdict.ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn fuzz_no_document_breaks_the_gate_and_what_passes_is_read_behind_it(text in documents()) {
        let Some(document) = judged(&text) else { return Ok(()) };
        let printed = &document.printed;
        if let Err(error) = async_graphql::parser::parse_query(printed) {
            return Err(TestCaseError::fail(format!("{error}: {printed}")));
        }
        prop_assert!(!document.is_moved || printed.len() <= 20 * text.len() + 100);
        let again = judged(printed).expect("what was printed passes too");
        prop_assert!(!again.is_moved, "it has its plain form by now");
        if !document.is_moved {
            prop_assert_eq!(&again.printed, printed, "printed again it is the same");
        }
    }
}

#[test]
fn fuzz_what_passes_is_executed() {
    let runtime = Runtime::new().expect("a runtime");
    let app = runtime.block_on(TestApp::new());
    let config = ProptestConfig {
        cases: ProptestConfig::default().cases / 10 + 1,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(text in documents())| {
        // A subscription has no single answer.
        if text.contains("subscription") {
            return Ok(());
        }
        let request = GraphqlRequest { query: Some(text.clone()), variables: Map::new(), ..GraphqlRequest::default() };
        // Without a token. UNAUTHENTICATED for each field shows that the field was found.
        let answer = runtime.block_on(app.answer(None, request));
        for error in answer.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten() {
            prop_assert_ne!(error.text("/extensions/code"), "INTERNAL_SERVER_ERROR", "{}: {}", text, answer);
        }
    });
}
