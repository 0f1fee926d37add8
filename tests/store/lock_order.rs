//! Whatever changes several installations locks them by id first. Two that meet in another order would wait for each
//! other.

use packwright::app::App;
use packwright::service::Settings;
use packwright::store::DbOptions;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::program::kill::until;
use crate::support::rows::tables;
use crate::support::{At as _, Installed, TestApp, immediately, mutate_on, uuid_of};

const INSTALLATIONS: usize = 3;

/// A server whose plans read the whole table, in the order of its pages.
async fn server(app: &TestApp) -> App {
    let parameters = "?options[enable_indexscan]=off&options[enable_bitmapscan]=off";
    let db = DbOptions { max_connections: 4, ..DbOptions::default() };
    app.server_beside(Settings::default(), db, parameters).await
}

/// Makes a call while another transaction has the first of the installations. Fails unless the call waits for it before
/// it locks any of the others.
async fn locks_by_id<T>(app: &TestApp, installations: &[String], call: impl Future<Output = T>) -> T {
    let first = installations.iter().min_by_key(|id| uuid_of(id)).expect("an installation");
    let held_id = uuid_of(first);
    // The first installation comes to stand behind the others in the table and in its indexes.
    for key in ["override_name_key || '-'", "rtrim(override_name_key, '-')"] {
        let moves = format!("UPDATE installation SET override_name_key = {key} WHERE id = '{held_id}'");
        tables(app).execute_unprepared(&moves).await.expect("the installation is moved");
    }
    let held = app.hold("installation", first).await;
    let looks = async {
        until("a call that waits", async || app.waiting().await == 1).await;
        let others = format!("SELECT id FROM installation WHERE id <> '{held_id}' FOR UPDATE SKIP LOCKED");
        let free = app.number(&format!("WITH free AS ({others}) SELECT count(*) AS n FROM free")).await;
        held.rollback().await.expect("it lets go");
        free
    };
    let (result, free) = tokio::join!(call, looks);
    assert_eq!(usize::try_from(free).ok(), Some(installations.len() - 1), "the others aren't locked yet");
    result
}

#[tokio::test]
async fn a_rollout_and_a_rename_that_meet_lock_installations_in_the_same_order() {
    let app = TestApp::new().await;
    if app.has_one_writer() {
        return;
    }
    let acme = app.managed("Acme").await;
    let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, INSTALLATIONS).await;
    let server = server(&app).await;

    let rename = json!({ "accountId": acme.id, "name": "Acme Inc" });
    let rename = mutate_on(&server, &app.publisher, "updateAccount", rename, "");
    assert_eq!(locks_by_id(&app, &installations, rename).await.at("/errors"), &json!([]));

    app.package_newer(&pack).await;
    let release = mutate_on(&server, &app.publisher, "releaseIntegrationPack", immediately(&pack.id), "");
    assert_eq!(locks_by_id(&app, &installations, release).await.at("/errors"), &json!([]));
    for installation in &installations {
        assert_eq!(app.installed_number(&acme, installation).await, 2);
    }
}
