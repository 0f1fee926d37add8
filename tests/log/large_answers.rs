//! Large answers to one event: how many are made at a time depends on what they cost, and an account has a share.

use std::time::Duration;

use packwright::http::EngineOptions;
use packwright::http::workload::WorkOptions;
use serde_json::json;

use crate::support::{Managed, Pack, Setup, TestApp, immediately};

/// A subscription whose answers have 40 long texts. It costs 843 or a little more.
fn large() -> String {
    let notes: String = (0..40).map(|n| format!("n{n}: notes ")).collect();
    format!("subscription {{ releaseAnnounced {{ kind release {{ {notes} }} }} }}")
}

/// An app in which the answers to an account's events may cost 1,000, and a pack that an account has installed.
async fn world() -> (TestApp, Managed, Pack) {
    let work = WorkOptions { cost: 8_000, ..WorkOptions::default() };
    let engine = EngineOptions { work, ..Setup::default().engine };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_pack("Orders", &[&acme]).await.pack;
    (app, acme, pack)
}

/// Releases a newer version with notes as long as they may be.
async fn release(app: &TestApp, pack: &Pack) {
    app.package_newer(pack).await;
    let mut input = immediately(&pack.id);
    input["notes"] = json!("x".repeat(20_000));
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
}

#[tokio::test]
async fn a_large_answer_is_made_when_the_former_one_was_sent() {
    let (app, acme, pack) = world().await;
    let mut one = app.subscribe(&app.publisher, &large(), json!({})).await;
    let mut two = app.subscribe(&app.publisher, &large(), json!({})).await;
    let mut small = app.subscribe(&app.publisher, "subscription { releaseAnnounced { kind } }", json!({})).await;
    let mut of_acme = app.subscribe(&acme.token, &large(), json!({})).await;
    release(&app, &pack).await;
    let unsent = one.next_answer().await;
    let too_soon = tokio::time::timeout(Duration::from_millis(400), two.next_answer()).await;
    assert!(too_soon.is_err(), "two large answers of an account at a time");
    // Neither small answers nor other accounts wait for it.
    small.next().await;
    of_acme.next().await;
    drop(unsent);
    two.next().await;
}

#[tokio::test]
async fn a_turn_is_given_back_when_its_subscription_ends() {
    let (app, _, pack) = world().await;
    let mut one = app.subscribe(&app.publisher, &large(), json!({})).await;
    let mut unread = app.subscribe(&app.publisher, &large(), json!({})).await;
    let mut two = app.subscribe(&app.publisher, &large(), json!({})).await;
    release(&app, &pack).await;
    let unsent = one.next_answer().await;
    // It waits for its turn, and then nobody asks it any more.
    assert!(tokio::time::timeout(Duration::from_millis(200), unread.next_answer()).await.is_err());
    drop(unsent);
    assert!(tokio::time::timeout(Duration::from_millis(200), two.next_answer()).await.is_err());
    drop(unread);
    two.next().await;
}
