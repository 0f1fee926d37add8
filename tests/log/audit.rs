//! The audit log: each change is one entry, which names the actor, the action and the changed fields (R51).
//! `audit_readers` tests the two readers' views, `audit_log` tests filters and pages.

use std::collections::BTreeSet;

use packwright::domain::accounts::AccountStatus;
use packwright::service::accounts::set_account_status;
use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{Ask, At, Server, TestApp, instant, uuid_of};

const AUDIT: &str = "query($filter: AuditLogFilter, $first: Int, $after: String, $last: Int, $before: String) {
    auditLog(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id occurredAt actor { kind name token { id } } action subjectId subjectType subjectName
            subject { __typename id } changes { field before after } requestId } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

impl TestApp {
    /// A page of the audit log in a reader's view.
    pub(crate) async fn audit_page(&self, token: &str, arguments: Value) -> Value {
        self.gql(token, AUDIT, arguments).await.at("/auditLog").clone()
    }

    /// All entries in a reader's view that match a filter, newest first.
    pub(crate) async fn audit(&self, token: &str, filter: Value) -> Vec<Value> {
        let (mut entries, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = self.audit_page(token, json!({ "filter": filter, "first": 100, "after": after })).await;
            entries.extend(page.nodes(""));
            if page.at("/pageInfo/hasNextPage") == false {
                return entries;
            }
            after = page.at("/pageInfo/endCursor").clone();
        }
    }

    /// The entries in a reader's view up to now.
    pub(crate) async fn audit_mark(&self, token: &str) -> AuditMark {
        AuditMark(self.audit(token, json!({})).await.iter().map(|entry| entry.text("/id")).collect())
    }
}

/// The entries that a reader had seen at some time.
pub(crate) struct AuditMark(BTreeSet<String>);

impl AuditMark {
    /// The reader's entries since then, newest first.
    pub(crate) async fn since(&self, app: &TestApp, token: &str) -> Vec<Value> {
        app.audit(token, json!({})).await.into_iter().filter(|entry| !self.0.contains(&entry.text("/id"))).collect()
    }

    /// The only entry since then with an action.
    pub(crate) async fn one(&self, app: &TestApp, token: &str, action: &str) -> Value {
        let since = self.since(app, token).await;
        let found: Vec<_> = since.iter().filter(|entry| entry.text("/action") == action).collect();
        assert_eq!(found.len(), 1, "entries of {action}: {since:#?}");
        found[0].clone()
    }
}

/// The texts at some paths of an entry.
pub(crate) fn texts<const N: usize>(entry: &Value, paths: [&str; N]) -> [String; N] {
    paths.map(|path| entry.text(path))
}

/// The changed fields of an entry: name, before, after.
pub(crate) fn changes(entry: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let listed = entry.list("/changes").iter();
    listed.map(|change| (change.text("/field"), text(change.at("/before")), text(change.at("/after")))).collect()
}

/// Every action of a publisher, once each.
fn steps(pack: &str, component: &str, gold: &str, acme: &str, first: &str) -> Vec<(&'static str, Value)> {
    let now = json!({ "immediately": true });
    vec![
        ("createComponent", json!({ "name": "Export", "type": "PROCESS" })),
        ("createPackagedComponents", json!({ "packages": [{ "componentId": component, "shareable": true }] })),
        ("deletePackagedComponent", json!({ "packagedComponentId": first })),
        ("restorePackagedComponent", json!({ "packagedComponentId": first })),
        ("publishComponent", json!({ "componentId": component, "notes": "For those who stay behind" })),
        ("publishToProcessLibrary", json!({ "packagedComponentId": first, "groupIds": [gold] })),
        ("createIntegrationPack", json!({ "name": "Invoices", "installationType": "MULTI" })),
        ("updateIntegrationPack", json!({ "packId": pack, "description": "All about orders" })),
        ("addPackComponents", json!({ "packId": pack, "componentIds": [component] })),
        ("pinPackComponent", json!({ "packId": pack, "componentId": component, "versionId": first })),
        ("unpinPackComponent", json!({ "packId": pack, "componentId": component })),
        ("releaseIntegrationPack", json!({ "packId": pack, "schedule": now, "notes": "First" })),
        ("removePackComponent", json!({ "packId": pack, "componentId": component })),
        ("restorePackComponent", json!({ "packId": pack, "componentId": component })),
        ("createAccountGroup", json!({ "name": "Silver" })),
        ("updateAccountGroup", json!({ "groupId": gold, "name": "Golden" })),
        ("addAccountsToGroup", json!({ "groupId": gold, "accountIds": [acme] })),
        ("sharePack", json!({ "packId": pack, "groupIds": [gold] })),
        ("unsharePack", json!({ "packId": pack, "groupIds": [gold] })),
        ("removeAccountsFromGroup", json!({ "groupId": gold, "accountIds": [acme] })),
        ("deleteAccountGroup", json!({ "groupId": gold })),
        ("createManagedAccount", json!({ "name": "Globex" })),
        ("updateAccount", json!({ "accountId": acme, "name": "Acme Inc" })),
        ("createApiToken", json!({ "name": "second", "role": "SUPPORT" })),
        ("suspendAccount", json!({ "accountId": acme })),
        ("reactivateAccount", json!({ "accountId": acme })),
        ("deleteIntegrationPack", json!({ "packId": pack, "confirmInstallations": 0 })),
    ]
}

