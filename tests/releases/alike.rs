//! A batch whose installations are all alike is written without a list of them (R49).

use std::collections::BTreeMap;

use sea_orm::Value;

use crate::support::{At, TestApp};

/// When the window of 2026-12-01 opens.
const OPENS: &str = "2026-11-30T23:00:00.000000Z";

#[tokio::test]
async fn r49_a_batch_of_installations_that_are_alike_lists_none_of_them() {
    let app = TestApp::in_batches_of(40).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 30).await.pack;
    app.tick().await;
    let (release, statements) = app.statements_with_values_of(app.update_now(&pack)).await;
    let writes: Vec<_> = statements
        .iter()
        .filter(|statement| {
            let tables = ["\"installation_update\" (", "\"log_record\" (", "UPDATE \"installation\" "];
            tables.iter().any(|table| statement.sql.contains(table)) && !statement.sql.starts_with("SELECT")
        })
        .collect();
    assert_eq!(writes.len(), 3, "{statements:#?}");
    for statement in writes {
        let values: Vec<_> = statement.values.iter().flat_map(|values| &values.0).collect();
        assert!(values.len() <= 20, "{statement:?}");
        let longest =
            values.iter().map(|value| if let Value::String(Some(text)) = value { text.len() } else { 0 }).max();
        assert!(longest <= Some(40), "{statement:?}");
    }
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.progress(&release).await.int("/applied"), 30);
    // Each installation has its own event and its own entry, in one order.
    let told =
        "{ events(filter: { kinds: [INSTALLATION_UPDATED] }, first: 50) { edges { node { ... on InstallationEvent {
        versionNumber installation { id } } } } } }";
    let told = app.gql(&app.publisher, told, serde_json::json!(null)).await.nodes("/events");
    let noted = "{ auditLog(filter: { actions: [\"scheduler.applyUpdate\"] }, last: 50) { edges { node { subject { id }
        changes { field before after } } } } }";
    let noted = app.gql(&app.publisher, noted, serde_json::json!(null)).await.nodes("/auditLog");
    assert_eq!((told.len(), noted.len()), (30, 30));
    let mut by_installation: BTreeMap<String, usize> = BTreeMap::new();
    for (event, entry) in told.iter().zip(noted.iter().rev()) {
        assert_eq!(event.int("/versionNumber"), 2);
        assert_eq!(event.text("/installation/id"), entry.text("/subject/id"));
        assert!(entry.list("/changes").iter().any(|change| change["field"] == "version" && change["after"] == "2"));
        *by_installation.entry(event.text("/installation/id")).or_default() += 1;
    }
    assert!(by_installation.len() == 30 && by_installation.values().all(|times| *times == 1));
}

#[tokio::test]
async fn r59_a_roll_back_of_installations_that_are_alike_lists_none_of_them() {
    let app = TestApp::in_batches_of(40).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 30).await.pack;
    app.tick().await;
    let release = app.update_now(&pack).await;
    let (moved, statements) = app.statements_with_values_of(app.roll_back(&release)).await;
    assert_eq!(moved, 30);
    let tables = ["\"installation_update\" ", "\"log_record\" (", "UPDATE \"installation\" "];
    let is_write = |sql: &str| !sql.starts_with("SELECT") && tables.iter().any(|table| sql.contains(table));
    let writes: Vec<_> = statements.iter().filter(|statement| is_write(&statement.sql)).collect();
    assert_eq!(writes.len(), 3, "{statements:#?}");
    for statement in writes {
        let values: Vec<_> = statement.values.iter().flat_map(|values| &values.0).collect();
        assert!(values.len() <= 20, "{statement:?}");
    }
    assert_eq!(app.release_state(&release).await, "ROLLED_BACK");
    assert_eq!(app.progress(&release).await.int("/withdrawn"), 30);
}

#[tokio::test]
async fn r44_what_was_uninstalled_before_the_window_stays_as_it_is_when_all_others_move() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.tick().await;
    app.uninstall(&accounts[1], &world.installations[1]).await;
    app.advance_to(OPENS).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    let states: Vec<_> = app.updates_of(&release).await.iter().map(|update| update.text("/state")).collect();
    assert_eq!(states, ["APPLIED", "WITHDRAWN", "APPLIED"]);
    for n in [0, 2] {
        assert_eq!(app.installed_number(&accounts[n], &world.installations[n]).await, 2);
    }
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/withdrawn"), progress.int("/offered")), (2, 1, 0));
}
