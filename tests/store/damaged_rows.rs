//! Unreadable rows: the logs and the tasks continue without them, and operators are informed.

use packwright::domain::id::{AccountId, PackId};
use packwright::service::Settings;
use packwright::service::followup::{Dropped, Retried, drop_task, open_tasks, retry_task};
use packwright::store::followup::tasks;
use packwright::store::followup::tasks::Work;
use sea_orm::DatabaseBackend;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::program::starts::{run, text_of};
use crate::support::damage::{damage, id_literal, no_instant};
use crate::support::rows::{database_url, events_after, publisher_id, tables};
use crate::support::{At, Setup, TestApp, uuid_of};

const PAGE: &str = "query($after: String, $before: String, $first: Int, $last: Int) {
    events(after: $after, before: $before, first: $first, last: $last) {
      edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } }";

fn ids(page: &Value) -> Vec<String> {
    page.texts("/events", "/id")
}

/// All ids of the log, read in pages of `size`. All pages but the last must be full.
async fn walk(app: &TestApp, size: usize, forward: bool) -> Vec<String> {
    let (mut found, mut from) = (Vec::new(), Value::Null);
    loop {
        let variables =
            if forward { json!({ "first": size, "after": from }) } else { json!({ "last": size, "before": from }) };
        let page = app.gql(&app.publisher, PAGE, variables).await;
        let (more, end) = if forward {
            ("/events/pageInfo/hasNextPage", page.list("/events/edges").last())
        } else {
            ("/events/pageInfo/hasPreviousPage", page.list("/events/edges").first())
        };
        let (here, has_more) = (ids(&page), page.at(more) == &json!(true));
        assert_eq!(here.len() == size, has_more || here.len() == size, "a page with more after it is full: {page:#}");
        from = end.map_or(Value::Null, |edge| edge.at("/cursor").clone());
        if forward {
            found.extend(here);
        } else {
            found.splice(0..0, here);
        }
        if !has_more {
            return found;
        }
    }
}

#[tokio::test]
async fn r49_unreadable_events_do_not_count_on_a_page() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    for _ in 0..3 {
        app.update_now(&world.pack).await;
    }
    let all = walk(&app, 100, true).await;
    let rows = events_after(&app, 0).await;
    let readable: Vec<_> = rows
        .iter()
        .filter(|row| row.audience != "ACCOUNT")
        .map(|row| (row.sequence, format!("evt_{}", encoded(row.id))))
        .collect();
    assert_eq!(readable.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>(), all);
    // The second and third, one in the middle, and the last two.
    let last = all.len() - 1;
    let damaged = [1, 2, 5, last - 1, last];
    for (turn, index) in damaged.into_iter().enumerate() {
        let (column, value) = if turn % 2 == 0 { ("occurred_at", no_instant(&app)) } else { ("data", "'not JSON'") };
        damage(&app, "event", column, value, &format!("sequence = {}", readable[index].0)).await;
    }
    let left: Vec<_> =
        all.iter().enumerate().filter(|(index, _)| !damaged.contains(index)).map(|(_, id)| id.clone()).collect();
    for size in [1, 2, 3, left.len() - 1, left.len(), left.len() + 1, 100] {
        for forward in [true, false] {
            assert_eq!(walk(&app, size, forward).await, left, "in pages of {size}, forward: {forward}");
        }
    }
    let page = app.gql(&app.publisher, PAGE, json!({ "first": 0 })).await;
    assert_eq!((ids(&page).len(), page.at("/events/pageInfo/hasNextPage")), (0, &json!(true)));
    // A reader whose cursor is at a damaged row, and a subscriber.
    let first = app.gql(&app.publisher, PAGE, json!({ "first": 1 })).await;
    let cursor = first.list("/events/edges")[0].text("/cursor");
    let live = "subscription($after: String) { events(after: $after) { id } }";
    let mut stream = app.subscribe(&app.publisher, live, json!({ "after": cursor })).await;
    let text_of: Vec<_> = stream.collect(left.len() - 1).await.iter().map(|item| item.text("/events/id")).collect();
    assert_eq!(text_of, left[1..]);
    let node = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(app.gql(&app.publisher, node, json!({ "id": all[1] })).await, json!({ "node": null }));
    app.update_now(&world.pack).await;
    assert_eq!(stream.collect(1).await.len(), 1, "it goes on");
}

