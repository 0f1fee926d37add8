//! Creating and editing packs, apart from their components (R10, R17).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

fn named(name: &str) -> Value {
    json!({ "name": name, "installationType": "SINGLE" })
}

#[tokio::test]
async fn r10_a_new_pack_is_empty_and_was_never_released() {
    let app = TestApp::new().await;
    let input = json!({ "name": "  Orders ", "description": "All about orders.", "installationType": "MULTI" });
    let made = app.ok(&app.publisher, "createIntegrationPack", input, "integrationPack { id }").await;
    let id = made.text("/integrationPack/id");
    let pack = app.read_pack(
        &id,
        "name description installationType deploymentModel state componentCount components { pinned } currentVersion { id }
         pendingRelease { id } runningRelease { id } newerShareableAvailable hasUnreleasedChanges createdBy { name }
         viewerCanRelease viewerCanScheduleRelease viewerCanRename viewerCanUpdate viewerCanShare",
    );
    let expected = json!({
        "name": "Orders", "description": "All about orders.", "installationType": "MULTI", "deploymentModel": "PACKAGED",
        "state": "NEVER_RELEASED", "componentCount": 0, "components": [], "currentVersion": null, "pendingRelease": null,
        "runningRelease": null, "newerShareableAvailable": false, "hasUnreleasedChanges": false,
        "createdBy": { "name": "northwind-admin" }, "viewerCanRelease": false, "viewerCanScheduleRelease": false,
        "viewerCanRename": false, "viewerCanUpdate": true, "viewerCanShare": true,
    });
    assert_eq!(pack.await, expected);
}

#[tokio::test]
async fn r10_a_name_has_1_to_255_characters_and_is_never_cut() {
    let app = TestApp::new().await;
    for (name, code) in [("", "NAME_REQUIRED"), (" \u{a0} ", "NAME_REQUIRED"), (&"x".repeat(256), "NAME_TOO_LONG")] {
        let refusal = app.refused(&app.publisher, "createIntegrationPack", named(name)).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, "name"));
    }
    for name in ["a\nb", "a\u{0}", "\u{7f}"] {
        assert_eq!(
            app.denied(&app.publisher, "createIntegrationPack", named(name)).await,
            "BAD_USER_INPUT",
            "{name:?}"
        );
    }
    let long = "ü".repeat(255);
    let pack = app.pack(&long).await;
    assert_eq!(app.read_pack(&pack, "name").await.text("/name"), long);
}

#[tokio::test]
async fn r10_a_name_is_unique_for_the_publisher_whatever_the_case() {
    let app = TestApp::new().await;
    app.pack("Größe").await;
    for same in ["Größe", "GRÖßE", " größe ", "Gro\u{308}ße"] {
        assert_eq!(
            app.refused(&app.publisher, "createIntegrationPack", named(same)).await.code,
            "NAME_TAKEN",
            "{same:?}"
        );
    }
    let southwind = app.another_publisher("Southwind").await;
    app.ok(&southwind.token, "createIntegrationPack", named("Größe"), "integrationPack { id }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_of_two_packs_made_at_once_one_gets_the_name() {
    let app = TestApp::new().await;
    let call = async |name: &str| {
        app.mutate(&app.publisher, "createIntegrationPack", named(name), "integrationPack { id }").await
    };
    let (one, other) = tokio::join!(call("Orders"), call("ORDERS"));
    let refused = [one, other].into_iter().filter(|payload| !payload.list("/errors").is_empty()).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].text("/errors/0/code"), "NAME_TAKEN");
}

#[tokio::test]
async fn r10_a_single_pack_can_be_renamed() {
    let app = TestApp::new().await;
    let (pack, _) = (app.pack("Orders").await, app.pack("Invoices").await);
    let rename = |name: &str| json!({ "packId": pack, "name": name });
    for (name, code) in [("", "NAME_REQUIRED"), (&"x".repeat(256), "NAME_TOO_LONG"), ("INVOICES", "NAME_TAKEN")] {
        assert_eq!(app.refused(&app.publisher, "updateIntegrationPack", rename(name)).await.code, code);
    }
    app.ok(&app.publisher, "updateIntegrationPack", rename("orders"), "integrationPack { id }").await;
    assert_eq!(app.read_pack(&pack, "name").await.text("/name"), "orders", "its own name is not in its way");
    app.pack("Shipping").await;
    app.ok(&app.publisher, "updateIntegrationPack", rename("Returns"), "integrationPack { id }").await;
    app.pack("Orders").await;
}

