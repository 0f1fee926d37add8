//! Deleting a pack (R47).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, all_rows, assert_same_rows};
use crate::support::{At, Installed, Managed, TestApp, refusal};

const SELECTION: &str =
    "deletedPackId uninstalledCount canceledRelease { id state pack { id name } version { number } }
    ";

async fn world() -> (TestApp, [Managed; 2], Installed) {
    in_batches_of(250).await
}

async fn in_batches_of(batch_size: u64) -> (TestApp, [Managed; 2], Installed) {
    let app = TestApp::in_batches_of(batch_size).await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    app.tick().await;
    (app, accounts, installed)
}

async fn delete(app: &TestApp, pack: &str, more: Value) -> Value {
    let mut input = json!({ "packId": pack });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let selection = format!("{SELECTION} errors {{ installationCount }}");
    app.mutate(&app.publisher, "deleteIntegrationPack", input, &selection).await
}

async fn delete_for_good(app: &TestApp, pack: &str, installations: i64) -> Value {
    let payload = delete(app, pack, json!({ "confirmInstallations": installations })).await;
    assert_eq!(payload.at("/errors"), &json!([]), "{payload:#}");
    payload
}

/// The error code of a query by ID.
async fn code(app: &TestApp, token: &str, field: &str, id: &str) -> Option<String> {
    let query = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
    let answer = app.gql_raw(Some(token), &query, json!({ "id": id })).await;
    crate::support::rows::code_of(&answer)
}

