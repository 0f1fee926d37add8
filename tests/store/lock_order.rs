//! Whatever changes several installations locks them by id first. Two that meet in another order would wait for each
//! other.

use async_graphql::{Request, Variables};
use packwright::app::{App, AppOptions};
use packwright::store::DbOptions;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement, TransactionTrait as _};
use serde_json::{Value, json};

use crate::program::kill::until;
use crate::support::rows::{database_url, tables};
use crate::support::{At as _, TestApp, immediately, uuid_of};

const INSTALLATIONS: usize = 3;

/// A server whose plans read the whole table, in the order of its pages.
async fn server(app: &TestApp) -> App {
    let url = format!("{}?options[enable_indexscan]=off&options[enable_bitmapscan]=off", database_url(app).await);
    let db = DbOptions { max_connections: 4, ..DbOptions::default() };
    let options = AppOptions { migrate: false, db, ..AppOptions::new(url, app.clock.clone()) };
    App::build(options).await.expect("the server builds")
}

async fn number(app: &TestApp, sql: String) -> i64 {
    let row = tables(app).query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await;
    row.expect("an answer").expect("one row").try_get("", "n").expect("a number")
}

/// Makes a call while another transaction has the first of the installations. Fails unless the call waits for it before
/// it locks any of the others.
async fn locks_by_id<T>(app: &TestApp, installations: &[String], call: impl Future<Output = T>) -> T {
    let first = installations.iter().map(|id| uuid_of(id)).min().expect("an installation");
    // The first installation comes to stand behind the others in the table and in its indexes.
    for key in ["override_name_key || '-'", "rtrim(override_name_key, '-')"] {
        let moves = format!("UPDATE installation SET override_name_key = {key} WHERE id = '{first}'");
        tables(app).execute_unprepared(&moves).await.expect("the installation is moved");
    }
    let held = tables(app).begin().await.expect("a transaction");
    let lock = format!("SELECT id FROM installation WHERE id = '{first}' FOR UPDATE");
    held.execute_unprepared(&lock).await.expect("the first installation is held");
    let looks = async {
        let waits = "SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("a call that waits", async || number(app, waits.to_owned()).await == 1).await;
        let others = format!("SELECT id FROM installation WHERE id <> '{first}' FOR UPDATE SKIP LOCKED");
        let free = number(app, format!("WITH free AS ({others}) SELECT count(*) AS n FROM free")).await;
        held.rollback().await.expect("it lets go");
        free
    };
    let (result, free) = tokio::join!(call, looks);
    assert_eq!(usize::try_from(free).ok(), Some(installations.len() - 1), "the others aren't locked yet");
    result
}

async fn mutate(server: &App, token: &str, mutation: &str, input: Value) -> Value {
    let type_of_input = crate::support::input_type(mutation);
    let document =
        format!("mutation($input: {type_of_input}!) {{ {mutation}(input: $input) {{ errors {{ __typename }} }} }}");
    let request = Request::new(document).variables(Variables::from_json(json!({ "input": input })));
    let answer = serde_json::to_value(server.execute(Some(token), request).await).expect("an answer is JSON");
    answer.at(&format!("/data/{mutation}/errors")).clone()
}

#[tokio::test]
async fn a_rollout_and_a_rename_that_meet_lock_installations_in_the_same_order() {
    let app = TestApp::new().await;
    if tables(&app).get_database_backend() != DatabaseBackend::Postgres {
        // SQLite has one writer, and no row locks to wait for.
        assert_eq!(app.app.services.db.writers(), 1);
        return;
    }
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let mut installations = Vec::new();
    for index in 0..INSTALLATIONS {
        installations.push(app.install_as(&acme, "Orders", &format!("number {index}")).await);
    }
    let server = server(&app).await;

    let rename = json!({ "accountId": acme.id, "name": "Acme Inc" });
    let rename = mutate(&server, &app.publisher, "updateAccount", rename);
    assert_eq!(locks_by_id(&app, &installations, rename).await, json!([]));

    app.package_newer(&pack).await;
    let release = mutate(&server, &app.publisher, "releaseIntegrationPack", immediately(&pack.id));
    assert_eq!(locks_by_id(&app, &installations, release).await, json!([]));
    for installation in &installations {
        assert_eq!(app.installed_number(&acme, installation).await, 2);
    }
}
