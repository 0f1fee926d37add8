//! Events in the middle of a call: a window opens, another server is faster, a pack is deleted.

use std::sync::mpsc;
use std::time::Duration;

use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::support::{At as _, TestApp, immediately};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// Opens the window right after the next call has checked whether it is open.
fn open_in_the_middle(app: &TestApp) {
    let (clock, mut looked) = (app.clock.clone(), false);
    app.after_statements(move |sql| {
        if !looked && sql.contains(r#""pending_due_at" <="#) {
            looked = true;
            clock.advance_to(OPENS.parse().unwrap());
        }
    });
}

#[tokio::test]
async fn r30_a_first_release_whose_window_opens_in_the_middle_of_an_immediate_one_is_not_lost() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let first = app.release_on(&pack.id, "2026-12-01").await;
    app.package_newer(&pack).await;
    open_in_the_middle(&app);
    let second = app.release_now(&pack.id).await;
    assert_eq!(app.now().to_rfc3339(), "2026-11-30T23:00:00+00:00", "it opened in the middle");
    app.tick().await;
    let read = app.read_release(&first, "state supersededBy { id } endedAt").await;
    let expected = json!({ "state": "SUCCEEDED", "supersededBy": null, "endedAt": OPENS });
    assert_eq!(read, expected, "it was due before the call got its lock");
    assert_eq!(app.release_state(&second).await, "SUCCEEDED");
    let state = app.read_pack(&pack.id, "state currentVersion { number } pendingRelease { id }").await;
    assert_eq!(state, json!({ "state": "CURRENT", "currentVersion": { "number": 2 }, "pendingRelease": null }));
}

#[tokio::test]
async fn r47_a_window_that_opens_in_the_middle_of_a_deletion_comes_first() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    open_in_the_middle(&app);
    let input = json!({ "packId": world.pack.id, "confirmInstallations": 1 });
    let payload = app.mutate(&app.publisher, "deleteIntegrationPack", input.clone(), "uninstalledCount").await;
    assert_eq!(crate::support::refusal(&payload).code, "RELEASE_IN_PROGRESS");
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.ok(&app.publisher, "deleteIntegrationPack", input, "uninstalledCount").await;
    app.tick().await;
    assert_eq!(app.find_available(&acme, "Orders").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_a_small_install_base_is_finished_when_the_call_returns_also_when_another_server_took_its_task() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    // A release that supersedes a pending one has two tasks. While this server does the first one, the other server
    // takes the second.
    app.update_on(&world.pack, "2026-12-01").await;
    app.package_newer(&world.pack).await;
    app.tick().await;
    let other = app.another_server().await;
    let (go, signaled) = mpsc::channel::<()>();
    let (moving, moved) = mpsc::channel::<()>();
    app.mover.before_next(move || {
        let _ = moving.send(());
        std::thread::sleep(Duration::from_millis(500));
    });
    let mut has_signaled = false;
    app.after_statements(move |sql| {
        if !has_signaled && sql.starts_with(r#"DELETE FROM "task""#) {
            has_signaled = true;
            let _ = go.send(());
            // SQLite has one writer at a time, so there the other server waits for this one.
            let _ = moved.recv_timeout(Duration::from_secs(1));
        }
    });
    let runtime = tokio::runtime::Handle::current();
    let quicker = std::thread::spawn(move || {
        signaled.recv_timeout(Duration::from_secs(10)).expect("the first task is done");
        runtime.block_on(async {
            while run_one_batch(&other.services).await.expect("a batch") {}
            other.services.db.clone().close().await.expect("closed");
        });
    });
    let payload =
        app.ok(&app.publisher, "releaseIntegrationPack", immediately(&world.pack.id), "release { state }").await;
    assert_eq!(payload.text("/release/state"), "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
    quicker.join().expect("the other server works");
}

#[tokio::test]
async fn r21_a_repeated_request_whose_pack_is_gone_is_not_found() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    let mut release = immediately(&pack.id);
    release["clientRequestId"] = json!("once");
    app.ok(&app.publisher, "releaseIntegrationPack", release.clone(), "release { id }").await;
    app.tick().await;
    let install = json!({ "packId": app.available(&accounts[0], "Orders").await, "clientRequestId": "once" });
    for account in &accounts {
        app.ok(&account.token, "installPack", install.clone(), "installation { id }").await;
    }
    let input = json!({ "packId": pack.id, "confirmInstallations": 2 });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "uninstalledCount").await;
    let document = "mutation($input: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $input) { release { id } errors { code } } }";
    let code = app.error_code(Some(&app.publisher), document, json!({ "input": release })).await;
    assert_eq!(code, "NOT_FOUND");
    let document =
        "mutation($input: InstallPackInput!) { installPack(input: $input) { installation { id } errors { code } } }";
    for account in &accounts {
        // The first batch has uninstalled the pack in only one of the accounts.
        let code = app.error_code(Some(&account.token), document, json!({ "input": install })).await;
        assert_eq!(code, "NOT_FOUND", "{}", account.name);
    }
}

