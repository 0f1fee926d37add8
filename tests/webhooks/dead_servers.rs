//! Servers that died without giving their endpoints back, and servers that live and can take none.

use std::time::Duration;

use entity::webhook_server::{ActiveModel, Entity};
use packwright::webhooks::DispatchOptions;
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseBackend, EntityTrait as _, Statement};
use serde_json::json;
use uuid::Uuid;

use crate::releases::stuck::refuse;
use crate::support::damage::id_literal;
use crate::support::rows::tables;
use crate::support::{TestApp, uuid_of};
use crate::webhooks::receiver::{Dispatching, Receiver};
use crate::webhooks::serving::World;

/// The database's clock, which no test moves.
async fn database_now(app: &TestApp) -> f64 {
    let conn = tables(app);
    let sql = match conn.get_database_backend() {
        DatabaseBackend::Postgres => "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
        _ => "SELECT unixepoch('now', 'subsec')",
    };
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await.expect("a clock");
    row.expect("a row").try_get_by_index(0).expect("a number")
}

/// Adds a server that was taken for alive until this many hours ago.
async fn server_dead_for(app: &TestApp, hours: f64) -> Uuid {
    let id = app.app.services.ids.next::<packwright::domain::id::WebhookId>().0;
    let alive_until = database_now(app).await - hours * 3_600.0;
    let row = ActiveModel {
        id: Set(id),
        alive_until: Set(alive_until),
        takes_until: Set(alive_until),
        vocabulary: Set(0),
        ends: Set(false),
    };
    Entity::insert(row).exec_without_returning(tables(app)).await.expect("a row");
    id
}

/// Writes that a server serves an endpoint.
async fn serve_by(app: &TestApp, endpoint: &str, server: Uuid) {
    let row = entity::webhook_endpoint::ActiveModel {
        id: Set(uuid_of(endpoint)),
        server_id: Set(Some(server)),
        ..Default::default()
    };
    entity::webhook_endpoint::Entity::update(row).exec(tables(app)).await.expect("an endpoint of a server");
}

async fn known(app: &TestApp) -> Vec<Uuid> {
    let mut ids: Vec<_> = Entity::find().all(tables(app)).await.expect("rows").into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn r66_a_server_whose_end_a_clock_wrote_that_was_ahead_is_taken_for_dead() {
    let app = TestApp::new().await;
    let receiver = Receiver::start().await;
    let (id, _) = app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    // It died; the database's clock was five hours ahead then, and was set right.
    serve_by(&app, &id, server_dead_for(&app, -5.0).await).await;
    let dispatching = Dispatching::of(&app.app);
    app.pack_with("Orders", &["Import"]).await;
    receiver.wait_for(1).await;
    dispatching.end().await;
}

#[tokio::test]
async fn r66_a_server_that_died_is_forgotten_a_day_later_unless_an_endpoint_names_it() {
    let app = TestApp::new().await;
    let receiver = Receiver::start().await;
    let (id, _) = app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    app.ok(&app.publisher, "pauseWebhookEndpoint", json!({ "endpointId": id }), "endpoint { id }").await;
    for hours in [25.0, 24.5, 1_000.0] {
        server_dead_for(&app, hours).await;
    }
    let (recent, lives) = (server_dead_for(&app, 23.5).await, server_dead_for(&app, -0.1).await);
    let named = server_dead_for(&app, 48.0).await;
    serve_by(&app, &id, named).await;
    app.tick().await;
    let mut kept = [recent, lives, named];
    kept.sort_unstable();
    assert_eq!(known(&app).await, kept);
    // An endpoint that was paused while its server died goes on, and then nothing names that server.
    app.ok(&app.publisher, "resumeWebhookEndpoint", json!({ "endpointId": id }), "endpoint { id }").await;
    let dispatching = Dispatching::of(&app.app);
    app.pack_with("Orders", &["Import"]).await;
    receiver.wait_for(1).await;
    dispatching.end().await;
    app.advance_by(3_601).await;
    assert!(!known(&app).await.contains(&named));
}

#[tokio::test]
async fn r66_a_server_that_lives_and_can_take_no_endpoint_keeps_none_waiting() {
    let world = World::new().await;
    let mut receivers = Vec::new();
    for _ in 0..4 {
        let receiver = Receiver::start().await;
        world.app.endpoint(&world.app.publisher, &receiver.url(), json!({})).await;
        receivers.push(receiver);
    }
    let (lease, look) = (Duration::from_millis(1_500), Duration::from_millis(100));
    let options = DispatchOptions { lease, look, ..DispatchOptions::default() };
    let stuck = world.app.another_server_dispatching(options).await;
    stuck.webhooks.announce().await;
    let [id] = known(&world.app).await[..] else { panic!("one server has said that it lives") };
    let takes = format!("NEW.server_id = {}", id_literal(&world.app, id));
    refuse(&world.app, "no_turn", "UPDATE OF server_id ON webhook_endpoint", &takes).await;
    let well = world.app.another_server_dispatching(options).await;
    let dispatching = [Dispatching::of(&stuck), Dispatching::of(&well)];
    world.happen(1).await;
    for receiver in &receivers {
        receiver.wait_for(2).await;
    }
    for one in dispatching {
        one.end().await;
    }
}
