//! Losing the last grant freezes an installation (R45). `catching_up` tests regaining it.

use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At, Installed, Managed, TestApp, refusal};

/// Acme and Globex in the group Gold, both with the pack Orders, which only Gold grants.
async fn world() -> (TestApp, Managed, Managed, String, Installed) {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex]).await;
    (app, acme, globex, gold, installed)
}

async fn state(app: &TestApp, account: &Managed, installation: &str) -> (String, i64) {
    let seen = app.read_installation(account, installation, "state version { number }").await;
    assert_eq!(seen, app.as_publisher(installation, "state version { number }").await, "both readers agree");
    (seen.text("/state"), seen.int("/version/number"))
}

fn frozen(number: i64) -> (String, i64) {
    ("FROZEN".into(), number)
}

fn active(number: i64) -> (String, i64) {
    ("ACTIVE".into(), number)
}

#[tokio::test]
async fn r45_unsharing_freezes_what_is_installed() {
    let (app, acme, globex, gold, installed) = world().await;
    let available = app.available(&acme, "Orders").await;
    let mark = LogMark::now(&app).await;
    assert_eq!(app.unshare(&installed.pack.id, &[&gold]).await, 2);
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        assert_eq!(state(&app, account, installation).await, frozen(1));
    }
    app.tick().await;
    let events = mark.events(&app).await;
    assert_eq!(events.iter().filter(|e| e.kind == "INSTALLATION_FROZEN").count(), 2, "{events:#?}");
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new(), "it is no longer to be had");
    let seen = app.read_available(&acme, &available, "isShared currentVersion { number } viewerCanInstall").await;
    assert_eq!(
        seen,
        json!({ "isShared": false, "currentVersion": null, "viewerCanInstall": false }),
        "still installed, so still seen"
    );
}

#[tokio::test]
async fn r45_leaving_the_group_freezes_the_accounts_installations_alone() {
    let (app, acme, globex, gold, installed) = world().await;
    let input = json!({ "groupId": gold, "accountIds": [acme.id] });
    let payload = app.ok(&app.publisher, "removeAccountsFromGroup", input, "frozenCount").await;
    assert_eq!(payload.int("/frozenCount"), 1);
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(1));
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(1));
}

#[tokio::test]
async fn r45_deleting_the_group_freezes_what_it_granted() {
    let (app, acme, globex, gold, installed) = world().await;
    let silver = app.group("Silver", &[&globex]).await;
    app.share(&installed.pack.id, &[&silver]).await;
    let payload = app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": gold }), "frozenCount").await;
    assert_eq!(payload.int("/frozenCount"), 1, "Globex has another grant");
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(1));
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(1));
}

#[tokio::test]
async fn r45_another_grant_keeps_an_installation_alive() {
    let (app, acme, _, gold, installed) = world().await;
    app.share_with_all(&installed.pack.id).await;
    assert_eq!(app.unshare(&installed.pack.id, &[&gold]).await, 0);
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, active(1));
    app.update_now(&installed.pack).await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, active(2));
}

#[tokio::test]
async fn r45_a_frozen_installation_is_skipped_when_the_others_are_moved_at_once() {
    let (app, acme, globex, gold, installed) = world().await;
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    app.tick().await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(1));
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(2));
    let update = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((update.text("/state"), update.text("/skipReason")), ("SKIPPED".into(), "NOT_ENTITLED".into()));
    assert_eq!(app.release_state(&release).await, "SUCCEEDED", "skipped with a reason is no failure");
    assert_eq!(
        app.updates(&acme, &installed.installations[0]).await,
        Vec::<Value>::new(),
        "it may not see what it was denied"
    );
}

#[tokio::test]
async fn r45_a_frozen_installation_is_skipped_at_the_window_and_its_offer_is_neither_shown_nor_applicable() {
    let (app, acme, globex, gold, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let available = app.available(&acme, "Orders").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.leave(&gold, &acme).await;
    assert_eq!(app.offered(&acme, &installed.installations[0]).await, None);
    assert_eq!(app.pending_updates(&acme).await, Vec::<String>::new());
    assert_eq!(app.updates(&acme, &installed.installations[0]).await, Vec::<Value>::new());
    assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "NOT_ENTITLED");
    let seen = app.read_available(&acme, &available, "pendingRelease { id }").await;
    assert_eq!(seen, json!({ "pendingRelease": null }));
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(1));
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(2));
    let skipped = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!((skipped.text("/state"), skipped.text("/skipReason")), ("SKIPPED".into(), "NOT_ENTITLED".into()));
    assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "NOT_ENTITLED");
}

