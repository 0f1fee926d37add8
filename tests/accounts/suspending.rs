//! Suspending accounts, and catching up after they are reactivated (R4, R46).

use packwright::service::Settings;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::rows::{LogMark, tables};
use crate::support::{At, Installed, Managed, TestApp, meanwhile, mutate_on, refusal};

async fn world() -> (TestApp, [Managed; 2], Installed) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&accounts[0], &accounts[1]]).await;
    app.tick().await;
    (app, accounts, installed)
}

async fn read_account(app: &TestApp, account: &Managed, selection: &str) -> Value {
    let query = format!("query($id: ID!) {{ managedAccount(id: $id) {{ {selection} }} }}");
    app.gql(&app.publisher, &query, json!({ "id": account.id })).await.at("/managedAccount").clone()
}

#[tokio::test]
async fn r46_an_account_is_suspended_and_reactivated() {
    let (app, [acme, _], _) = world().await;
    let selection = "account { status suspendedAt viewerCanSuspend viewerCanReactivate }";
    let input = json!({ "accountId": acme.id });
    let payload = app.ok(&app.publisher, "suspendAccount", input.clone(), selection).await;
    let expected = json!({ "status": "SUSPENDED", "suspendedAt": "2026-11-22T09:00:00.000000Z", "viewerCanSuspend": false, "viewerCanReactivate": true });
    assert_eq!(payload.at("/account"), &expected);
    let again = app.mutate(&app.publisher, "suspendAccount", input.clone(), "account { id }").await;
    let refused = refusal(&again);
    assert_eq!((refused.code.as_str(), refused.field.as_str()), ("ALREADY_SUSPENDED", "accountId"));
    let payload = app.ok(&app.publisher, "reactivateAccount", input.clone(), selection).await;
    let expected =
        json!({ "status": "ACTIVE", "suspendedAt": null, "viewerCanSuspend": true, "viewerCanReactivate": false });
    assert_eq!(payload.at("/account"), &expected);
    let again = app.mutate(&app.publisher, "reactivateAccount", input, "account { id }").await;
    assert_eq!(refusal(&again).code, "NOT_SUSPENDED");
}

#[tokio::test]
async fn r46_another_publishers_account_is_not_found() {
    let (app, [acme, _], _) = world().await;
    let other = app.another_publisher("Fabrikam").await;
    for mutation in ["suspendAccount", "reactivateAccount"] {
        assert_eq!(app.denied(&other.token, mutation, json!({ "accountId": acme.id })).await, "NOT_FOUND");
    }
    assert_eq!(read_account(&app, &acme, "status").await, json!({ "status": "ACTIVE" }));
}

#[tokio::test]
async fn r46_a_suspended_account_is_skipped_at_once_and_catches_up() {
    let (app, [acme, globex], installed) = world().await;
    app.suspend(&acme).await;
    let release = app.update_now(&installed.pack).await;
    let skipped = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((skipped.text("/state"), skipped.text("/skipReason")), ("SKIPPED".into(), "ACCOUNT_SUSPENDED".into()));
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let mark = LogMark::now(&app).await;
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2, "without a tick");
    let caught = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((caught.text("/state"), caught.text("/how")), ("APPLIED".into(), "CATCH_UP".into()));
    assert_eq!(mark.kinds(&app).await, ["ACCOUNT_REACTIVATED", "INSTALLATION_UPDATED"]);
    app.tick().await;
    assert_eq!(mark.kinds(&app).await.len(), 2);
}

