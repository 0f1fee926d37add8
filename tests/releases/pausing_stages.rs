//! Pauses of a release with early stages (R55, R56).

use serde_json::json;

use crate::releases::pausing::{pause, resume};
use crate::support::{At as _, TestApp, of_groups, refusal};

/// The date of a stage passes while the release is paused. The stage hasn't opened, so its offers go on.
#[tokio::test]
async fn r56_an_offer_goes_on_though_the_date_of_its_stage_passes_in_a_pause() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let world = app.installed_pack("Orders", &[&acme, &globex]).await;
    let pilots = app.group("Pilots", &[&acme]).await;
    let stages = [of_groups("Pilots", "2026-11-25", &[&pilots])];
    let release = app.release_in_stages(&world.pack, "2026-12-01", &stages).await;
    let update = app.offered(&acme, &world.installations[0]).await.expect("an offer");
    app.tick().await;
    pause(&app, &release).await;
    let query = "{ pendingUpdates { totalCount edges { node { id isPaused viewerCanApply } } }
        installations(filter: { hasPendingUpdate: true }) { totalCount } }";
    for at in ["2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z"] {
        app.advance_to(at).await;
        let seen = app.gql(&acme.token, query, json!(null)).await;
        let expected = json!([{ "id": update, "isPaused": true, "viewerCanApply": false }]);
        assert_eq!(json!(seen.nodes("/pendingUpdates")), expected, "at {at}");
        let counts = (seen.int("/pendingUpdates/totalCount"), seen.int("/installations/totalCount"));
        assert_eq!(counts, (1, 1), "at {at}");
        assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "RELEASE_PAUSED");
    }
    assert_eq!(app.stage_states(&release).await, ["WAITING", "WAITING"]);
    resume(&app, &release).await;
    app.tick().await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING"]);
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
    assert_eq!(app.gql(&acme.token, query, json!(null)).await.int("/pendingUpdates/totalCount"), 0);
}
