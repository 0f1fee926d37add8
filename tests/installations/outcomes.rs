//! Accounts report how their updates went (R57).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, all_rows, assert_same_rows};
use crate::support::{At, Installed, Managed, TestApp, refusal};

/// Reports how an update went. Returns the payload.
pub(crate) async fn report(app: &TestApp, account: &Managed, update: &str, outcome: &str, comment: &str) -> Value {
    let input = json!({ "updateId": update, "outcome": outcome, "comment": comment });
    let selection = "update { id outcome { id } viewerCanReportOutcome } report { id outcome comment reportedAt reportedBy { kind name } }";
    app.mutate(&account.token, "reportUpdateOutcome", input, selection).await
}

/// Two accounts have Orders installed, and a release has moved both. Returns their updates.
async fn updated() -> (TestApp, [Managed; 2], Installed, String, [String; 2]) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&installed.pack).await;
    let acme = app.update_of(&release, &installed.installations[0]).await.text("/id");
    let globex = app.update_of(&release, &installed.installations[1]).await.text("/id");
    (app, accounts, installed, release, [acme, globex])
}

async fn counts(app: &TestApp, release: &str) -> Value {
    app.read_release(release, "outcomes { works broken unreported }").await.at("/outcomes").clone()
}

#[tokio::test]
async fn r57_the_newest_report_of_an_update_counts_and_all_are_kept() {
    let (app, [acme, globex], _, release, updates) = updated().await;
    assert_eq!(counts(&app, &release).await, json!({ "works": 0, "broken": 0, "unreported": 2 }));
    let payload = report(&app, &acme, &updates[0], "BROKEN", "The invoices are empty.").await;
    let expected = json!({ "kind": "API_TOKEN", "name": "first" });
    assert_eq!(payload.at("/report/reportedBy"), &expected, "{payload:#}");
    assert_eq!(payload.text("/report/reportedAt"), "2026-11-22T09:00:00.000000Z");
    assert_eq!(payload.at("/update/outcome/id"), payload.at("/report/id"));
    assert_eq!(counts(&app, &release).await, json!({ "works": 0, "broken": 1, "unreported": 1 }));
    report(&app, &globex, &updates[1], "WORKS", "").await;
    assert_eq!(counts(&app, &release).await, json!({ "works": 1, "broken": 1, "unreported": 0 }));
    let newest = report(&app, &acme, &updates[0], "WORKS", "It was our own fault.").await;
    assert_eq!(counts(&app, &release).await, json!({ "works": 2, "broken": 0, "unreported": 0 }));
    let selection = "updates(filter: { outcomes: [WORKS] }) { edges { node { id
        outcome { outcome comment reportedBy { name } }
        outcomes(first: 1) { totalCount edges { node { id outcome comment } } pageInfo { hasNextPage endCursor } } } } }";
    let read = app.read_release(&release, selection).await.nodes("/updates");
    assert_eq!(read.len(), 2);
    let of_acme = read.iter().find(|update| update.text("/id") == updates[0]).expect("Acme's update");
    let expected = json!({ "outcome": "WORKS", "comment": "It was our own fault.", "reportedBy": { "name": "Acme" } });
    assert_eq!(of_acme.at("/outcome"), &expected, "the publisher reads the account's name");
    assert_eq!((of_acme.int("/outcomes/totalCount"), of_acme.at("/outcomes/pageInfo/hasNextPage")), (2, &json!(true)));
    assert_eq!(of_acme.nodes("/outcomes")[0].at("/id"), newest.at("/report/id"), "newest first");
    let none = app.read_release(&release, "updates(filter: { outcomes: [BROKEN] }) { totalCount }").await;
    assert_eq!(none.int("/updates/totalCount"), 0);
    let next = "query($id: ID!, $after: String) { node(id: $id) { ... on InstallationUpdate { outcomes(after: $after) { edges { node { comment } } } } } }";
    let after = of_acme.at("/outcomes/pageInfo/endCursor");
    let older = app.gql(&app.publisher, next, json!({ "id": updates[0], "after": after })).await;
    assert_eq!(older.nodes("/node/outcomes")[0].text("/comment"), "The invoices are empty.");
}

