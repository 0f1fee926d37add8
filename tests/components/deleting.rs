//! Deleting and restoring packages (R8), with the effects on labels (R6) and drafts (R19).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, unknown_like};
use crate::support::{At as _, Pack, Package, TestApp, instant};

fn of(package: &Package) -> Value {
    json!({ "packagedComponentId": package.id })
}

async fn read(app: &TestApp, package: &Package, selection: &str) -> Value {
    let query = format!("query($id: ID!) {{ packagedComponent(id: $id) {{ {selection} }} }}");
    app.gql(&app.publisher, &query, json!({ "id": package.id })).await.at("/packagedComponent").clone()
}

/// Checks that deleting a package is refused because of these packs, by name.
async fn check_held_by(app: &TestApp, package: &Package, packs: &[&str]) {
    let refusal = app.refused(&app.publisher, "deletePackagedComponent", of(package)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("PACKAGE_IN_USE", "packagedComponentId"));
    let named: Vec<_> = refusal.errors[0].list("/packs").iter().map(|pack| pack.text("/name")).collect();
    assert_eq!(named, packs);
    let seen = read(app, package, "viewerCanDelete packs { edges { node { name } } }").await;
    assert_eq!(seen.at("/viewerCanDelete"), false);
    assert_eq!(seen.texts("/packs", "/name"), packs, "what the package says is what the refusal names");
}

/// The only row of a pack: its next version, its latest shareable version, and whether a newer one is available.
async fn only_row(app: &TestApp, pack: &Pack) -> (Value, Value, bool) {
    let row = app.rows(&pack.id).await.remove(0);
    let version = |at: &str| row.pointer(&format!("{at}/version")).cloned().unwrap_or(Value::Null);
    (version("/next"), version("/latestShareable"), row.at("/newerShareableAvailable") == true)
}

async fn latest(app: &TestApp, component: &str) -> Value {
    let query = "query($id: ID!) { component(id: $id) { latestShareable { version } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component })).await;
    data.pointer("/component/latestShareable/version").cloned().unwrap_or(Value::Null)
}

#[tokio::test]
async fn r08_a_package_that_nothing_holds_is_deleted_and_restored() {
    let app = TestApp::new().await;
    let (component, package) = app.packaged("Import").await;
    let selection = "packagedComponent { id deletedAt viewerCanDelete viewerCanRestore }";
    app.advance_by(60).await;
    let mark = LogMark::now(&app).await;
    let payload = app.ok(&app.publisher, "deletePackagedComponent", of(&package), selection).await;
    let deleted = payload.at("/packagedComponent");
    assert_eq!((deleted.text("/id"), instant(&deleted.text("/deletedAt"))), (package.id.clone(), app.now()));
    assert_eq!((deleted.at("/viewerCanDelete"), deleted.at("/viewerCanRestore")), (&json!(false), &json!(true)));
    assert_eq!(latest(&app, &component).await, json!(null));
    let payload = app.ok(&app.publisher, "restorePackagedComponent", of(&package), selection).await;
    let expected = json!({ "id": package.id, "deletedAt": null, "viewerCanDelete": true, "viewerCanRestore": false });
    assert_eq!(payload.at("/packagedComponent"), &expected);
    assert_eq!(latest(&app, &component).await, json!("1.0"));
    assert_eq!(mark.actions(&app).await, ["deletePackagedComponent", "restorePackagedComponent"]);
    assert!(mark.kinds(&app).await.is_empty(), "no pack has it, so that nobody is told");
}

