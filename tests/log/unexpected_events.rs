//! Event logs that this program doesn't expect: events of a newer program, and a log that lost its end.

use entity::event;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, DatabaseBackend, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::log::event_log::kinds;
use crate::support::rows::{code_of, events_after, tables};
use crate::support::{At, Subscription, TestApp};

const EVENTS: &str = "query($after: String, $before: String, $first: Int, $last: Int) { events(after: $after, before: $before, first: $first, last: $last) { totalCount edges { cursor node { id kind } } pageInfo { hasNextPage } } }";
const LIVE: &str = "subscription($after: String) { events(after: $after) { id cursor kind } }";

/// Appends a copy of the newest event with a change that a newer program could make.
async fn append(app: &TestApp, change: impl FnOnce(&mut event::ActiveModel)) -> Uuid {
    let newest = events_after(app, 0).await.pop().expect("an event");
    let mut row = event::ActiveModel::from(newest).reset_all();
    let id = another_id();
    row.sequence = sea_orm::ActiveValue::NotSet;
    row.id = Set(id);
    change(&mut row);
    event::Entity::insert(row).exec_without_returning(tables(app)).await.expect("an event");
    id
}

/// A new random ID.
fn another_id() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    Uuid::from_bytes(bytes)
}

#[tokio::test]
async fn r50_an_event_that_this_program_does_not_know_is_passed_over() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let mut live = [
        app.subscribe(&app.publisher, LIVE, json!({ "after": p })).await,
        app.subscribe(&acme.token, LIVE, json!({ "after": a })).await,
    ];
    app.update_now(&world.pack).await;
    let mut received = [Vec::new(), Vec::new()];
    let counts = [5, 3];
    for (index, count) in counts.into_iter().enumerate() {
        received[index] = live[index].collect(count).await;
    }
    let strange = [
        append(&app, |row| row.kind = Set("STAGE_OPENED".into())).await,
        append(&app, |row| row.audience = Set("EVERYBODY".into())).await,
        append(&app, |row| row.actor_kind = Set("WEBHOOK".into())).await,
        append(&app, |row| row.update_state = Set(Some("HALTED".into()))).await,
        append(&app, |row| row.data = Set("not JSON".into())).await,
    ];
    app.update_now(&world.pack).await;
    for (index, count) in counts.into_iter().enumerate() {
        received[index].extend(live[index].collect(count).await);
    }
    for ((token, after), received) in [(&app.publisher, &p), (&acme.token, &a)].into_iter().zip(&received) {
        let live: Vec<_> = received.iter().map(|item| item.text("/events/id")).collect();
        let read = app.events_since(token, after, Value::Null).await;
        assert_eq!(read.iter().map(|event| event.text("/id")).collect::<Vec<_>>(), live);
        for id in strange {
            let id = format!("evt_{}", base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, id));
            let document = "query($id: ID!) { node(id: $id) { id } }";
            assert_eq!(app.gql(token, document, json!({ "id": id })).await, json!({ "node": null }));
        }
    }
    assert_eq!(kinds(&received[1].iter().map(|item| item.at("/events").clone()).collect::<Vec<_>>()).len(), 6);
}

#[tokio::test]
async fn r49_values_of_a_newer_program_are_unavailable_and_no_fault() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    let statement = "UPDATE pack_release SET state = 'OF_A_NEWER_PROGRAM'";
    tables(&app).execute_unprepared(statement).await.expect("a newer state");
    let document = "query($id: ID!) { release(id: $id) { state } }";
    let answer = app.gql_raw(Some(&app.publisher), document, json!({ "id": release })).await;
    assert_eq!(code_of(&answer).as_deref(), Some("UNAVAILABLE"), "{answer}");
    // Other packs aren't blocked.
    let other = app.pack_with("Invoices", &["Export"]).await;
    let first = app.release_on(&other.id, "2026-12-01").await;
    app.clock_only("2026-11-30T23:00:00Z");
    app.app.scheduler.tick().await.expect_err("one window can't be opened");
    assert_eq!(app.release_state(&first).await, "SUCCEEDED");
}

