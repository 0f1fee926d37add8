//! Listeners hear everything although something can't be read, overflows, or was pruned (R49, R50).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use packwright::domain::id::AccountId;
use packwright::domain::log::{Audience, Position};
use packwright::service::Settings;
use packwright::service::accounts::authenticate;
use packwright::store::DatabaseKind;
use packwright::store::log::{events, feed};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::support::rows::tables;
use crate::support::{At, Setup, TestApp, uuid_of};

const LIVE: &str = "subscription { events { kind ... on PackEvent { packName } } }";

/// Appends copies of the newest event, as if another server had written them.
pub(crate) async fn append_copies(app: &TestApp, count: usize) {
    let id = if app.is_postgresql() { "gen_random_uuid()" } else { "randomblob(16)" };
    let columns = "kind, audience, publisher_id, account_id, pack_id, occurred_at, actor_kind, actor_name,
        actor_token_id, actor_account_id, actor_account_name, release_id, installation_id, update_state,
        component_version_id, group_id, data";
    let insert = format!(
        "INSERT INTO event (id, pack_name, {columns})
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        SELECT {id}, 'Pack ' || n.i, {columns} FROM n
        CROSS JOIN (SELECT * FROM event WHERE sequence = (SELECT MAX(sequence) FROM event)) AS last ORDER BY n.i"
    );
    tables(app).execute_unprepared(&insert).await.expect("many events");
}

/// Appends a copy of the newest batch with one record, at an instant that can't be read.
async fn append_damaged_batch(app: &TestApp) {
    let (id, instant, free) = if app.is_postgresql() {
        let sequence = "pg_get_serial_sequence('event', 'sequence')";
        (
            "gen_random_uuid()",
            "'infinity'",
            format!("SELECT setval({sequence}, (SELECT MAX(sequence) FROM log_record))"),
        )
    } else {
        let last = "(SELECT MAX(sequence) FROM log_record)";
        ("randomblob(16)", "'garbage'", format!("UPDATE sqlite_sequence SET seq = {last} WHERE name = 'event'"))
    };
    let next =
        "(SELECT MAX(sequence) + 1 FROM (SELECT sequence FROM event UNION SELECT sequence FROM log_record) AS l)";
    let newest = "(SELECT MAX(first_sequence) FROM log_batch WHERE kind IS NOT NULL)";
    let script = format!(
        "BEGIN;
        INSERT INTO log_record (sequence, batch, account_id, installation_id, version_before, name)
        SELECT {next}, {next}, account_id, installation_id, version_before, name
        FROM log_record WHERE sequence = {newest};
        INSERT INTO log_batch (first_sequence, last_sequence, id_base, id_seal, publisher_id, occurred_at, pack_id,
            pack_name, release_id, kind, audience, update_state, for_account, changes, version_after, version_is_gone)
        SELECT r.sequence, r.sequence, {id}, id_seal, publisher_id, {instant}, pack_id,
            pack_name, release_id, kind, audience, update_state, for_account, changes, version_after, version_is_gone
        FROM log_batch CROSS JOIN (SELECT MAX(sequence) AS sequence FROM log_record) AS r
        WHERE first_sequence = {newest};
        {free};
        COMMIT"
    );
    tables(app).execute_unprepared(&script).await.expect("a damaged batch");
}

#[tokio::test]
async fn r49_a_batch_that_can_not_be_read_silences_nobody() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    let invoices = app.installed_pack("Invoices", &[&globex]).await;
    app.update_now(&orders.pack).await;
    app.tick().await;
    let document = "subscription { installationUpdated { kind packName } }";
    let mut of_acme = app.subscribe(&acme.token, document, json!({})).await;
    let mut of_globex = app.subscribe(&globex.token, document, json!({})).await;
    app.update_now(&invoices.pack).await;
    app.tick().await;
    of_globex.next().await;
    append_damaged_batch(&app).await;
    for (pack, listener) in [(&invoices, &mut of_globex), (&orders, &mut of_acme)] {
        app.update_now(&pack.pack).await;
        app.tick().await;
        assert_eq!(listener.next().await.text("/installationUpdated/packName"), pack.pack.name);
    }
}

#[tokio::test]
async fn r49_listeners_read_the_log_themselves_when_the_server_can_not_read_it_for_all() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    let document = "subscription { releaseAnnounced { kind } }";
    let mut of_publisher = app.subscribe(&app.publisher, document, json!({})).await;
    let mut of_acme = app.subscribe(&acme.token, document, json!({})).await;
    let release = app.update_on(&orders.pack, "2026-12-01").await;
    of_publisher.next().await;
    of_acme.next().await;
    // The server needs the table to know which accounts hear an announcement. The publisher's log doesn't.
    tables(&app).execute_unprepared("ALTER TABLE past_visibility RENAME TO gone").await.expect("renamed");
    app.reschedule(&release, "2026-12-02").await;
    assert_eq!(of_publisher.next().await.text("/releaseAnnounced/kind"), "RELEASE_RESCHEDULED");
}