#[tokio::test]
async fn r08_twice_is_refused() {
    let app = TestApp::new().await;
    let (_, package) = app.packaged("Import").await;
    let refusal = app.refused(&app.publisher, "restorePackagedComponent", of(&package)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NOT_DELETED", "packagedComponentId"));
    app.delete_package(&package.id).await;
    let refusal = app.refused(&app.publisher, "deletePackagedComponent", of(&package)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("ALREADY_DELETED", "packagedComponentId"));
}

#[tokio::test]
async fn r08_a_package_in_the_current_version_can_not_be_deleted() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    assert_eq!(read(&app, &pack.packages[0], "viewerCanDelete").await, json!({ "viewerCanDelete": true }));
    app.release_now(&pack.id).await;
    check_held_by(&app, &pack.packages[0], &["Orders"]).await;
    app.update_now(&pack).await;
    app.delete_package(&pack.packages[0].id).await;
    let old = app.read_pack(&pack.id, "version(number: 1) { contents { version } components { inThisContent { version ... on PackagedComponent { deletedAt } } } }").await;
    assert_eq!(old.text("/version/contents/0/version"), "1.0", "versions never change (R22)");
    assert_eq!(old.text("/version/components/0/inThisContent/version"), "1.0");
    assert!(old.at("/version/components/0/inThisContent/deletedAt").is_string());
}

#[tokio::test]
async fn r08_a_package_in_a_pending_release_can_not_be_deleted() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    check_held_by(&app, &pack.packages[0], &["Orders"]).await;
    app.cancel(&release).await;
    app.delete_package(&pack.packages[0].id).await;
}

#[tokio::test]
async fn r08_from_the_window_on_the_former_version_can_be_deleted() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let new = app.package_newer(&pack).await;
    app.release_on(&pack.id, "2026-12-01").await;
    check_held_by(&app, &pack.packages[0], &["Orders"]).await;
    // The scheduler doesn't run. Transitions that are due count all the same (R30).
    app.clock_only("2026-11-30T23:00:00Z");
    assert_eq!(read(&app, &pack.packages[0], "viewerCanDelete").await, json!({ "viewerCanDelete": true }));
    assert_eq!(read(&app, &new, "viewerCanDelete").await, json!({ "viewerCanDelete": false }));
    app.delete_package(&pack.packages[0].id).await;
    check_held_by(&app, &new, &["Orders"]).await;
}

#[tokio::test]
async fn r08_a_pinned_package_can_not_be_deleted_marked_or_not() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let second = app.package_newer(&pack).await;
    app.package_newer(&pack).await;
    app.pin(&pack.id, &pack.components[0], &second.id).await;
    check_held_by(&app, &second, &["Orders"]).await;
    app.remove(&pack.id, &pack.components[0]).await;
    check_held_by(&app, &second, &["Orders"]).await;
    let row = json!({ "packId": pack.id, "componentId": pack.components[0] });
    app.ok(&app.publisher, "restorePackComponent", row.clone(), "").await;
    app.ok(&app.publisher, "unpinPackComponent", row, "").await;
    app.delete_package(&second.id).await;
}

#[tokio::test]
async fn r08_the_error_names_all_packs_by_name() {
    let app = TestApp::new().await;
    let (component, package) = app.packaged("Import").await;
    for name in ["Zebra", "apple", "Mango"] {
        let pack = app.pack(name).await;
        app.add(&pack, &[&component]).await;
        match name {
            "Zebra" => app.release_now(&pack).await,
            "apple" => app.release_on(&pack, "2026-12-01").await,
            _ => {
                app.pin(&pack, &component, &package.id).await;
                String::new()
            }
        };
    }
    // This row isn't pinned, so it doesn't block.
    let follows = app.pack("Banana").await;
    app.add(&follows, &[&component]).await;
    check_held_by(&app, &package, &["apple", "Mango", "Zebra"]).await;
}

#[tokio::test]
async fn r08_a_deleted_pack_holds_nothing_any_more() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let new = app.package_newer(&pack).await;
    app.pin(&pack.id, &pack.components[0], &new.id).await;
    let input = json!({ "packId": pack.id, "confirmInstallations": 0 });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "deletedPackId").await;
    for package in [&pack.packages[0], &new] {
        assert_eq!(read(&app, package, "viewerCanDelete").await, json!({ "viewerCanDelete": true }));
        app.delete_package(&package.id).await;
    }
}

