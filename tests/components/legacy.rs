//! Legacy packs, which hold publications and not packages (R52). All other rules hold for both models.

use serde_json::{Value, json};

use crate::support::rows::{LogMark, unknown_like};
use crate::support::{At as _, Managed, Publication, TestApp, immediately, instant, on_date};

/// The only row of a pack: its current, next and latest shareable versions, and whether a newer one is available.
async fn only_row(app: &TestApp, pack: &str) -> (Value, Value, Value, bool) {
    let row = app.rows(pack).await.remove(0);
    let version = |at: &str| row.pointer(&format!("{at}/version")).cloned().unwrap_or(Value::Null);
    (version("/current"), version("/next"), version("/latestShareable"), row.at("/newerShareableAvailable") == true)
}

/// A legacy pack with one published process, released and shared with all accounts: (pack, component, publication 1).
async fn released(app: &TestApp, name: &str) -> (String, String, Publication) {
    let component = app.component(&format!("{name} process")).await;
    let first = app.publish(&component).await;
    let pack = app.legacy_pack(name).await;
    app.add(&pack, &[&component]).await;
    app.share_with_all(&pack).await;
    app.release_now(&pack).await;
    (pack, component, first)
}

fn pinning(pack: &str, component: &str, version: &str) -> Value {
    json!({ "packId": pack, "componentId": component, "versionId": version })
}

#[tokio::test]
async fn r52_publications_are_numbered_and_keep_their_notes() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let selection =
        "publication { id number version shareable notes createdAt createdBy { kind name } component { id name } }";
    let mut made = Vec::new();
    for notes in [json!("First."), json!(null), json!("")] {
        let input = json!({ "componentId": component, "notes": notes });
        let payload = app.ok(&app.publisher, "publishComponent", input, selection).await;
        made.push(payload.at("/publication").clone());
    }
    let described =
        |p: &Value| (p.int("/number"), p.text("/version"), p.at("/notes").clone(), p.at("/shareable") == true);
    assert_eq!(described(&made[0]), (1, "1".into(), json!("First."), true));
    assert_eq!(described(&made[1]), (2, "2".into(), json!(null), true));
    assert_eq!(described(&made[2]), (3, "3".into(), json!(null), true), "nothing is nothing");
    assert_eq!(made[0].at("/component"), &json!({ "id": component, "name": "Import" }));
    assert_eq!(made[0].at("/createdBy"), &json!({ "kind": "API_TOKEN", "name": "northwind-admin" }));
    let query = "query($id: ID!, $publication: ID!) {
        component(id: $id) { latestPublication { number } latestShareable { id } packagedComponents { totalCount }
            publications(first: 2) { totalCount edges { node { number } } pageInfo { hasNextPage endCursor } } }
        node(id: $publication) { id ... on ComponentVersion { version } } }";
    let data = app.gql(&app.publisher, query, json!({ "id": component, "publication": made[0].text("/id") })).await;
    assert_eq!(data.int("/component/latestPublication/number"), 3);
    assert_eq!(
        (data.at("/component/latestShareable"), data.int("/component/packagedComponents/totalCount")),
        (&json!(null), 0)
    );
    let numbers: Vec<_> = data.nodes("/component/publications").iter().map(|p| p.int("/number")).collect();
    assert_eq!((numbers, data.int("/component/publications/totalCount")), (vec![3, 2], 3));
    let rest = "query($id: ID!, $after: String) { component(id: $id) { publications(after: $after) { edges { node { number } } } } }";
    let after = data.text("/component/publications/pageInfo/endCursor");
    let data = app.gql(&app.publisher, rest, json!({ "id": component, "after": after })).await;
    assert_eq!(data.at("/component/publications/edges"), &json!([{ "node": { "number": 1 } }]));
}

#[tokio::test]
async fn r52_each_kind_counts_by_itself() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    app.publish(&component).await;
    app.publish(&component).await;
    let package = app.package(&component).await;
    assert_eq!(package.version, "1.0", "a publication's number is no label (R6)");
    let query = "query($id: ID!) { packagedComponent(id: $id) { revision } }";
    let read = app.gql(&app.publisher, query, json!({ "id": package.id })).await;
    assert_eq!(read.int("/packagedComponent/revision"), 1);
    app.package_with(&component, json!({ "version": "3" })).await;
    assert_eq!(app.publish(&component).await.number, 3, "whatever the labels of packages are");
}