/// Deletes the newest events and frees their sequence numbers, as a restored backup does, or a failover that lost
/// commits.
pub(crate) async fn lose(app: &TestApp, count: usize) {
    let all = events_after(app, 0).await;
    let last = all[all.len() - count - 1].sequence;
    let mut statements = vec![
        format!("DELETE FROM event WHERE sequence > {last}"),
        format!("DELETE FROM log_record WHERE sequence > {last}"),
        format!("DELETE FROM log_batch WHERE first_sequence > {last}"),
    ];
    statements.push(match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => format!("SELECT setval(pg_get_serial_sequence('event', 'sequence'), {last})"),
        _ => format!("UPDATE sqlite_sequence SET seq = {last} WHERE name = 'event'"),
    });
    for statement in statements {
        tables(app).execute_unprepared(&statement).await.expect("the log goes back");
    }
}

/// The code of the first answer to a document with a cursor, and the cursor that the error suggests.
async fn refused(app: &TestApp, token: &str, document: &str, variables: Value) -> (Option<String>, Option<String>) {
    let variables = async_graphql::Variables::from_json(variables);
    let request = async_graphql::Request::new(document).variables(variables);
    let mut stream = app.app.execute_stream(Some(token), request).await.expect("let in");
    let patience = std::time::Duration::from_secs(20);
    let first = tokio::time::timeout(patience, futures_util::StreamExt::next(&mut stream)).await.expect("an answer");
    let answer = serde_json::to_value(first.expect("an item")).expect("JSON");
    let oldest = answer.pointer("/errors/0/extensions/oldestCursor").and_then(Value::as_str).map(Into::into);
    (code_of(&answer), oldest)
}

#[tokio::test]
async fn r49_a_cursor_of_an_event_that_is_lost_is_expired() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let kept = [app.cursor(&app.publisher).await, app.cursor(&acme.token).await];
    app.update_now(&world.pack).await;
    let lost = [app.cursor(&app.publisher).await, app.cursor(&acme.token).await];
    assert!(kept[0] != lost[0] && kept[1] != lost[1]);
    let count = 4;
    lose(&app, count).await;
    let ways = [
        (EVENTS, "after"),
        (EVENTS, "before"),
        (LIVE, "after"),
        ("subscription($after: String) { releaseAnnounced(after: $after) { cursor } }", "after"),
        ("subscription($after: String) { installationUpdated(after: $after) { cursor } }", "after"),
    ];
    // First beyond the log's end, then with sequence numbers that belong to other events.
    for round in 0..2 {
        for (token, lost) in [&app.publisher, &acme.token].into_iter().zip(&lost) {
            for (document, argument) in ways {
                let (code, oldest) = refused(&app, token, document, json!({ argument: lost })).await;
                assert_eq!(code.as_deref(), Some("CURSOR_EXPIRED"), "round {round}: {argument} of {document}");
                let oldest = oldest.expect("where to go on");
                app.events_since(token, &oldest, Value::Null).await;
            }
        }
        for _ in 0..count {
            app.package_newer(&world.pack).await;
        }
    }
    for (token, kept) in [&app.publisher, &acme.token].into_iter().zip(&kept) {
        app.events_since(token, kept, Value::Null).await;
    }
}

#[tokio::test]
async fn r49_an_open_stream_whose_last_event_is_lost_ends_and_one_that_lost_nothing_goes_on() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let (orders, invoices) =
        (app.installed_pack("Orders", &[&acme]).await, app.installed_pack("Invoices", &[&globex]).await);
    let after = async |token: &str| json!({ "after": app.cursor(token).await });
    let mut of_acme = app.subscribe(&acme.token, LIVE, after(&acme.token).await).await;
    let mut of_globex = app.subscribe(&globex.token, LIVE, after(&globex.token).await).await;
    app.update_now(&orders.pack).await;
    of_acme.collect(3).await;
    app.update_now(&invoices.pack).await;
    of_globex.collect(3).await;
    // The events that Globex got are lost. Those that Acme got aren't.
    lose(&app, 3).await;
    app.package_newer(&orders.pack).await;
    app.update_now(&orders.pack).await;
    let item = of_globex.next_raw().await.expect("an item");
    assert_eq!(code_of(&item).as_deref(), Some("CURSOR_EXPIRED"), "{item}");
    let received = of_acme.collect(3).await;
    let received: Vec<_> = received.iter().map(|item| item.text("/events/kind")).collect();
    assert_eq!(received, ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"]);
}