#[tokio::test]
async fn r51_each_mutation_of_a_publisher_is_one_entry_with_its_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let component = app.component("Import").await;
    let pack = app.pack("Orders").await;
    let gold = app.group("Gold", &[]).await;
    let first = app.package(&component).await;
    let own = app.gql(&app.publisher, "{ viewer { token { id } } }", json!(null)).await.text("/viewer/token/id");
    let for_acme =
        ["updateAccount", "suspendAccount", "reactivateAccount", "addAccountsToGroup", "removeAccountsFromGroup"];
    let mut seen_by_acme = app.audit_mark(&acme.token).await;
    for (mutation, input) in steps(&pack, &component, &gold, &acme.id, &first.id) {
        app.tick().await;
        let seen = app.audit_mark(&app.publisher).await;
        let payload = app.mutate(&app.publisher, mutation, input, "__typename").await;
        assert_eq!(payload.at("/errors"), &json!([]), "{mutation}: {payload:#}");
        let entry = seen.one(&app, &app.publisher, mutation).await;
        assert_eq!(texts(&entry, ["/actor/kind", "/actor/name"]), ["API_TOKEN", "northwind-admin"], "{mutation}");
        assert_eq!(entry.text("/actor/token/id"), own, "{mutation}");
        assert_eq!(instant(&entry.text("/occurredAt")), app.now(), "{mutation}");
        let is_deleted = ["deleteAccountGroup", "deleteIntegrationPack"].contains(&mutation);
        let subject = json!({ "__typename": entry.at("/subjectType"), "id": entry.at("/subjectId") });
        assert_eq!(entry.at("/subject"), &if is_deleted { Value::Null } else { subject }, "{mutation}");
        let others: Vec<_> = seen.since(&app, &app.publisher).await.iter().map(|entry| entry.text("/action")).collect();
        let others: Vec<_> = others.iter().filter(|a| *a != mutation && !a.starts_with("scheduler.")).collect();
        assert!(others.is_empty(), "{mutation} is one change: {others:?}");
        if mutation != "suspendAccount" {
            let listed = seen_by_acme.since(&app, &acme.token).await;
            let mut listed: Vec<_> = listed.iter().map(|entry| entry.text("/action")).collect();
            listed.retain(|action| action != "suspendAccount");
            let expected: &[&str] = if for_acme.contains(&mutation) { &[mutation] } else { &[] };
            assert_eq!(listed, expected, "what Acme hears of {mutation}");
            seen_by_acme = app.audit_mark(&acme.token).await;
        }
    }
}

