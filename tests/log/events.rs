//! Subscriptions to the event log: events come after the commit, in order, and none is missed (R49).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, events_after, refusal_of};
use crate::support::{At, Setup, Subscription, TestApp};

const ANNOUNCED: &str = "subscription($after: String) { releaseAnnounced(after: $after) {
    id cursor kind packName actor { kind name } release { id ... on Release { state } ... on AnnouncedRelease { announced: state } } } }";
const NEWER: &str = "subscription($after: String) { newerShareablePackaged(after: $after) { id cursor kind packName version { version } } }";

/// The kinds of some items of `releaseAnnounced`.
fn kinds(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item.text("/releaseAnnounced/kind")).collect()
}

/// Creates a pack and a dated release of it, which causes RELEASE_SCHEDULED.
async fn scheduled(app: &TestApp, name: &str) -> String {
    let pack = app.pack_with(name, &[&format!("{name} process")]).await;
    app.release_on(&pack.id, "2026-12-01").await
}

async fn announced(app: &TestApp, token: &str, after: &str) -> Subscription {
    app.subscribe(token, ANNOUNCED, json!({ "after": after })).await
}

#[tokio::test]
async fn r49_a_pack_events_come_in_the_order_in_which_things_happened() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let start = app.cursor(&app.publisher).await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let dated = app.update_on(&installed.pack, "2026-12-01").await;
    app.reschedule(&dated, "2026-12-02").await;
    app.cancel(&dated).await;
    let pending = app.release_on(&installed.pack.id, "2026-12-03").await;
    let superseding = app.update_now(&installed.pack).await;
    let promoted = app.update_on(&installed.pack, "2026-12-04").await;
    app.promote(&promoted).await;
    app.tick().await;
    let mut subscription = announced(&app, &app.publisher, &start).await;
    let items: Vec<_> = subscription.collect(11).await;
    let (one, release) = (&installed.first_release, |item: &Value| item.text("/releaseAnnounced/release/id"));
    let expected = [
        ("RELEASE_STARTED", one),
        ("RELEASE_COMPLETED", one),
        ("RELEASE_SCHEDULED", &dated),
        ("RELEASE_RESCHEDULED", &dated),
        ("RELEASE_CANCELED", &dated),
        ("RELEASE_SCHEDULED", &pending),
        ("RELEASE_SUPERSEDED", &pending),
        ("RELEASE_STARTED", &superseding),
        ("RELEASE_COMPLETED", &superseding),
        ("RELEASE_SCHEDULED", &promoted),
        ("RELEASE_STARTED", &promoted),
    ];
    let seen: Vec<_> = items.iter().map(|item| (item.text("/releaseAnnounced/kind"), release(item))).collect();
    assert_eq!(seen, expected.map(|(kind, id)| (kind.to_owned(), id.clone())));
    assert_eq!(kinds(&subscription.collect(1).await), ["RELEASE_COMPLETED"]);
}

#[tokio::test]
async fn r49_a_subscriber_that_names_its_last_cursor_misses_nothing_and_gets_nothing_twice() {
    let app = TestApp::new().await;
    let start = app.cursor(&app.publisher).await;
    for name in ["One", "Two", "Three", "Four"] {
        scheduled(&app, name).await;
    }
    let whole = announced(&app, &app.publisher, &start).await.collect(4).await;
    for (index, item) in whole.iter().enumerate().take(3) {
        let rest =
            announced(&app, &app.publisher, &item.text("/releaseAnnounced/cursor")).await.collect(3 - index).await;
        let ids = |items: &[Value]| items.iter().map(|i| i.text("/releaseAnnounced/id")).collect::<Vec<_>>();
        assert_eq!(ids(&rest), ids(&whole[index + 1..]), "the same events have the same IDs for each delivery");
    }
}