#[tokio::test]
async fn r06_a_deleted_package_keeps_its_label_and_counts() {
    let app = TestApp::new().await;
    let (component, first) = app.packaged("Import").await;
    let seventh = app.package_with(&component, json!({ "version": "7.3" })).await;
    app.delete_package(&seventh.id).await;
    app.delete_package(&first.id).await;
    let again = json!({ "packages": [{ "componentId": component, "version": "7.3" }] });
    let refusal = app.refused(&app.publisher, "createPackagedComponents", again).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_LABEL_TAKEN", "packages.0.version"));
    assert_eq!(refusal.errors[0].text("/takenBy/id"), seventh.id);
    assert_eq!(app.package(&component).await.version, "8.0");
}

#[tokio::test]
async fn r07_a_package_made_after_a_deleted_one_is_newer_than_it() {
    let app = TestApp::new().await;
    let (component, first) = app.packaged("Import").await;
    app.delete_package(&first.id).await;
    let second = app.package(&component).await;
    assert!(instant(&second.created_at) > instant(&first.created_at));
    app.restore_package(&first.id).await;
    assert_eq!(latest(&app, &component).await, json!("2.0"));
}

#[tokio::test]
async fn r08_lists_leave_out_deleted_packages_unless_requested() {
    let app = TestApp::new().await;
    let (component, first) = app.packaged("Import").await;
    app.package(&component).await;
    app.delete_package(&first.id).await;
    let query = "query($id: ID!, $filter: PackagedComponentFilter) {
        component(id: $id) { packagedComponents(filter: $filter) { totalCount edges { node { version deletedAt } } } }
        packagedComponents(filter: $filter) { totalCount edges { node { version } } } }";
    for (filter, expected) in [
        (json!(null), vec!["2.0"]),
        (json!({}), vec!["2.0"]),
        (json!({ "includeDeleted": false }), vec!["2.0"]),
        (json!({ "includeDeleted": true }), vec!["2.0", "1.0"]),
        (json!({ "includeDeleted": true, "search": "1.0" }), vec!["1.0"]),
    ] {
        let data = app.gql(&app.publisher, query, json!({ "id": component, "filter": filter })).await;
        for list in ["/component/packagedComponents", "/packagedComponents"] {
            assert_eq!(data.texts(list, "/version"), expected, "{filter}");
            assert_eq!(data.int(&format!("{list}/totalCount")), i64::try_from(expected.len()).unwrap());
        }
    }
    let node = app
        .gql(
            &app.publisher,
            "query($id: ID!) { node(id: $id) { id } packagedComponent(id: $id) { version } }",
            json!({ "id": first.id }),
        )
        .await;
    assert_eq!((node.text("/node/id"), node.text("/packagedComponent/version")), (first.id, "1.0".into()));
}

#[tokio::test]
async fn r19_rows_that_follow_fall_back_and_come_back() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let second = app.package_newer(&pack).await;
    let third = app.package_newer(&pack).await;
    assert_eq!(only_row(&app, &pack).await, (json!("3.0"), json!("3.0"), true));
    app.delete_package(&third.id).await;
    assert_eq!(only_row(&app, &pack).await, (json!("2.0"), json!("2.0"), true));
    app.delete_package(&second.id).await;
    assert_eq!(only_row(&app, &pack).await, (json!("1.0"), json!("1.0"), false));
    let selection = "newerShareableAvailable hasUnreleasedChanges viewerCanRelease";
    let expected =
        json!({ "newerShareableAvailable": false, "hasUnreleasedChanges": false, "viewerCanRelease": false });
    assert_eq!(app.read_pack(&pack.id, selection).await, expected);
    app.restore_package(&third.id).await;
    assert_eq!(only_row(&app, &pack).await, (json!("3.0"), json!("3.0"), true));
    let expected = json!({ "newerShareableAvailable": true, "hasUnreleasedChanges": true, "viewerCanRelease": true });
    assert_eq!(app.read_pack(&pack.id, selection).await, expected);
}

