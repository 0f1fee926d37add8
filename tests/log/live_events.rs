//! The log later returns exactly the events that an account got live, whatever happened in between (R45, R50).

use serde_json::{Value, json};

use crate::log::event_log::kinds;
use crate::support::{At, Managed, Pack, Subscription, TestApp};

const LIVE: &str = "subscription($after: String) { events(after: $after) { id kind ... on PackEvent { packName } } }";

/// An account that subscribes all the time. Each release of the pack `fence`, which it has installed, marks the end of
/// the earlier events.
struct Listener<'a> {
    app: &'a TestApp,
    account: &'a Managed,
    fence: Pack,
    start: String,
    live: Subscription,
    received: Vec<Value>,
}

impl<'a> Listener<'a> {
    async fn of(app: &'a TestApp, account: &'a Managed) -> Self {
        let fence = app.installed_pack("Fence", &[account]).await.pack;
        let start = app.cursor(&account.token).await;
        let live = app.subscribe(&account.token, LIVE, json!({ "after": start })).await;
        Self { app, account, fence, start, live, received: Vec::new() }
    }

    /// Collects the events since the last call. Returns their kinds.
    async fn listen(&mut self) -> Vec<String> {
        self.app.tick().await;
        self.app.update_now(&self.fence).await;
        let mut new = Vec::new();
        loop {
            let item = self.live.next().await.at("/events").clone();
            self.received.push(item.clone());
            if item.text("/packName") != "Fence" {
                new.push(item);
            } else if item.text("/kind") == "RELEASE_COMPLETED" {
                return kinds(&new);
            }
        }
    }

    /// Fails unless the log now returns the same events.
    async fn compare(&self) {
        let later = self.app.events_since(&self.account.token, &self.start, Value::Null).await;
        let named = |events: &[Value]| events.iter().map(|e| (e.text("/id"), e.text("/kind"))).collect::<Vec<_>>();
        assert_eq!(named(&later), named(&self.received));
    }
}

#[tokio::test]
async fn r45_events_during_a_freeze_stay_hidden() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let mut listener = Listener::of(&app, &acme).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    assert_eq!(listener.listen().await, ["RELEASE_SCHEDULED", "UPDATE_OFFERED"]);
    for round in 0..2 {
        app.unshare(&installed.pack.id, &[&gold]).await;
        assert_eq!(listener.listen().await, ["PACK_UNSHARED", "INSTALLATION_FROZEN"], "round {round}");
        app.update_now(&installed.pack).await;
        app.update_on(&installed.pack, "2026-12-02").await;
        let while_frozen = listener.listen().await;
        assert!(while_frozen.iter().all(|kind| !kind.starts_with("RELEASE_")), "{while_frozen:?}");
        app.share(&installed.pack.id, &[&gold]).await;
        let thawed = listener.listen().await;
        assert_eq!(thawed.first().map(String::as_str), Some("PACK_SHARED"));
        let pending = app.read_pack(&installed.pack.id, "pendingRelease { id }").await.text("/pendingRelease/id");
        app.cancel(&pending).await;
        assert!(listener.listen().await.contains(&"RELEASE_CANCELED".into()), "it hears again");
        listener.compare().await;
    }
}

#[tokio::test]
async fn r50_between_uninstalling_and_installing_again_nothing_is_heard_of_the_pack() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mut pack = app.installed_pack("Orders", &[&acme]).await;
    let mut listener = Listener::of(&app, &acme).await;
    for _ in 0..2 {
        app.update_now(&pack.pack).await;
        let with = listener.listen().await;
        assert_eq!(with, ["RELEASE_STARTED", "INSTALLATION_UPDATED", "RELEASE_COMPLETED"]);
        app.uninstall(&acme, &pack.installations[0]).await;
        app.update_now(&pack.pack).await;
        assert_eq!(listener.listen().await, ["INSTALLATION_REMOVED"]);
        pack.installations[0] = app.install(&acme, "Orders").await;
        assert_eq!(listener.listen().await, ["INSTALLATION_CREATED"]);
        listener.compare().await;
    }
}

#[tokio::test]
async fn r45_an_account_that_uninstalls_a_frozen_pack_keeps_only_the_events_it_could_see() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let mut listener = Listener::of(&app, &acme).await;
    app.update_now(&installed.pack).await;
    listener.listen().await;
    app.unshare(&installed.pack.id, &[&gold]).await;
    listener.listen().await;
    app.update_now(&installed.pack).await;
    let while_frozen = listener.listen().await;
    assert!(while_frozen.iter().all(|kind| !kind.starts_with("RELEASE_")), "{while_frozen:?}");
    app.uninstall(&acme, &installed.installations[0]).await;
    app.update_now(&installed.pack).await;
    app.share(&installed.pack.id, &[&gold]).await;
    app.install(&acme, "Orders").await;
    app.update_now(&installed.pack).await;
    assert!(listener.listen().await.ends_with(&["RELEASE_COMPLETED".into()]));
    listener.compare().await;
}