#[tokio::test]
async fn r45_a_grant_that_comes_back_before_the_window_brings_the_offer_back() {
    let (app, acme, _, gold, installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.unshare(&installed.pack.id, &[&gold]).await;
    assert_eq!(app.offered(&acme, &installed.installations[0]).await, None);
    app.share(&installed.pack.id, &[&gold]).await;
    assert_eq!(app.offered(&acme, &installed.installations[0]).await, Some(update));
    app.apply(&acme, &installed.installations[0]).await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, active(2));
}

#[tokio::test]
async fn r45_a_frozen_installation_can_be_uninstalled_and_not_installed_again() {
    let (app, acme, _, gold, installed) = world().await;
    let available = app.available(&acme, "Orders").await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    let can = app.read_installation(&acme, &installed.installations[0], "viewerCanUninstall viewerCanApply").await;
    assert_eq!(can, json!({ "viewerCanUninstall": true, "viewerCanApply": false }));
    app.uninstall(&acme, &installed.installations[0]).await;
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    assert_eq!(app.denied(&acme.token, "installPack", json!({ "packId": available })).await, "NOT_FOUND");
}

#[tokio::test]
async fn r45_a_cancel_does_not_move_a_frozen_installation_back() {
    let (app, acme, globex, gold, installed) = world().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    for (account, installation) in [(&acme, &installed.installations[0]), (&globex, &installed.installations[1])] {
        app.apply(account, installation).await;
    }
    app.leave(&gold, &acme).await;
    app.cancel(&release).await;
    app.tick().await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(2));
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(1));
}

#[tokio::test]
async fn r45_a_superseding_release_does_not_move_a_frozen_installation() {
    let (app, acme, globex, gold, installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.leave(&gold, &acme).await;
    let release = app.update_now(&installed.pack).await;
    app.tick().await;
    assert_eq!(state(&app, &acme, &installed.installations[0]).await, frozen(2), "where it went by itself");
    assert_eq!(state(&app, &globex, &installed.installations[1]).await, active(3));
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/skipReason"), "NOT_ENTITLED");
}

#[tokio::test]
async fn r45_an_account_that_loses_the_grant_during_a_rollout_is_skipped_by_its_batch() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex]).await;
    app.tick().await;
    let release = app.update_now(&installed.pack).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 1, "the first batch is done before the call answers");
    app.unshare(&installed.pack.id, &[&gold]).await;
    app.tick().await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped"), progress.int("/offered")), (1, 1, 0));
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}

#[tokio::test]
async fn r45_uninstalling_without_an_offer_withdraws_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mark = LogMark::now(&app).await;
    app.uninstall(&acme, &installed.installations[0]).await;
    assert_eq!(mark.kinds(&app).await, ["INSTALLATION_REMOVED"]);
    assert_eq!(app.progress(&release).await.int("/total"), 0);
}

#[tokio::test]
async fn r45_only_what_a_call_froze_is_counted_as_frozen_by_it() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (gold, silver) = (app.group("Gold", &[&acme]).await, app.group("Silver", &[&globex]).await);
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share(&pack.id, &[&gold, &silver]).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    for account in [&acme, &globex] {
        app.install(account, "Orders").await;
    }
    assert_eq!(app.unshare(&pack.id, &[&gold]).await, 1);
    assert_eq!(app.unshare(&pack.id, &[&silver]).await, 1, "the other one has been frozen before");
}

#[tokio::test]
async fn r45_what_a_call_froze_is_counted_before_any_batch_has_come_to_it() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let silver = app.group("Silver", &[&initech]).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share(&pack.id, &[&gold, &silver]).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    for account in [&acme, &globex, &initech] {
        app.install(account, "Orders").await;
    }
    assert_eq!(app.unshare(&pack.id, &[&gold]).await, 2);
    assert_eq!(app.unshare(&pack.id, &[&silver]).await, 1, "no batch has frozen all that the former call froze");
    app.tick().await;
    app.share(&pack.id, &[&gold]).await;
    assert_eq!(app.unshare(&pack.id, &[&gold]).await, 2, "no batch has unfrozen all of them");
}

