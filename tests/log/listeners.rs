//! Many listeners: what they cost while nothing happens, and what an announcement costs (R4, R49).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use packwright::service::Settings;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::{Value, json};

use crate::log::listener_log::append_copies;
use crate::support::rows::tables;
use crate::support::{At, Managed, Setup, Subscription, TestApp};

/// How long to wait before a test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The statement with which a server looks for new events.
fn is_look(sql: &str) -> bool {
    sql.contains(r#""event_log"."pruned_to""#) && sql.contains("newest_id")
}

/// The statement that checks all tokens.
pub(crate) fn is_check_of_tokens(sql: &str) -> bool {
    sql.contains(r#"COUNT("api_token"."id")"#)
}

/// How long a state is shown to all who are shown an event. Who is shown it later has a later one read.
const SHOWN_FOR: Duration = Duration::from_millis(500);

/// What an announcement costs: how often each statement ran, and how long it took until all had heard it. A server looks
/// for events and checks all tokens by the clock too, so these statements aren't counted.
struct Cost {
    statements: BTreeMap<String, u32>,
    took: Duration,
}

impl Cost {
    async fn of<T>(app: &TestApp, work: impl Future<Output = T>) -> (T, Self) {
        let begun = Instant::now();
        let (result, all) = app.statements_of(work).await;
        let took = begun.elapsed();
        let mut statements = BTreeMap::new();
        for sql in all.into_iter().filter(|sql| !is_look(sql) && !is_check_of_tokens(sql)) {
            // SQLite's statements have a parameter for each account.
            *statements.entry(sql.replace("?, ", "")).or_default() += 1;
        }
        (result, Self { statements, took })
    }

    /// Fails if more was read than for fewer listeners, but for what a slow machine reads anew.
    fn assert_no_more_than(&self, few: &Self) {
        let anew = u32::try_from(self.took.as_millis() / SHOWN_FOR.as_millis()).expect("a number");
        for (sql, count) in &self.statements {
            let most = few.statements.get(sql).map_or(0, |few| few + anew);
            assert!(*count <= most, "{count} times, and {most} at most in {:?}: {sql}", self.took);
        }
    }
}

async fn accounts(app: &TestApp, count: usize) -> Vec<Managed> {
    let mut accounts = Vec::new();
    for n in 0..count {
        accounts.push(app.managed(&format!("Account {n}")).await);
    }
    accounts
}

/// Each account listens with a document of its own.
async fn listen(app: &TestApp, accounts: &[Managed], selection: &str) -> Vec<Subscription> {
    let mut listeners = Vec::new();
    for (n, account) in accounts.iter().enumerate() {
        let document = format!("subscription {{ releaseAnnounced {{ kind own{n}: packName {selection} }} }}");
        listeners.push(app.subscribe(&account.token, &document, json!({})).await);
    }
    listeners
}

/// Reschedules a release, and returns what each listener hears.
async fn announce(app: &TestApp, release: &str, date: &str, listeners: &mut [Subscription]) -> Vec<Value> {
    let heard = join_all(listeners.iter_mut().map(Subscription::next));
    tokio::join!(app.reschedule(release, date), heard).1
}

#[tokio::test]
async fn an_announcement_costs_the_same_statements_however_many_accounts_hear_it() {
    let app = TestApp::new().await;
    let accounts = accounts(&app, 30).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mut costs = Vec::new();
    for (count, date) in [(3, "2026-12-02"), (30, "2026-12-03")] {
        let mut listeners = listen(&app, &accounts[..count], SHOWN).await;
        // The first announcement after a while is read from the log.
        announce(&app, &release, "2026-12-04", &mut listeners).await;
        let (items, cost) = Cost::of(&app, announce(&app, &release, date, &mut listeners)).await;
        for (n, item) in items.iter().enumerate() {
            assert_eq!(item.at("/releaseAnnounced/kind"), "RELEASE_RESCHEDULED", "{item:#}");
            assert_eq!(item.at(&format!("/releaseAnnounced/own{n}")), "Orders", "{item:#}");
        }
        costs.push(cost);
    }
    costs[1].assert_no_more_than(&costs[0]);
}

/// An app whose batches have one installation: most of a small install base is without an offer when a release is
/// canceled, and then the release is hidden from these accounts.
async fn slow_offers() -> TestApp {
    let settings = Settings { batch_size: 1, ..Settings::default() };
    TestApp::with(Setup { settings, ..Setup::default() }).await
}

#[tokio::test]
async fn a_canceled_release_costs_the_same_statements_however_many_accounts_hear_of_it() {
    let app = slow_offers().await;
    let accounts = accounts(&app, 30).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    let mut costs = Vec::new();
    for count in [8, 30] {
        let release = app.update_on(&installed.pack, "2026-12-01").await;
        let mut listeners = listen(&app, &accounts[..count], SHOWN).await;
        // The first announcement after a while is read from the log.
        announce(&app, &release, "2026-12-04", &mut listeners).await;
        let canceled_and_heard = async {
            app.cancel(&release).await;
            join_all(listeners.iter_mut().map(Subscription::next)).await
        };
        let (items, cost) = Cost::of(&app, canceled_and_heard).await;
        let mut hidden = 0;
        for item in &items {
            assert_eq!(item.at("/releaseAnnounced/kind"), "RELEASE_CANCELED", "{item:#}");
            assert_eq!(item.at("/releaseAnnounced/pack/name"), "Orders", "{item:#}");
            hidden += usize::from(item.at("/releaseAnnounced/release").is_null());
        }
        assert!(hidden > count / 2, "the release is hidden from {hidden} of {count}");
        drop(listeners);
        costs.push(cost);
    }
    // A server looks once or twice while the release is canceled. Each listener that read for itself would cost one more.
    for (sql, count) in &costs[1].statements {
        let few = costs[0].statements.get(sql).copied().unwrap_or_default();
        assert!(*count <= few + 5, "{count} times for 30 listeners, {few} times for 8: {sql}");
    }
}

#[tokio::test]
async fn r02_of_a_canceled_release_each_account_is_shown_what_it_may_see() {
    let app = slow_offers().await;
    let accounts = accounts(&app, 8).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let mut listeners = listen(&app, &accounts, SHOWN).await;
    announce(&app, &release, "2026-12-04", &mut listeners).await;
    app.cancel(&release).await;
    let items = join_all(listeners.iter_mut().map(Subscription::next)).await;
    let id = packwright::domain::id::ReleaseId(crate::support::uuid_of(&release));
    let id = packwright::graphql::ids::Gid::AnnouncedRelease(id).encode().0;
    let (mut shown, mut hidden) = (0, 0);
    for (account, item) in accounts.iter().zip(&items) {
        let read = app.gql(&account.token, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
        let (in_event, in_query) = (item.at("/releaseAnnounced/release").is_null(), read.at("/node").is_null());
        assert_eq!(in_event, in_query, "{}: what is read for all is what each would read", account.name);
        *if in_event { &mut hidden } else { &mut shown } += 1;
    }
    assert!(shown > 0 && hidden > 0, "{shown} accounts had an offer, {hidden} had none");
}

#[tokio::test]
async fn r25_progress_costs_the_same_statements_however_many_watch_it() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let document = "subscription($id: ID!) { releaseProgress(releaseId: $id) {
        release { state window { date } version { number } } progress { total offered } } }";
    let mut costs = Vec::new();
    for (count, date) in [(3, "2026-12-02"), (12, "2026-12-03")] {
        let mut viewers = Vec::new();
        for _ in 0..count {
            viewers.push(app.subscribe(&app.publisher, document, json!({ "id": release })).await);
        }
        join_all(viewers.iter_mut().map(Subscription::next)).await;
        announce(&app, &release, "2026-12-04", &mut viewers).await;
        let (items, cost) = Cost::of(&app, announce(&app, &release, date, &mut viewers)).await;
        for item in &items {
            assert_eq!(item.at("/releaseProgress/release/window/date"), date, "{item:#}");
            assert_eq!(item.int("/releaseProgress/progress/offered"), 1, "{item:#}");
        }
        costs.push(cost);
    }
    costs[1].assert_no_more_than(&costs[0]);
}