#[tokio::test]
async fn r51_the_schedulers_steps_name_the_release_and_the_installations() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let seen = app.audit_mark(&app.publisher).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    let entries = seen.since(&app, &app.publisher).await;
    for entry in &entries {
        assert_eq!(entry.at("/actor"), &json!({ "kind": "SCHEDULER", "name": "scheduler", "token": null }));
        assert!(entry.at("/requestId").is_null(), "{entry:#}");
    }
    for action in ["scheduler.startRelease", "scheduler.completeRelease"] {
        let entry = seen.one(&app, &app.publisher, action).await;
        assert_eq!(texts(&entry, ["/subjectType", "/subjectId"]), ["Release", release.as_str()]);
    }
    let applied: Vec<_> = entries.iter().filter(|e| e.text("/action") == "scheduler.applyUpdate").collect();
    assert_eq!((applied.len(), entries.len()), (2, 4), "one entry a change: {entries:#?}");
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        let entry = applied.iter().find(|entry| entry.text("/subjectId") == *installation).expect("an entry");
        assert_eq!(
            texts(entry, ["/subjectType", "/subject/id", "/subjectName"]),
            ["Installation", installation, "Orders"]
        );
        let own = app.audit(&account.token, json!({ "actions": ["scheduler.applyUpdate"] })).await;
        assert_eq!(own.len(), 1, "{own:#?}");
        assert_eq!(own[0], **entry, "the account reads the same of its installation");
    }
}

#[tokio::test]
async fn r51_the_scheduler_has_no_request_also_within_one() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let document =
        "mutation($i: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $i) { errors { code } } }";
    let input = json!({ "packId": pack.id, "schedule": { "immediately": true }, "notes": "First" });
    app.gql(&app.publisher, document, json!({ "i": input })).await;
    let entries = app.audit(&app.publisher, json!({ "actorKind": "SCHEDULER" })).await;
    assert!(entries.iter().any(|entry| entry.text("/action") == "scheduler.completeRelease"), "{entries:#?}");
    assert!(entries.iter().all(|entry| entry.at("/requestId").is_null()), "{entries:#?}");
}

#[tokio::test]
async fn r51_an_entry_names_its_request() {
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let ask = Ask::query("mutation { createAccountGroup(input: { name: \"Gold\" }) { errors { code } } }");
    server.send(&ask.token(&app.publisher).with("x-request-id", "ticket-4711")).await;
    let entries = app.audit(&app.publisher, json!({ "actions": ["createAccountGroup"] })).await;
    assert_eq!(entries[0].text("/requestId"), "ticket-4711");
}

#[tokio::test]
async fn r51_changes_have_before_and_after() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let seen = app.audit_mark(&app.publisher).await;
    let input = json!({ "packId": pack, "name": "Purchases" });
    app.ok(&app.publisher, "updateIntegrationPack", input, "integrationPack { id }").await;
    let entry = seen.one(&app, &app.publisher, "updateIntegrationPack").await;
    assert_eq!(changes(&entry), [("name".into(), Some("Orders".into()), Some("Purchases".into()))]);
}

#[tokio::test]
async fn r51_only_entries_of_moved_installations_have_a_version() {
    let app = TestApp::new().await;
    let [acme, globex, umbrella] = app.managed_accounts(["Acme", "Globex", "Umbrella"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex, &umbrella]).await;
    let seen = app.audit_mark(&app.publisher).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
    app.suspend(&umbrella).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    let version = |entry: &Value| changes(entry).into_iter().find(|(field, ..)| field == "version");
    let moved = Some(("version".to_owned(), Some("1".to_owned()), Some("2".to_owned())));
    assert_eq!(version(&seen.one(&app, &app.publisher, "applyPendingUpdate").await), moved);
    let since = seen.since(&app, &app.publisher).await;
    let of = |action: &str, installation: usize| {
        let found = since.iter().find(|entry| {
            entry.text("/action") == action && entry.text("/subjectId") == installed.installations[installation]
        });
        version(found.unwrap_or_else(|| panic!("no {action} of {installation}: {since:#?}")))
    };
    assert_eq!(of("scheduler.offerUpdate", 1), None);
    assert_eq!(of("scheduler.applyUpdate", 1), moved);
    assert_eq!(of("scheduler.applyUpdate", 2), None, "it was skipped");
    let seen = app.audit_mark(&app.publisher).await;
    app.ok(&app.publisher, "reactivateAccount", json!({ "accountId": umbrella.id }), "account { id }").await;
    app.tick().await;
    assert_eq!(version(&seen.one(&app, &app.publisher, "scheduler.applyUpdate").await), moved, "it caught up");
}

