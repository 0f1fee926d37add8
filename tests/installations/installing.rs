//! Installing, renaming, uninstalling (R31, R43, R44).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, code_of, refusal_of};
use crate::support::{At, Managed, TestApp, code_and_field, refusal};

const INSTALLATION: &str = "installation { id name version { number } state }";

/// The payload of installing a pack by the ID that the account knows.
async fn install(app: &TestApp, account: &Managed, pack: &str, name: Option<&str>) -> Value {
    let mut input = json!({ "packId": pack });
    if let Some(name) = name {
        input["overrideName"] = json!(name);
    }
    app.mutate(&account.token, "installPack", input, INSTALLATION).await
}

/// The code and the field of the refusal to install a pack.
async fn refused(app: &TestApp, account: &Managed, pack: &str, name: Option<&str>) -> (String, String) {
    let refusal = refusal(&install(app, account, pack, name).await);
    (refusal.code, refusal.field)
}

/// Creates a MULTI pack that every account may install.
async fn multi(app: &TestApp, name: &str) {
    let pack = app.multi_pack_with(name, &[&format!("{name} process")]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
}

#[tokio::test]
async fn r31_an_installation_made_in_a_testing_period_gets_the_current_version_and_is_offered_the_pending_one() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_pack("Orders", &[]).await.pack;
    let release = app.update_on(&pack, "2026-12-01").await;
    let id = app.available(&acme, "Orders").await;
    let payload = app
        .ok(&acme.token, "installPack", json!({ "packId": id }), "installation { id version { number } pendingUpdate { id state fromVersion { number } toVersion { number } release { window { date } } } }")
        .await;
    assert_eq!(payload.int("/installation/version/number"), 1);
    let offer = payload.at("/installation/pendingUpdate");
    assert_eq!(
        (offer.text("/state"), offer.int("/fromVersion/number"), offer.int("/toVersion/number")),
        ("OFFERED".into(), 1, 2)
    );
    assert_eq!(offer.text("/release/window/date"), "2026-12-01");
    assert_eq!(app.progress(&release).await.int("/offered"), 1);
    let installation = payload.text("/installation/id");
    app.apply(&acme, &installation).await;
    assert_eq!(app.installed_number(&acme, &installation).await, 2);
}

#[tokio::test]
async fn r43_a_pack_without_a_grant_or_a_current_version_is_not_found() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&globex]).await;
    app.installed_pack_in("Orders", &gold, &[]).await;
    let id = app.available(&globex, "Orders").await;
    assert_eq!(app.denied(&acme.token, "installPack", json!({ "packId": id })).await, "NOT_FOUND");
    let draft = app.pack_with("Draft", &["Import"]).await;
    app.share_with_all(&draft.id).await;
    assert_eq!(
        app.denied(&acme.token, "installPack", json!({ "packId": draft.id })).await,
        "NOT_FOUND",
        "a publisher's ID"
    );
    // The ID that the account will know after the first window, used before it.
    app.release_on(&draft.id, "2026-12-01").await;
    let (prefix, _) = id.split_once('_').expect("a prefix");
    let (_, uuid) = draft.id.split_once('_').expect("a prefix");
    let early = json!({ "packId": format!("{prefix}_{uuid}") });
    assert_eq!(app.denied(&acme.token, "installPack", early.clone()).await, "NOT_FOUND");
    app.clock_only("2026-11-30T23:00:00Z");
    let payload = app.ok(&acme.token, "installPack", early, INSTALLATION).await;
    assert_eq!(payload.int("/installation/version/number"), 1, "from the moment its window opens");
}

