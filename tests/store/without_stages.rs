//! A release without early stages costs nothing for them (R54).

use packwright::service::Settings;
use packwright::service::followup::run_one_batch;
use serde_json::json;

use crate::support::{At as _, Setup, TestApp};

/// The page that the benchmarks measure.
const PAGE: &str = "{ integrationPacks(first: 20) { edges { node {
    name installationType currentVersion { number } pendingRelease { version { number } }
    adoption { installationCount }
    components { component { name type } current { version } latestShareable { version } } } } } }";

#[tokio::test]
async fn r54_without_stages_neither_a_rollout_nor_the_page_asks_for_them() {
    let settings = Settings { batch_size: 3, ..Settings::default() };
    let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    for n in 0..9 {
        app.install_as(&acme, "Orders", &format!("number {n}")).await;
    }
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