/// What the listeners select.
const SHOWN: &str = "cursor pack { id name } release { id createdAt notes version { number } }";

#[tokio::test]
async fn the_accounts_of_many_listeners_are_joined_and_not_compared_with_each_row() {
    let app = TestApp::new().await;
    let accounts = accounts(&app, 201).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.tick().await;
    let mut listeners = listen(&app, &accounts, SHOWN).await;
    announce(&app, &release, "2026-12-04", &mut listeners).await;
    let (items, statements) = app.statements_of(announce(&app, &release, "2026-12-02", &mut listeners)).await;
    assert_eq!(items.len(), 201);
    if app.is_postgresql() {
        let compared: Vec<_> = statements.iter().filter(|sql| sql.contains(r#""account_id" = ANY(CAST"#)).collect();
        assert!(compared.is_empty(), "{compared:#?}");
        assert!(statements.iter().any(|sql| sql.contains("unnest(")), "{statements:#?}");
    }
}

#[tokio::test]
async fn listeners_cost_no_statements_while_nothing_happens_but_those_of_the_server() {
    let app = TestApp::new().await;
    let accounts = accounts(&app, 5).await;
    app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    app.tick().await;
    let listeners = listen(&app, &accounts, SHOWN).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (saw, notify) = (seen.clone(), Arc::new(tokio::sync::Notify::new()));
    let looked = notify.clone();
    app.after_statements(move |sql| {
        saw.lock().expect("seen").push(sql.to_owned());
        if is_check_of_tokens(sql) {
            looked.notify_one();
        }
    });
    // Until the server has checked all tokens twice. It has looked for events meanwhile. The connection of the second
    // check was silent for a while.
    for _ in 0..2 {
        tokio::time::timeout(TIME_LIMIT, notify.notified()).await.expect("the tokens are checked");
    }
    let seen = seen.lock().expect("seen").clone();
    let is_own = |sql: &str| is_look(sql) || is_check_of_tokens(sql);
    let others: Vec<_> = seen.iter().filter(|sql| !is_own(sql)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(seen.len() < 20, "{seen:#?}");
    drop(listeners);
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[tokio::test]
async fn a_listener_is_not_woken_by_events_that_are_not_for_it() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let orders = app.installed_pack("Orders", &[&acme]).await;
    let invoices = app.installed_pack("Invoices", &[&globex]).await;
    app.tick().await;
    let document = async_graphql::Request::new("subscription { releaseAnnounced { packName } }");
    let mut stream = app.app.execute_stream(Some(&acme.token), document).await.expect("let in");
    let mut other = app.subscribe(&globex.token, "subscription { releaseAnnounced { kind } }", json!({})).await;
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut poll = || stream.poll_next_unpin(&mut Context::from_waker(&waker));
    let followers = app.app.hub.followers();
    while app.app.hub.followers() == followers {
        assert!(poll().is_pending());
        tokio::task::yield_now().await;
    }
    // The first event after a while makes all listeners read the log.
    app.update_now(&invoices.pack).await;
    other.collect(2).await;
    assert!(poll().is_pending());
    while woken.0.swap(0, Ordering::AcqRel) > 0 {
        assert!(poll().is_pending());
        app.tick().await;
    }
    // On a busy machine a timer may wake it meanwhile. An event for others would wake it each time.
    let mut rounds_without = 0;
    for _ in 0..6 {
        assert!(poll().is_pending());
        woken.0.store(0, Ordering::Release);
        app.update_now(&invoices.pack).await;
        other.collect(2).await;
        rounds_without += usize::from(woken.0.load(Ordering::Acquire) == 0);
    }
    assert!(rounds_without >= 3, "woken for another account: {rounds_without} of 6 rounds without");
    woken.0.store(0, Ordering::Release);
    app.update_now(&orders.pack).await;
    let is_woken = async {
        while woken.0.load(Ordering::Acquire) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, is_woken).await.expect("woken for its own");
}

#[tokio::test]
async fn r04_a_subscription_ends_within_five_seconds_though_nothing_happens() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let token = app.token(&acme.token, "SUPPORT").await;
    let document = "subscription { events { kind } }";
    let of_token = app.subscribe(&token, document, json!({})).await;
    let of_account = app.subscribe(&globex.token, document, json!({})).await;
    let mut unharmed = app.subscribe(&acme.token, document, json!({})).await;
    let viewer = app.gql(&token, "{ viewer { token { id } } }", json!({})).await.text("/viewer/token/id");
    app.ok(&acme.token, "revokeApiToken", json!({ "tokenId": viewer }), "apiToken { id }").await;
    app.suspend(&globex).await;
    let begun = Instant::now();
    let (revoked, suspended) = tokio::join!(of_token.until_the_end(), of_account.until_the_end());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(revoked[0].text("/errors/0/extensions/code"), "UNAUTHENTICATED");
    assert_eq!(suspended[0].text("/errors/0/extensions/code"), "FORBIDDEN");
    app.installed_pack("Orders", &[&acme]).await;
    assert_eq!(unharmed.next().await.text("/events/kind"), "PACK_SHARED");
}

#[tokio::test]
async fn r49_a_listener_that_is_further_behind_than_memory_hears_everything_in_order() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let document = "subscription { newerShareablePackaged { packName } }";
    let mut listener = app.subscribe(&app.publisher, document, json!({})).await;
    for _ in 0..2 {
        app.package_newer(&pack).await;
        listener.next().await;
    }
    // More events than a server keeps.
    let count = 10_500;
    append_copies(&app, count).await;
    app.package_newer(&pack).await;
    for n in 1..=count {
        assert_eq!(listener.next().await.text("/newerShareablePackaged/packName"), format!("Pack {n}"));
    }
    assert_eq!(listener.next().await.text("/newerShareablePackaged/packName"), "Orders");
}

/// A subscription on another server, which is awaited in a task of its own.
async fn on_another_server(app: &TestApp) -> tokio::sync::mpsc::UnboundedReceiver<(String, Instant)> {
    let other = app.another_server().await;
    let request = async_graphql::Request::new("subscription { releaseAnnounced { packName } }");
    let mut stream = other.execute_stream(Some(&app.publisher), request).await.expect("let in");
    let (send, heard) = tokio::sync::mpsc::unbounded_channel();
    let hub = other.hub.clone();
    tokio::spawn(async move {
        while let Some(item) = stream.next().await {
            let item = serde_json::to_value(item).expect("JSON");
            if send.send((item.text("/data/releaseAnnounced/packName"), Instant::now())).is_err() {
                break;
            }
        }
    });
    let follows = async {
        while hub.followers() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, follows).await.expect("the other server follows the log");
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r49_another_server_hears_at_once_also_after_its_connection_for_listen_was_lost() {
    let app = TestApp::new().await;
    let mut heard = on_another_server(&app).await;
    let is_postgresql = app.is_postgresql();
    let listens =
        "FROM pg_stat_activity WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')";
    let listening = async || {
        let sql = format!("SELECT COUNT(*) {listens}");
        let row =
            tables(&app).query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.expect("read");
        row.expect("a count").try_get_by_index::<i64>(0).expect("a number") > 0
    };
    let listens_again = async || {
        while is_postgresql && !listening().await {
            tokio::task::yield_now().await;
        }
    };
    for round in 0..2 {
        tokio::time::timeout(TIME_LIMIT, listens_again()).await.expect("it listens");
        let mut took = Vec::new();
        for n in 0..5 {
            let name = format!("Orders {round} {n}");
            let pack = app.pack_with(&name, &[&name]).await;
            app.release_now(&pack.id).await;
            let committed = Instant::now();
            let (name_heard, at) = tokio::time::timeout(TIME_LIMIT, heard.recv()).await.expect("heard").expect("open");
            assert_eq!(name_heard, name);
            took.push(at.saturating_duration_since(committed));
            // The other event of the release.
            tokio::time::timeout(TIME_LIMIT, heard.recv()).await.expect("heard").expect("open");
        }
        took.sort();
        if is_postgresql {
            assert!(took[2] < Duration::from_millis(900), "round {round}: {took:?}");
            tables(&app)
                .execute_unprepared(&format!("SELECT pg_terminate_backend(pid) {listens}"))
                .await
                .expect("the connection is cut");
        }
    }
}