#[tokio::test]
async fn r49_an_event_between_reading_and_subscribing_arrives() {
    let app = TestApp::new().await;
    scheduled(&app, "Before").await;
    let cursor = app.cursor(&app.publisher).await;
    scheduled(&app, "Between").await;
    let mut subscription = announced(&app, &app.publisher, &cursor).await;
    assert_eq!(subscription.next().await.text("/releaseAnnounced/packName"), "Between");
    // From here on events come live.
    for name in ["One", "Two", "Three"] {
        scheduled(&app, name).await;
        assert_eq!(subscription.next().await.text("/releaseAnnounced/packName"), name);
    }
}

#[tokio::test]
async fn r49_without_a_cursor_a_subscription_starts_with_what_happens_next() {
    let app = TestApp::new().await;
    scheduled(&app, "Before").await;
    let mut subscription = app.subscribe(&app.publisher, ANNOUNCED, json!({})).await;
    let go_on = async {
        for index in 0.. {
            scheduled(&app, &format!("After {index}")).await;
        }
    };
    let first = tokio::select! {
        item = subscription.next() => item,
        () = go_on => unreachable!("it goes on for ever"),
    };
    assert!(first.text("/releaseAnnounced/packName").starts_with("After "), "{first:#}");
}

#[tokio::test]
async fn r49_an_event_arrives_only_after_its_change_can_be_read() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let cursor = app.cursor(&app.publisher).await;
    let mut subscription = announced(&app, &app.publisher, &cursor).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    let item = subscription.next().await;
    assert_eq!(
        (item.text("/releaseAnnounced/release/id"), item.text("/releaseAnnounced/release/state")),
        (release.clone(), "SCHEDULED".into())
    );
    app.cancel(&release).await;
    let item = subscription.next().await;
    assert_eq!(
        (item.text("/releaseAnnounced/kind"), item.text("/releaseAnnounced/release/state")),
        ("RELEASE_CANCELED".into(), "CANCELED".into())
    );
}

#[tokio::test]
async fn r49_a_refused_command_announces_nothing() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let mark = LogMark::now(&app).await;
    let again = crate::support::on_date(&installed.pack.id, "2026-12-02");
    assert_eq!(app.refused(&app.publisher, "releaseIntegrationPack", again).await.code, "RELEASE_ALREADY_PENDING");
    let id = app.available(&acme, "Orders").await;
    assert_eq!(app.refused(&acme.token, "installPack", json!({ "packId": id })).await.code, "ALREADY_INSTALLED");
    assert_eq!((mark.kinds(&app).await, mark.actions(&app).await), (vec![], vec![]));
}

#[tokio::test]
async fn r49_more_events_than_a_page_all_arrive_in_order() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let cursor = app.cursor(&app.publisher).await;
    let package = json!({ "componentId": pack.components[0], "shareable": true });
    app.ok(&app.publisher, "createPackagedComponents", json!({ "packages": vec![package; 230] }), "").await;
    let items = app.subscribe(&app.publisher, NEWER, json!({ "after": cursor })).await.collect(230).await;
    let labels: Vec<_> = items.iter().map(|item| item.text("/newerShareablePackaged/version/version")).collect();
    assert_eq!(labels, (2..232).map(|n| format!("{n}.0")).collect::<Vec<_>>());
}

#[tokio::test]
async fn r49_two_writers_at_once_leave_a_log_that_each_subscriber_reads_whole() {
    let app = TestApp::new().await;
    let mut packs = Vec::new();
    for index in 0..8 {
        packs.push(app.pack_with(&format!("Pack {index}"), &[&format!("Process {index}")]).await.id);
    }
    let cursor = app.cursor(&app.publisher).await;
    let mut subscription = announced(&app, &app.publisher, &cursor).await;
    let release = |pack: &str| app.try_release(crate::support::immediately(pack));
    let all = futures_util::future::join_all(packs.iter().map(|pack| release(pack)));
    let (answers, items) = tokio::join!(all, subscription.collect(16));
    assert!(answers.iter().all(|payload| refusal_of(payload).is_none()), "{answers:#?}");
    let ids: std::collections::BTreeSet<_> = items.iter().map(|item| item.text("/releaseAnnounced/id")).collect();
    assert_eq!(ids.len(), 16, "each once");
    let sequences: Vec<_> = events_after(&app, 0).await.into_iter().map(|event| event.sequence).collect();
    assert!(sequences.is_sorted());
}