#[tokio::test]
async fn r07_a_later_version_is_newer_whatever_its_kind() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let mut times = Vec::new();
    for _ in 0..2 {
        times.push(instant(&app.package(&component).await.created_at));
        times.push(instant(&app.publish(&component).await.created_at));
    }
    assert!(times.is_sorted_by(|a, b| a < b), "the clock stood still: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_two_calls_at_once_get_numbers_of_their_own() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let (one, other) = tokio::join!(app.publish(&component), app.publish(&component));
    let mut numbers = [one.number, other.number];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

#[tokio::test]
async fn r52_a_component_that_can_not_be_shared_can_not_be_published() {
    let app = TestApp::new().await;
    let too_long = "x".repeat(4_001);
    for component_type in ["PROCESS_ROUTE", "CERTIFICATE", "CUSTOM_LIBRARY", "FLOW_SERVICE", "PROCESSING_GROUP"] {
        let component = app.component_of("Something", component_type).await;
        let input = json!({ "componentId": component, "notes": too_long });
        let refusal = app.refused(&app.publisher, "publishComponent", input).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("TYPE_NOT_SHAREABLE", "componentId"));
    }
    for component_type in ["PROCESS", "API_SERVICE"] {
        let component = app.component_of("Something", component_type).await;
        app.publish(&component).await;
    }
}

#[tokio::test]
async fn r52_notes_have_at_most_4000_characters() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let input = |length: usize| json!({ "componentId": component, "notes": "ü".repeat(length) });
    let refusal = app.refused(&app.publisher, "publishComponent", input(4_001)).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NOTES_TOO_LONG", "notes"));
    app.ok(&app.publisher, "publishComponent", input(4_000), "").await;
    let zero = json!({ "componentId": component, "notes": "a\u{0}b" });
    assert_eq!(app.denied(&app.publisher, "publishComponent", zero).await, "BAD_USER_INPUT");
}

#[tokio::test]
async fn r52_a_named_call_is_done_once() {
    let app = TestApp::new().await;
    let (component, other) = (app.component("Import").await, app.component_of("Key", "CERTIFICATE").await);
    let call = |component: &str, notes: &str| json!({ "componentId": component, "notes": notes, "clientRequestId": "build 7" });
    let first = app.ok(&app.publisher, "publishComponent", call(&component, "a"), "publication { id }").await;
    let mark = LogMark::now(&app).await;
    let again = app.ok(&app.publisher, "publishComponent", call(&component, "a"), "publication { id }").await;
    assert_eq!(first, again);
    assert!(mark.actions(&app).await.is_empty());
    let refusal = app.refused(&app.publisher, "publishComponent", call(&component, "b")).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("CLIENT_REQUEST_ID_REUSED", "clientRequestId"));
    // The type and the notes are checked before the `clientRequestId`, as the description says.
    assert_eq!(app.refused(&app.publisher, "publishComponent", call(&other, "a")).await.code, "TYPE_NOT_SHAREABLE");
    let long = "x".repeat(4_001);
    assert_eq!(app.refused(&app.publisher, "publishComponent", call(&component, &long)).await.code, "NOTES_TOO_LONG");
}

#[tokio::test]
async fn r52_the_model_is_fixed_at_creation_and_packaged_by_default() {
    let app = TestApp::new().await;
    let packaged = app.pack("Packaged").await;
    let legacy = app.legacy_pack("Legacy").await;
    let model = async |pack: &str| app.read_pack(pack, "deploymentModel").await.text("/deploymentModel");
    assert_eq!((model(&packaged).await, model(&legacy).await), ("PACKAGED".into(), "LEGACY".into()));
}

