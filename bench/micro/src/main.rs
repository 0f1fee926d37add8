//! Measures single decisions, each without a server: `cargo xtask micro [FILTER...]`.
//!
//! The figures are of one machine at one time. Run it before and after a change, and compare the medians.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate};
use divan::{Bencher, black_box};
use packwright::domain::releases::Zone;
use packwright::gate::{Gate, Limits, Stored};
use packwright::graphql::{FACTS, sdl};
use packwright::zones::TimeZones;

fn main() {
    divan::main();
}

static ZONES: LazyLock<TimeZones> = LazyLock::new(TimeZones::built_in);
static GATE: LazyLock<Gate> =
    LazyLock::new(|| Gate::new(&sdl(), FACTS, Limits::default(), Stored::Off).expect("the gate reads the own schema"));

fn zone(name: &str) -> Zone {
    ZONES.find(name).expect("the zone is among the built-in data")
}

fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// The window of a dated release (R36, R37, R42): the midnight of a date in a zone.
mod window {
    use packwright::domain::releases::{computed_anew, release_dates, release_window};

    use super::*;

    /// A day like others, days on which clocks change, also at midnight, and a day that a zone left out.
    const DAYS: [&str; 5] = [
        "UTC 2026-05-05",
        "Europe/Berlin 2026-05-05",
        "Europe/Berlin 2026-10-25",
        "America/Havana 2026-03-08",
        "Pacific/Apia 2011-12-30",
    ];

    #[divan::bench(args = DAYS)]
    fn of_a_date(bencher: Bencher, day: &str) {
        let (name, day) = day.split_once(' ').expect("a zone and a day");
        let (zone, date) = (zone(name), date(day));
        bencher.bench(|| release_window(black_box(date), black_box(&zone)));
    }

    #[divan::bench]
    fn with_newer_data(bencher: Bencher) {
        let newer = zone("Europe/Berlin");
        let older = Zone { version: Default::default(), ..newer.clone() };
        let window = release_window(date("2026-10-25"), &older).expect("the day exists");
        bencher.bench(|| computed_anew(black_box(&window), black_box(&newer)));
    }

    #[divan::bench]
    fn dates_to_choose_from(bencher: Bencher) {
        let zone = zone("Europe/Berlin");
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
        bencher.bench(|| release_dates(black_box(now), black_box(&zone), 365));
    }
}

/// The state machine of releases.
mod release {
    use packwright::domain::releases::{Command, ReleaseState, outcome, transition};

    use super::*;

    #[divan::bench]
    fn all_transitions() -> usize {
        let pairs =
            ReleaseState::ALL.iter().flat_map(|state| Command::ALL.iter().map(move |command| (*state, *command)));
        pairs.filter(|(state, command)| transition(black_box(*state), black_box(*command)).is_ok()).count()
    }

    #[divan::bench]
    fn end_of_a_rollout() -> Command {
        outcome(black_box(3), black_box(1_000_000))
    }
}

/// The gate before the framework.
mod gate {
    use serde_json::json;

    use super::*;

    const SMALLEST: &str = "{ serverInfo { version } }";
    const PAGE: &str = "query Page($after: String) { integrationPacks(first: 20, after: $after) { edges { cursor node {
        name installationType currentVersion { number } pendingRelease { version { number } } adoption { installationCount }
        components { component { name type } current { version } latestShareable { version } } } } } }";

    fn text(name: &str) -> &'static str {
        if name == "page" { PAGE } else { SMALLEST }
    }

    #[divan::bench(args = ["smallest", "page"])]
    fn a_new_document(bencher: Bencher, name: &str) {
        let document = text(name);
        bencher.bench(|| GATE.judge(black_box(document)));
    }

    #[divan::bench(args = ["smallest", "page"])]
    fn a_known_document(bencher: Bencher, name: &str) {
        let document = text(name);
        drop(black_box(GATE.check(document)));
        bencher.bench(|| GATE.check(black_box(document)));
    }

    #[divan::bench]
    fn variables_and_cost(bencher: Bencher) {
        let checked = GATE.check(PAGE);
        let document = checked.verdict.as_ref().expect("the document is valid");
        let variables = json!({ "after": "WyJwYWNrIiwiYSIsImIiXQ" }).as_object().cloned().unwrap_or_default();
        bencher
            .with_inputs(|| variables.clone())
            .bench_values(|variables| GATE.prepare(document, Some("Page"), variables).map_err(|_| ()));
    }
}

/// The cursors of pages.
mod cursor {
    use packwright::store::page::{CursorForm, Key, KeyKind};
    use uuid::Uuid;

    use super::*;

    const FORM: CursorForm = CursorForm::new("pack", &[KeyKind::Text, KeyKind::Id]);

    fn keys() -> Vec<Key> {
        vec![
            Key::Text("orders to invoices, europe".into()),
            Key::Id(Uuid::from_u128(0x0192_83a6_5f5e_7000_8000_0123_4567_89ab)),
        ]
    }

    #[divan::bench]
    fn encode(bencher: Bencher) {
        let keys = keys();
        bencher.bench(|| FORM.encode(black_box(&keys)));
    }

    #[divan::bench]
    fn decode(bencher: Bencher) {
        let cursor = FORM.encode(&keys());
        bencher.bench(|| FORM.decode(black_box(&cursor)));
    }
}
