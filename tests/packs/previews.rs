//! Release previews, and releasing exactly what a preview showed (R34).

use serde_json::{Value, json};

use crate::support::rows::{all_rows, assert_same_rows};
use crate::support::{At, Managed, TestApp, immediately, on_date, refusal};

const SELECTION: &str = "pack { id } revision contentToken nextNumber
    components { component { id } next { id } markedForRemoval }
    diff { fromNumber toNumber added { name version } removed { name } changed { isDowngrade from { version } to { version } } unchangedCount }
    installationsByVersion { version { number } installationCount }
    willMoveCount willSkip { reason installationCount }
    window { date timeZone startsAt endsAt } supersedes { id }
    warnings { code message mismatches { component { name } settingName occurrences { packagedComponent { version component { name } } setting { extensible usesDefault } } } }
    refusals { code message field earliestDate latestDate }";

async fn preview(app: &TestApp, pack: &str, schedule: Value) -> Value {
    let query = format!(
        "query($id: ID!, $schedule: ReleaseScheduleInput) {{ releasePreview(packId: $id, schedule: $schedule) {{ {SELECTION} }} }}"
    );
    app.gql(&app.publisher, &query, json!({ "id": pack, "schedule": schedule })).await.at("/releasePreview").clone()
}

fn codes(preview: &Value, list: &str) -> Vec<String> {
    preview.list(list).iter().map(|one| one.text("/code")).collect()
}

async fn three() -> (TestApp, [Managed; 3]) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    (app, accounts)
}

#[tokio::test]
async fn r34_a_first_release_is_compared_with_nothing() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let before = all_rows(&app).await;
    let seen = preview(&app, &pack.id, json!(null)).await;
    assert_same_rows(&app, &before, "a preview").await;
    assert_eq!((seen.int("/revision"), seen.int("/nextNumber")), (app.revision(&pack.id).await, 1));
    let added = json!([{ "name": "Export", "version": "1.0" }, { "name": "Import", "version": "1.0" }]);
    assert_eq!(seen.at("/diff/added"), &added);
    assert_eq!((seen.at("/diff/fromNumber"), seen.at("/diff/toNumber")), (&json!(null), &json!(null)));
    assert_eq!(
        (seen.int("/willMoveCount"), seen.at("/willSkip"), seen.at("/installationsByVersion")),
        (0, &json!([]), &json!([]))
    );
    assert_eq!(
        (seen.at("/window"), seen.at("/supersedes"), seen.at("/refusals")),
        (&json!(null), &json!(null), &json!([]))
    );
    assert_eq!(codes(&seen, "/warnings"), ["NO_SUPPORT_CONTACT", "NOT_SHARED_WITH_ANYONE"]);
}

#[tokio::test]
async fn r34_a_diff_has_added_removed_and_changed_components() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export", "Report"]).await;
    app.package(&pack.components[2]).await;
    app.release_now(&pack.id).await;
    app.package(&pack.components[0]).await;
    app.remove(&pack.id, &pack.components[1]).await;
    app.pin(&pack.id, &pack.components[2], &pack.packages[2].id).await;
    let (transform, _) = app.packaged("Transform").await;
    app.add(&pack.id, &[&transform]).await;
    let seen = preview(&app, &pack.id, json!({ "immediately": true })).await;
    let diff = seen.at("/diff");
    assert_eq!(diff.int("/fromNumber"), 1);
    assert_eq!(diff.at("/added"), &json!([{ "name": "Transform", "version": "1.0" }]));
    assert_eq!(diff.at("/removed"), &json!([{ "name": "Export" }]));
    let changed = json!([
        { "isDowngrade": false, "from": { "version": "1.0" }, "to": { "version": "2.0" } },
        { "isDowngrade": true, "from": { "version": "2.0" }, "to": { "version": "1.0" } },
    ]);
    assert_eq!((diff.at("/changed"), diff.int("/unchangedCount")), (&changed, 0));
    let marked: Vec<_> = seen.list("/components").iter().filter(|row| row.at("/markedForRemoval") == true).collect();
    assert_eq!((seen.list("/components").len(), marked.len()), (4, 1), "with those that it would drop");
    // The release itself shows the same diff.
    let release = app.release_now(&pack.id).await;
    let made = app.read_release(&release, "version { number } diff { added { name version } removed { name } changed { isDowngrade from { version } to { version } } }").await;
    assert_eq!(made.int("/version/number"), seen.int("/nextNumber"));
    for part in ["added", "removed", "changed"] {
        assert_eq!(made.at(&format!("/diff/{part}")), diff.at(&format!("/{part}")));
    }
}