#[tokio::test]
async fn r51_changes_name_things_by_their_ids() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let [old, new] = [app.package(&component).await, app.package(&component).await];
    let pack = app.pack("Orders").await;
    let input = json!({ "packId": pack, "componentIds": [component] });
    app.ok(&app.publisher, "addPackComponents", input, "integrationPack { id }").await;
    for version in [&old.id, &new.id] {
        let input = json!({ "packId": pack, "componentId": component, "versionId": version });
        app.ok(&app.publisher, "pinPackComponent", input, "integrationPack { id }").await;
    }
    let input = json!({ "packId": pack, "componentId": component });
    app.ok(&app.publisher, "unpinPackComponent", input, "integrationPack { id }").await;
    let entries = app.audit(&app.publisher, json!({ "subjectId": pack })).await;
    let listed: Vec<_> = entries.iter().rev().skip(1).map(changes).collect();
    let component = || ("component".to_owned(), None, Some(component.clone()));
    let pinned = |before: Option<&str>, after: Option<&str>| {
        vec![component(), ("pinned".to_owned(), before.map(Into::into), after.map(Into::into))]
    };
    let (old, new) = (Some(old.id.as_str()), Some(new.id.as_str()));
    assert_eq!(listed[0], [("components".to_owned(), None, component().2)]);
    assert_eq!(listed[1..], [pinned(None, old), pinned(old, new), pinned(new, None)]);
}

#[tokio::test]
async fn r51_the_command_line_is_named() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let seen = app.audit_mark(&app.publisher).await;
    let of_acme = app.audit_mark(&acme.token).await;
    for status in [AccountStatus::Suspended, AccountStatus::Active] {
        set_account_status(&app.app.services, uuid_of(&acme.id).into(), status).await.expect("changed");
    }
    for (token, seen) in [(&app.publisher, seen), (&acme.token, of_acme)] {
        let entries = seen.since(&app, token).await;
        assert_eq!(entries.len(), 2, "{entries:#?}");
        for entry in entries {
            assert_eq!(entry.at("/actor"), &json!({ "kind": "COMMAND_LINE", "name": "command line", "token": null }));
        }
    }
}

#[tokio::test]
async fn r51_refusals_and_queries_leave_no_entry() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    let pack = &installed.pack.id;
    app.ok(&app.publisher, "deleteIntegrationPack", json!({ "packId": pack, "dryRun": true }), "uninstalledCount")
        .await;
    app.refused(&app.publisher, "createIntegrationPack", json!({ "name": "orders", "installationType": "SINGLE" }))
        .await;
    let input = json!({ "packId": app.available(&acme, "Orders").await });
    app.refused(&acme.token, "installPack", input).await;
    let again = app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
    assert_eq!(again.at("/alreadyApplied"), true);
    assert_eq!(mark.actions(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn r51_a_repeated_call_is_one_entry() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    for _ in 0..2 {
        let input = json!({ "packages": [{ "componentId": component }], "clientRequestId": "once" });
        app.ok(&app.publisher, "createPackagedComponents", input, "packagedComponents { id }").await;
    }
    assert_eq!(app.audit(&app.publisher, json!({ "actions": ["createPackagedComponents"] })).await.len(), 1);
}

#[tokio::test]
async fn r51_no_secret_is_ever_in_the_log() {
    let app = TestApp::new().await;
    let (id, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let again = app
        .ok(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": id }), "account { id } enrolmentToken")
        .await;
    let secret = app.enrol(&again.text("/enrolmentToken")).await;
    let other = app.token(&secret, "SUPPORT").await;
    let rows = crate::support::rows::all_rows(&app).await.join("\n");
    for hidden in [enrolment, again.text("/enrolmentToken"), secret, other, app.publisher.clone()] {
        assert!(!rows.contains(&hidden), "a secret is in the database");
    }
}

#[tokio::test]
async fn r51_nothing_of_the_api_changes_the_log() {
    let app = TestApp::new().await;
    app.pack("Orders").await;
    let schema = crate::gate::introspection::Schema::of(&app).await;
    for field in schema.mutations() {
        let name = field.text("/name").to_lowercase();
        // A test of a webhook endpoint is in no log.
        let is_other = name == "sendtestevent";
        assert!(is_other || !name.contains("audit") && !name.contains("event"), "{name}");
    }
}