/// The log goes back while a server has no subscribers, and doesn't look at it.
#[tokio::test]
async fn r49_a_stream_that_begins_after_events_were_lost_hears_the_next_one() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    app.update_now(&orders.pack).await;
    let server = app.another_server().await;
    lose(&app, 8).await;
    let mut of_acme = Subscription::open(&server, &acme.token, LIVE, json!({})).await;
    app.package_newer(&orders.pack).await;
    app.update_now(&orders.pack).await;
    let received: Vec<_> = of_acme.collect(3).await.iter().map(|item| item.text("/events/kind")).collect();
    assert_eq!(received, ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"]);
}

#[tokio::test]
async fn r50_the_end_of_the_log_moves_only_when_something_happens_that_the_reader_may_hear() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let southwind = app.another_publisher("Southwind").await.token;
    let all = async || [app.cursor(&southwind).await, app.cursor(&acme.token).await, app.cursor(&app.publisher).await];
    let nothing = all().await;
    let orders = app.installed_pack("Orders", &[&globex]).await;
    let first = all().await;
    assert_eq!(first[0], nothing[0], "another publisher hears nothing of it");
    assert!(first[1] != nothing[1] && first[2] != nothing[2], "it was shared with Acme");
    app.update_now(&orders.pack).await;
    app.tick().await;
    let second = all().await;
    assert_eq!((&second[0], &second[1]), (&first[0], &first[1]), "Acme hasn't installed it");
    assert_ne!(second[2], first[2]);
    let installation = app.install(&acme, "Orders").await;
    app.update_now(&orders.pack).await;
    let third = all().await;
    assert_ne!(third[1], second[1]);
    app.uninstall(&acme, &installation).await;
    let floor = app.cursor(&acme.token).await;
    app.update_now(&orders.pack).await;
    assert_eq!(app.cursor(&acme.token).await, floor, "it has it no more");
    // The reader's own log continues from the cursor.
    for token in [&southwind, &acme.token, &app.publisher] {
        let cursor = app.cursor(token).await;
        assert_eq!(app.events_since(token, &cursor, Value::Null).await, Vec::<Value>::new());
        let page = app.gql(token, EVENTS, json!({ "last": 1 })).await;
        if let Some(edge) = page.list("/events/edges").first() {
            assert_eq!(edge.text("/cursor"), cursor);
        }
    }
}

#[tokio::test]
async fn r49_the_end_of_a_log_that_is_empty_or_was_pruned_is_a_cursor_that_holds() {
    let settings = packwright::service::Settings { keep_events_days: 1, ..Default::default() };
    let app = TestApp::with(crate::support::Setup { settings, ..Default::default() }).await;
    let acme = app.managed("Acme").await;
    let southwind = app.another_publisher("Southwind").await.token;
    let tokens = [&app.publisher, &acme.token, &southwind];
    let mut empty = Vec::new();
    for token in tokens {
        empty.push(app.cursor(token).await);
        assert_eq!(app.events_since(token, &empty[empty.len() - 1], Value::Null).await, Vec::<Value>::new());
    }
    let orders = app.installed_pack("Orders", &[&acme]).await;
    app.half_days_to("2026-11-25T09:00:00Z").await;
    assert!(events_after(&app, 0).await.is_empty(), "all of it was pruned");
    assert_eq!(app.cursor(&southwind).await, empty[2], "what others had says nothing");
    assert_eq!(
        refused(&app, &app.publisher, EVENTS, json!({ "after": empty[0] })).await.0.as_deref(),
        Some("CURSOR_EXPIRED")
    );
    let pruned = [app.cursor(&app.publisher).await, app.cursor(&acme.token).await, empty[2].clone()];
    app.update_now(&orders.pack).await;
    for (token, cursor) in tokens.into_iter().zip(&pruned) {
        let received = kinds(&app.events_since(token, cursor, Value::Null).await);
        let expected: &[&str] = match token {
            token if *token == app.publisher => &[
                "COMPONENT_PACKAGED",
                "NEWER_SHAREABLE_PACKAGED",
                "RELEASE_STARTED",
                "INSTALLATION_UPDATED",
                "RELEASE_COMPLETED",
            ],
            token if *token == acme.token => &["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"],
            _ => &[],
        };
        assert_eq!(received, expected);
    }
}