#[tokio::test]
async fn r34_whom_it_would_reach() {
    let (app, [acme, globex, initech]) = three().await;
    let gold = app.group("Gold", &[&acme, &globex, &initech]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme, &globex, &initech]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.suspend(&globex).await;
    app.leave(&gold, &initech).await;
    app.package_newer(&installed.pack).await;
    let seen = preview(&app, &installed.pack.id, json!(null)).await;
    let spread = json!([
        { "version": { "number": 2 }, "installationCount": 1 },
        { "version": { "number": 1 }, "installationCount": 2 },
    ]);
    assert_eq!(seen.at("/installationsByVersion"), &spread);
    assert_eq!(seen.int("/willMoveCount"), 1, "early appliers too (R29)");
    let skipped = json!([
        { "reason": "ACCOUNT_SUSPENDED", "installationCount": 1 },
        { "reason": "NOT_ENTITLED", "installationCount": 1 },
    ]);
    assert_eq!(seen.at("/willSkip"), &skipped);
    // The release then does exactly that.
    let release = app.release_now(&installed.pack.id).await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped")), (1, 2));
}

#[tokio::test]
async fn r34_the_window_of_a_date_and_what_it_would_supersede() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&installed.pack).await;
    let dated = preview(&app, &installed.pack.id, json!({ "onDate": "2026-12-01" })).await;
    let window = json!({ "date": "2026-12-01", "timeZone": "Europe/Berlin", "startsAt": "2026-11-30T23:00:00.000000Z", "endsAt": "2026-12-01T00:00:00.000000Z" });
    assert_eq!(
        (dated.at("/window"), dated.at("/supersedes"), dated.at("/refusals")),
        (&window, &json!(null), &json!([]))
    );
    let pending = app.release_on(&installed.pack.id, "2026-12-01").await;
    app.package_newer(&installed.pack).await;
    let now = preview(&app, &installed.pack.id, json!(null)).await;
    assert_eq!((now.text("/supersedes/id"), now.at("/refusals")), (pending.clone(), &json!([])));
    let dated = preview(&app, &installed.pack.id, json!({ "onDate": "2026-12-02" })).await;
    assert_eq!(
        (codes(&dated, "/refusals"), dated.at("/supersedes")),
        (vec!["RELEASE_ALREADY_PENDING".to_owned()], &json!(null))
    );
}

#[tokio::test]
async fn r34_it_says_why_a_release_would_be_refused() {
    let app = TestApp::new().await;
    let empty = app.pack("Empty").await;
    assert_eq!(codes(&preview(&app, &empty, json!(null)).await, "/refusals"), ["EMPTY_PACK"]);
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    for (schedule, code, field) in [
        (json!({ "onDate": "2026-11-22" }), "RELEASE_DATE_NOT_IN_FUTURE", json!(["schedule", "onDate"])),
        (json!({ "onDate": "2028-01-01" }), "RELEASE_DATE_TOO_FAR", json!(["schedule", "onDate"])),
        (json!({ "immediately": false }), "INVALID_SCHEDULE", json!(["schedule", "immediately"])),
    ] {
        let seen = preview(&app, &pack.id, schedule.clone()).await;
        assert_eq!((codes(&seen, "/refusals"), seen.at("/refusals/0/field")), (vec![code.to_owned()], &field));
        assert_eq!(seen.at("/window"), &json!(null), "{schedule}");
        let input = json!({ "packId": pack.id, "schedule": schedule, "notes": "New." });
        assert_eq!(refusal(&app.try_release(input).await).code, code, "the release says the same");
    }
    app.release_now(&pack.id).await;
    assert_eq!(codes(&preview(&app, &pack.id, json!(null)).await, "/refusals"), ["NOTHING_TO_RELEASE"]);
}

