//! Records are paged, filtered, found by id, pruned and lost like normal rows (R49, R50, R51).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::{audit_entry, event, log_batch, log_record};
use packwright::domain::log::IdRange;
use packwright::service::Settings;
use proptest::prelude::*;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::log::recorded_rows;
use crate::log::records::{BOTH, ENTRIES, EVENTS, Log, RecordedStory, pages};
use crate::support::rows::{code_of, tables, uuids_of, with_large_stack};
use crate::support::{At, Setup, TestApp};

fn ids(edges: &[Value]) -> Vec<String> {
    edges.iter().map(|edge| edge.text("/node/id")).collect()
}

#[test]
fn r51_pages_of_any_size_show_each_once_from_either_end() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(7).await;
        assert!(log_batch::Entity::find().count(tables(&story.app)).await.expect("a count") > 20, "most is told alike");
        for log in BOTH {
            for (reader, token) in story.readers() {
                let whole = pages(&story.app, token, log, &json!({}), 100, false).await;
                assert!(whole.len() > 20, "{} to {reader}: {}", log.1, whole.len());
                assert_eq!(ids(&whole).into_iter().collect::<BTreeSet<_>>().len(), whole.len(), "each once");
                for size in [3, 40] {
                    for backward in [false, true] {
                        let again = pages(&story.app, token, log, &json!({}), size, backward).await;
                        assert_eq!(again, whole, "{} to {reader}, {size} a page, backward: {backward}", log.1);
                    }
                }
            }
        }
    });
}

#[test]
fn r51_pages_between_any_two_positions_have_the_rows_between() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(5).await;
        for (query, at) in BOTH {
            for (reader, token) in story.readers() {
                let whole = pages(&story.app, token, (query, at), &json!({}), 100, false).await;
                for (from, to) in [(0, 9), (3, 4), (5, 17), (whole.len() - 9, whole.len() - 1)] {
                    let (after, before) = (whole[from].at("/cursor"), whole[to].at("/cursor"));
                    for (count, part) in [("first", &whole[from + 1..to]), ("last", &whole[from + 1..to])] {
                        let variables = json!({ count: 4, "after": after, "before": before });
                        let page = story.app.gql(token, query, variables).await.at(at).clone();
                        let most = part.len().min(4);
                        let part = if count == "first" { &part[..most] } else { &part[part.len() - most..] };
                        assert_eq!(page.list("/edges"), part, "{count} of {from} to {to}, {at} to {reader}");
                    }
                }
            }
        }
    });
}

#[test]
fn r3_each_is_found_by_its_id_by_those_who_may_read_it() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(6).await;
        let unknown = |id: &str| crate::support::rows::unknown_like(id);
        for (query, at) in BOTH {
            let on = if at == "/events" {
                "InstallationEvent { state versionNumber }"
            } else {
                "AuditEntry { changes { field before after } subjectName action }"
            };
            let document = format!("query($id: ID!) {{ node(id: $id) {{ id ... on {on} }} }}");
            let mut logs = BTreeMap::new();
            for (reader, token) in story.readers() {
                let edges = pages(&story.app, token, (query, at), &json!({}), 100, false).await;
                let nodes: BTreeMap<_, _> =
                    edges.iter().map(|edge| (edge.text("/node/id"), edge.at("/node").clone())).collect();
                logs.insert(reader, nodes);
            }
            let all: BTreeSet<_> = logs.values().flat_map(|log| log.keys().cloned()).collect();
            for (reader, token) in story.readers() {
                for id in all.iter().step_by(3) {
                    let node = story.app.gql(token, &document, json!({ "id": id })).await.at("/node").clone();
                    let Some(by_logs) = logs[reader].get(id) else {
                        assert_eq!(node, Value::Null, "{id} is not for {reader}");
                        continue;
                    };
                    assert_eq!(node.text("/id"), *id);
                    for field in ["state", "versionNumber", "changes", "subjectName", "action"] {
                        assert_eq!(node.get(field), by_logs.get(field).filter(|_| node.get(field).is_some()), "{id}");
                    }
                }
                let nothing =
                    story.app.gql(token, &document, json!({ "id": unknown(all.first().expect("one")) })).await;
                assert_eq!(nothing.at("/node"), &Value::Null);
            }
        }
    });
}