#[tokio::test]
async fn r10_a_multi_pack_can_not_be_renamed() {
    let app = TestApp::new().await;
    let pack = app.multi_pack("Orders").await;
    let refusal =
        app.refused(&app.publisher, "updateIntegrationPack", json!({ "packId": pack, "name": "Returns" })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NAME_NOT_EDITABLE", "name"));
    let other = json!({ "packId": pack, "description": "Still to be edited.", "name": null });
    app.ok(&app.publisher, "updateIntegrationPack", other, "integrationPack { id }").await;
    assert_eq!(
        app.read_pack(&pack, "name description").await,
        json!({ "name": "Orders", "description": "Still to be edited." })
    );
}

#[tokio::test]
async fn r10_a_description_has_at_most_500_characters() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let input = |description: &str| json!({ "packId": pack, "description": description });
    let mut create = named("Returns");
    create["description"] = json!("ü".repeat(501));
    assert_eq!(app.refused(&app.publisher, "createIntegrationPack", create).await.code, "DESCRIPTION_TOO_LONG");
    let refusal = app.refused(&app.publisher, "updateIntegrationPack", input(&"ü".repeat(501))).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("DESCRIPTION_TOO_LONG", "description"));
    assert_eq!(app.denied(&app.publisher, "updateIntegrationPack", input("a\u{0}")).await, "BAD_USER_INPUT");
    for description in ["ü".repeat(500), String::new(), "two\nlines".into()] {
        app.ok(&app.publisher, "updateIntegrationPack", input(&description), "integrationPack { id }").await;
        assert_eq!(app.read_pack(&pack, "description").await.text("/description"), description);
    }
}

#[tokio::test]
async fn r10_an_edit_is_seen_at_once_without_a_release() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let edit = json!({ "packId": world.pack.id, "name": "Purchases", "description": "New words." });
    app.ok(&app.publisher, "updateIntegrationPack", edit, "integrationPack { id }").await;
    let pack = app.available(&acme, "Purchases").await;
    let query = "query($id: ID!) { availablePack(id: $id) { name description currentVersion { number } } }";
    let data = app.gql(&acme.token, query, json!({ "id": pack })).await;
    let expected = json!({ "name": "Purchases", "description": "New words.", "currentVersion": { "number": 1 } });
    assert_eq!(data.at("/availablePack"), &expected);
    assert_eq!(app.read_installation(&acme, &world.installations[0], "name").await.text("/name"), "Purchases");
}

#[tokio::test]
async fn r10_a_stale_revision_is_refused_and_the_present_one_told() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let read = app.revision(&pack).await;
    app.ok(&app.publisher, "updateIntegrationPack", json!({ "packId": pack, "description": "x" }), "").await;
    let now = app.revision(&pack).await;
    assert!(now > read);
    let stale = json!({ "packId": pack, "name": "", "expectedRevision": read });
    let refusal = app.refused(&app.publisher, "updateIntegrationPack", stale).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.field.as_str()),
        ("STALE_REVISION", "expectedRevision"),
        "it is the first check"
    );
    assert_eq!(refusal.errors[0].int("/currentRevision"), now);
    app.ok(
        &app.publisher,
        "updateIntegrationPack",
        json!({ "packId": pack, "name": "Sales", "expectedRevision": now }),
        "",
    )
    .await;
}

#[tokio::test]
async fn r10_foreign_packs_are_not_found() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await;
    let foreign = app.ok(&southwind.token, "createIntegrationPack", named("Orders"), "integrationPack { id }").await;
    let component = app.component("Import").await;
    for id in [foreign.text("/integrationPack/id"), component, "nonsense".into()] {
        let edit = json!({ "packId": id, "description": "x" });
        assert_eq!(app.denied(&app.publisher, "updateIntegrationPack", edit).await, "NOT_FOUND");
        let query = "query($id: ID!) { integrationPack(id: $id) { id } }";
        assert_eq!(app.error_code(Some(&app.publisher), query, json!({ "id": id })).await, "NOT_FOUND");
        let query = "query($id: ID!) { node(id: $id) { id } }";
        let seen = app.gql(&southwind.token, query, json!({ "id": id })).await;
        assert_eq!(seen.at("/node").is_null(), id != foreign.text("/integrationPack/id"));
    }
}