#[tokio::test]
async fn r34_warnings_name_what_deserves_a_second_look_and_block_nothing() {
    let app = TestApp::new().await;
    let certificate = app.component_of("Gateway certificate", "CERTIFICATE").await;
    let pack = app.pack("Orders").await;
    let mut components = Vec::new();
    for (name, extensible) in [("Import", true), ("Export", false)] {
        let component = app.component(name).await;
        let inside = json!([{ "componentId": certificate, "revision": 1, "extensibility": [{ "name": "alias", "extensible": extensible, "usesDefault": true }] }]);
        app.package_with(&component, json!({ "manifest": inside })).await;
        components.push(component);
    }
    app.add(&pack, &[&components[0]]).await;
    let one = preview(&app, &pack, json!(null)).await;
    assert_eq!(codes(&one, "/warnings"), ["SINGLE_COMPONENT_PACK", "NO_SUPPORT_CONTACT", "NOT_SHARED_WITH_ANYONE"]);
    app.add(&pack, &[&components[1]]).await;
    app.share_with_all(&pack).await;
    let input = json!({ "packId": pack, "support": { "contact": "Order desk" } });
    app.ok(&app.publisher, "updateIntegrationPack", input, "integrationPack { id }").await;
    let both = preview(&app, &pack, json!(null)).await;
    assert_eq!(codes(&both, "/warnings"), ["EXTENSIBILITY_MISMATCH"]);
    let mismatch = both.at("/warnings/0/mismatches/0");
    assert_eq!(
        (mismatch.text("/component/name"), mismatch.text("/settingName")),
        ("Gateway certificate".into(), "alias".into())
    );
    let mut occurrences: Vec<_> = mismatch
        .list("/occurrences")
        .iter()
        .map(|o| (o.text("/packagedComponent/component/name"), o.at("/setting/extensible").as_bool()))
        .collect();
    occurrences.sort();
    assert_eq!(occurrences, [("Export".to_owned(), Some(false)), ("Import".to_owned(), Some(true))]);
    app.release_now(&pack).await;
}

#[tokio::test]
async fn r34_a_release_has_the_previewed_content() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let token = preview(&app, &pack.id, json!(null)).await.text("/contentToken");
    let with = |mut input: Value, token: &str| {
        input["expectedContent"] = json!(token);
        input
    };
    // Packaging doesn't change the draft's revision, but the release would take another version.
    let revision = app.revision(&pack.id).await;
    app.package_newer(&pack).await;
    assert_eq!(app.revision(&pack.id).await, revision);
    let before = all_rows(&app).await;
    let refused = refusal(&app.try_release(with(immediately(&pack.id), &token)).await);
    assert_eq!((refused.code.as_str(), refused.field.as_str()), ("CONTENT_CHANGED", "expectedContent"));
    let refused = refusal(&app.try_release(with(on_date(&pack.id, "2026-12-01"), "made up")).await);
    assert_eq!(refused.code, "CONTENT_CHANGED");
    assert_same_rows(&app, &before, "a refused release").await;
    let newer = preview(&app, &pack.id, json!(null)).await.text("/contentToken");
    assert_ne!(newer, token);
    // The same content has the same token.
    app.pin(&pack.id, &pack.components[0], &pack.packages[0].id).await;
    assert_eq!(preview(&app, &pack.id, json!(null)).await.text("/contentToken"), token);
    let payload = app.try_release(with(immediately(&pack.id), &token)).await;
    assert_eq!(payload.at("/errors"), &json!([]));
}

#[tokio::test]
async fn r34_the_check_of_the_content_comes_after_that_of_the_revision() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let mut input = json!({ "packId": pack.id, "schedule": { "immediately": false }, "notes": "", "expectedContent": "x", "expectedRevision": 99 });
    assert_eq!(refusal(&app.try_release(input.clone()).await).code, "STALE_REVISION");
    input["expectedRevision"] = json!(null);
    assert_eq!(refusal(&app.try_release(input.clone()).await).code, "CONTENT_CHANGED");
    input["expectedContent"] = json!(null);
    assert_eq!(refusal(&app.try_release(input).await).code, "INVALID_SCHEDULE");
}

#[tokio::test]
async fn r34_a_managed_account_sees_the_same_diff_for_its_pending_update() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&installed.pack).await;
    let seen = preview(&app, &installed.pack.id, json!({ "onDate": "2026-12-01" })).await;
    app.release_on(&installed.pack.id, "2026-12-01").await;
    let selection = "pendingUpdate { diff { changed { isDowngrade from { version } to { version } } } release { notes } } pack { support { contact } }";
    let offered = app.read_installation(&acme, &installed.installations[0], selection).await;
    assert_eq!(offered.at("/pendingUpdate/diff/changed"), seen.at("/diff/changed"));
    assert_eq!(offered.text("/pendingUpdate/release/notes"), crate::support::NOTES);
}