/// Checks that a reader sees these rows of the filter, and gets their number. Returns the number.
async fn shows(story: &RecordedStory, token: &str, log: Log, filter: Value, rows: BTreeSet<Uuid>) -> usize {
    let (query, at) = log;
    let whole = pages(&story.app, token, (query, at), &json!({}), 100, false).await;
    let expected: Vec<_> =
        whole.into_iter().filter(|edge| rows.contains(&uuids_of(&edge.text("/node/id"))[0])).collect();
    for (size, backward) in [(100, false), (5, true)] {
        let found = pages(&story.app, token, (query, at), &filter, size, backward).await;
        assert_eq!(ids(&found), ids(&expected), "{filter}, {size} a page");
    }
    let (field, kind) = if at == "/events" { ("events", "EventFilter") } else { ("auditLog", "AuditLogFilter") };
    let count = format!("query($filter: {kind}) {{ {field}(filter: $filter, first: 2) {{ totalCount }} }}");
    let count = story.app.gql(token, &count, json!({ "filter": filter })).await.at(at).int("/totalCount");
    assert_eq!(usize::try_from(count).expect("few"), expected.len(), "{filter} counted");
    expected.len()
}

#[test]
fn r50_filters_of_events_find_rows_and_records_alike() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(4).await;
        let rows = recorded_rows::events(&story.app).await;
        let of = |matches: &dyn Fn(&event::Model) -> bool| -> BTreeSet<Uuid> {
            rows.iter().filter(|row| matches(row)).map(|row| row.id).collect()
        };
        let mut found = 0;
        for (_, token) in story.readers() {
            for kinds in [
                vec!["UPDATE_OFFERED"],
                vec!["INSTALLATION_UPDATED", "RELEASE_STARTED"],
                vec!["PACK_SHARED", "PACK_UNSHARED"],
                vec!["INSTALLATION_FROZEN"],
            ] {
                let rows = of(&|row| kinds.contains(&row.kind.as_str()));
                found += shows(&story, token, (EVENTS, "/events"), json!({ "kinds": kinds }), rows).await;
            }
            for installation in story.installations.iter().step_by(3) {
                let id = uuids_of(installation)[0];
                let filter = json!({ "installationId": installation });
                let rows = of(&|row| row.installation_id == Some(id));
                let by_logs = story.app.gql_raw(Some(token), EVENTS, json!({ "filter": filter, "first": 1 })).await;
                if code_of(&by_logs).as_deref() == Some("NOT_FOUND") {
                    continue;
                }
                found += shows(&story, token, (EVENTS, "/events"), filter, rows).await;
            }
        }
        let id = uuids_of(&story.orders.id)[0];
        for (filter, rows) in [
            (json!({ "packId": story.orders.id }), of(&|row| row.pack_id == Some(id))),
            (
                json!({ "packId": story.orders.id, "kinds": ["UPDATE_OFFERED"] }),
                of(&|row| row.pack_id == Some(id) && row.kind == "UPDATE_OFFERED"),
            ),
        ] {
            found += shows(&story, &story.app.publisher, (EVENTS, "/events"), filter, rows).await;
        }
        assert!(found > 200, "{found}");
    });
}

