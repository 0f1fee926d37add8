//! The version that an account reads as the current one is the version that an installation gets (R31, R43, R56), in all
//! reads and at each step of a release.

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::releases::halting::installed;
use crate::releases::pausing::{pause, resume};
use crate::support::{At, Managed, TestApp};

const VERSION: &str = "currentVersion { id number notes contents { version } }";

/// What an account reads of the current version of Orders: the number, which all reads have in common.
async fn offered(app: &TestApp, account: &Managed, release: Option<&str>) -> i64 {
    let id = app.available(account, "Orders").await;
    let version = app.read_available(account, &id, VERSION).await.at("/currentVersion").clone();
    let document = format!(
        "query($id: ID!) {{ node(id: $id) {{ ... on AvailablePack {{ {VERSION} }} }}
           availablePacks(filter: {{ search: \"Orders\" }}) {{ edges {{ node {{ {VERSION} viewerCanInstall }} }} }}
           installations(first: 100) {{ edges {{ node {{ pack {{ ... on AvailablePack {{ {VERSION} }} }} }} }} }} }}"
    );
    let all = app.gql(&account.token, &document, json!({ "id": id })).await;
    let packs = all.nodes("/availablePacks").into_iter().chain([all.at("/node").clone()]);
    let of_installations = all.nodes("/installations").into_iter().map(|installation| installation.at("/pack").clone());
    for pack in packs.chain(of_installations) {
        assert_eq!(pack.at("/currentVersion"), &version, "{}: {all:#}", account.name);
    }
    assert_eq!(all.nodes("/availablePacks")[0].at("/viewerCanInstall"), &json!(true));
    let itself =
        "query($id: ID!) { node(id: $id) { ... on AvailablePackVersion { number notes contents { version } } } }";
    let itself = app.gql(&account.token, itself, json!({ "id": version.text("/id") })).await;
    assert_eq!(itself.at("/node/contents"), version.at("/contents"), "the version can be read by its ID");
    if let Some(release) = release {
        let document = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on AnnouncedRelease {{ version {{ number }} pack {{ {VERSION} }} }} }} }}"
        );
        let read = app.gql(&account.token, &document, json!({ "id": release })).await;
        assert_eq!(read.at("/node/pack/currentVersion"), &version, "by the release");
    }
    version.int("/number")
}

/// The id of the release that an account reads with its newest update.
async fn announced(app: &TestApp, account: &Managed, installation: &str) -> String {
    let updates = "updates(first: 1) { edges { node { release { ... on AnnouncedRelease { id } } } } }";
    app.read_installation(account, installation, updates).await.nodes("/updates")[0].text("/release/id")
}

/// Both accounts read the version with this number, and get it. What they install is gone again.
async fn assert_offered(app: &TestApp, accounts: [&Managed; 2], release: Option<&str>, number: i64, step: &str) {
    for (index, account) in accounts.into_iter().enumerate() {
        assert_eq!(offered(app, account, release.filter(|_| index == 0)).await, number, "{step}: {}", account.name);
        let made = app.install_as(account, "Orders", "made now").await;
        assert_eq!(app.installed_number(account, &made).await, number, "{step}: {}", account.name);
        app.uninstall(account, &made).await;
    }
}