#[tokio::test]
async fn r19_an_older_one_that_is_deleted_changes_nothing() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let second = app.package_newer(&pack).await;
    app.package_newer(&pack).await;
    let before = app.rows(&pack.id).await;
    app.delete_package(&second.id).await;
    assert_eq!(app.rows(&pack.id).await, before);
    app.restore_package(&second.id).await;
    assert_eq!(app.rows(&pack.id).await, before);
}

#[tokio::test]
async fn r19_a_row_whose_packages_are_all_deleted_has_nothing_to_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Export", "Import"]).await;
    app.delete_package(&pack.packages[1].id).await;
    let rows = app.rows(&pack.id).await;
    assert_eq!((rows[1].at("/next"), rows[1].at("/latestShareable")), (&json!(null), &json!(null)));
    let input = crate::support::immediately(&pack.id);
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
    assert_eq!(refusal.code, "NO_SHAREABLE_VERSION");
    assert_eq!(refusal.errors[0].at("/components"), &json!([{ "id": pack.components[1] }]));
    let other = app.pack("Other").await;
    let adding = json!({ "packId": other, "componentIds": [pack.components[1]] });
    assert_eq!(app.refused(&app.publisher, "addPackComponents", adding).await.code, "NO_SHAREABLE_VERSION");
    let addable = "query($pack: ID!) { components(filter: { addableToPackId: $pack }) { edges { node { name } } } }";
    let seen = app.gql(&app.publisher, addable, json!({ "pack": other })).await;
    assert_eq!(seen.texts("/components", "/name"), ["Export"]);
    app.restore_package(&pack.packages[1].id).await;
    app.release_now(&pack.id).await;
}

#[tokio::test]
async fn r11_a_deleted_version_can_not_be_pinned() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.package_newer(&pack).await;
    app.delete_package(&pack.packages[0].id).await;
    let input = json!({ "packId": pack.id, "componentId": pack.components[0], "versionId": pack.packages[0].id });
    let refusal = app.refused(&app.publisher, "pinPackComponent", input).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_DELETED", "versionId"));
}

#[tokio::test]
async fn r13_adding_takes_the_newest_that_is_not_deleted() {
    let app = TestApp::new().await;
    let (component, _) = app.packaged("Import").await;
    let second = app.package(&component).await;
    app.delete_package(&second.id).await;
    let pack = app.pack("Orders").await;
    app.add(&pack, &[&component]).await;
    assert_eq!(app.rows(&pack).await[0].text("/next/version"), "1.0");
}

#[tokio::test]
async fn r19_a_restore_announces_a_newer_version_only_if_it_is_newer() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let other = app.pack("Also orders").await;
    app.add(&other, &[&pack.components[0]]).await;
    app.release_now(&pack.id).await;
    let second = app.package_newer(&pack).await;
    let third = app.package_newer(&pack).await;
    let hidden = app.package_not_shareable(&pack.components[0]).await;
    for package in [&second, &third, &hidden] {
        app.delete_package(&package.id).await;
    }
    let mark = LogMark::now(&app).await;
    app.restore_package(&hidden.id).await;
    assert!(mark.kinds(&app).await.is_empty(), "packs may not hold it");
    app.restore_package(&third.id).await;
    let announced = mark.events(&app).await;
    let packs: Vec<_> = announced.iter().map(|event| event.pack_name.as_str()).collect();
    assert_eq!(packs.len(), 2, "one for each pack that has the component: {packs:?}");
    assert!(announced.iter().all(|event| event.kind == "NEWER_SHAREABLE_PACKAGED"));
    app.restore_package(&second.id).await;
    assert_eq!(mark.events(&app).await.len(), 2, "a newer one is there");
}