#[tokio::test]
async fn r46_at_the_window_a_suspended_account_is_skipped_and_catches_up() {
    let (app, [acme, globex], installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.suspend(&acme).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/skipReason"), "ACCOUNT_SUSPENDED");
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
    assert_eq!(app.updates(&acme, &installed.installations[0]).await[0].text("/how"), "CATCH_UP");
}

#[tokio::test]
async fn r46_an_account_reactivated_before_the_window_still_has_its_offer() {
    let (app, [acme, _], installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.suspend(&acme).await;
    app.reactivate(&acme).await;
    app.apply(&acme, &installed.installations[0]).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
}

#[tokio::test]
async fn r46_an_account_reactivated_during_a_rollout_is_moved_once() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    app.tick().await;
    for account in &accounts {
        app.suspend(account).await;
    }
    app.package_newer(&installed.pack).await;
    let release = app.release_now(&installed.pack.id).await;
    for account in &accounts {
        app.reactivate(account).await;
    }
    app.tick().await;
    for (account, installation) in accounts.iter().zip(&installed.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
        assert_eq!(app.mover.attempts(installation), 1);
    }
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/total")), (3, 3));
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r46_an_account_reactivated_without_a_grant_stays_frozen() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex]).await;
    app.suspend(&acme).await;
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    app.reactivate(&acme).await;
    app.tick().await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 1);
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/skipReason"), "NOT_ENTITLED");
    // An account that regains its grant while it is suspended stays behind, and catches up when it is reactivated.
    app.suspend(&acme).await;
    app.join(&gold, &acme).await;
    let state = app.as_publisher(&installed.installations[0], "state version { number }").await;
    assert_eq!(state, json!({ "state": "ACTIVE", "version": { "number": 1 } }));
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
}

#[tokio::test]
async fn r46_a_killed_catch_up_is_gone_on_with_by_the_scheduler() {
    let app = TestApp::in_batches_of(1).await;
    let acme = app.managed("Acme").await;
    let mut installations = Vec::new();
    for name in ["Orders", "Invoices", "Returns"] {
        let installed = app.installed_pack(name, &[&acme]).await;
        app.suspend(&acme).await;
        app.update_now(&installed.pack).await;
        app.tick().await;
        installations.push(installed.installations[0].clone());
        if name != "Returns" {
            app.reactivate(&acme).await;
            app.tick().await;
        }
    }
    // Four batches with one pack each, of which the call does one.
    app.reactivate(&acme).await;
    app.tick().await;
    for installation in &installations {
        assert_eq!(app.installed_number(&acme, installation).await, 2);
    }
}

#[tokio::test]
async fn r46_an_account_that_regains_the_grant_while_suspended_catches_up_when_reactivated() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    app.suspend(&acme).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    let release = app.update_now(&installed.pack).await;
    let installation = &installed.installations[0];
    assert_eq!(app.update_of(&release, installation).await.text("/skipReason"), "NOT_ENTITLED");
    app.share(&installed.pack.id, &[&gold]).await;
    app.tick().await;
    let update = app.update_of(&release, installation).await;
    assert_eq!(update.text("/state"), "SKIPPED", "a suspended account is moved by nothing");
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, installation).await, 2);
    assert_eq!(app.update_of(&release, installation).await.text("/how"), "CATCH_UP");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r46_a_batch_moves_nothing_of_an_account_that_is_suspended_meanwhile() {
    suspend_meanwhile(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r46_a_batch_finds_an_account_that_is_suspended_meanwhile_among_many() {
    suspend_meanwhile(150).await;
}

/// The account is suspended after a batch has read that it is active, and before the batch writes. So many other
/// accounts, without installations, are suspended too.
async fn suspend_meanwhile(others: u32) {
    let (app, [acme, globex], installed) = world().await;
    if app.has_one_writer() {
        return;
    }
    let further = format!(
        "INSERT INTO account (id, kind, publisher_id, name, name_key, status, suspended_at, created_at)
        SELECT gen_random_uuid(), kind, publisher_id, name || n, name_key || n, 'SUSPENDED', created_at, created_at
        FROM account CROSS JOIN generate_series(1, {others}) AS n WHERE name = 'Acme'"
    );
    tables(&app).execute_unprepared(&further).await.expect("further accounts");
    let other = app.another_server_of(Settings::default()).await;
    let (token, account) = (app.publisher.clone(), acme.id.clone());
    app.mover.before_next(move || {
        meanwhile(move || async move {
            let payload = mutate_on(&other, &token, "suspendAccount", json!({ "accountId": account }), "").await;
            assert_eq!(payload.at("/errors"), &json!([]));
        });
    });
    let release = app.update_now(&installed.pack).await;
    app.tick().await;
    let skipped = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((skipped.text("/state"), skipped.text("/skipReason")), ("SKIPPED".into(), "ACCOUNT_SUSPENDED".into()));
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.reactivate(&acme).await;
    assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
}