#[test]
fn r51_filters_of_the_audit_log_find_rows_and_records_alike() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(4).await;
        let rows = recorded_rows::entries(&story.app).await;
        let of = |matches: &dyn Fn(&audit_entry::Model) -> bool| -> BTreeSet<Uuid> {
            rows.iter().filter(|row| matches(row)).map(|row| row.id).collect()
        };
        let mut found = 0;
        for (_, token) in story.readers() {
            let actions = ["scheduler.applyUpdate", "installPack", "scheduler.uninstallPack"];
            let (from, to) = ("2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z");
            let between = |row: &audit_entry::Model| {
                row.occurred_at >= crate::support::instant(from) && row.occurred_at < crate::support::instant(to)
            };
            for (filter, rows) in [
                (json!({ "actions": actions }), of(&|row| actions.contains(&row.action.as_str()))),
                (json!({ "actions": [actions[0]] }), of(&|row| row.action == actions[0])),
                (json!({ "actorKind": "SCHEDULER" }), of(&|row| row.actor_kind == "SCHEDULER")),
                (json!({ "actorKind": "API_TOKEN" }), of(&|row| row.actor_kind == "API_TOKEN")),
                (json!({ "from": from, "to": to }), of(&between)),
                (json!({ "from": from }), of(&|row| row.occurred_at >= crate::support::instant(from))),
                (
                    json!({ "to": to, "actions": [actions[0]] }),
                    of(&|row| row.occurred_at < crate::support::instant(to) && row.action == actions[0]),
                ),
            ] {
                found += shows(&story, token, (ENTRIES, "/auditLog"), filter, rows).await;
            }
            for installation in story.installations.iter().step_by(3) {
                let id = uuids_of(installation)[0].to_string();
                let filter = json!({ "subjectId": installation });
                let by_logs = story.app.gql_raw(Some(token), ENTRIES, json!({ "filter": filter, "first": 1 })).await;
                if code_of(&by_logs).as_deref() == Some("NOT_FOUND") {
                    continue;
                }
                found += shows(&story, token, (ENTRIES, "/auditLog"), filter, of(&|row| row.subject_id == id)).await;
            }
        }
        assert!(found > 400, "{found}");
    });
}

