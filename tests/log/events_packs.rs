//! Events about packs: shared, unshared, deleted (R47, R48, R50).

use packwright::domain::accounts::Actor;
use packwright::domain::id::AccountId;
use packwright::domain::log::{Audience, EventData, EventKind, NewEvent};
use packwright::store::log::journal::{Addition, append};
use serde_json::{Value, json};

use crate::support::rows::LogMark;
use crate::support::{At, Managed, TestApp, uuid_of};

/// Inserts the event of a deleted pack with three installations, one of them in `account`. The pack itself stays.
/// Returns its ID.
pub(crate) async fn insert_event_of_a_deleted_pack(app: &TestApp, account: &Managed) -> String {
    let pack = app.pack("Gone pack").await;
    let viewer = app.gql(&app.publisher, "{ viewer { account { id } } }", json!(null)).await;
    let (publisher, account) = (uuid_of(&viewer.text("/viewer/account/id")), uuid_of(&account.id));
    let services = &app.app.services;
    let event = |audience, account_id: Option<AccountId>, count| NewEvent {
        id: services.ids.next(),
        kind: EventKind::PackDeleted,
        audience,
        publisher_id: publisher.into(),
        account_id,
        pack_id: Some(uuid_of(&pack).into()),
        pack_name: "Gone pack".into(),
        occurred_at: app.now(),
        actor: Actor::scheduler(),
        actor_account_name: None,
        release_id: None,
        installation_id: None,
        update_state: None,
        component_version_id: None,
        group_id: None,
        data: EventData { uninstalled_count: Some(count), ..EventData::default() },
    };
    let events = vec![event(Audience::Publisher, None, 3), event(Audience::Account, Some(account.into()), 1)];
    let tx = services.db.begin().await.expect("a transaction");
    append(&tx, events.into_iter().map(Addition::Event).collect()).await.expect("the events are written");
    tx.commit().await.expect("committed");
    pack
}

#[tokio::test]
async fn r50_sharing_names_the_group_to_the_publisher_alone() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme]).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let mark = LogMark::now(&app).await;
    app.share(&pack.id, &[&gold]).await;
    app.unshare(&pack.id, &[&gold]).await;
    let selection = "... on SharingEvent { kind packName packId actor { name } pack { id } group { id name } }";
    let (mut to_publisher, mut to_acme) = (Vec::new(), Vec::new());
    for event in mark.events(&app).await {
        to_publisher.push(app.read_event(&app.publisher, &event, selection).await);
        to_acme.push(app.read_event(&acme.token, &event, selection).await);
        assert_eq!(app.read_event(&globex.token, &event, selection).await, Value::Null, "it isn't in the group");
    }
    to_publisher.retain(|event| !event.is_null());
    to_acme.retain(|event| !event.is_null());
    let kinds = |events: &[Value]| events.iter().map(|event| event.text("/kind")).collect::<Vec<_>>();
    assert_eq!(
        (kinds(&to_publisher), kinds(&to_acme)),
        (kinds(&to_acme), vec!["PACK_SHARED".into(), "PACK_UNSHARED".into()])
    );
    for event in &to_publisher {
        assert_eq!((event.text("/__typename"), event.text("/packId")), ("SharingEvent".into(), pack.id.clone()));
        assert_eq!(event.at("/group"), &json!({ "id": gold, "name": "Gold" }));
    }
    for event in &to_acme {
        assert_eq!(
            (event.at("/group"), event.at("/actor"), event.at("/pack")),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert!(event.text("/packId").starts_with("avail_"), "its own view of the pack, that it no longer sees");
    }
}

#[tokio::test]
async fn r50_the_event_of_a_deleted_pack_has_the_readers_own_count() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let mark = LogMark::now(&app).await;
    let pack = insert_event_of_a_deleted_pack(&app, &acme).await;
    let selection = "... on PackDeletedEvent { kind packId packName uninstalledCount }";
    let [_created, to_publisher, to_acme] = mark.events(&app).await.try_into().expect("three events");
    let received = app.read_event(&app.publisher, &to_publisher, selection).await;
    assert_eq!((received.text("/packId"), received.int("/uninstalledCount")), (pack, 3));
    let received = app.read_event(&acme.token, &to_acme, selection).await;
    assert_eq!((received.text("/packName"), received.int("/uninstalledCount")), ("Gone pack".into(), 1));
    for (token, event) in [(&app.publisher, &to_acme), (&acme.token, &to_publisher), (&globex.token, &to_acme)] {
        assert_eq!(app.read_event(token, event, selection).await, Value::Null, "it is for the other");
    }
}