#[tokio::test]
async fn r57_a_report_is_in_both_logs_and_nobody_else_reads_it() {
    let (app, [acme, globex], _, release, updates) = updated().await;
    let mark = LogMark::now(&app).await;
    let payload = report(&app, &acme, &updates[0], "BROKEN", "secret of Acme").await;
    let id = payload.text("/report/id");
    assert_eq!(mark.kinds(&app).await, ["UPDATE_OUTCOME_REPORTED"]);
    assert_eq!(mark.actions(&app).await, ["reportUpdateOutcome"]);
    let event = mark.events(&app).await.remove(0);
    let selection = "... on InstallationEvent { kind versionNumber state actor { name } update { id } outcome { id outcome comment } }";
    for (token, name) in [(&app.publisher, "Acme"), (&acme.token, "first")] {
        let read = app.read_event(token, &event, selection).await;
        assert_eq!((read.int("/versionNumber"), read.text("/state")), (2, "APPLIED".into()));
        assert_eq!(read.text("/actor/name"), name);
        assert_eq!(read.at("/outcome"), &json!({ "id": id, "outcome": "BROKEN", "comment": "secret of Acme" }));
        let node = "query($id: ID!) { node(id: $id) { ... on UpdateOutcomeReport { comment } } }";
        let node = app.gql(token, node, json!({ "id": id })).await;
        assert_eq!(node.text("/node/comment"), "secret of Acme");
    }
    let southwind = app.another_publisher("Southwind").await.token;
    for token in [&globex.token, &southwind] {
        assert!(app.read_event(token, &event, selection).await.is_null());
        let node = app.gql(token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        assert!(node.at("/node").is_null(), "{node}");
    }
    let entries = mark.entries(&app).await;
    assert!(entries[0].changes.contains("BROKEN") && entries[0].account_id.is_some(), "{entries:?}");
    assert_eq!(counts(&app, &release).await.int("/broken"), 1);
}

#[tokio::test]
async fn r57_only_an_applied_update_of_ones_own_that_is_in_force_can_be_reported() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let dated = app.update_on(&installed.pack, "2026-12-01").await;
    let offered = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    let can = async |update: &str| {
        let query = "query($id: ID!) { node(id: $id) { ... on InstallationUpdate { viewerCanReportOutcome } } }";
        app.gql(&acme.token, query, json!({ "id": update })).await.at("/node/viewerCanReportOutcome") == true
    };
    let refused = async |update: &str| {
        let before = all_rows(&app).await;
        let code = refusal(&report(&app, &acme, update, "WORKS", "").await).code;
        assert_same_rows(&app, &before, "a refused report").await;
        code
    };
    assert!(!can(&offered).await);
    assert_eq!(refused(&offered).await, "OUTCOME_NOT_ALLOWED", "it is only offered");
    app.apply(&acme, &installed.installations[0]).await;
    assert!(can(&offered).await);
    let too_long = report(&app, &acme, &offered, "WORKS", &"x".repeat(2_001)).await;
    assert_eq!(refusal(&too_long).code, "COMMENT_TOO_LONG");
    assert!(report(&app, &acme, &offered, "BROKEN", &"x".repeat(2_000)).await.at("/report/id").is_string());
    let of_globex = json!({ "updateId": offered, "outcome": "WORKS" });
    assert_eq!(app.denied(&globex.token, "reportUpdateOutcome", of_globex.clone()).await, "NOT_FOUND");
    assert_eq!(app.denied(&app.publisher, "reportUpdateOutcome", of_globex).await, "FORBIDDEN");
    assert_eq!(counts(&app, &dated).await, json!({ "works": 0, "broken": 1, "unreported": 0 }));
    app.cancel(&dated).await;
    assert!(!can(&offered).await);
    assert_eq!(refused(&offered).await, "OUTCOME_NOT_ALLOWED", "it was taken back");
    assert_eq!(counts(&app, &dated).await, json!({ "works": 0, "broken": 0, "unreported": 0 }));
    let now = app.update_now(&installed.pack).await;
    let applied = app.update_of(&now, &installed.installations[0]).await.text("/id");
    app.update_now(&installed.pack).await;
    assert_eq!(refused(&applied).await, "OUTCOME_NOT_ALLOWED", "it has another version by now");
    let newest = app.updates(&acme, &installed.installations[0]).await[0].text("/id");
    app.uninstall(&acme, &installed.installations[0]).await;
    assert_eq!(refused(&newest).await, "OUTCOME_NOT_ALLOWED", "it is gone");
}

#[tokio::test]
async fn r57_the_same_call_again_reports_once() {
    let (app, [acme, _], _, release, updates) = updated().await;
    let input = json!({ "updateId": updates[0], "outcome": "BROKEN", "comment": "No.", "clientRequestId": "once" });
    let first = app.ok(&acme.token, "reportUpdateOutcome", input.clone(), "report { id }").await;
    let before = all_rows(&app).await;
    assert_eq!(app.ok(&acme.token, "reportUpdateOutcome", input.clone(), "report { id }").await, first);
    assert_same_rows(&app, &before, "the same call").await;
    let mut other = input;
    other["outcome"] = json!("WORKS");
    assert_eq!(app.refused(&acme.token, "reportUpdateOutcome", other).await.code, "CLIENT_REQUEST_ID_REUSED");
    assert_eq!(counts(&app, &release).await, json!({ "works": 0, "broken": 1, "unreported": 1 }));
}