#[tokio::test]
async fn r52_each_model_takes_its_own_kind_alone() {
    let app = TestApp::new().await;
    let (packaged, legacy) = (app.pack("Packaged").await, app.legacy_pack("Legacy").await);
    let published = app.component("Published").await;
    let publication = app.publish(&published).await;
    let (package_only, package) = app.packaged("With a package").await;
    let adding = |pack: &str, component: &str| json!({ "packId": pack, "componentIds": [component] });
    for (pack, component) in [(&packaged, &published), (&legacy, &package_only)] {
        let refusal = app.refused(&app.publisher, "addPackComponents", adding(pack, component)).await;
        assert_eq!(refusal.code, "NO_SHAREABLE_VERSION");
        let addable = "query($pack: ID!) { components(filter: { addableToPackId: $pack }) { edges { node { id } } } }";
        let seen = app.gql(&app.publisher, addable, json!({ "pack": pack })).await.texts("/components", "/id");
        assert!(seen.len() == 1 && !seen.contains(component), "{seen:?}");
    }
    app.add(&packaged, &[&package_only]).await;
    app.add(&legacy, &[&published]).await;
    // Both components have both kinds of versions now.
    app.publish(&package_only).await;
    let (also_published, also_packaged) = (app.publish(&package_only).await, app.package(&published).await);
    for (pack, component, version) in
        [(&packaged, &package_only, &also_published.id), (&legacy, &published, &also_packaged.id)]
    {
        let refusal = app.refused(&app.publisher, "pinPackComponent", pinning(pack, component, version)).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("WRONG_DEPLOYMENT_MODEL", "versionId"));
    }
    let next = async |pack: &str| app.rows(pack).await[0].text("/next/id");
    assert_eq!((next(&packaged).await, next(&legacy).await), (package.id, publication.id), "neither takes the other's");
}

#[tokio::test]
async fn r52_an_id_of_the_other_kind_names_nothing() {
    let app = TestApp::new().await;
    let (pack, component, first) = released(&app, "Ledger").await;
    let (_, uuid) = first.id.split_once('_').unwrap();
    for id in [format!("pkg_{uuid}"), unknown_like(&first.id), component.clone()] {
        assert_eq!(
            app.denied(&app.publisher, "pinPackComponent", pinning(&pack, &component, &id)).await,
            "NOT_FOUND",
            "{id}"
        );
        let query = "query($id: ID!) { packagedComponent(id: $id) { version } }";
        assert_eq!(app.error_code(Some(&app.publisher), query, json!({ "id": id })).await, "NOT_FOUND");
    }
    for mutation in ["deletePackagedComponent", "restorePackagedComponent"] {
        let input = json!({ "packagedComponentId": first.id });
        assert_eq!(app.denied(&app.publisher, mutation, input).await, "NOT_FOUND", "publications are never deleted");
    }
}

#[tokio::test]
async fn r12_a_multi_legacy_pack_holds_no_api_service() {
    let app = TestApp::new().await;
    let service = app.component_of("Orders API", "API_SERVICE").await;
    app.publish(&service).await;
    let input = json!({ "name": "Ledgers", "installationType": "MULTI", "deploymentModel": "LEGACY" });
    let multi = app.ok(&app.publisher, "createIntegrationPack", input, "integrationPack { id }").await;
    let adding = |pack: &str| json!({ "packId": pack, "componentIds": [service] });
    let refusal = app.refused(&app.publisher, "addPackComponents", adding(&multi.text("/integrationPack/id"))).await;
    assert_eq!(refusal.code, "API_SERVICE_IN_MULTI");
    let single = app.legacy_pack("Ledger").await;
    app.ok(&app.publisher, "addPackComponents", adding(&single), "").await;
}