#[tokio::test]
async fn r45_a_release_made_while_an_installation_is_frozen_is_hidden_from_its_account_also_by_its_id() {
    let (app, acme, globex, gold, installed) = world().await;
    app.leave(&gold, &acme).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let offer = app.read_installation(
        &globex,
        &installed.installations[1],
        "pendingUpdate { release { ... on AnnouncedRelease { id } } }",
    );
    let announced = offer.await.text("/pendingUpdate/release/id");
    let node = async |token: &str| {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        app.gql(token, query, json!({ "id": announced })).await.at("/node").clone()
    };
    assert_eq!(node(&globex.token).await, json!({ "id": announced }));
    assert_eq!(node(&acme.token).await, Value::Null);
}

#[tokio::test]
async fn r45_a_frozen_installation_has_no_pending_update_for_its_publisher_either() {
    let (app, acme, _, gold, installed) = world().await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.leave(&gold, &acme).await;
    let query = "query($filter: InstallationFilter) { installations(filter: $filter) { edges { node { id pendingUpdate { state } } } } }";
    let listed = async |pending: bool| {
        app.gql(&app.publisher, query, json!({ "filter": { "hasPendingUpdate": pending } }))
            .await
            .nodes("/installations")
    };
    let [frozen, active] = [&installed.installations[0], &installed.installations[1]];
    assert_eq!(listed(true).await, [json!({ "id": active, "pendingUpdate": { "state": "OFFERED" } })]);
    assert_eq!(listed(false).await, [json!({ "id": frozen, "pendingUpdate": null })]);
}

#[tokio::test]
async fn r45_a_frozen_account_gets_no_event_of_a_withdrawn_offer() {
    for way in ["superseded", "canceled", "deleted", "uninstalled"] {
        let (app, acme, globex, gold, installed) = world().await;
        app.update_on(&installed.pack, "2026-12-01").await;
        let release = app.read_pack(&installed.pack.id, "pendingRelease { id }").await.text("/pendingRelease/id");
        let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
        app.leave(&gold, &acme).await;
        app.tick().await;
        let (a, g) = (app.cursor(&acme.token).await, app.cursor(&globex.token).await);
        let mark = LogMark::now(&app).await;
        match way {
            "superseded" => drop(app.update_now(&installed.pack).await),
            "canceled" => app.cancel(&release).await,
            "deleted" => {
                let input = json!({ "packId": installed.pack.id, "confirmInstallations": 2 });
                app.ok(&app.publisher, "deleteIntegrationPack", input, "uninstalledCount").await;
            }
            _ => app.uninstall(&acme, &installed.installations[0]).await,
        }
        app.tick().await;
        let kinds_of = |events: Vec<Value>| events.iter().map(|event| event.text("/kind")).collect::<Vec<_>>();
        let to_acme = kinds_of(app.events_since(&acme.token, &a, Value::Null).await);
        let expected: &[&str] = match way {
            "deleted" => &["PACK_DELETED"],
            "uninstalled" => &["INSTALLATION_REMOVED"],
            _ => &[],
        };
        assert_eq!(to_acme, expected, "{way}");
        if way != "uninstalled" {
            let to_globex = kinds_of(app.events_since(&globex.token, &g, Value::Null).await);
            assert!(to_globex.contains(&"INSTALLATION_UPDATED".to_owned()), "{way}: who isn't frozen hears it");
        }
        let id = Some(crate::support::rows::uuids_of(&installed.installations[0])[0]);
        let withdrawn: Vec<_> = mark
            .events(&app)
            .await
            .into_iter()
            .filter(|event| event.installation_id == id && event.update_state.as_deref() == Some("WITHDRAWN"))
            .collect();
        assert_eq!(withdrawn.len(), 1, "{way}: the publisher hears it");
        assert_eq!(withdrawn[0].audience, "PUBLISHER", "{way}");
        if way != "deleted" && way != "uninstalled" {
            assert_eq!(
                app.updates(&acme, &installed.installations[0]).await,
                Vec::<Value>::new(),
                "{way}: it isn't shown"
            );
        }
        let node = app.gql(&acme.token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": update })).await;
        assert_eq!(node, json!({ "node": null }), "{way}");
    }
}
