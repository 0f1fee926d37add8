//! A publisher that creates as many tasks as it can doesn't delay another publisher's release.

use packwright::service::followup::open_tasks;
use serde_json::json;

use crate::support::rows::{LogMark, publisher_id};
use crate::support::{At as _, TestApp};

const BATCH: usize = 2;
const INSTALLATIONS: usize = 12;
const HOSTILE_ACCOUNTS: usize = 60;

/// The scheduler does all work in one pass, so the order of events shows the order of its work.
#[tokio::test]
async fn r49_a_release_is_moved_in_time_beside_a_publisher_with_a_great_many_tasks() {
    let mut app = TestApp::in_batches_of(BATCH as u64).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, INSTALLATIONS).await.pack;
    let release = app.update_on(&pack, "2026-12-01").await;
    let northwind = publisher_id(&app).await;
    app.tick().await;
    app.clock_only("2026-11-30T22:59:59Z");

    // The other publisher shares packs with all of its accounts at once.
    let southwind = app.another_publisher("Southwind").await;
    let own = std::mem::replace(&mut app.publisher, southwind.token);
    let mut accounts = Vec::new();
    for index in 0..HOSTILE_ACCOUNTS {
        accounts.push(app.not_enrolled(&app.publisher, &format!("Account {index}")).await.0);
    }
    let group =
        app.ok(&app.publisher, "createAccountGroup", json!({ "name": "All at once" }), "accountGroup { id }").await;
    let group = group.text("/accountGroup/id");
    for index in 0..3 {
        let pack = app.pack_with(&format!("Flood {index}"), &[&format!("Flood {index}")]).await;
        app.release_now(&pack.id).await;
        app.share(&pack.id, &[group.as_str()]).await;
    }
    let input = json!({ "groupId": group, "accountIds": accounts });
    app.ok(&app.publisher, "addAccountsToGroup", input, "accountGroup { id }").await;
    app.publisher = own;
    let waiting = open_tasks(&app.app.services).await.expect("the tasks").tasks.len();
    assert!(waiting >= HOSTILE_ACCOUNTS / 2, "{waiting} tasks of the other publisher wait");

    let mark = LogMark::now(&app).await;
    app.advance_to("2026-11-30T23:00:00Z").await;
    let events = mark.events(&app).await;
    let of_northwind = |event: &entity::event::Model| event.publisher_id == northwind;
    let ended = events.iter().position(|event| of_northwind(event) && event.kind == "RELEASE_COMPLETED");
    let ended = ended.expect("the release has ended");
    let before = events[..ended].iter().filter(|event| !of_northwind(event)).count();
    let after = events[ended..].iter().filter(|event| !of_northwind(event)).count();
    // Batches of both publishers alternate. A batch of the other one has events of at most all of its packs.
    let turns = INSTALLATIONS / BATCH + 2;
    assert!(before <= turns * BATCH * 3, "{before} events of the other came first, and {after} later");
    assert!(after > before, "{before} events of the other came first, and {after} later");
    assert_eq!(app.read_release(&release, "endedAt").await.text("/endedAt"), "2026-11-30T23:00:00.000000Z");
}