#[tokio::test]
async fn r43_a_single_pack_is_installed_once() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let id = app.available(&acme, "Orders").await;
    let refusal = app.refused(&acme.token, "installPack", json!({ "packId": id })).await;
    assert_eq!(refusal.code, "ALREADY_INSTALLED");
    assert_eq!(refusal.errors[0].at("/existing"), &json!({ "id": installed.installations[0] }));
    assert_eq!(app.read_available(&acme, &id, "viewerCanInstall").await, json!({ "viewerCanInstall": false }));
    app.install(&globex, "Orders").await;
    app.uninstall(&acme, &installed.installations[0]).await;
    assert_eq!(app.read_available(&acme, &id, "viewerCanInstall").await, json!({ "viewerCanInstall": true }));
    let again = app.install(&acme, "Orders").await;
    assert_ne!(again, installed.installations[0], "a new installation");
    let name = app.read_installation(&acme, &again, "name").await;
    assert_eq!(name.text("/name"), "Orders", "it bears the pack's name");
}

#[tokio::test]
async fn r43_two_installs_of_a_single_pack_at_once_make_one() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.installed_pack("Orders", &[]).await;
    let id = app.available(&acme, "Orders").await;
    let mark = LogMark::now(&app).await;
    let attempt = || install(&app, &acme, &id, None);
    let answers: [Value; 4] = tokio::join!(attempt(), attempt(), attempt(), attempt()).into();
    let codes: Vec<_> = answers.iter().filter_map(refusal_of).collect();
    assert_eq!(codes, ["ALREADY_INSTALLED"; 3], "{answers:#?}");
    assert_eq!(
        app.gql(&acme.token, "{ installations { edges { node { id } } } }", json!(null))
            .await
            .nodes("/installations")
            .len(),
        1
    );
    assert_eq!(mark.actions(&app).await, ["installPack"]);
}

#[tokio::test]
async fn r43_a_multi_pack_is_installed_any_number_of_times_under_names_of_its_own() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    multi(&app, "Orders").await;
    multi(&app, "Invoices").await;
    let (orders, invoices) = (app.available(&acme, "Orders").await, app.available(&acme, "Invoices").await);
    let unnamed = install(&app, &acme, &orders, None).await;
    assert_eq!(unnamed.text("/installation/name"), "Orders", "the pack's name by default");
    assert_eq!(refused(&app, &acme, &orders, None).await, code_and_field("OVERRIDE_NAME_TAKEN", "overrideName"));
    let named = install(&app, &acme, &orders, Some(" Berlin ")).await;
    assert_eq!(named.text("/installation/name"), "Berlin", "trimmed");
    for used in ["Berlin", "BERLIN", "orders", "Orders "] {
        for pack in [&orders, &invoices] {
            let refusal = refusal(&install(&app, &acme, pack, Some(used)).await);
            assert_eq!(
                (refusal.code.as_str(), refusal.field.as_str()),
                ("OVERRIDE_NAME_TAKEN", "overrideName"),
                "{used}"
            );
            let holder = if used.trim().eq_ignore_ascii_case("berlin") { &named } else { &unnamed };
            assert_eq!(refusal.errors[0].at("/existing/id"), holder.at("/installation/id"));
        }
    }
    let globexes = app.available(&globex, "Orders").await;
    assert_eq!(
        install(&app, &globex, &globexes, Some("Berlin")).await.at("/errors"),
        &json!([]),
        "unique in one account"
    );
    app.uninstall(&acme, &named.text("/installation/id")).await;
    assert_eq!(install(&app, &acme, &invoices, Some("berlin")).await.at("/errors"), &json!([]), "free again");
}

#[tokio::test]
async fn r43_a_single_packs_name_is_no_override_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.installed_pack("Berlin", &[&acme]).await;
    multi(&app, "Orders").await;
    let orders = app.available(&acme, "Orders").await;
    assert_eq!(
        install(&app, &acme, &orders, Some("Berlin")).await.at("/errors"),
        &json!([]),
        "unique among MULTI installations"
    );
}

