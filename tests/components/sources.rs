//! Where packages and releases come from, and what packages stand for (R68).

use serde_json::{Value, json};

use crate::support::rows::{all_rows, assert_same_rows};
use crate::support::{At as _, Managed, TestApp, immediately, on_date};

const SOURCE: &str = "source { commit ref repositoryUrl commitUrl pullRequestUrl buildUrl }";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn source() -> Value {
    json!({
        "commit": "0a1B2c", "ref": "release/2026-11", "repositoryUrl": "https://git.example/orders",
        "commitUrl": "https://git.example/orders/commit/0a1B2c", "pullRequestUrl": "https://git.example/orders/pulls/7",
        "buildUrl": "https://ci.example/42",
    })
}

fn artifact(uri: &str) -> Value {
    json!({ "uri": uri, "digest": DIGEST, "size": 4711, "mediaType": "application/zip" })
}

fn packages(component: &str, more: Value) -> Value {
    let mut package = json!({ "componentId": component, "shareable": true });
    package.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "packages": [package] })
}

#[tokio::test]
async fn r68_a_package_says_where_it_comes_from_and_what_it_stands_for() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let artifacts = json!([artifact("https://files.example/orders.zip"), { "uri": "oci://registry.example/orders:1" }]);
    let input = packages(&component, json!({ "source": source(), "artifacts": artifacts }));
    let selection = format!("packagedComponents {{ id {SOURCE} artifacts {{ uri digest size mediaType }} }}");
    let payload = app.ok(&app.publisher, "createPackagedComponents", input, &selection).await;
    let made = payload.at("/packagedComponents/0");
    assert_eq!(made.at("/source"), &source());
    let second = json!({ "uri": "oci://registry.example/orders:1", "digest": null, "size": null, "mediaType": null });
    assert_eq!(made.at("/artifacts"), &json!([artifact("https://files.example/orders.zip"), second]));
    // Read again, and by its component.
    let read =
        format!("query($id: ID) {{ component(id: $id) {{ latestShareable {{ {SOURCE} artifacts {{ uri }} }} }} }}");
    let read = app.gql(&app.publisher, &read, json!({ "id": component })).await;
    assert_eq!(read.at("/component/latestShareable/source"), &source());
    // A package without any of it has none; an empty source is none.
    for more in [json!({}), json!({ "source": {} }), json!({ "source": { "commit": null }, "artifacts": [] })] {
        let input = packages(&component, more);
        let payload = app.ok(&app.publisher, "createPackagedComponents", input, &selection).await;
        assert_eq!(payload.at("/packagedComponents/0/source"), &json!(null));
        assert_eq!(payload.at("/packagedComponents/0/artifacts"), &json!([]));
    }
    // A digest is spelled in one way.
    let upper = json!({ "artifacts": [{ "uri": "x:y", "digest": DIGEST.replace("abcdef", "ABCDEF") }] });
    let payload = app.ok(&app.publisher, "createPackagedComponents", packages(&component, upper), &selection).await;
    assert_eq!(payload.text("/packagedComponents/0/artifacts/0/digest"), DIGEST);
}

#[tokio::test]
async fn r68_what_is_no_source_or_artifact_is_refused_with_its_field() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let long = |count: usize| "a".repeat(count);
    let of_source = |field: &str, value: Value| (format!("source.{field}"), json!({ "source": { field: value } }));
    let of_artifact = |field: &str, value: Value| {
        let mut bad = artifact("https://files.example/a.zip");
        bad[field] = value;
        (format!("artifacts.1.{field}"), json!({ "artifacts": [artifact("https://files.example/b.zip"), bad] }))
    };
    let mut cases = vec![
        of_source("commit", json!("")),
        of_source("commit", json!("xyz")),
        of_source("commit", json!(long(65))),
        of_source("ref", json!(" ")),
        of_source("ref", json!(long(256))),
        of_artifact("uri", json!("")),
        of_artifact("uri", json!("no scheme")),
        of_artifact("uri", json!("files/a.zip")),
        of_artifact("uri", json!(format!("https://files.example/{}", long(2_000)))),
        of_artifact("digest", json!("md5:00")),
        of_artifact("digest", json!(&DIGEST[..70])),
        of_artifact("digest", json!(DIGEST.replace('f', "g"))),
        of_artifact("size", json!(-1)),
        of_artifact("mediaType", json!("zip")),
        of_artifact("mediaType", json!("application/zip; charset=x")),
        ("artifacts".into(), json!({ "artifacts": vec![artifact("x:y"); 21] })),
    ];
    for field in ["repositoryUrl", "commitUrl", "pullRequestUrl", "buildUrl"] {
        for address in
            ["http://git.example/orders", "ssh://git.example/orders", "https://ada@git.example/orders", "orders"]
        {
            cases.push(of_source(field, json!(address)));
        }
        cases.push(of_source(field, json!(format!("https://git.example/{}", long(2_000)))));
    }
    let pack = app.pack_with("Orders", &["Export"]).await;
    let before = all_rows(&app).await;
    for (field, more) in cases {
        let refusal = app.refused(&app.publisher, "createPackagedComponents", packages(&component, more.clone())).await;
        assert_eq!((refusal.code.as_str(), refusal.field), ("SOURCE_INVALID", format!("packages.0.{field}")), "{more}");
        if let Some(bad) = more.get("source") {
            let mut input = immediately(&pack.id);
            input["source"] = bad.clone();
            let refusal = app.refused(&app.publisher, "releaseIntegrationPack", input).await;
            assert_eq!((refusal.code.as_str(), refusal.field), ("SOURCE_INVALID", field), "{more}");
        }
    }
    assert_same_rows(&app, &before, "refused sources").await;
}

