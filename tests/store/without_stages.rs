//! A release without early stages costs nothing for them (R54).

use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::support::{At as _, TestApp};

/// The page that the benchmarks measure.
const PAGE: &str = "{ integrationPacks(first: 20) { edges { node {
    name installationType currentVersion { number } pendingRelease { version { number } }
    adoption { installationCount }
    components { component { name type } current { version } latestShareable { version } } } } } }";

#[tokio::test]
async fn r54_without_stages_neither_a_rollout_nor_the_page_asks_for_them() {
    let app = TestApp::in_batches_of(3).await;
    let acme = app.managed("Acme").await;
    let pack = app.installed_times("Orders", &acme, 9).await.pack;
    app.tick().await;
    app.package_newer(&pack).await;
    let (release, mut asked) = app.statements_of(app.release_now(&pack.id)).await;
    let mut batches = 0;
    while app.release_state(&release).await == "IN_PROGRESS" {
        let (_, of_batch) = app.statements_of(run_one_batch(&app.app.services)).await;
        asked.extend(of_batch);
        batches += 1;
    }
    assert_eq!((batches, app.progress(&release).await.int("/applied")), (3, 9), "and one in the call");
    let (_, of_page) = app.statements_of(app.gql(&app.publisher, PAGE, json!(null))).await;
    assert!(asked.len() > 30 && of_page.len() > 3, "{asked:#?} {of_page:#?}");
    for sql in asked.iter().chain(&of_page) {
        for table in ["release_stage", "release_stage_account", "release_stage_group", "update_outcome"] {
            assert!(!sql.contains(&format!("\"{table}\"")), "{sql}");
        }
    }
}
