//! How far a roll back is (R59): its progress tells how many installations were moved back.

use packwright::domain::installations::FailureCode;
use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::releases::halting::installed;
use crate::support::rows::LogMark;
use crate::support::{At, TestApp};

async fn percent(app: &TestApp, release: &str) -> f64 {
    app.progress(release).await.at("/percent").as_f64().expect("a number")
}

#[tokio::test]
async fn r59_progress_says_how_far_a_roll_back_is() {
    let app = TestApp::in_batches_of(1).await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 3).await;
    let release = app.release_now(&world.pack.id).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    // The fourth installation to move back has no update.
    let made = app.install_as(&acme, "Orders", "made with the version").await;
    app.mover.fail(&world.installations[1], 1, FailureCode::Temporary);
    let mark = LogMark::now(&app).await;
    let input = json!({ "releaseId": release, "reason": "It is broken.", "atMost": 4 });
    app.ok(&app.publisher, "rollBackRelease", input, "").await;
    assert_eq!(app.release_state(&release).await, "ROLLING_BACK");
    let mut told = vec![percent(&app, &release).await];
    for _ in 0..20 {
        if app.release_state(&release).await != "ROLLING_BACK" {
            break;
        }
        app.clock_only_by(2);
        run_one_batch(&app.app.services).await.expect("a batch");
        told.push(percent(&app, &release).await);
    }
    assert_eq!((told[0], told[told.len() - 1]), (25.0, 100.0), "one batch is done within the call: {told:?}");
    assert!(told.is_sorted() && told.contains(&50.0) && told.contains(&75.0), "{told:?}");
    assert_eq!(app.installed_number(&acme, &made).await, 1);
    let mut announced = Vec::new();
    for event in mark.events(&app).await.iter().filter(|event| event.kind == "RELEASE_PROGRESSED") {
        let read = app.read_event(&app.publisher, event, "... on ReleaseEvent { progress { percent } }").await;
        announced.push(read.at("/progress/percent").as_f64().expect("a number"));
    }
    assert!(announced.first().is_some_and(|first| *first < 100.0), "events tell it too: {announced:?}");
    assert!(announced.is_sorted() && announced.iter().all(|percent| told.contains(percent)), "{announced:?}");
}
