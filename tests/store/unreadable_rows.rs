//! Rows that a newer version of the program wrote, or that somebody damaged: one account's row must not stop the others.

use packwright::service::Settings;
use packwright::service::accounts::all_accounts;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::accounts::jwt::{lets_in, with};
use crate::accounts::jwt_issuer::SigningKey;
use crate::accounts::pipeline_issuer::PipelineIssuer;
use crate::support::damage::{damage, id_literal, no_instant};
use crate::support::rows::{events_after, tables};
use crate::support::{At as _, Setup, TestApp, ZoneDirectory, uuid_of};
use crate::webhooks::receiver::{Dispatching, Receiver};

/// The condition that a row has an ID of the API.
fn is_row(app: &TestApp, id: &str) -> String {
    format!("id = {}", id_literal(app, uuid_of(id)))
}

async fn names(app: &TestApp, token: &str) -> Vec<String> {
    let list = "{ trustedPublishers { edges { node { name } } } }";
    app.gql(token, list, json!(null)).await.texts("/trustedPublishers", "/name")
}

#[tokio::test]
async fn r70_a_trusted_publisher_that_can_not_be_read_grants_nothing_and_disturbs_no_other_account() {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    let acme = app.managed("Acme").await;
    let claims = [("repository", "acme/orders")];
    app.trust(&app.publisher, "Deploy", &issuer.url, &claims, "SUPPORT").await;
    let jwt = key.jwt(&issuer.claims(&app));
    for (column, value) in [
        ("claims", "'not JSON'"),
        ("claims", "'[{\"name\":\"repository\",\"pattern\":\"acme/*\"}]'"),
        ("role", "'RELEASE_MANAGER'"),
        ("actor_kind", "'ROBOT'"),
        ("created_at", no_instant(&app)),
        ("last_used_at", no_instant(&app)),
    ] {
        let of_acme = app.trust(&acme.token, column, &issuer.url, &claims, "SUPPORT").await;
        assert!(!lets_in(&app, &jwt).await, "{column}: two accounts trust the pipeline, and none is named");
        damage(&app, "trusted_publisher", column, value, &is_row(&app, &of_acme)).await;
        assert!(lets_in(&app, &jwt).await, "{column} = {value}: the publisher's pipeline goes on");
        assert_eq!(names(&app, &app.publisher).await, ["Deploy"], "{column}");
        let gone = format!("DELETE FROM trusted_publisher WHERE {}", is_row(&app, &of_acme));
        tables(&app).execute_unprepared(&gone).await.expect("deleted");
    }
    // It grants nothing, though it is the only one that the JWT could mean.
    let other = with(&issuer.claims(&app), &[("repository", json!("acme/other"))]);
    let of_acme = app.trust(&acme.token, "Other", &issuer.url, &[("repository", "acme/other")], "SUPPORT").await;
    assert!(lets_in(&app, &key.jwt(&other)).await);
    damage(&app, "trusted_publisher", "role", "'RELEASE_MANAGER'", &is_row(&app, &of_acme)).await;
    assert!(!lets_in(&app, &key.jwt(&other)).await);
}

#[tokio::test]
async fn r70_an_account_that_can_not_be_read_keeps_no_other_accounts_pipeline_out() {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    let acme = app.managed("Acme").await;
    let claims = [("repository", "acme/orders")];
    app.trust(&app.publisher, "Deploy", &issuer.url, &claims, "SUPPORT").await;
    app.trust(&acme.token, "Deploy", &issuer.url, &claims, "SUPPORT").await;
    app.trust(&acme.token, "Own", &issuer.url, &[("repository", "acme/own")], "SUPPORT").await;
    damage(&app, "account", "status", "'CLOSED'", "name = 'Acme'").await;
    assert!(lets_in(&app, &key.jwt(&issuer.claims(&app))).await);
    let own = with(&issuer.claims(&app), &[("repository", json!("acme/own"))]);
    let answer = app.gql_raw(Some(&key.jwt(&own)), "{ viewer { role } }", json!(null)).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "UNAVAILABLE", "another server may know its status");
    let listed = all_accounts(&app.app.services).await.expect("the other accounts");
    assert!(listed.iter().all(|account| account.name != "Acme") && !listed.is_empty());
}

#[tokio::test]
async fn r42_a_release_that_can_not_be_read_keeps_no_other_window_where_it_is() {
    let data = ZoneDirectory::new("2999a");
    data.zone("Europe/Berlin", "<+01>-1");
    let app = TestApp::with(Setup { zones: data.zones(), ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let mut scheduled = Vec::new();
    for name in ["Orders", "Invoices"] {
        let installed = app.installed_pack(name, &[&acme]).await;
        scheduled.push(app.update_on(&installed.pack, "2026-12-01").await);
    }
    let [one, other] = &scheduled[..] else { panic!("two releases") };
    app.tick().await;
    damage(&app, "pack_release", "halt_then", "'ASK'", &is_row(&app, one)).await;
    data.zone("Europe/Berlin", "<+03>-3");
    data.write("+VERSION", b"2999b");
    app.advance_to("2026-11-24T09:00:00Z").await;
    let window = app.read_release(other, "window { startsAt }").await;
    assert_eq!(window.text("/window/startsAt"), "2026-11-30T21:00:00.000000Z");
}

#[tokio::test]
async fn r49_a_release_that_can_not_be_read_keeps_old_events() {
    let settings = Settings { keep_events_days: 1, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_now(&installed.pack).await;
    let columns = "release_id, pack_id, at, offered, applied_early, applied_automatically, applied_immediately, \
        skipped, failed, now_offered, now_applied, now_applied_early, now_applied_staged, now_skipped, now_failed, \
        now_withdrawn, remaining";
    // So many that they are to be compacted.
    let many = format!(
        "INSERT INTO release_tally ({columns}) \
         SELECT {columns} FROM (SELECT * FROM release_tally WHERE is_sum = false LIMIT 1) AS one, \
         (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) SELECT i FROM n) AS many"
    );
    let inserted = tables(&app).execute_unprepared(&many).await.expect("rows");
    assert_eq!(inserted.rows_affected(), 1_100);
    let crowded = "id IN (SELECT release_id FROM release_tally GROUP BY release_id HAVING COUNT(*) > 1000)";
    damage(&app, "pack_release", "halt_then", "'ASK'", crowded).await;
    app.half_days_to("2026-11-25T09:00:00Z").await;
    assert!(events_after(&app, 0).await.is_empty());
}

#[tokio::test]
async fn r66_an_endpoint_in_a_state_that_only_a_newer_program_knows_stops_no_other_endpoint() {
    let app = TestApp::new().await;
    let [receiver, other] = [Receiver::start().await, Receiver::start().await];
    let (id, _) = app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    let dispatching = Dispatching::of(&app.app);
    app.pack_with("Orders", &["Import"]).await;
    receiver.wait_for(1).await;
    damage(&app, "webhook_endpoint", "revision = revision + 1, state", "'THROTTLED'", &is_row(&app, &id)).await;
    // Taken by the same server in its next turns.
    app.endpoint(&app.publisher, &other.url(), json!({})).await;
    app.pack_with("Invoices", &["Export"]).await;
    let received = other.wait_for(1).await;
    assert!(!received[0].json().text("/data/events/id").is_empty());
    dispatching.end().await;
}