#[tokio::test]
async fn r43_an_override_name_for_a_single_pack_is_refused() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[]).await;
    let id = app.available(&acme, "Orders").await;
    for name in ["Mine", "Orders", ""] {
        assert_eq!(
            refused(&app, &acme, &id, Some(name)).await,
            code_and_field("OVERRIDE_NAME_NOT_ALLOWED", "overrideName"),
            "{name:?}"
        );
    }
    let installation = app.install(&acme, &installed.pack.name).await;
    let input = json!({ "installationId": installation, "overrideName": "Mine" });
    let refusal = app.refused(&acme.token, "renameInstallation", input).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("OVERRIDE_NAME_NOT_ALLOWED", "overrideName"));
}

#[tokio::test]
async fn r43_an_override_name_has_one_to_255_characters() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    multi(&app, "Orders").await;
    let id = app.available(&acme, "Orders").await;
    let installation = app.install_as(&acme, "Orders", "Berlin").await;
    for name in [String::new(), " \u{2003}".into(), "é".repeat(256)] {
        assert_eq!(
            refused(&app, &acme, &id, Some(&name)).await,
            code_and_field("OVERRIDE_NAME_INVALID", "overrideName")
        );
        let input = json!({ "installationId": installation, "overrideName": name });
        assert_eq!(app.refused(&acme.token, "renameInstallation", input).await.code, "OVERRIDE_NAME_INVALID");
    }
    app.install_as(&acme, "Orders", &"e\u{301}".repeat(255)).await;
    assert_eq!(
        app.denied(&acme.token, "installPack", json!({ "packId": id, "overrideName": "a\u{0}" })).await,
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn r43_two_installs_of_one_name_at_once_make_one() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    multi(&app, "Orders").await;
    let id = app.available(&acme, "Orders").await;
    let attempt = |name: &'static str| install(&app, &acme, &id, Some(name));
    let (one, other) = tokio::join!(attempt("Berlin"), attempt("BERLIN"));
    let codes: Vec<_> = [&one, &other].into_iter().filter_map(refusal_of).collect();
    assert_eq!(codes, ["OVERRIDE_NAME_TAKEN"], "{one:#} {other:#}");
}

#[tokio::test]
async fn r43_renaming_keeps_names_unique() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    multi(&app, "Orders").await;
    let (berlin, paris) =
        (app.install_as(&acme, "Orders", "Berlin").await, app.install_as(&acme, "Orders", "Paris").await);
    let rename = |id: &str, name: &str| {
        let input = json!({ "installationId": id, "overrideName": name });
        app.mutate(&acme.token, "renameInstallation", input, "installation { id name }")
    };
    let used = refusal(&rename(&paris, "berlin").await);
    assert_eq!((used.code.as_str(), used.field.as_str()), ("OVERRIDE_NAME_TAKEN", "overrideName"));
    assert_eq!(used.errors[0].at("/existing"), &json!({ "id": berlin }));
    assert_eq!(rename(&berlin, "BERLIN").await.text("/installation/name"), "BERLIN", "its own name in another case");
    assert_eq!(rename(&berlin, "Rome").await.text("/installation/name"), "Rome");
    assert_eq!(rename(&paris, "Berlin").await.text("/installation/name"), "Berlin", "free now");
    let (one, other) = tokio::join!(rename(&paris, "Oslo"), rename(&berlin, "oslo"));
    let codes: Vec<_> = [&one, &other].into_iter().filter_map(refusal_of).collect();
    assert_eq!(codes, ["OVERRIDE_NAME_TAKEN"], "{one:#} {other:#}");
    let names = app
        .gql(&acme.token, "{ installations { edges { node { name } } } }", json!(null))
        .await
        .texts("/installations", "/name");
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn r43_installations_are_read_by_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    multi(&app, "Orders").await;
    for name in ["b", "C", "a", "Ä"] {
        app.install_as(&acme, "Orders", name).await;
    }
    let names = app
        .gql(&acme.token, "{ installations { edges { node { name } } } }", json!(null))
        .await
        .texts("/installations", "/name");
    assert_eq!(names, ["a", "b", "C", "Ä"]);
}