#[tokio::test]
async fn r50_a_cursor_of_another_account_is_bad_input() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let b = app.another_publisher("Southwind").await.token;
    let cursors = [
        app.cursor(&app.publisher).await,
        app.cursor(&acme.token).await,
        app.cursor(&globex.token).await,
        app.cursor(&b).await,
    ];
    let mut torn = cursors[0].clone();
    torn.pop();
    let bent = cursors[0].chars().rev().collect::<String>();
    let readers = [&app.publisher, &acme.token, &globex.token, &b];
    for (index, token) in readers.into_iter().enumerate() {
        for document in [ANNOUNCED, "subscription($after: String) { installationUpdated(after: $after) { id } }"] {
            let foreign =
                cursors.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, cursor)| cursor.as_str());
            for after in foreign.chain([torn.as_str(), bent.as_str(), "", "0", "nonsense"]) {
                let code = app.first_error(Some(token), document, json!({ "after": after })).await;
                assert_eq!(code.as_deref(), Some("BAD_USER_INPUT"), "{after}");
            }
        }
    }
    let other_token = app.token(&app.publisher, "SUPPORT").await;
    scheduled(&app, "Orders").await;
    let item = announced(&app, &other_token, &cursors[0]).await.next().await;
    assert_eq!(item.text("/releaseAnnounced/packName"), "Orders", "it is the account's, not the token's");
}

#[tokio::test]
async fn r50_a_cursor_reveals_nothing_of_the_activity_of_others() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let mut former: Vec<Vec<u8>> = Vec::new();
    let mut last = 0;
    while last < 110 {
        app.update_now(&installed.pack).await;
        last = events_after(&app, 0).await.last().expect("an event").sequence;
        let (plain, bytes) = (last.to_string(), last.to_be_bytes());
        let mut now = Vec::new();
        for token in [&app.publisher, &acme.token] {
            let cursor = app.cursor(token).await;
            let sealed = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &cursor);
            let sealed = sealed.expect("the cursor is base64");
            let holds = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
            // One or two digits may occur by chance.
            assert!(plain.len() < 3 || !holds(plain.as_bytes()), "{cursor} tells its place {last}");
            assert!(!holds(&bytes) && !holds(&last.to_le_bytes()), "{cursor} tells its place {last}");
            now.push(sealed);
        }
        assert_ne!(now[0], now[1], "each account has its own");
        for (former, now) in former.iter().zip(&now) {
            let same = former.iter().zip(now).filter(|(a, b)| a == b).count();
            assert!(same * 3 < now.len(), "two places of the log look alike: {former:?}, {now:?}");
        }
        former = now;
    }
}

#[tokio::test]
async fn r49_subscribers_get_events_of_another_server_on_the_database() {
    let app = TestApp::with(Setup::default()).await;
    let other = app.another_server().await;
    let cursor = app.cursor(&app.publisher).await;
    scheduled(&app, "Before").await;
    let request = async_graphql::Request::new(ANNOUNCED)
        .variables(async_graphql::Variables::from_json(json!({ "after": cursor })));
    let mut subscription = other.execute_stream(Some(&app.publisher), request).await.expect("let in");
    let mut next = async || {
        let next = futures_util::StreamExt::next(&mut subscription);
        let item = tokio::time::timeout(std::time::Duration::from_secs(20), next).await;
        let item = serde_json::to_value(item.expect("nothing came").expect("an item")).expect("JSON");
        item.text("/data/releaseAnnounced/packName")
    };
    assert_eq!(next().await, "Before", "what was there is read from the log");
    // The subscriber has read the log and waits. The next event can't come from that read.
    let mut waiting = std::pin::pin!(next());
    let looked = tokio::time::timeout(std::time::Duration::from_millis(300), waiting.as_mut()).await;
    assert!(looked.is_err(), "there is nothing more");
    scheduled(&app, "Orders").await;
    assert_eq!(waiting.await, "Orders");
}