/// Eight installations of one account and four of another, each moved three times, once a day.
async fn moved_daily(keep_events_days: u16) -> (TestApp, [crate::support::Managed; 2], Vec<[String; 3]>) {
    let settings = Settings { keep_events_days, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    for round in 0..12 {
        app.install_as(&accounts[usize::from(round % 3 == 0)], "Orders", &format!("Orders {round}")).await;
    }
    let mut cursors = Vec::new();
    for day in 23..26 {
        app.half_days_to(&format!("2026-11-{day}T09:00:00Z")).await;
        app.update_now(&pack).await;
        app.tick().await;
        cursors.push([
            app.cursor(&app.publisher).await,
            app.cursor(&accounts[0].token).await,
            app.cursor(&accounts[1].token).await,
        ]);
    }
    (app, accounts, cursors)
}

#[test]
fn r49_records_are_pruned_with_the_event_log_and_stay_in_the_audit_log() {
    with_large_stack(async || {
        let (app, accounts, cursors) = moved_daily(2).await;
        let tokens = [&app.publisher, &accounts[0].token, &accounts[1].token].map(String::as_str);
        let entries = pages(&app, tokens[0], (ENTRIES, "/auditLog"), &json!({}), 100, false).await;
        let records = log_record::Entity::find().count(tables(&app)).await.expect("a count");
        assert!(records >= 36, "each of the moves: {records}");
        // The first day's events were pruned, the others are still there.
        app.half_days_to("2026-11-25T10:00:00Z").await;
        for (index, token) in tokens.into_iter().enumerate() {
            let left = pages(&app, token, (EVENTS, "/events"), &json!({}), 5, false).await;
            let since = app.events_since(token, &cursors[0][index], Value::Null).await;
            assert_eq!(ids(&left), since.iter().map(|event| event.text("/id")).collect::<Vec<_>>());
            let moved = [24, 16, 8][index];
            assert_eq!(left.iter().filter(|edge| edge.text("/node/kind") == "INSTALLATION_UPDATED").count(), moved);
        }
        // All events were pruned. The log continues at its old end.
        app.half_days_to("2026-11-28T10:00:00Z").await;
        for (index, token) in tokens.into_iter().enumerate() {
            assert_eq!(pages(&app, token, (EVENTS, "/events"), &json!({}), 5, false).await, Vec::<Value>::new());
            let expired = json!({ "after": cursors[0][index], "first": 5 });
            let expired = app.gql_raw(Some(token), EVENTS, expired).await;
            assert_eq!(code_of(&expired).as_deref(), Some("CURSOR_EXPIRED"));
            assert_eq!(app.cursor(token).await, cursors[2][index], "the end stays");
            assert_eq!(app.events_since(token, &cursors[2][index], Value::Null).await, Vec::<Value>::new());
        }
        let now = pages(&app, tokens[0], (ENTRIES, "/auditLog"), &json!({}), 7, true).await;
        assert_eq!(ids(&now), ids(&entries), "the audit log keeps them");
        assert_eq!(log_record::Entity::find().count(tables(&app)).await.expect("a count"), records);
    });
}

#[test]
fn r49_positions_of_records_are_never_reused() {
    with_large_stack(async || {
        let (app, accounts, _) = moved_daily(1).await;
        let last = recorded_rows::events(&app).await.last().expect("an event").sequence;
        app.half_days_to("2026-11-29T10:00:00Z").await;
        assert_eq!(recorded_rows::events(&app).await, Vec::new());
        let cursor = app.cursor(&accounts[0].token).await;
        let pack = app.installed_pack("Invoices", &[&accounts[0]]).await;
        app.update_now(&pack.pack).await;
        app.tick().await;
        let first = recorded_rows::events(&app).await.first().expect("an event").sequence;
        assert!(first > last, "{first} comes after {last}");
        assert!(app.events_since(&accounts[0].token, &cursor, Value::Null).await.len() > 2);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn r3_an_id_reveals_its_position_only_with_the_seal(base: u128, seal: u128, indexes in prop::collection::btree_set(any::<u32>(), 2..40)) {
        let ids = IdRange::new(Uuid::from_u128(base), Uuid::from_u128(seal));
        let by_logs: BTreeMap<_, _> = indexes.iter().map(|page_end| (ids.id(*page_end), *page_end)).collect();
        prop_assert_eq!(by_logs.len(), indexes.len(), "no two are the same");
        for (id, page_end) in by_logs {
            prop_assert_eq!((ids.index_of(id), IdRange::base_of(id)), (page_end, ids.base()));
        }
        // The ids of neighbouring positions aren't close to each other.
        let of_neighbours = |seal: u128| {
            let ids = IdRange::new(Uuid::from_u128(base), Uuid::from_u128(seal));
            let [a, b] = [7, 8].map(|page_end| ids.id(page_end).as_u128());
            a.abs_diff(b)
        };
        prop_assert_ne!(of_neighbours(seal), of_neighbours(seal ^ 1));
    }
}

#[test]
fn r50_an_event_that_is_lost_with_its_batch_expires_its_cursor() {
    with_large_stack(async || {
        let (app, accounts, cursors) = moved_daily(90).await;
        let tokens = [&app.publisher, &accounts[0].token, &accounts[1].token].map(String::as_str);
        // A backup from before the last day is restored, so positions are used again.
        let all = recorded_rows::events(&app).await;
        let lost = all.iter().rev().position(|row| row.kind == "RELEASE_STARTED").expect("a release") + 1;
        crate::log::unexpected_events::lose(&app, lost).await;
        for (index, token) in tokens.into_iter().enumerate() {
            let answer = app.gql_raw(Some(token), EVENTS, json!({ "after": cursors[2][index], "first": 5 })).await;
            assert_eq!(code_of(&answer).as_deref(), Some("CURSOR_EXPIRED"));
            assert_eq!(
                app.events_since(token, &cursors[1][index], Value::Null).await.len(),
                2 * usize::from(index == 0)
            );
        }
        let id = URL_SAFE_NO_PAD.encode(all.last().expect("an event").id);
        let document = "query($id: ID!) { node(id: $id) { id } }";
        assert_eq!(app.gql(tokens[0], document, json!({ "id": format!("evt_{id}") })).await, json!({ "node": null }));
    });
}
