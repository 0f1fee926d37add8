//! Each event is shown from one state of the database, also when ten thousand accounts share the reads (R49).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use packwright::app::App;
use packwright::http::Answer;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::log::listeners::is_check_of_tokens;
use crate::support::rows::{code_of, tables};
use crate::support::{At, TestApp};

/// How long to wait before a test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The last of the statements that read what all see of a pack.
fn ends_shared_reads(sql: &str) -> bool {
    sql.starts_with(r#"SELECT "installation_update"."account_id", "installation_update"."release_id""#)
}

/// Subscriptions on another server, which follow the log.
async fn listen_on(server: &App, tokens: &[&str], document: &str) -> Vec<BoxStream<'static, Answer>> {
    let mut streams = Vec::new();
    for token in tokens {
        let before = server.hub.followers();
        let stream = server.execute_stream(Some(token), async_graphql::Request::new(document)).await.expect("let in");
        let mut stream = stream.peekable();
        let follows = async {
            while futures_util::poll!(std::pin::Pin::new(&mut stream).peek()).is_pending()
                && server.hub.followers() == before
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIME_LIMIT, follows).await.expect("the subscription follows the log");
        streams.push(stream.boxed());
    }
    streams
}

/// The next item of each.
async fn next_of_all(streams: &mut [BoxStream<'static, Answer>]) -> Vec<Value> {
    let next = async |stream: &mut BoxStream<'static, Answer>| {
        let item = tokio::time::timeout(TIME_LIMIT, stream.next()).await.expect("an answer").expect("an item");
        serde_json::to_value(item).expect("JSON")
    };
    join_all(streams.iter_mut().map(next)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r49_an_event_that_needs_more_than_is_shared_shows_one_state() {
    let app = Arc::new(TestApp::new().await);
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let reader = app.another_server_watched().await;
    let document = "subscription { releaseAnnounced { pack { ... on AvailablePack {
        pendingRelease { id } installations(first: 5) { edges { node { id } } } } } } }";
    let mut streams = listen_on(&reader.app, &[&acme.token, &globex.token], document).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    next_of_all(&mut streams).await;
    // The account uninstalls the pack just after it was read what all accounts see of it.
    let (is_gone, loser) = (Arc::new(AtomicBool::new(false)), app.clone());
    let (gone, installation) = (is_gone.clone(), installed.installations[0].clone());
    reader.after_statements(move |sql| {
        if ends_shared_reads(sql) && !gone.swap(true, Ordering::AcqRel) {
            let (runtime, loser, acme) = (Handle::current(), loser.clone(), acme.clone());
            let installation = installation.clone();
            let thread = std::thread::spawn(move || runtime.block_on(loser.uninstall(&acme, &installation)));
            tokio::task::block_in_place(|| thread.join()).expect("it is uninstalled");
        }
    });
    let (items, ()) = tokio::join!(next_of_all(&mut streams), app.reschedule(&release, "2026-12-02"));
    assert!(is_gone.load(Ordering::Acquire), "the reads were shared");
    for (item, installations) in items.iter().zip([0, 1]) {
        assert_eq!(code_of(item), None, "{item:#}");
        let pack = item.at("/data/releaseAnnounced/pack");
        let shown = (pack.list("/installations/edges").len(), pack.at("/pendingRelease").is_null());
        assert!(shown == (installations, installations == 0) || shown == (1, false), "two states: {item:#}");
    }
}