#[tokio::test]
async fn r17_support_data_is_read_before_and_after_installing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let support = json!({
        "contact": "help@northwind.example", "url": "https://northwind.example/help",
        "installationGuide": { "text": "# First\n\nthen" }, "userGuide": { "url": "http://northwind.example/use" },
    });
    app.ok(&app.publisher, "updateIntegrationPack", json!({ "packId": pack.id, "support": support }), "").await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let expected = json!({
        "contact": "help@northwind.example", "url": "https://northwind.example/help",
        "installationGuide": { "text": "# First\n\nthen", "url": null }, "userGuide": { "text": null, "url": "http://northwind.example/use" },
        "prerequisites": null,
    });
    let selection =
        "support { contact url installationGuide { text url } userGuide { text url } prerequisites { text url } }";
    let available = app.available(&acme, "Orders").await;
    let query = format!("query($id: ID!) {{ availablePack(id: $id) {{ {selection} }} }}");
    let read =
        async || app.gql(&acme.token, &query, json!({ "id": available })).await.at("/availablePack/support").clone();
    assert_eq!(read().await, expected, "before");
    let installation = app.install(&acme, "Orders").await;
    let after = app.read_installation(&acme, &installation, &format!("pack {{ {selection} }}")).await;
    assert_eq!(after.at("/pack/support"), &expected, "after");
    app.ok(&app.publisher, "updateIntegrationPack", json!({ "packId": pack.id, "support": {} }), "").await;
    let empty =
        json!({ "contact": null, "url": null, "installationGuide": null, "userGuide": null, "prerequisites": null });
    assert_eq!(read().await, empty, "support data is replaced whole");
    app.ok(
        &app.publisher,
        "updateIntegrationPack",
        json!({ "packId": pack.id, "description": "x", "support": null }),
        "",
    )
    .await;
}

#[tokio::test]
async fn r17_support_data_that_is_too_long_or_no_address_is_refused() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let bad = [
        (json!({ "contact": "x".repeat(256) }), "support.contact"),
        (json!({ "url": "northwind.example" }), "support.url"),
        (json!({ "url": "ftp://northwind.example" }), "support.url"),
        (json!({ "userGuide": { "text": "x".repeat(20_001) } }), "support.userGuide"),
        (json!({ "prerequisites": { "url": "javascript:alert(1)" } }), "support.prerequisites"),
        (
            json!({ "installationGuide": { "url": format!("https://northwind.example/{}", "x".repeat(2_000)) } }),
            "support.installationGuide",
        ),
    ];
    for (support, field) in bad {
        let refusal =
            app.refused(&app.publisher, "updateIntegrationPack", json!({ "packId": pack, "support": support })).await;
        assert_eq!(refusal.code, "SUPPORT_INFO_INVALID", "{field}");
        assert!(refusal.field.starts_with(field), "{} instead of {field}", refusal.field);
        let create = json!({ "name": "New", "installationType": "SINGLE", "support": support });
        assert_eq!(app.refused(&app.publisher, "createIntegrationPack", create).await.code, "SUPPORT_INFO_INVALID");
    }
    let zero = json!({ "packId": pack, "support": { "prerequisites": { "text": "a\u{0}" } } });
    assert_eq!(app.denied(&app.publisher, "updateIntegrationPack", zero).await, "BAD_USER_INPUT");
    let good = json!({ "contact": "x".repeat(255), "userGuide": { "text": "x".repeat(20_000) } });
    app.ok(&app.publisher, "updateIntegrationPack", json!({ "packId": pack, "support": good }), "").await;
}

#[tokio::test]
async fn r17_a_guide_is_a_text_or_an_address() {
    let app = TestApp::new().await;
    let pack = app.pack("Orders").await;
    let before = app.world().await;
    for guide in [json!({}), json!({ "text": "x", "url": "https://northwind.example" }), json!({ "text": null })] {
        let input = json!({ "packId": pack, "support": { "userGuide": guide } });
        let query = "mutation($input: UpdateIntegrationPackInput!) { updateIntegrationPack(input: $input) { errors { code } } }";
        app.error_code(Some(&app.publisher), query, json!({ "input": input })).await;
    }
    app.assert_unchanged(&before).await;
}