#[tokio::test]
async fn r43_a_pack_that_is_only_still_installed_cannot_be_installed_again() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let single = app.installed_pack_in("Single", &gold, &[&acme]).await;
    let pack = app.multi_pack_with("Multi", &["Process"]).await;
    app.share(&pack.id, &[&gold]).await;
    app.release_now(&pack.id).await;
    app.install(&acme, "Multi").await;
    let (one, many) = (app.available(&acme, "Single").await, app.available(&acme, "Multi").await);
    app.unshare(&pack.id, &[&gold]).await;
    app.unshare(&single.pack.id, &[&gold]).await;
    assert_eq!(refused(&app, &acme, &many, Some("Another")).await, code_and_field("NOT_ENTITLED", ""));
    assert_eq!(refused(&app, &acme, &one, None).await, code_and_field("NOT_ENTITLED", ""), "before ALREADY_INSTALLED");
}

#[tokio::test]
async fn r43_a_call_that_is_repeated_installs_once() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    multi(&app, "Orders").await;
    let id = app.available(&acme, "Orders").await;
    let input = |name: &str| json!({ "packId": id, "overrideName": name, "clientRequestId": "request-1" });
    let call = |name: &'static str| app.mutate(&acme.token, "installPack", input(name), INSTALLATION);
    let (first, second) = tokio::join!(call("Berlin"), call("Berlin"));
    assert_eq!(first.at("/errors"), &json!([]), "{first:#}");
    assert_eq!(
        first.at("/installation/id"),
        second.at("/installation/id"),
        "a concurrent one waits and gets the first answer"
    );
    assert_eq!(call("Berlin").await.at("/installation/id"), first.at("/installation/id"));
    let reused = refusal(&call("Paris").await);
    assert_eq!((reused.code.as_str(), reused.field.as_str()), ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"));
    app.advance_to("2026-11-23T09:00:01Z").await;
    assert_eq!(refusal(&call("Berlin").await).code, "OVERRIDE_NAME_TAKEN", "remembered for 24 hours");
}

#[tokio::test]
async fn r44_uninstalling_in_a_testing_period_withdraws_the_offer() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.uninstall(&acme, &installed.installations[0]).await;
    assert_eq!(app.pending_updates(&acme).await, Vec::<String>::new());
    assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "UPDATE_WITHDRAWN");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/total"), progress.int("/offered"), progress.int("/withdrawn")), (2, 1, 1));
    let withdrawn = app.updates_of(&release).await.into_iter().find(|u| u.text("/state") == "WITHDRAWN").expect("one");
    assert_eq!(withdrawn.at("/installation"), &Value::Null, "it was uninstalled");
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/withdrawn")), (1, 1));
}

#[tokio::test]
async fn r44_uninstalling_twice_is_not_found() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let id = &installed.installations[0];
    let document =
        "mutation($id: ID!) { uninstallPack(input: { installationId: $id }) { uninstalledId errors { code } } }";
    let attempt = || app.gql_raw(Some(&acme.token), document, json!({ "id": id }));
    let (one, other) = tokio::join!(attempt(), attempt());
    let done = [&one, &other]
        .into_iter()
        .filter(|a| a.pointer("/data/uninstallPack/uninstalledId").is_some_and(|i| i == id))
        .count();
    assert_eq!(done, 1, "{one:#} {other:#}");
    assert_eq!([&one, &other].into_iter().filter_map(code_of).collect::<Vec<_>>(), ["NOT_FOUND"]);
    assert_eq!(
        app.error_code(Some(&acme.token), "query($id: ID!) { installation(id: $id) { id } }", json!({ "id": id }))
            .await,
        "NOT_FOUND"
    );
    assert_eq!(
        app.error_code(Some(&app.publisher), "query($id: ID!) { installation(id: $id) { id } }", json!({ "id": id }))
            .await,
        "NOT_FOUND"
    );
}
