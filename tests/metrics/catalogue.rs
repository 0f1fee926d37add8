//! One catalogue declares all metrics. The code, a server's answer, the page in `docs/`, the dashboard and the rules of
//! alerts agree with it.

use std::collections::{BTreeMap, BTreeSet};

use packwright::metrics::{CATALOGUE, Family, Kind, Metrics, TaskKind, Values};
use packwright::store::followup::work;
use serde_json::json;

use super::{Scrape, scrape};
use crate::support::TestApp;

const PAGE: &str = include_str!("../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../docs/grafana/packwright.json");
const ALERTS: &str = include_str!("../../docs/grafana/alerts.yml");

fn kind(family: &Family) -> &'static str {
    match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

/// The families of an answer, in its order: name and type.
fn families(text: &str) -> Vec<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split_once(' ').expect("a type")).map(|(name, kind)| (name.into(), kind.into())).collect()
}

fn declared() -> Vec<(String, String)> {
    CATALOGUE.iter().map(|family| (family.name.to_owned(), kind(family).to_owned())).collect()
}

#[test]
fn names_and_units_follow_the_conventions_of_prometheus() {
    let names: BTreeSet<_> = CATALOGUE.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), CATALOGUE.len(), "a name is declared twice");
    for family in CATALOGUE {
        let name = family.name;
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        let base = name.strip_suffix("_total");
        assert_eq!(base.is_some(), family.kind == Kind::Counter, "{name}: counters, and no others, end in _total");
        for unit in ["seconds", "bytes"] {
            let ends_with_unit = base.unwrap_or(name).ends_with(&format!("_{unit}"));
            assert_eq!(ends_with_unit, family.unit == unit, "{name}: the unit is a part of the name");
        }
        let own = ["http_server_", "graphql_server_", "db_client_", "process_", "packwright_"];
        assert!(own.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        assert!(family.about.ends_with('.') && !family.about.contains(['\\', '\n', '|']), "{name}: {}", family.about);
        for label in family.labels {
            assert!(label.name != "le" && label.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
        if let Kind::Histogram(bounds) = family.kind {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{name}: {bounds:?}");
        }
    }
}

#[test]
fn the_page_on_metrics_has_the_catalogue() {
    let rows = CATALOGUE.iter().map(|family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        format!("| `{}` | {} | {} | {} | {} |", family.name, kind(family), family.unit, labels.join(", "), family.about)
    });
    let expected: Vec<_> = rows.collect();
    let (_, table) = PAGE.split_once("| Name | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n").expect("it");
    let written: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(written, expected, "docs/metrics.md; the rows should be:\n{}", expected.join("\n"));
    let (_, labels) = PAGE.split_once("| Label | Values |\n|---|---|\n").expect("the table of labels");
    // The families by their label and its values: labels of one name can have other values in other families.
    let mut families: BTreeMap<(&str, Vec<&str>), Vec<String>> = BTreeMap::new();
    for family in CATALOGUE {
        for label in family.labels {
            if let Values::Of(values) = label.values {
                let values = values.iter().copied().filter(|value| !value.is_empty()).collect();
                families.entry((label.name, values)).or_default().push(format!("`{}`", family.name));
            }
        }
    }
    let is_ambiguous = |name: &str| families.keys().filter(|(other, _)| *other == name).count() > 1;
    let row = |((name, values), of): (&(&str, Vec<&str>), &Vec<String>)| {
        let of = if is_ambiguous(name) { format!(" of {}", of.join(", ")) } else { String::new() };
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("| `{name}`{of} | {} |", values.join(", "))
    };
    let expected: BTreeSet<_> = families.iter().map(row).collect();
    let written: BTreeSet<_> = labels.lines().take_while(|line| line.starts_with('|')).map(Into::into).collect();
    let rows: Vec<_> = expected.iter().map(String::as_str).collect();
    assert_eq!(written, expected, "docs/metrics.md; the rows should be:\n{}", rows.join("\n"));
}

#[tokio::test]
async fn an_answer_has_each_family_of_the_catalogue_once_and_nothing_else() {
    let app = TestApp::new().await;
    let empty = scrape(&app).await;
    assert_eq!(families(&empty.text), declared(), "also before anything has happened");
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.error_code(None, "{ viewer { role } }", json!(null)).await;
    let busy = scrape(&app).await;
    assert_eq!(families(&busy.text), declared());
    for series in busy.series.keys() {
        let (name, labels) = series.split_once('{').map_or((series.as_str(), ""), |(name, rest)| (name, rest));
        let family = CATALOGUE.iter().find(|family| {
            let rest = name.strip_prefix(family.name);
            let suffixes: &[&str] = if kind(family) == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            rest.is_some_and(|rest| suffixes.contains(&rest))
        });
        let family = family.unwrap_or_else(|| panic!("{series} is in no family of the catalogue"));
        for pair in labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once('=').expect("a label and its value");
            let value = value.trim_matches('"');
            let declared = family.labels.iter().find(|of| of.name == label);
            match declared.map(|label| label.values) {
                Some(Values::Of(values)) => assert!(values.contains(&value), "{series}: {value} isn't declared"),
                Some(Values::AtMost(_)) => {}
                None => assert_eq!(label, "le", "{series}: {label} isn't declared"),
            }
        }
    }
    // Each number of the database was read.
    let read = ["packwright_windows_due", "packwright_event_log_events", "packwright_ready"];
    for name in read {
        assert!(busy.has(name), "{name} is missing:\n{}", busy.text);
    }
}

