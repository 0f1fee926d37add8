//! A batch or a call, and what another server does between two of its statements.

use std::sync::Arc;

use entity::{account_group_member as member, event, task};
use packwright::service::Settings;
use packwright::service::followup::run_one_batch;
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use serde_json::json;

use crate::support::rows::{LogMark, publisher_id, tables};
use crate::support::{At as _, Setup, TestApp, mutate_on, uuid_of};

/// Adds a task for the grants of an account, as a call does that ends before its first batch.
pub(super) async fn add_grants_task(app: &TestApp, account: &str) {
    let row = task::ActiveModel {
        id: Set(uuid_of(account)),
        kind: Set("GRANTS_OF_ACCOUNT".into()),
        publisher_id: Set(publisher_id(app).await),
        pack_id: Set(None),
        release_id: Set(None),
        account_id: Set(Some(uuid_of(account))),
        moves_installations: Set(false),
        resume_after: Set(None),
        done: Set(0),
        until: Set(None),
        not_before: Set(app.now()),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(app.now()),
        trace_parent: Set(None),
    };
    task::Entity::insert(row).exec_without_returning(tables(app)).await.expect("a task");
}

/// While a batch compares an account's grants with what was announced, another account gets a pack that is new: its
/// task must not be taken along by a batch that doesn't know the pack.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r45_a_batch_takes_no_task_along_that_is_about_a_pack_that_it_has_not_listed() {
    let app = Arc::new(TestApp::new().await);
    if app.has_one_writer() {
        return;
    }
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    app.installed_pack("Orders", &[&acme]).await;
    let group = app.group("Gold", &[]).await;
    app.tick().await;
    add_grants_task(&app, &acme.id).await;
    let server = app.another_server_watched().await;
    let mark = LogMark::now(&app).await;
    let mut has_counted = false;
    let is_meant = move |sql: &str| {
        // The batch counts the packs, claims other tasks and lists the packs. The moment is after the count and one
        // statement more, so that it lies between the claim and the list if they come in the wrong order.
        let counts = sql.contains("COUNT(") && sql.contains("\"integration_pack\"");
        let is_next = has_counted;
        has_counted |= counts;
        is_next
    };
    let (other, account, group_id) = (app.clone(), globex.id.clone(), group.clone());
    server.once_after(is_meant, move || async move {
        let pack = other.pack_with("Invoices", &["Bill"]).await;
        other.share(&pack.id, &[&group_id]).await;
        other.release_now(&pack.id).await;
        let row = member::ActiveModel { group_id: Set(uuid_of(&group_id)), account_id: Set(uuid_of(&account)) };
        member::Entity::insert(row).exec_without_returning(tables(&other)).await.expect("a member");
        add_grants_task(&other, &account).await;
    });
    assert!(run_one_batch(&server.app.services).await.expect("a batch"));
    app.tick().await;
    let is_told = |event: &event::Model| event.kind == "PACK_SHARED" && event.account_id.is_some();
    let told: Vec<_> = mark.events(&app).await.into_iter().filter(is_told).collect();
    let told: Vec<_> = told.iter().map(|event| (event.account_id, event.pack_name.as_str())).collect();
    assert_eq!(told, [(Some(uuid_of(&globex.id)), "Invoices")]);
    server.app.services.db.clone().close().await.expect("closed");
}

/// While a batch offers a release, another account installs the pack, and its installation comes with its offer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_an_installation_that_comes_while_a_batch_offers_is_offered_once() {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    let app = Arc::new(TestApp::with(Setup { settings, ..Setup::default() }).await);
    if app.has_one_writer() {
        return;
    }
    let [acme, globex, initech, umbrella] = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    // The new installation's id will lie before the last one's.
    let earlier = app.another_server_at("2026-11-22T09:00:10Z").await;
    app.clock_only_by(20);
    app.install(&initech, "Orders").await;
    app.tick().await;
    // The call offers the release to the first installation.
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let pack = app.available(&umbrella, "Orders").await;
    let server = app.another_server_watched().await;
    let token = umbrella.token.clone();
    // The batch reads the installations, then their updates. The moment is between the two, whichever comes first.
    let is_meant = |sql: &str| sql.contains("is_entitled") || sql.contains("is_tried_again");
    server.once_after(is_meant, move || async move {
        let payload = mutate_on(&earlier, &token, "installPack", json!({ "packId": pack }), "").await;
        assert_eq!(payload.at("/errors"), &json!([]), "{payload}");
    });
    assert!(run_one_batch(&server.app.services).await.expect("the batch isn't disturbed"));
    app.tick().await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/total"), progress.int("/offered")), (4, 4), "{progress}");
    server.app.services.db.clone().close().await.expect("closed");
}

/// An account leaves a group. Another server shares a pack with the group after the call has locked the group's packs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r45_a_pack_that_a_group_gets_while_an_account_leaves_it_is_counted() {
    let app = Arc::new(TestApp::new().await);
    if app.has_one_writer() {
        return;
    }
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.unshare(&installed.pack.id, &[&app.all_accounts().await]).await;
    let group = app.group("Gold", &[&acme]).await;
    app.tick().await;
    let server = app.another_server_watched().await;
    let (other, pack, group_id) = (app.clone(), installed.pack.id.clone(), group.clone());
    let locks_packs = |sql: &str| sql.contains("\"pack_share\"") && sql.contains("FOR NO KEY UPDATE");
    server.once_after(locks_packs, move || async move { other.share(&pack, &[&group_id]).await });
    let input = json!({ "groupId": group, "accountIds": [acme.id] });
    let payload = mutate_on(&server.app, &app.publisher, "removeAccountsFromGroup", input, "frozenCount").await;
    assert_eq!((payload.at("/errors"), payload.int("/frozenCount")), (&json!([]), 1));
    server.app.services.db.clone().close().await.expect("closed");
}