#[tokio::test]
async fn r41_a_server_whose_clock_is_behind_goes_by_what_another_has_done() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    let update = app.offered(&acme, &world.installations[0]).await.expect("an offer");
    let behind = app.another_server_at("2026-11-30T22:59:59Z").await;
    app.advance_to(OPENS).await;
    let ask = async |token: &str, document: &str, input: serde_json::Value| {
        let variables = async_graphql::Variables::from_json(json!({ "input": input, "id": release }));
        let answer = behind.execute(Some(token), async_graphql::Request::new(document).variables(variables)).await;
        serde_json::to_value(answer).unwrap().at("/data").clone()
    };
    let read = ask(&app.publisher, "query($id: ID!) { release(id: $id) { state viewerCanCancel } }", json!(null)).await;
    assert_eq!(read.at("/release"), &json!({ "state": "SUCCEEDED", "viewerCanCancel": false }));
    let cancel = "mutation($input: CancelReleaseInput!) { cancelRelease(input: $input) { errors { code } } }";
    let refused = ask(&app.publisher, cancel, json!({ "releaseId": release })).await;
    assert_eq!(refused.text("/cancelRelease/errors/0/code"), "NOT_PENDING");
    let apply = "mutation($input: ApplyPendingUpdateInput!) { applyPendingUpdate(input: $input) { alreadyApplied } }";
    let applied = ask(&acme.token, apply, json!({ "updateId": update })).await;
    assert_eq!(applied.at("/applyPendingUpdate/alreadyApplied"), true);
    let install =
        "mutation($input: InstallPackInput!) { installPack(input: $input) { installation { version { number } } } }";
    let available = app.available(&globex, "Orders").await;
    let installed = ask(&globex.token, install, json!({ "packId": available })).await;
    assert_eq!(installed.int("/installPack/installation/version/number"), 2);
    app.package_newer(&world.pack).await;
    let again = "mutation($input: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $input) { release { state } errors { code } } }";
    let next = ask(&app.publisher, again, immediately(&world.pack.id)).await;
    assert_eq!(next.text("/releaseIntegrationPack/release/state"), "SUCCEEDED");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 3);
    assert_eq!(app.mover.attempts(&world.installations[0]), 2, "once for each release");
    behind.services.db.clone().close().await.unwrap();
}

#[tokio::test]
async fn r21_a_request_id_is_the_accounts_whichever_token_repeats_it() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let mut input = immediately(&pack.id);
    input["clientRequestId"] = json!("once");
    let made = app.ok(&app.publisher, "releaseIntegrationPack", input.clone(), "release { id }").await;
    let other = app.token(&app.publisher, "STANDARD_USER").await;
    let repeated = app.ok(&other, "releaseIntegrationPack", input.clone(), "release { id }").await;
    assert_eq!(made.text("/release/id"), repeated.text("/release/id"));
    let support = app.token(&app.publisher, "SUPPORT").await;
    assert_eq!(
        app.denied(&support, "releaseIntegrationPack", input).await,
        "FORBIDDEN",
        "a repeat needs the privilege too"
    );
}