#[tokio::test]
async fn r50_twenty_thousand_listening_accounts_fit_into_a_statement() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&orders.pack, "2026-12-01").await;
    let server = app.app.services.db.whole_server();
    let found = feed::read_after(&server, Position::ORIGIN, &feed::Listening::default(), &[], 1_000).await;
    let events = found.expect("read").events;
    let announced = events.iter().rfind(|event| event.event.audience == Audience::PublisherAndInstalled);
    let announced = announced.expect("an announcement");
    let acme = AccountId(uuid_of(&acme.id));
    let strangers = (0..20_000u128).map(|n| AccountId(Uuid::from_u128(n)));
    let accounts: Vec<_> = strangers.chain([acme]).collect();
    let hearers = feed::hearers(&server, &[announced], &accounts).await.expect("the hearers");
    assert_eq!(hearers.get(&announced.sequence), Some(&HashSet::from([acme])));
}

#[tokio::test]
async fn r50_a_listener_that_missed_nothing_goes_on_though_old_events_were_pruned() {
    let settings = Settings { keep_events_days: 1, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    let document = "subscription { releaseAnnounced { kind packName } }";
    let mut quiet = app.subscribe(&acme.token, document, json!({})).await;
    let mut busy = app.subscribe(&app.publisher, LIVE, json!({})).await;
    // Acme may see the events of this pack, but didn't select them. It listens all the time.
    let days = async {
        app.installed_pack("Invoices", &[&globex]).await;
        for _ in 0..6 {
            app.advance_by(12 * 60 * 60).await;
            app.package_newer(&orders.pack).await;
            while busy.next().await.text("/events/kind") != "NEWER_SHAREABLE_PACKAGED" {}
        }
    };
    if let Either::Right((heard, _)) = select(Box::pin(days), Box::pin(quiet.next())).await {
        panic!("it heard {heard:#}");
    }
    // More events than a server takes at once: listeners read the log.
    append_copies(&app, 10_500).await;
    app.release_now(&orders.pack.id).await;
    assert_eq!(quiet.next().await.text("/releaseAnnounced/kind"), "RELEASE_STARTED");
}

#[tokio::test]
async fn r49_the_many_events_of_one_publisher_send_no_other_to_the_log() {
    let app = TestApp::new().await;
    let southwind = app.another_publisher("Southwind").await.token;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let document = "subscription { newerShareablePackaged { packName } }";
    let mut busy = app.subscribe(&app.publisher, document, json!({})).await;
    let mut other = app.subscribe(&southwind, LIVE, json!({})).await;
    // The other one has read the log as a newcomer before the burst begins.
    let before = async {
        for _ in 0..3 {
            app.package_newer(&pack).await;
            busy.next().await;
        }
    };
    select(Box::pin(before), Box::pin(other.next_raw())).await;
    let id = app.gql(&southwind, "{ viewer { account { id } } }", json!({})).await.text("/viewer/account/id");
    let id = uuid_of(&id).to_string();
    let burst = async {
        append_copies(&app, 10_500).await;
        app.package_newer(&pack).await;
        busy.collect(300).await;
    };
    let waiting = async { select(Box::pin(burst), Box::pin(other.next_raw())).await };
    let (_, statements) = app.statements_with_values_of(waiting).await;
    let of_other: Vec<_> = statements
        .iter()
        .filter(|statement| statement.sql.contains("event_floor") && format!("{:?}", statement.values).contains(&id))
        .collect();
    assert!(of_other.is_empty(), "it read the log: {of_other:#?}");
    assert!(statements.iter().any(|statement| statement.sql.contains("event_floor")), "the busy one read it");
}

#[tokio::test]
async fn r49_a_listener_that_reads_the_log_waits_while_the_database_is_away() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let request = async_graphql::Request::new("subscription { events { kind } }");
    let mut stream = app.app.execute_stream(Some(&app.publisher), request).await.expect("let in");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let (hub, followers) = (&app.app.hub, app.app.hub.followers());
    while hub.followers() == followers {
        tokio::task::yield_now().await;
        // A later reset could lose a waking: whoever is awake isn't woken again before the next poll.
        woken.0.store(false, Ordering::Release);
        assert!(stream.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    // The first event after a while makes the listener read the log. It is awake, and hasn't begun yet.
    app.release_now(&pack.id).await;
    while !woken.0.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    let db = &app.app.services.db;
    let caller = authenticate(&app.app.services, Some(&app.publisher), None).await.expect("let in");
    let readers = if db.kind() == DatabaseKind::Postgresql { 2 } else { 3 };
    let mut held = Vec::new();
    for _ in 0..readers {
        let snapshot = db.snapshot(caller.viewer().expect("a viewer").scope(), app.now());
        events::position(&snapshot).await.expect("read");
        held.push(snapshot);
    }
    // A read waits for ten seconds for a connection, and then it fails.
    tokio::time::pause();
    let away = tokio::time::sleep(std::time::Duration::from_secs(15));
    if let Either::Left((ended, _)) = select(stream.next(), Box::pin(away)).await {
        panic!("it ended, though the database was only away: {ended:?}");
    }
    tokio::time::resume();
    drop(held);
    let patience = std::time::Duration::from_secs(20);
    let item = tokio::time::timeout(patience, stream.next()).await.expect("in time").expect("an item");
    let item = serde_json::to_value(item).expect("JSON");
    assert_eq!(item.text("/data/events/kind"), "RELEASE_STARTED", "{item:#}");
}

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