#[tokio::test]
async fn r18_a_subscriber_gets_an_event_for_a_restored_package() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let second = app.package_newer(&pack).await;
    app.delete_package(&second.id).await;
    let document = "subscription($after: String) { newerShareablePackaged(after: $after) { kind packName version { id version } } }";
    let after = app.cursor(&app.publisher).await;
    let mut subscription = app.subscribe(&app.publisher, document, json!({ "after": after })).await;
    app.restore_package(&second.id).await;
    let item = subscription.next().await;
    let expected = json!({ "kind": "NEWER_SHAREABLE_PACKAGED", "packName": "Orders", "version": { "id": second.id, "version": "2.0" } });
    assert_eq!(item.at("/newerShareablePackaged"), &expected);
}

#[tokio::test]
async fn r08_an_installation_keeps_what_was_deleted_since() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.unshare(&world.pack.id, &[&app.all_accounts().await]).await;
    app.update_now(&world.pack).await;
    app.delete_package(&world.pack.packages[0].id).await;
    let selection = "state version { number contents { name version } }";
    let frozen = app.read_installation(&acme, &world.installations[0], selection).await;
    let expected = json!({ "state": "FROZEN", "version": { "number": 1, "contents": [{ "name": "Orders process", "version": "1.0" }] } });
    assert_eq!(frozen, expected);
}

#[tokio::test]
async fn r01_deleting_needs_its_privilege_and_a_publisher() {
    let app = TestApp::new().await;
    let (_, package) = app.packaged("Import").await;
    let acme = app.managed("Acme").await;
    let desk = app.token(&app.publisher, "SUPPORT").await;
    for mutation in ["deletePackagedComponent", "restorePackagedComponent"] {
        assert_eq!(app.denied(&acme.token, mutation, of(&package)).await, "FORBIDDEN");
        assert_eq!(app.denied(&desk, mutation, of(&package)).await, "FORBIDDEN");
    }
    let query = "query($id: ID!) { packagedComponent(id: $id) { deletedAt viewerCanDelete viewerCanRestore } }";
    let seen = app.gql(&desk, query, json!({ "id": package.id })).await;
    let expected = json!({ "deletedAt": null, "viewerCanDelete": false, "viewerCanRestore": false });
    assert_eq!(seen.at("/packagedComponent"), &expected);
}

#[tokio::test]
async fn r03_another_publishers_package_is_not_found() {
    let app = TestApp::new().await;
    let (component, package) = app.packaged("Import").await;
    let southwind = app.another_publisher("Southwind").await;
    for mutation in ["deletePackagedComponent", "restorePackagedComponent"] {
        let mut counts = Vec::new();
        for id in [package.id.clone(), unknown_like(&package.id)] {
            let input = json!({ "packagedComponentId": id });
            let call = app.denied(&southwind.token, mutation, input.clone());
            assert_eq!(call.await, "NOT_FOUND");
            let document = format!(
                "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
                crate::support::input_type(mutation)
            );
            let raw = app.gql_raw(Some(&southwind.token), &document, json!({ "input": input }));
            counts.push(app.statements_of(raw).await.1.len());
        }
        assert_eq!(counts[0], counts[1], "{mutation}");
        assert_eq!(
            app.denied(&app.publisher, mutation, json!({ "packagedComponentId": component })).await,
            "NOT_FOUND",
            "an ID of another type"
        );
    }
}

#[tokio::test]
async fn r20_reading_what_can_be_deleted_costs_the_same_for_many() {
    let app = TestApp::new().await;
    let query =
        "{ packagedComponents(first: 50) { edges { node { version deletedAt viewerCanDelete viewerCanRestore } } } }";
    let mut counts = Vec::new();
    for _ in 0..2 {
        for n in 0..3 {
            let pack = app.pack_with(&format!("Pack {}", counts.len() * 3 + n), &["Import"]).await;
            app.release_now(&pack.id).await;
        }
        app.gql(&app.publisher, query, json!({})).await;
        counts.push(app.statements_of(app.gql(&app.publisher, query, json!({}))).await.1.len());
    }
    assert_eq!(counts[0], counts[1]);
}