#[tokio::test]
async fn r34_a_preview_is_its_publishers_alone() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let other = app.another_publisher("Fabrikam").await;
    let query = "query($id: ID!) { releasePreview(packId: $id) { revision } }";
    assert_eq!(app.error_code(Some(&other.token), query, json!({ "id": pack.id })).await, "NOT_FOUND");
    assert_eq!(app.error_code(Some(&acme.token), query, json!({ "id": pack.id })).await, "FORBIDDEN");
    let support = app.token(&app.publisher, "SUPPORT").await;
    app.gql(&support, query, json!({ "id": pack.id })).await;
}

const LABELS: &str = "warnings { code message labels { component { id } next { id version } higher { id version } } }";

/// The rows that LABEL_GOES_BACK lists: (component, next, higher), by label.
async fn going_back(app: &TestApp, pack: &str) -> Vec<(String, String, String)> {
    let query = format!("query($id: ID!) {{ releasePreview(packId: $id) {{ {LABELS} }} }}");
    let answer = app.gql(&app.publisher, &query, json!({ "id": pack })).await;
    let warnings = answer.list("/releasePreview/warnings");
    let back: Vec<_> = warnings.iter().filter(|warning| warning.text("/code") == "LABEL_GOES_BACK").collect();
    assert!(back.len() < 2 && back.iter().all(|warning| !warning.list("/labels").is_empty()), "{warnings:?}");
    let rest = warnings.iter().filter(|warning| warning.text("/code") != "LABEL_GOES_BACK");
    assert!(rest.into_iter().all(|warning| warning.list("/labels").is_empty()));
    let rows = back.iter().flat_map(|warning| warning.list("/labels"));
    rows.map(|row| (row.text("/component/id"), row.text("/next/version"), row.text("/higher/version"))).collect()
}

fn goes_back(component: &str, next: &str, higher: &str) -> Vec<(String, String, String)> {
    vec![(component.to_owned(), next.to_owned(), higher.to_owned())]
}

#[tokio::test]
async fn r34_a_late_fix_of_an_old_line_is_warned_of() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import", "Export"]).await;
    let import = &pack.components[0];
    let package = async |label: &str| app.package_with(import, json!({ "version": label })).await;
    package("3.0").await;
    assert_eq!(going_back(&app, &pack.id).await, vec![]);
    app.release_now(&pack.id).await;
    package("1.9").await;
    assert_eq!(going_back(&app, &pack.id).await, goes_back(import, "1.9", "3.0"), "lower than the one in force");
    package("v4").await;
    assert_eq!(going_back(&app, &pack.id).await, vec![], "a label without a number has no order");
    package("5.0").await;
    package("3.10").await;
    assert_eq!(going_back(&app, &pack.id).await, goes_back(import, "3.10", "5.0"), "lower than an unreleased one");
    app.release_now(&pack.id).await;
    package("3.11").await;
    assert_eq!(going_back(&app, &pack.id).await, goes_back(import, "3.11", "5.0"), "which still waits");
}

#[tokio::test]
async fn r34_only_what_the_row_could_take_is_higher() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let import = &pack.components[0];
    app.package_with(import, json!({ "version": "8.0", "shareable": false })).await;
    let deleted = app.package_with(import, json!({ "version": "9.0" })).await;
    app.package_with(import, json!({ "version": "2.0" })).await;
    app.delete_package(&deleted.id).await;
    assert_eq!(going_back(&app, &pack.id).await, vec![]);
    app.restore_package(&deleted.id).await;
    assert_eq!(going_back(&app, &pack.id).await, goes_back(import, "2.0", "9.0"));
    // After its release the higher version is reported only while it is in force.
    app.pin(&pack.id, import, &deleted.id).await;
    app.release_now(&pack.id).await;
    app.pin(&pack.id, import, &pack.packages[0].id).await;
    assert_eq!(going_back(&app, &pack.id).await, goes_back(import, "1.0", "9.0"), "the way back (R32) is a warning");
    app.release_now(&pack.id).await;
    let other = app.pack("Invoices").await;
    app.add(&other, &[import]).await;
    assert_eq!(going_back(&app, &other).await, goes_back(import, "2.0", "9.0"), "another pack never had it");
}

#[tokio::test]
async fn r34_the_content_of_a_pending_release_is_in_force() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let import = &installed.pack.components[0];
    app.package_with(import, json!({ "version": "4.0" })).await;
    app.release_on(&installed.pack.id, "2026-12-01").await;
    app.package_with(import, json!({ "version": "3.0" })).await;
    assert_eq!(going_back(&app, &installed.pack.id).await, goes_back(import, "3.0", "4.0"));
}