/// The number of series that were made up by clients: all but those of the server's own numbers.
fn made_by_clients(scrape: &Scrape) -> usize {
    let of_clients = ["http_", "graphql_", "packwright_operation", "packwright_errors", "packwright_trusted"];
    scrape.series.keys().filter(|name| of_clients.iter().any(|prefix| name.starts_with(prefix))).count()
}

#[tokio::test]
async fn made_up_operation_names_make_no_more_series() {
    let app = TestApp::new().await;
    let ask = async |number: u32| {
        app.gql(&app.publisher, &format!("query Made_{number}_Up {{ viewer {{ role }} }}"), json!(null)).await;
        app.error_code(Some(&app.publisher), &format!("query Wrong{number} {{ no{number} }}"), json!(null)).await;
        app.error_code(Some(&format!("made-up-{number}")), "{ __typename }", json!(null)).await;
    };
    ask(0).await;
    let before = scrape(&app).await;
    for number in 1..300 {
        ask(number).await;
    }
    let after = scrape(&app).await;
    assert!(!after.text.contains("Made_"), "{}", after.text);
    assert_eq!(made_by_clients(&after), made_by_clients(&before));
    let ok = "graphql_server_operation_duration_seconds_count{graphql_operation_type=\"query\",outcome=\"ok\"}";
    assert_eq!(after.get(ok) - before.get(ok), 299.0);
}

#[test]
fn a_million_values_of_a_label_make_no_more_series_than_the_catalogue_allows() {
    let metrics = Metrics::on();
    for number in 0..1_000_000 {
        let name = format!("MADE_UP_{number}");
        metrics.errors.add(&name);
        metrics.documents.took(&name, std::time::Duration::from_millis(1));
    }
    let scrape = Scrape::read(&metrics.text(&[]));
    let errors: Vec<_> = scrape.series.iter().filter(|(name, _)| name.starts_with("packwright_errors_total")).collect();
    assert_eq!(errors.len(), 201, "two hundred, and one for all others");
    assert_eq!(errors.iter().map(|(_, count)| **count).sum::<f64>(), 1_000_000.0);
    let documents =
        scrape.series.keys().filter(|name| name.starts_with("packwright_trusted_document_duration_seconds_count"));
    assert_eq!(documents.count(), 1_001);
}

#[test]
fn metrics_that_are_off_count_nothing() {
    let metrics = Metrics::off();
    metrics.errors.add("ANY");
    drop(metrics.http_active.enter(()));
    metrics.operations.took(
        (packwright::metrics::OperationType::Query, packwright::metrics::Outcome::Ok),
        std::time::Duration::from_millis(1),
    );
    assert_eq!(Scrape::read(&metrics.text(&[])).series.len(), 0);
}

#[test]
fn a_label_s_value_is_escaped() {
    let metrics = Metrics::on();
    metrics.errors.add("a\"b\\c\nd");
    let text = metrics.text(&[]);
    assert!(text.contains("packwright_errors_total{code=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
}

#[test]
fn the_kinds_of_tasks_are_those_that_are_stored() {
    let kinds: Vec<_> = work::kinds().chain([packwright::metrics::OTHER]).collect();
    let labels: Vec<_> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(labels, kinds);
}

/// The words of a text that look like names of metrics, without the suffixes of histograms.
fn named(text: &str) -> BTreeSet<String> {
    let prefixes = ["http_server_", "graphql_server_", "db_client_", "process_", "packwright_"];
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    let labels: BTreeSet<_> = CATALOGUE.iter().flat_map(|family| family.labels).map(|label| label.name).collect();
    let names = names.filter(|word| !labels.contains(word));
    names
        .map(|name| {
            let of_histogram = |suffix| name.strip_suffix(suffix).filter(|base| is_histogram(base));
            ["_bucket", "_sum", "_count"].into_iter().find_map(of_histogram).unwrap_or(name).to_owned()
        })
        .collect()
}

fn is_histogram(name: &str) -> bool {
    CATALOGUE.iter().any(|family| family.name == name && kind(family) == "histogram")
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_of_the_catalogue_alone() {
    let known: BTreeSet<_> = CATALOGUE.iter().map(|family| family.name.to_owned()).collect();
    for (file, text) in [("packwright.json", DASHBOARD), ("alerts.yml", ALERTS)] {
        let used = named(text);
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "docs/grafana/{file} names {unknown:?}");
        assert!(used.len() > 5, "docs/grafana/{file}: {used:?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel:#}");
        assert!(panel["type"] == "row" || panel["targets"].as_array().is_some_and(|all| !all.is_empty()), "{panel:#}");
    }
    for alert in [
        "ReleaseLate",
        "TasksFailing",
        "EventLogLagging",
        "WebhookDisabled",
        "WebhooksFailing",
        "WebhooksLagging",
        "WebhooksUnserved",
        "NotReady",
        "DiskFilling",
    ] {
        assert!(ALERTS.contains(&format!("alert: Packwright{alert}")), "{alert} is missing");
    }
}
