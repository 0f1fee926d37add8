//! Filters and pages of the audit log (R51).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::log::audit::texts;
use crate::support::rows::unknown_like;
use crate::support::{At, Installed, Managed, TestApp};

const IDS: &str = "query($filter: AuditLogFilter) { auditLog(filter: $filter) { edges { node { id } } } }";

/// Acme installs a pack that is then updated, over several days.
async fn story() -> (TestApp, Managed, Installed) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-11-24").await;
    app.live_until("2026-11-25T09:00:00Z").await;
    app.update_now(&installed.pack).await;
    app.tick().await;
    (app, acme, installed)
}

fn ids(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry.text("/id")).collect()
}

#[tokio::test]
async fn r51_the_newest_entry_comes_first() {
    let (app, acme, _) = story().await;
    for token in [&app.publisher, &acme.token] {
        let entries = app.audit(token, json!({})).await;
        let times: Vec<_> = entries.iter().map(|entry| entry.text("/occurredAt")).collect();
        assert!(times.len() > 4 && times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
    }
}

#[tokio::test]
async fn r51_pages_join_without_a_gap_either_way() {
    let (app, acme, _) = story().await;
    for token in [&app.publisher, &acme.token] {
        let all = app.audit(token, json!({})).await;
        let (mut forward, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = app.audit_page(token, json!({ "first": 3, "after": after })).await;
            assert_eq!(page.at("/pageInfo/hasPreviousPage"), !after.is_null());
            forward.extend(page.nodes(""));
            after = page.at("/pageInfo/endCursor").clone();
            if page.at("/pageInfo/hasNextPage") == false {
                break;
            }
        }
        assert_eq!(forward, all);
        let (mut backward, mut before) = (Vec::new(), Value::Null);
        loop {
            let page = app.audit_page(token, json!({ "last": 4, "before": before })).await;
            backward.splice(0..0, page.nodes(""));
            before = page.at("/pageInfo/startCursor").clone();
            if page.at("/pageInfo/hasPreviousPage") == false {
                break;
            }
        }
        assert_eq!(backward, all);
        let count = app.gql(token, "{ auditLog(first: 1) { totalCount } }", json!(null)).await;
        assert_eq!(count.int("/auditLog/totalCount"), i64::try_from(all.len()).expect("few"));
    }
}

#[tokio::test]
async fn r51_a_cursor_of_another_list_is_no_cursor() {
    let (app, _, _) = story().await;
    let events = app.gql(&app.publisher, "{ events(first: 1) { pageInfo { endCursor } } }", json!(null)).await;
    let query = "query($after: String) { auditLog(after: $after) { edges { cursor } } }";
    let after = json!({ "after": events.at("/events/pageInfo/endCursor") });
    assert_eq!(app.error_code(Some(&app.publisher), query, after).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn r51_filters_narrow_alone_and_together() {
    let (app, acme, installed) = story().await;
    let own = "{ viewer { token { id } account { id } } }";
    let token = app.gql(&app.publisher, own, json!(null)).await.text("/viewer/token/id");
    let of_acme = app.gql(&acme.token, own, json!(null)).await;
    let (from, to) = (json!("2026-11-23T23:00:00.000000Z"), json!("2026-11-25T09:00:00.000000Z"));
    let actions = json!(["releaseIntegrationPack", "scheduler.applyUpdate", "createManagedAccount"]);
    let installation = &installed.installations[0];
    let publisher = [
        ("actorKind", json!("SCHEDULER")),
        ("tokenId", json!(token)),
        ("subjectId", json!(installation)),
        ("actions", actions.clone()),
        ("from", from.clone()),
        ("to", to.clone()),
    ];
    let account = [
        ("actorKind", json!("API_TOKEN")),
        ("tokenId", of_acme.at("/viewer/token/id").clone()),
        ("subjectId", of_acme.at("/viewer/account/id").clone()),
        ("actions", actions),
        ("from", from),
        ("to", to),
    ];
    for (reader, filters) in [(&app.publisher, publisher), (&acme.token, account)] {
        let all = app.audit(reader, json!({})).await;
        let tokens = app.gql(reader, own, json!(null)).await.text("/viewer/token/id");
        let fits = |entry: &Value, name: &str, value: &Value| match name {
            "actorKind" => entry.at("/actor/kind") == value,
            "tokenId" => entry.pointer("/actor/token/id").is_some_and(|id| id == &json!(tokens)),
            "subjectId" => entry.at("/subjectId") == value,
            "actions" => value.list("").contains(entry.at("/action")),
            "from" => entry.text("/occurredAt").as_str() >= value.as_str().expect("an instant"),
            _ => entry.text("/occurredAt").as_str() < value.as_str().expect("an instant"),
        };
        for chosen in 0_u32..64 {
            let chosen: Vec<_> =
                filters.iter().enumerate().filter(|(n, _)| chosen & (1 << n) != 0).map(|(_, filter)| filter).collect();
            let filter: serde_json::Map<_, _> = chosen.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
            let expected: Vec<_> =
                all.iter().filter(|entry| chosen.iter().all(|(n, v)| fits(entry, n, v))).cloned().collect();
            assert_eq!(ids(&app.audit(reader, json!(filter)).await), ids(&expected), "{filter:?}");
            if chosen.len() == 1 {
                assert!((1..all.len()).contains(&expected.len()), "{filter:?} narrows nothing");
            }
        }
        assert_eq!(app.audit(reader, json!({ "actions": [] })).await, Vec::<Value>::new());
        assert_eq!(app.audit(reader, json!({ "actions": ["nothingOfTheKind"] })).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn r51_entries_of_a_deleted_object_are_found_by_its_id() {
    let (app, acme, installed) = story().await;
    let installation = &installed.installations[0];
    app.uninstall(&acme, installation).await;
    let input = json!({ "packId": installed.pack.id, "confirmInstallations": 0, "dryRun": false });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "deletedPackId").await;
    let of_pack = app.audit(&app.publisher, json!({ "subjectId": installed.pack.id })).await;
    assert_eq!(texts(&of_pack[0], ["/action", "/subjectName"]), ["deleteIntegrationPack", "Orders"]);
    assert!(of_pack.iter().all(|entry| entry.at("/subject").is_null()), "{of_pack:#?}");
    for token in [&app.publisher, &acme.token] {
        let of_installation = app.audit(token, json!({ "subjectId": installation })).await;
        assert_eq!(of_installation[0].text("/action"), "uninstallPack");
        assert!(of_installation.iter().all(|entry| entry.at("/subject").is_null()), "{of_installation:#?}");
    }
}

#[tokio::test]
async fn r51_hidden_and_missing_entries_are_answered_alike() {
    let (app, acme, installed) = story().await;
    let globex = app.managed("Globex").await;
    let southwind = app.another_publisher("Southwind").await;
    let gold = app.group("Gold", &[&acme]).await;
    app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": gold }), "deletedGroupId").await;
    let token = "{ viewer { token { id } } }";
    let token = app.gql(&acme.token, token, json!(null)).await.text("/viewer/token/id");
    let hidden = [
        (&acme.token, "subjectId", vec![&installed.pack.id, &acme.id, &gold, &globex.id]),
        (&globex.token, "subjectId", vec![&installed.installations[0], &token, &gold]),
        (&southwind.token, "subjectId", vec![&installed.pack.id, &installed.installations[0], &gold, &acme.id]),
        (&app.publisher, "subjectId", vec![&token]),
        (&app.publisher, "tokenId", vec![&token, &gold]),
        (&globex.token, "tokenId", vec![&token]),
    ];
    for (reader, field, names) in hidden {
        for id in names {
            let filter = |id: &str| json!({ "filter": { field: id } });
            let (code, statements) = app.statements_of(app.error_code(Some(reader), IDS, filter(id))).await;
            let unknown = unknown_like(id);
            let (of_unknown, as_many) = app.statements_of(app.error_code(Some(reader), IDS, filter(&unknown))).await;
            assert_eq!((code.as_str(), of_unknown.as_str()), ("NOT_FOUND", "NOT_FOUND"), "{field} {id}");
            assert_eq!(statements.len(), as_many.len(), "{field} {id}");
        }
        assert_eq!(app.error_code(Some(reader), IDS, json!({ "filter": { field: "what?" } })).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn r51_an_unchanged_object_has_an_empty_log() {
    let (app, acme, _) = story().await;
    let pack = app.available(&acme, "Orders").await;
    assert_eq!(app.audit(&acme.token, json!({ "subjectId": pack })).await, Vec::<Value>::new());
}

#[tokio::test]
async fn r51_the_log_needs_its_privilege_before_ids_are_looked_at() {
    let (app, acme, _) = story().await;
    for admin in [&app.publisher, &acme.token] {
        for role in ["STANDARD_USER", "PRODUCTION_SUPPORT", "SUPPORT"] {
            let token = app.token(admin, role).await;
            for filter in [json!({}), json!({ "subjectId": "what?" })] {
                let variables = json!({ "filter": filter });
                assert_eq!(app.error_code(Some(&token), IDS, variables).await, "FORBIDDEN", "{role}");
            }
        }
    }
    assert_eq!(app.error_code(None, IDS, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn r51_a_filter_has_bounds() {
    let app = TestApp::new().await;
    let many: Vec<_> = (0..101).map(|n| format!("action{n}")).collect();
    for actions in [json!(many), json!(["\u{0}"]), json!(["x".repeat(501)])] {
        let variables = json!({ "filter": { "actions": actions } });
        assert_eq!(app.error_code(Some(&app.publisher), IDS, variables).await, "BAD_USER_INPUT");
    }
    let most: BTreeSet<_> = many.into_iter().take(100).collect();
    assert_eq!(app.audit(&app.publisher, json!({ "actions": most })).await, Vec::<Value>::new());
}