#[tokio::test]
async fn r19_a_legacy_pack_has_something_newer_when_something_newer_is_published() {
    let app = TestApp::new().await;
    let (pack, component, _) = released(&app, "Ledger").await;
    assert_eq!(only_row(&app, &pack).await, (json!("1"), json!("1"), json!("1"), false));
    app.package(&component).await;
    assert_eq!(only_row(&app, &pack).await, (json!("1"), json!("1"), json!("1"), false), "a package is none of its");
    app.publish(&component).await;
    assert_eq!(only_row(&app, &pack).await, (json!("1"), json!("2"), json!("2"), true));
    let query = "{ packsWithNewerShareableVersions { edges { node { name components(onlyWithNewerShareable: true) {
        current { __typename version } latestShareable { __typename version ... on Publication { number } } } } } } }";
    let newer = app.gql(&app.publisher, query, json!(null)).await;
    let expected = json!([{ "name": "Ledger", "components": [{
        "current": { "__typename": "Publication", "version": "1" },
        "latestShareable": { "__typename": "Publication", "version": "2", "number": 2 } }] }]);
    assert_eq!(json!(newer.nodes("/packsWithNewerShareableVersions")), expected);
    app.release_now(&pack).await;
    assert_eq!(only_row(&app, &pack).await, (json!("2"), json!("2"), json!("2"), false));
    let old = "version(number: 1) { components { inThisContent { version } latestShareable { version } newerShareableAvailable } }";
    let read = app.read_pack(&pack, old).await;
    let expected = json!([{ "inThisContent": { "version": "1" }, "latestShareable": { "version": "2" }, "newerShareableAvailable": false }]);
    assert_eq!(read.at("/version/components"), &expected);
}

#[tokio::test]
async fn r52_a_version_shows_a_component_that_left_the_draft_by_its_model() {
    let app = TestApp::new().await;
    let (pack, component, _) = released(&app, "Ledger").await;
    let other = app.component("Other").await;
    app.publish(&other).await;
    app.add(&pack, &[&other]).await;
    app.remove(&pack, &component).await;
    app.release_now(&pack).await;
    app.package(&component).await;
    app.publish(&component).await;
    let old =
        "version(number: 1) { components { inThisContent { version } next { version } latestShareable { version } } }";
    let read = app.read_pack(&pack, old).await;
    let expected =
        json!([{ "inThisContent": { "version": "1" }, "next": null, "latestShareable": { "version": "2" } }]);
    assert_eq!(read.at("/version/components"), &expected);
}

#[tokio::test]
async fn r18_publishing_announces_to_legacy_packs_and_packaging_to_the_others() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    app.publish(&component).await;
    app.package(&component).await;
    let (legacy, packaged) = (app.legacy_pack("Legacy").await, app.pack("Packaged").await);
    for pack in [&legacy, &packaged] {
        app.add(pack, &[&component]).await;
        app.release_now(pack).await;
    }
    let document = "subscription($after: String) { newerShareablePackaged(after: $after) { packName version { __typename version } } }";
    let after = app.cursor(&app.publisher).await;
    let mut subscription = app.subscribe(&app.publisher, document, json!({ "after": after })).await;
    let mark = LogMark::now(&app).await;
    app.publish(&component).await;
    app.package(&component).await;
    let described: Vec<_> = mark.events(&app).await.into_iter().map(|event| (event.kind, event.pack_name)).collect();
    let newer = |name: &str| ("NEWER_SHAREABLE_PACKAGED".to_owned(), name.to_owned());
    let made = || ("COMPONENT_PACKAGED".to_owned(), String::new());
    let expected = [made(), newer("Legacy"), made(), newer("Packaged")];
    assert_eq!(described, expected, "one for each pack, by its own kind");
    for (name, kind, version) in [("Legacy", "Publication", "2"), ("Packaged", "PackagedComponent", "2.0")] {
        let item = subscription.next().await;
        let expected = json!({ "packName": name, "version": { "__typename": kind, "version": version } });
        assert_eq!(item.at("/newerShareablePackaged"), &expected);
    }
    assert_eq!(mark.actions(&app).await, ["publishComponent", "createPackagedComponents"]);
    for pack in [&legacy, &packaged] {
        assert_eq!(app.current_number(pack).await, Some(1), "nothing was released");
    }
}

/// The number and the content of the version that an account has.
async fn has(app: &TestApp, account: &Managed, installation: &str) -> (i64, Value) {
    let read = app.read_installation(account, installation, "version { number contents { name type version } }").await;
    (read.int("/version/number"), read.at("/version/contents").clone())
}