#[tokio::test]
async fn r49_a_later_event_never_shows_an_older_state() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let document = "subscription { events { kind ... on PackEvent { pack { name } } } }";
    let mut of_acme = app.subscribe(&acme.token, document, json!({})).await;
    let mut of_globex = app.subscribe(&globex.token, document, json!({})).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    of_acme.next().await;
    of_globex.next().await;
    app.tick().await;
    app.reschedule(&release, "2026-12-02").await;
    let kinds: Vec<_> = of_globex.collect(2).await.iter().map(|item| item.text("/events/kind")).collect();
    assert_eq!(kinds, ["UPDATE_OFFERED", "RELEASE_RESCHEDULED"]);
    let input = json!({ "packId": installed.pack.id, "name": "Renamed" });
    app.ok(&app.publisher, "updateIntegrationPack", input, "integrationPack { id }").await;
    let names: Vec<_> = of_acme.collect(2).await.iter().map(|item| item.text("/events/pack/name")).collect();
    assert_eq!(names, ["Renamed", "Renamed"], "of the offer, and of the announcement after it");
}

#[tokio::test]
async fn r49_what_fails_for_one_viewer_of_an_account_fails_for_no_other() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let heavy = "subscription { installationUpdated { kind installation { version { contents { __typename } } } } }";
    let light = "subscription { installationUpdated { kind
        installation { version { number } updates(first: 5) { edges { node { state } } } } } }";
    let mut of_heavy = app.subscribe(&acme.token, heavy, json!({})).await;
    let mut of_light = app.subscribe(&acme.token, light, json!({})).await;
    tables(&app).execute_unprepared("ALTER TABLE pack_version_item RENAME TO gone").await.expect("renamed");
    let both = async { tokio::join!(of_heavy.next_raw(), of_light.next_raw()) };
    let groups = [gold.as_str()];
    let (_, (failed, shown)) = tokio::join!(app.unshare(&installed.pack.id, &groups), both);
    assert!(code_of(&failed.expect("an item")).is_some());
    let shown = shown.expect("an item");
    assert_eq!(code_of(&shown), None, "{shown:#}");
    assert_eq!(shown.text("/data/installationUpdated/kind"), "INSTALLATION_FROZEN");
}

/// The statements of another server that hears an announcement with this selection.
async fn statements_of_announcement(app: &TestApp, selection: &str) -> Vec<String> {
    let accounts = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &accounts.iter().collect::<Vec<_>>()).await;
    let reader = app.another_server_watched().await;
    let document = format!("subscription {{ releaseAnnounced {{ {selection} }} }}");
    let tokens: Vec<_> = accounts.iter().map(|account| account.token.as_str()).collect();
    let mut streams = listen_on(&reader.app, &tokens, &document).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    next_of_all(&mut streams).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = seen.clone();
    reader.after_statements(move |sql| saw.lock().expect("seen").push(sql.to_owned()));
    tokio::join!(next_of_all(&mut streams), app.reschedule(&release, "2026-12-02"));
    reader.after_statements(|_| {});
    Arc::try_unwrap(seen)
        .map_or_else(|seen| seen.lock().expect("seen").clone(), |seen| seen.into_inner().expect("seen"))
}

#[tokio::test]
async fn an_event_is_shown_after_its_token_was_checked() {
    // An answer that was made while the database was away would be sent, with its errors, when the check succeeds.
    let app = TestApp::new().await;
    let statements = statements_of_announcement(&app, "pack { name }").await;
    let position = |is: &dyn Fn(&str) -> bool| statements.iter().position(|sql| is(sql));
    let checked = position(&is_check_of_tokens);
    let shown = position(&|sql: &str| sql.contains(r#"FROM "integration_pack""#));
    assert!(checked.is_some() && checked < shown, "{checked:?}, {shown:?}: {statements:#?}");
}

#[tokio::test]
async fn an_announcement_reads_nothing_that_nobody_selects_and_no_records_without_a_batch() {
    let app = TestApp::new().await;
    let statements = statements_of_announcement(&app, "kind packName").await;
    let needless: Vec<_> =
        statements.iter().filter(|sql| ends_shared_reads(sql) || sql.contains(r#"FROM "log_record""#)).collect();
    assert!(needless.is_empty(), "{needless:#?}");
    assert!(statements.iter().any(|sql| is_check_of_tokens(sql)), "{statements:#?}");
}