#[tokio::test]
async fn r56_an_account_reads_the_version_that_an_installation_gets() {
    let app = TestApp::in_batches_of(3).await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let both = [&acme, &globex];
    let world = installed(&app, &acme, "Orders", 8).await;
    assert_offered(&app, both, None, 1, "before").await;
    let release = app.release_now(&world.pack.id).await;
    let of_account = announced(&app, &acme, &world.installations[0]).await;
    let of_account = Some(of_account.as_str());
    assert_offered(&app, both, of_account, 2, "while it is rolled out").await;
    let second = offered_id(&app, &initech).await;
    pause(&app, &release).await;
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2, "its first batch is done");
    assert_offered(&app, both, of_account, 1, "paused").await;
    assert!(node(&app, &initech, &second).await.is_null(), "it isn't offered any more");
    assert_eq!(node(&app, &acme, &second).await.int("/number"), 2, "it has come to this account");
    assert_eq!(app.current_number(&world.pack.id).await, Some(2), "the publisher reads what it has released");
    resume(&app, &release).await;
    assert_offered(&app, both, of_account, 2, "resumed").await;
    pause(&app, &release).await;
    let roll_back = json!({ "releaseId": release, "reason": "Broken.", "atMost": 100 });
    app.ok(&app.publisher, "rollBackRelease", roll_back, "").await;
    assert_offered(&app, both, of_account, 1, "rolled back").await;
    app.tick().await;
    assert_offered(&app, both, of_account, 1, "after the roll back").await;
}

async fn offered_id(app: &TestApp, account: &Managed) -> String {
    let pack = app.available(account, "Orders").await;
    app.read_available(account, &pack, VERSION).await.text("/currentVersion/id")
}

async fn node(app: &TestApp, account: &Managed, id: &str) -> Value {
    let query = "query($id: ID!) { node(id: $id) { ... on AvailablePackVersion { number } } }";
    app.gql(&account.token, query, json!({ "id": id })).await.at("/node").clone()
}

#[tokio::test]
async fn r56_a_fix_of_a_paused_release_is_offered_at_once_and_a_paused_retry_offers_the_former_version() {
    let app = TestApp::in_batches_of(3).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let both = [&acme, &globex];
    let world = installed(&app, &acme, "Orders", 8).await;
    let paused = app.release_now(&world.pack.id).await;
    pause(&app, &paused).await;
    let fix = app.update_now(&world.pack).await;
    assert_offered(&app, both, None, 3, "the fix").await;
    app.mover.fail(&world.installations[7], u32::MAX, FailureCode::Internal);
    app.live_until("2026-11-22T10:00:00Z").await;
    assert_eq!(app.release_state(&fix).await, "PARTIALLY_SUCCEEDED");
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": fix }), "").await;
    pause(&app, &fix).await;
    assert_offered(&app, both, None, 1, "the retry is paused").await;
    app.mover.repair();
    resume(&app, &fix).await;
    app.live_until("2026-11-22T11:00:00Z").await;
    assert_eq!(app.release_state(&fix).await, "SUCCEEDED");
    assert_offered(&app, both, None, 3, "at the end").await;
}

#[tokio::test]
async fn r56_those_who_hear_of_a_pause_read_the_version_that_they_would_get() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &accounts.each_ref()).await;
    let document = "subscription { releaseAnnounced { kind release { ... on AnnouncedRelease { version { number } pack { currentVersion { number notes contents { version } } } } } } }";
    let release = app.update_now(&installed.pack).await;
    let mut listeners = Vec::new();
    for account in &accounts {
        listeners.push(app.subscribe(&account.token, document, json!({})).await);
    }
    pause(&app, &release).await;
    for (listener, account) in listeners.iter_mut().zip(&accounts) {
        let heard = listener.next().await;
        assert_eq!(heard.text("/releaseAnnounced/kind"), "RELEASE_PAUSED");
        let release = heard.at("/releaseAnnounced/release");
        assert_eq!(release.int("/version/number"), 2, "{}", account.name);
        assert_eq!(release.int("/pack/currentVersion/number"), 1, "{}", account.name);
        assert_eq!(release.list("/pack/currentVersion/contents").len(), 1, "{}", account.name);
    }
    drop(listeners);
    let mut alone = app.subscribe(&accounts[0].token, document, json!({})).await;
    resume(&app, &release).await;
    let heard = alone.next().await;
    assert_eq!(heard.text("/releaseAnnounced/kind"), "RELEASE_RESUMED");
    assert_eq!(heard.int("/releaseAnnounced/release/pack/currentVersion/number"), 2);
}