#[tokio::test]
async fn r52_a_legacy_pack_lives_like_any_other() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (pack, component, first) = released(&app, "Ledger").await;
    let installations = [app.install(&acme, "Ledger").await, app.install(&globex, "Ledger").await];
    let content = |number: &str| json!([{ "name": "Ledger process", "type": "PROCESS", "version": number }]);
    assert_eq!(has(&app, &acme, &installations[0]).await, (1, content("1")));

    // The testing period (R26) and the window (R27).
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack, "2026-12-01")).await;
    assert_eq!(refusal.code, "NOTHING_TO_RELEASE");
    app.publish(&component).await;
    app.release_on(&pack, "2026-12-01").await;
    let refusal = app.refused(&app.publisher, "releaseIntegrationPack", on_date(&pack, "2026-12-02")).await;
    assert_eq!(refusal.code, "RELEASE_ALREADY_PENDING");
    let offer = app.offered(&acme, &installations[0]).await.expect("an offer");
    let diff = "query($id: ID!) { node(id: $id) { ... on InstallationUpdate { diff { changed { isDowngrade from { version } to { version } } } } } }";
    let seen = app.gql(&acme.token, diff, json!({ "id": offer })).await;
    let expected = json!([{ "isDowngrade": false, "from": { "version": "1" }, "to": { "version": "2" } }]);
    assert_eq!(seen.at("/node/diff/changed"), &expected);
    app.apply(&acme, &installations[0]).await;
    assert_eq!((has(&app, &acme, &installations[0]).await.0, has(&app, &globex, &installations[1]).await.0), (2, 1));
    // A publication made while the release is pending isn't in the release (R22).
    app.publish(&component).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&installations) {
        assert_eq!(has(&app, account, installation).await, (2, content("2")));
    }

    // The way back: a pin, and a new version with a higher number (R32).
    app.pin(&pack, &component, &first.id).await;
    let refusal =
        app.mutate(&app.publisher, "unpinPackComponent", json!({ "packId": pack, "componentId": component }), "").await;
    assert_eq!(refusal.at("/errors"), &json!([]));
    app.pin(&pack, &component, &first.id).await;
    app.ok(&app.publisher, "releaseIntegrationPack", immediately(&pack), "").await;
    app.tick().await;
    for (account, installation) in [&acme, &globex].into_iter().zip(&installations) {
        assert_eq!(has(&app, account, installation).await, (3, content("1")));
    }
    let diff =
        app.read_pack(&pack, "diff(from: 2, to: 3) { changed { isDowngrade from { version } to { version } } }").await;
    let expected = json!([{ "isDowngrade": true, "from": { "version": "2" }, "to": { "version": "1" } }]);
    assert_eq!(diff.at("/diff/changed"), &expected);
}

#[tokio::test]
async fn r01_publishing_needs_its_privilege_and_a_publisher() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let acme = app.managed("Acme").await;
    let desk = app.token(&app.publisher, "SUPPORT").await;
    for token in [&acme.token, &desk] {
        assert_eq!(app.denied(token, "publishComponent", json!({ "componentId": component })).await, "FORBIDDEN");
    }
}

#[tokio::test]
async fn r03_another_publishers_component_and_publication_are_not_found() {
    let app = TestApp::new().await;
    let (_, component, first) = released(&app, "Ledger").await;
    let southwind = app.another_publisher("Southwind").await;
    for id in [component.clone(), unknown_like(&component), first.id.clone()] {
        assert_eq!(app.denied(&southwind.token, "publishComponent", json!({ "componentId": id })).await, "NOT_FOUND");
    }
    let mut counts = Vec::new();
    for id in [first.id.clone(), unknown_like(&first.id)] {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        let read = app.gql(&southwind.token, query, json!({ "id": id }));
        let (data, statements) = app.statements_of(read).await;
        assert!(data.at("/node").is_null());
        counts.push(statements.len());
    }
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn r20_a_page_of_legacy_packs_costs_the_same_for_many() {
    let app = TestApp::new().await;
    let query = "{ integrationPacks(first: 50) { edges { node { name newerShareableAvailable components {
        component { name latestPublication { number } } current { version } next { version notes } latestShareable { version } } } } } }";
    let mut counts = Vec::new();
    for round in 0..2 {
        for n in 0..3 {
            let (_, component, _) = released(&app, &format!("Ledger {round} {n}")).await;
            app.publish(&component).await;
        }
        app.gql(&app.publisher, query, json!({})).await;
        counts.push(app.statements_of(app.gql(&app.publisher, query, json!({}))).await.1.len());
    }
    assert_eq!(counts[0], counts[1]);
}