#[tokio::test]
async fn r68_a_release_says_where_it_comes_from_to_its_publisher_alone() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&installed.pack).await;
    let mut input = on_date(&installed.pack.id, "2026-12-01");
    input["source"] = source();
    let release = app.ok(&app.publisher, "releaseIntegrationPack", input, &format!("release {{ id {SOURCE} }}")).await;
    assert_eq!(release.at("/release/source"), &source());
    // It stays through all that happens to the release.
    let id = release.text("/release/id");
    app.promote(&id).await;
    assert_eq!(app.read_release(&id, SOURCE).await.at("/source"), &source());
    // The account's view of a release has no such field.
    let announced = "{ __type(name: \"AnnouncedRelease\") { fields { name } } }";
    let announced = app.gql(&acme.token, announced, json!(null)).await.to_string();
    assert!(announced.contains("notes") && !announced.contains("source"), "{announced}");
}

/// The URIs of the artifacts in the current version, or null.
async fn current(app: &TestApp, account: &Managed) -> Value {
    let available = app.available(account, "Orders").await;
    let read = "query($id: ID!) { availablePack(id: $id) { currentVersion { contents { artifacts { uri } } } } }";
    let read = app.gql(&account.token, read, json!({ "id": available })).await;
    read.at("/availablePack/currentVersion/contents/0/artifacts").clone()
}

async fn packaged(app: &TestApp, component: &str, uri: &str) {
    let input = packages(component, json!({ "artifacts": [{ "uri": uri }] }));
    app.ok(&app.publisher, "createPackagedComponents", input, "packagedComponents { id }").await;
}

#[tokio::test]
async fn r68_an_account_reads_the_artifacts_of_what_it_has_installed_or_is_offered_alone() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let component = app.component("Import").await;
    packaged(&app, &component, "x:one").await;
    let pack = app.pack("Orders").await;
    app.add(&pack, &[&component]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    app.share(&pack, &[&gold]).await;
    app.release_now(&pack).await;
    // Nobody has it installed yet.
    assert_eq!(current(&app, &acme).await, json!(null));
    let installation = app.install(&acme, "Orders").await;
    assert_eq!(current(&app, &acme).await, json!([{ "uri": "x:one" }]));
    assert_eq!(current(&app, &globex).await, json!(null), "it may install the pack, and hasn't");

    // What is packaged, and isn't released, is nobody's.
    packaged(&app, &component, "x:two").await;
    let release = app.release_on(&pack, "2026-12-01").await;
    let offered = "query($id: ID) { installation(id: $id) {
        version { contents { artifacts { uri } } }
        pendingUpdate { diff { changed { from { artifacts { uri } } to { artifacts { uri } } } } } } }";
    let read = app.gql(&acme.token, offered, json!({ "id": installation })).await;
    let changed = read.at("/installation/pendingUpdate/diff/changed/0");
    assert_eq!(
        changed,
        &json!({ "from": { "artifacts": [{ "uri": "x:one" }] }, "to": { "artifacts": [{ "uri": "x:two" }] } })
    );
    assert_eq!(current(&app, &globex).await, json!(null));
    // The publisher reads all of them, in the account's installation too.
    let read = app.gql(&app.publisher, offered, json!({ "id": installation })).await;
    assert_eq!(read.at("/installation/version/contents/0/artifacts"), &json!([{ "uri": "x:one" }]));

    // After the move the account has the newer ones, and no longer the former ones.
    app.promote(&release).await;
    assert_eq!(current(&app, &acme).await, json!([{ "uri": "x:two" }]));
    let history = "query($id: ID) { installation(id: $id) { updates(first: 1) { edges { node { fromVersion { contents { artifacts { uri } } } } } } } }";
    let history = app.gql(&acme.token, history, json!({ "id": installation })).await;
    let former = history.nodes("/installation/updates")[0].at("/fromVersion/contents/0/artifacts").clone();
    assert_eq!(former, json!(null));

    // A frozen installation keeps its own, and is offered nothing.
    packaged(&app, &component, "x:three").await;
    app.release_on(&pack, "2026-12-02").await;
    app.unshare(&pack, &[&gold]).await;
    let kept = "query($id: ID) { installation(id: $id) { version { contents { artifacts { uri } } } } }";
    let kept = app.gql(&acme.token, kept, json!({ "id": installation })).await;
    assert_eq!(kept.at("/installation/version/contents/0/artifacts"), &json!([{ "uri": "x:two" }]));
    app.share(&pack, &[&gold]).await;
    app.uninstall(&acme, &installation).await;
    assert_eq!(current(&app, &acme).await, json!(null));
}