async fn node(app: &TestApp, token: &str, id: &str) -> Value {
    app.gql(token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.at("/node").clone()
}

#[tokio::test]
async fn r47_a_dry_run_says_what_would_happen_and_changes_nothing() {
    let (app, _, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let before = all_rows(&app).await;
    let payload = delete(&app, &installed.pack.id, json!({ "dryRun": true })).await;
    assert_same_rows(&app, &before, "a dry run").await;
    assert_eq!((payload.at("/deletedPackId"), payload.int("/uninstalledCount")), (&json!(null), 2));
    assert_eq!(
        (payload.text("/canceledRelease/id"), payload.text("/canceledRelease/state")),
        (release, "SCHEDULED".into())
    );
}

#[tokio::test]
async fn r47_the_number_of_installations_must_be_confirmed() {
    let (app, _, installed) = world().await;
    for (more, expected) in [
        (json!({}), "CONFIRMATION_REQUIRED"),
        (json!({ "confirmInstallations": 1 }), "CONFIRMATION_MISMATCH"),
        (json!({ "confirmInstallations": -2 }), "CONFIRMATION_MISMATCH"),
    ] {
        let before = all_rows(&app).await;
        let payload = delete(&app, &installed.pack.id, more).await;
        let refused = refusal(&payload);
        assert_eq!((refused.code.as_str(), refused.field.as_str()), (expected, "confirmInstallations"));
        assert_eq!(refused.errors[0].int("/installationCount"), 2);
        assert_eq!(payload.at("/uninstalledCount"), &json!(null));
        assert_same_rows(&app, &before, expected).await;
    }
}

#[tokio::test]
async fn r47_a_deleted_pack_is_gone_for_everybody() {
    let (app, [acme, globex], installed) = world().await;
    let available = app.available(&acme, "Orders").await;
    let version = app.read_pack(&installed.pack.id, "currentVersion { id }").await.text("/currentVersion/id");
    let payload = delete_for_good(&app, &installed.pack.id, 2).await;
    assert_eq!(payload.text("/deletedPackId"), installed.pack.id);
    assert_eq!((payload.int("/uninstalledCount"), payload.at("/canceledRelease")), (2, &json!(null)));
    assert_eq!(code(&app, &app.publisher, "integrationPack", &installed.pack.id).await.as_deref(), Some("NOT_FOUND"));
    assert_eq!(code(&app, &app.publisher, "release", &installed.first_release).await.as_deref(), Some("NOT_FOUND"));
    assert_eq!(code(&app, &acme.token, "availablePack", &available).await.as_deref(), Some("NOT_FOUND"));
    for id in [&installed.pack.id, &installed.first_release, &version, &installed.installations[0]] {
        assert_eq!(node(&app, &app.publisher, id).await, json!(null), "{id}");
    }
    for account in [&acme, &globex] {
        assert_eq!(app.available_names(account).await, Vec::<String>::new());
        let counts = app.gql(&account.token, "{ installations { totalCount } }", json!(null)).await;
        assert_eq!(counts.int("/installations/totalCount"), 0);
    }
    let lists = "{ integrationPacks { totalCount } releases { totalCount } installations { totalCount } }";
    let left = app.gql(&app.publisher, lists, json!(null)).await;
    for list in ["integrationPacks", "releases", "installations"] {
        assert_eq!(left.int(&format!("/{list}/totalCount")), 0, "{list}");
    }
    for (mutation, input) in [
        ("addPackComponents", json!({ "packId": installed.pack.id, "componentIds": [installed.pack.components[0]] })),
        ("releaseIntegrationPack", crate::support::immediately(&installed.pack.id)),
        ("sharePack", json!({ "packId": installed.pack.id, "groupIds": [app.all_accounts().await] })),
        ("deleteIntegrationPack", json!({ "packId": installed.pack.id, "confirmInstallations": 0 })),
    ] {
        assert_eq!(app.denied(&app.publisher, mutation, input).await, "NOT_FOUND", "{mutation}");
    }
    assert_eq!(app.denied(&acme.token, "installPack", json!({ "packId": available })).await, "NOT_FOUND");
    let uninstall = json!({ "installationId": installed.installations[0] });
    assert_eq!(app.denied(&acme.token, "uninstallPack", uninstall).await, "NOT_FOUND");
}

#[tokio::test]
async fn r47_its_name_and_its_components_are_free_again() {
    let (app, _, installed) = world().await;
    delete_for_good(&app, &installed.pack.id, 2).await;
    let again = app.pack("Orders").await;
    app.add(&again, &[&installed.pack.components[0]]).await;
    app.package(&installed.pack.components[0]).await;
    assert_eq!(
        app.read_pack(&again, "componentCount state").await,
        json!({ "componentCount": 1, "state": "NEVER_RELEASED" })
    );
}

#[tokio::test]
async fn r47_a_pending_release_is_canceled_and_the_window_does_nothing() {
    let (app, [acme, globex], installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    let payload = delete_for_good(&app, &installed.pack.id, 2).await;
    let canceled = payload.at("/canceledRelease");
    assert_eq!((canceled.text("/id"), canceled.text("/state")), (release, "CANCELED".into()));
    assert_eq!(
        (canceled.text("/pack/name"), canceled.int("/version/number")),
        ("Orders".into(), 2),
        "told with its pack"
    );
    let kinds = mark.kinds(&app).await;
    assert_eq!(kinds[..2], ["RELEASE_CANCELED", "PACK_DELETED"], "{kinds:?}");
    assert_eq!(
        app.gql(&globex.token, "{ pendingUpdates { totalCount } }", json!(null))
            .await
            .int("/pendingUpdates/totalCount"),
        0
    );
    let after = LogMark::now(&app).await;
    app.advance_to("2026-12-01T00:00:00Z").await;
    assert_eq!(after.kinds(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn r47_while_a_rollout_is_running_nothing_is_deleted() {
    let (app, _, installed) = in_batches_of(1).await;
    app.update_now(&installed.pack).await;
    let can = "viewerCanDelete";
    assert_eq!(app.read_pack(&installed.pack.id, can).await, json!({ can: false }));
    for more in [json!({ "confirmInstallations": 2 }), json!({ "dryRun": true })] {
        let payload = delete(&app, &installed.pack.id, more).await;
        assert_eq!(refusal(&payload).code, "RELEASE_IN_PROGRESS");
    }
    app.tick().await;
    assert_eq!(app.read_pack(&installed.pack.id, can).await, json!({ can: true }));
    delete_for_good(&app, &installed.pack.id, 2).await;
}

#[tokio::test]
async fn r47_installations_that_no_batch_has_reached_are_hidden_from_the_call_on() {
    let (app, [acme, globex], installed) = in_batches_of(1).await;
    let update = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    delete_for_good(&app, &installed.pack.id, 2).await;
    // The first batch has reached one account. The other's installation still exists, but can't be seen.
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        assert_eq!(code(&app, &account.token, "installation", installation).await.as_deref(), Some("NOT_FOUND"));
        let counts = "{ installations { totalCount } pendingUpdates { totalCount } }";
        let counts = app.gql(&account.token, counts, json!(null)).await;
        assert_eq!((counts.int("/installations/totalCount"), counts.int("/pendingUpdates/totalCount")), (0, 0));
        let rename = json!({ "installationId": installation });
        assert_eq!(app.denied(&account.token, "uninstallPack", rename).await, "NOT_FOUND");
    }
    assert_eq!(node(&app, &app.publisher, &update).await, json!(null));
    let mark = LogMark::now(&app).await;
    app.tick().await;
    let announced: Vec<_> = mark.events(&app).await.into_iter().filter(|event| event.kind == "PACK_DELETED").collect();
    assert_eq!(announced.len(), 1, "the account that was left");
}

#[tokio::test]
async fn r47_an_installation_that_no_batch_has_come_to_can_not_be_renamed() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.multi_pack_with("Tools", &["Tool"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    app.install_as(&acme, "Tools", "Ours").await;
    let installation = app.install_as(&globex, "Tools", "Theirs").await;
    delete_for_good(&app, &pack.id, 2).await;
    let input = json!({ "installationId": installation, "overrideName": "Another" });
    assert_eq!(app.denied(&globex.token, "renameInstallation", input).await, "NOT_FOUND");
}

#[tokio::test]
async fn r47_an_installation_that_no_batch_has_come_to_holds_no_name_and_no_key() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let [gone, kept] = [app.multi_pack_with("Tools", &["Tool"]).await, app.multi_pack_with("More", &["Step"]).await];
    for pack in [&gone, &kept] {
        app.share_with_all(&pack.id).await;
        app.release_now(&pack.id).await;
    }
    app.tick().await;
    app.install_as(&acme, "Tools", "Ours").await;
    for (name, key) in [("Theirs", "a"), ("Also theirs", "b")] {
        let installed = app.install_as(&globex, "Tools", name).await;
        let input = json!({ "installationId": installed, "key": key });
        app.ok(&globex.token, "renameInstallation", input, "installation { id }").await;
    }
    let mark = LogMark::now(&app).await;
    delete_for_good(&app, &gone.id, 3).await;
    let input = json!({ "packId": app.available(&globex, "More").await, "overrideName": "Theirs", "key": "b" });
    app.ok(&globex.token, "installPack", input, "installation { id }").await;
    let another = app.install_as(&globex, "More", "Another").await;
    let input = json!({ "installationId": another, "overrideName": "Also theirs", "key": "a" });
    app.ok(&globex.token, "renameInstallation", input, "installation { id }").await;
    app.tick().await;
    let events = mark.events(&app).await;
    let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count("PACK_DELETED"), count("INSTALLATION_CREATED")), (3, 2), "the publisher, and each account");
    let left = app.gql(&globex.token, "{ installations { totalCount } }", json!(null)).await;
    assert_eq!(left.int("/installations/totalCount"), 2);
}

#[tokio::test]
async fn r47_each_account_that_had_or_could_have_the_pack_gets_an_event_with_its_own_count() {
    let app = TestApp::new().await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let pack = app.multi_pack_with("Tools", &["Tool"]).await;
    app.share(&pack.id, &[&gold]).await;
    app.release_now(&pack.id).await;
    app.install_as(&acme, "Tools", "One").await;
    app.install_as(&acme, "Tools", "Two").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    delete_for_good(&app, &pack.id, 2).await;
    app.tick().await;
    let mut announced: Vec<(Option<uuid::Uuid>, i64)> = Vec::new();
    for event in mark.events(&app).await.iter().filter(|event| event.kind == "PACK_DELETED") {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        announced.push((event.account_id, data.int("/uninstalled_count")));
    }
    let id = |account: &Managed| Some(crate::support::uuid_of(&account.id));
    announced.sort();
    let mut expected = vec![(None, 2), (id(&acme), 2), (id(&globex), 0)];
    expected.sort();
    assert_eq!(announced, expected, "Initech never knew of it: {:?}", id(&initech));
}

#[tokio::test]
async fn r47_each_uninstallation_is_in_the_audit_log_and_open_offers_are_withdrawn() {
    let (app, [acme, _], installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    delete_for_good(&app, &installed.pack.id, 2).await;
    app.tick().await;
    let actions = mark.actions(&app).await;
    let count = |action: &str| actions.iter().filter(|a| *a == action).count();
    assert_eq!(count("deleteIntegrationPack"), 2, "the pack, and the release that it canceled");
    assert_eq!((count("scheduler.uninstallPack"), count("scheduler.withdrawUpdate")), (2, 2), "{actions:?}");
    let withdrawn =
        mark.events(&app).await.into_iter().filter(|e| e.update_state.as_deref() == Some("WITHDRAWN")).count();
    assert_eq!(withdrawn, 2);
    let entries = mark.entries(&app).await;
    let entry = entries
        .iter()
        .find(|e| e.action == "scheduler.uninstallPack" && e.account_id == Some(crate::support::uuid_of(&acme.id)));
    assert!(entry.is_some_and(|e| e.subject_type == "Installation"), "{entries:#?}");
}

#[tokio::test]
async fn r47_another_publishers_pack_is_not_found() {
    let (app, _, installed) = world().await;
    let other = app.another_publisher("Fabrikam").await;
    for more in [json!({ "dryRun": true }), json!({ "confirmInstallations": 2 })] {
        let mut input = json!({ "packId": installed.pack.id });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(app.denied(&other.token, "deleteIntegrationPack", input).await, "NOT_FOUND");
    }
    assert_eq!(app.current_number(&installed.pack.id).await, Some(1));
}

#[tokio::test]
async fn r47_a_pack_never_released_is_deleted_without_a_word_to_accounts() {
    let app = TestApp::new().await;
    app.managed("Acme").await;
    let pack = app.pack_with("Drafted", &["One", "Two"]).await;
    app.share_with_all(&pack.id).await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    delete_for_good(&app, &pack.id, 0).await;
    app.tick().await;
    let announced = mark.events(&app).await;
    assert_eq!(announced.len(), 1, "{announced:#?}");
    assert_eq!((announced[0].kind.as_str(), announced[0].audience.as_str()), ("PACK_DELETED", "PUBLISHER"));
}

#[tokio::test]
async fn r47_nothing_is_deleted_while_early_appliers_are_moved_back_or_once_a_window_has_opened_unnoticed() {
    use packwright::domain::installations::FailureCode;
    let (app, accounts, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&accounts[0], &installed.installations[0]).await;
    app.mover.fail(&installed.installations[0], 1, FailureCode::Temporary);
    app.cancel(&release).await;
    let confirmed = json!({ "confirmInstallations": 2 });
    let refused = refusal(&delete(&app, &installed.pack.id, confirmed.clone()).await);
    assert_eq!(refused.code, "RELEASE_IN_PROGRESS", "a canceled version is still in the field");
    app.advance_by(5).await;
    let due = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.clock_only("2026-11-30T23:00:00Z");
    let refused = refusal(&delete(&app, &installed.pack.id, confirmed).await);
    assert_eq!(refused.code, "RELEASE_IN_PROGRESS", "its rollout comes first");
    app.tick().await;
    assert_eq!(app.release_state(&due).await, "SUCCEEDED");
    delete_for_good(&app, &installed.pack.id, 2).await;
}