fn encoded(id: Uuid) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, id)
}

#[tokio::test]
async fn r49_a_log_is_cut_though_an_old_event_can_not_be_read() {
    let settings = Settings { keep_events_days: 1, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    app.installed_pack("Orders", &[&acme]).await;
    let value = match tables(&app).get_database_backend() {
        DatabaseBackend::Postgres => "'-infinity'",
        _ => "''",
    };
    let first = events_after(&app, 0).await[0].sequence;
    damage(&app, "event", "occurred_at", value, &format!("sequence = {first}")).await;
    app.half_days_to("2026-11-25T09:00:00Z").await;
    assert!(events_after(&app, 0).await.is_empty(), "the damaged one too");
}

/// A task that renames a pack.
pub(crate) async fn task_of(app: &TestApp, pack: &str) -> Uuid {
    let publisher = AccountId(publisher_id(app).await);
    let tx = app.app.services.db.begin().await.expect("a transaction");
    let id = app.app.services.ids.next::<PackId>().0;
    let work = Work::Rename(PackId(uuid_of(pack)));
    tasks::add(&tx, id, publisher, work, false, app.now()).await.expect("added");
    tx.commit().await.expect("committed");
    id
}

/// A task whose row can't be read.
async fn damaged_task(app: &TestApp, pack: &str, column: &str) -> Uuid {
    let id = task_of(app, pack).await;
    let which = format!("id = {}", id_literal(app, id));
    damage(app, "task", column, no_instant(app), &which).await;
    id
}

#[tokio::test]
async fn r49_a_task_that_can_not_be_read_keeps_no_other_from_its_turn_and_is_in_an_operators_hands() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.tick().await;
    for column in ["created_at", "not_before"] {
        let id = damaged_task(&app, &world.pack.id, column).await;
        // Other tasks run before it, after it and next to it.
        let release = app.update_on(&world.pack, "2026-12-01").await;
        let next = app.tick().await.expect("a window waits");
        assert_eq!(next.to_rfc3339(), "2026-11-30T23:00:00+00:00", "{column}: nothing is due before");
        app.cancel(&release).await;
        app.tick().await;
        let open = open_tasks(&app.app.services).await.expect("the list");
        assert!(open.tasks.is_empty(), "{column}: {open:?}");
        assert_eq!(open.unreadable.iter().map(|row| row.id).collect::<Vec<_>>(), [Some(id)], "{column}");
        let url = database_url(&app).await;
        let listed = run(&["task", "list", "--database-url", &url]).await;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.status.success(), "{}", text_of(&listed));
        assert!(text.starts_with(&id.to_string()) && text.contains("can't be read"), "{text}");
        assert!(text_of(&listed).contains("a row can't be read, and is skipped"), "{}", text_of(&listed));
        let listed = run(&["task", "list", "--json", "--database-url", &url]).await;
        let tasks: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        assert_eq!((tasks.text("/0/id"), tasks.at("/0/unreadable").is_string()), (id.to_string(), true), "{tasks:#}");
        if column == "created_at" {
            assert_eq!(retry_task(&app.app.services, id).await.expect("mended"), Retried::Done);
        } else {
            assert_eq!(drop_task(&app.app.services, id, "Not needed.").await.expect("dropped"), Dropped::Gone);
        }
        let open = open_tasks(&app.app.services).await.expect("the list");
        assert!(open.tasks.is_empty() && open.unreadable.is_empty(), "{open:?}");
    }
}

#[tokio::test]
async fn r49_a_repaired_task_is_run_by_a_server_that_skipped_it() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    damaged_task(&app, &pack.id, "not_before").await;
    app.tick().await;
    let now = packwright::domain::instant::to_text(app.now() - chrono::Duration::hours(1));
    damage(&app, "task", "not_before", &format!("'{now}'"), "true").await;
    app.tick().await;
    let open = open_tasks(&app.app.services).await.expect("the list");
    assert!(open.tasks.is_empty() && open.unreadable.is_empty(), "{open:?}");
}
