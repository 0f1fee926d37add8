//! Adoption: the current counts, and the curve over time (R26, R27, R45, R49).

use chrono::Duration;
use packwright::domain::installations::{CurveFault, CurvePart, FailureCode};
use serde_json::{Value, json};

use crate::support::{At, Installed, Managed, TestApp, instant};

const COUNTS: &str =
    "adoption { installationCount accountCount frozenCount byVersion { version { number } installationCount } }";

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// The curve of a release or a pack: `(at, [offered, early, automatically, immediately, skipped, failed])` for each
/// point.
async fn curve(app: &TestApp, id: &str, arguments: &str) -> Vec<(String, [i64; 6])> {
    let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
    let points = format!(
        "adoption {{ curve{arguments} {{ at offered appliedEarly appliedAutomatically appliedImmediately skipped failed }} }}"
    );
    let query = format!(
        "query($id: ID!) {{ node(id: $id) {{ ... on Release {{ {points} }} ... on IntegrationPack {{ {points} }} }} }}"
    );
    let read = app.gql(&app.publisher, &query, json!({ "id": id })).await;
    let sums = |point: &Value| {
        ["offered", "appliedEarly", "appliedAutomatically", "appliedImmediately", "skipped", "failed"]
            .map(|name| point.int(&format!("/{name}")))
    };
    read.list("/node/adoption/curve").iter().map(|point| (point.text("/at"), sums(point))).collect()
}

/// The counts at the end of a curve.
async fn ends_with(app: &TestApp, id: &str) -> [i64; 6] {
    curve(app, id, "").await.last().map_or([0; 6], |(_, sums)| *sums)
}

async fn three_accounts(app: &TestApp) -> ([Managed; 3], Installed) {
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &[&accounts[0], &accounts[1], &accounts[2]]).await;
    (accounts, installed)
}

#[tokio::test]
async fn r27_the_curve_counts_early_and_automatic_updates() {
    let app = TestApp::new().await;
    let ([acme, _, initech], installed) = three_accounts(&app).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.advance_to("2026-11-23T12:00:00Z").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.suspend(&initech).await;
    app.advance_to(OPENS).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.advance_to("2026-12-05T00:00:00Z").await;

    let whole = curve(&app, &release, "points: 3").await;
    let made = app.read_release(&release, "createdAt").await.text("/createdAt");
    let expected = [
        (made.as_str(), [3, 0, 0, 0, 0, 0]),
        ("2026-11-26T16:00:00.000000Z", [3, 1, 0, 0, 0, 0]),
        (OPENS, [3, 1, 1, 0, 1, 0]),
    ];
    assert_eq!(whole, expected.map(|(at, sums)| (at.to_owned(), sums)));
    assert_eq!(curve(&app, &release, "").await.len(), 50, "the default");

    // Exact to the microsecond: one point just before the change, one at it.
    let around = "from: \"2026-11-23T11:59:59.999999Z\", to: \"2026-11-23T12:00:00.000000Z\", points: 2";
    let around = curve(&app, &release, around).await;
    assert_eq!(around.iter().map(|(_, sums)| sums[1]).collect::<Vec<_>>(), [0, 1]);
    // Counts begin with the curve, not with the part that is shown.
    let late =
        curve(&app, &release, &format!("from: \"2026-11-24T00:00:00.000000Z\", to: \"{OPENS}\", points: 2")).await;
    assert_eq!(late, [("2026-11-24T00:00:00.000000Z".into(), [0; 6]), (OPENS.into(), [0, 0, 1, 0, 1, 0])]);

    let counts = app.read_release(&release, COUNTS).await;
    let by_version = json!([
        { "version": { "number": 2 }, "installationCount": 2 },
        { "version": { "number": 1 }, "installationCount": 1 },
    ]);
    let expected = json!({ "installationCount": 3, "accountCount": 3, "frozenCount": 0, "byVersion": by_version });
    assert_eq!(counts.at("/adoption"), &expected);
    assert_eq!(app.read_pack(&installed.pack.id, COUNTS).await.at("/adoption"), &expected);
}

#[tokio::test]
async fn r25_a_pack_adds_up_its_releases() {
    let app = TestApp::new().await;
    let (_, installed) = three_accounts(&app).await;
    assert!(curve(&app, &installed.pack.id, "").await.is_empty(), "a first release offers nothing");
    assert!(curve(&app, &installed.first_release, "").await.is_empty());
    app.advance_by(3600).await;
    let first = app.update_now(&installed.pack).await;
    app.advance_by(3600).await;
    let second = app.update_now(&installed.pack).await;
    assert_eq!(ends_with(&app, &first).await, [3, 0, 0, 3, 0, 0]);
    assert_eq!(ends_with(&app, &second).await, [3, 0, 0, 3, 0, 0]);
    let whole = curve(&app, &installed.pack.id, "points: 2").await;
    let begin = app.read_release(&first, "startedAt").await.text("/startedAt");
    let now = app.read_release(&second, "startedAt").await.text("/startedAt");
    assert_eq!(whole, [(begin, [3, 0, 0, 3, 0, 0]), (now, [6, 0, 0, 6, 0, 0])]);
}

#[tokio::test]
async fn r25_a_packs_curve_covers_one_year() {
    let app = TestApp::new().await;
    let (_, installed) = three_accounts(&app).await;
    app.update_now(&installed.pack).await;
    app.advance_to("2028-01-01T00:00:00Z").await;
    let release = app.update_now(&installed.pack).await;
    app.advance_to("2028-02-01T00:00:00Z").await;
    for arguments in ["points: 2", "points: 2, from: \"2020-01-01T00:00:00.000000Z\""] {
        let year = curve(&app, &installed.pack.id, arguments).await;
        assert_eq!(year[0], ("2027-02-01T00:00:00.000000Z".into(), [0; 6]), "{arguments}");
        assert_eq!(year[1], ("2028-02-01T00:00:00.000000Z".into(), [3, 0, 0, 3, 0, 0]), "{arguments}");
    }
    let earlier = "from: \"2026-11-01T00:00:00.000000Z\", to: \"2026-12-01T00:00:00.000000Z\", points: 2";
    assert_eq!(curve(&app, &installed.pack.id, earlier).await[1].1, [3, 0, 0, 3, 0, 0], "an earlier year");
    let before = "to: \"2026-01-01T00:00:00.000000Z\"";
    assert!(curve(&app, &release, before).await.is_empty(), "nothing was offered yet");
}

#[tokio::test]
async fn r49_updates_that_no_batch_has_written_count_as_offered() {
    let app = TestApp::in_batches_of(1).await;
    let ([acme, globex, initech], installed) = three_accounts(&app).await;
    app.tick().await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.clock.advance_to(app.now() + Duration::hours(1));
    assert_eq!(curve(&app, &release, "points: 2").await.iter().map(|(_, sums)| sums[0]).collect::<Vec<_>>(), [3, 3]);
    assert_eq!(ends_with(&app, &installed.pack.id).await, [3, 0, 0, 0, 0, 0]);
    assert_eq!(
        app.read_release(&release, "adoption { installationCount }").await.int("/adoption/installationCount"),
        3
    );

    // Two updates end before a batch reaches them. They count as offered since the release was made.
    app.apply(&initech, &installed.installations[2]).await;
    app.uninstall(&globex, &installed.installations[1]).await;
    assert_eq!(curve(&app, &release, "points: 2").await.iter().map(|(_, sums)| sums[0]).collect::<Vec<_>>(), [3, 3]);
    app.tick().await;
    app.apply(&acme, &installed.installations[0]).await;
    assert_eq!(ends_with(&app, &release).await, [3, 2, 0, 0, 0, 0]);
    let counts = app.read_release(&release, COUNTS).await;
    assert_eq!(
        (counts.int("/adoption/installationCount"), counts.int("/adoption/accountCount")),
        (2, 2),
        "what was uninstalled is gone, and stays in the curve alone"
    );
}

#[tokio::test]
async fn r45_the_frozen_are_counted_as_of_now() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let gold = app.group("Gold", &[&acme]).await;
    app.share(&installed.pack.id, &[&gold]).await;
    app.unshare(&installed.pack.id, &[&app.all_accounts().await]).await;
    let counts = app.read_pack(&installed.pack.id, COUNTS).await;
    assert_eq!((counts.int("/adoption/installationCount"), counts.int("/adoption/frozenCount")), (2, 1));
    let release = app.update_now(&installed.pack).await;
    assert_eq!(ends_with(&app, &release).await, [2, 0, 0, 1, 1, 0]);
    assert_eq!(app.read_release(&release, COUNTS).await.int("/adoption/frozenCount"), 1);
    // An installation that catches up was skipped, and stays counted as skipped.
    app.share_with_all(&installed.pack.id).await;
    app.tick().await;
    let counts = app.read_release(&release, COUNTS).await;
    assert_eq!(counts.int("/adoption/frozenCount"), 0);
    assert_eq!(counts.int("/adoption/byVersion/0/installationCount"), 2);
    assert_eq!(ends_with(&app, &release).await, [2, 0, 0, 1, 1, 0]);
}

#[tokio::test]
async fn r25_adoption_can_be_read_as_of_an_instant() {
    let app = TestApp::new().await;
    let ([acme, _, _], installed) = three_accounts(&app).await;
    let at = async |id: &str, instant: &str| -> Vec<(i64, i64)> {
        let adoption_at =
            format!("adoption {{ at(instant: \"{instant}\") {{ version {{ number }} installationCount }} }}");
        let query = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on Release {{ {adoption_at} }} ... on IntegrationPack {{ {adoption_at} }} }} }}"
        );
        let read = app.gql(&app.publisher, &query, json!({ "id": id })).await;
        read.list("/node/adoption/at")
            .iter()
            .map(|count| (count.int("/version/number"), count.int("/installationCount")))
            .collect()
    };
    let pack = &installed.pack.id;
    assert_eq!(at(pack, crate::support::START).await, [(1, 3)]);
    assert!(at(pack, "2026-11-22T08:59:59.999999Z").await.is_empty(), "before the first installation");
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.advance_to("2026-11-23T12:00:00Z").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.advance_to(OPENS).await;
    app.advance_to("2026-12-05T00:00:00Z").await;
    app.uninstall(&acme, &installed.installations[0]).await;
    for id in [pack, &release] {
        assert_eq!(at(id, "2026-11-23T11:59:59.999999Z").await, [(1, 3)]);
        assert_eq!(at(id, "2026-11-23T12:00:00Z").await, [(2, 1), (1, 2)], "newest first");
        assert_eq!(at(id, OPENS).await, [(2, 3)]);
        assert_eq!(at(id, "2026-12-05T00:00:00Z").await, [(2, 2)], "one was uninstalled");
    }
    let query = "query($id: ID!) { integrationPack(id: $id) { adoption { at(instant: \"2026-12-05T00:00:01Z\") { installationCount } } } }";
    let answer = app.gql_raw(Some(&app.publisher), query, json!({ "id": pack })).await;
    assert_eq!(answer.text("/errors/0/extensions/code"), "BAD_USER_INPUT");
    assert!(answer.text("/errors/0/message").contains("future"), "{answer:#}");
}

#[tokio::test]
async fn r43_an_account_with_two_installations_is_counted_once() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    let counts = async || {
        let read = app.read_pack(&pack.id, COUNTS).await;
        (read.int("/adoption/installationCount"), read.int("/adoption/accountCount"))
    };
    assert_eq!(counts().await, (0, 0));
    let one = app.install_as(&acme, "Orders", "one").await;
    let other = app.install_as(&acme, "Orders", "other").await;
    app.install_as(&globex, "Orders", "mine").await;
    assert_eq!(counts().await, (3, 2));
    app.uninstall(&acme, &one).await;
    assert_eq!(counts().await, (2, 2));
    app.uninstall(&acme, &other).await;
    assert_eq!(counts().await, (1, 1));
}

#[tokio::test]
async fn r41_a_failure_is_counted_when_it_is_one_for_good() {
    let app = TestApp::new().await;
    let (_, installed) = three_accounts(&app).await;
    app.mover.fail(&installed.installations[1], u32::MAX, FailureCode::Internal);
    let release = app.update_now(&installed.pack).await;
    assert_eq!(ends_with(&app, &release).await, [3, 0, 0, 2, 0, 0], "it is tried again");
    for _ in 0..4 {
        app.advance_by(600).await;
    }
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    assert_eq!(ends_with(&app, &release).await, [3, 0, 0, 2, 0, 1]);
    app.mover.repair();
    app.advance_by(3600).await;
    let selection = "release { state }";
    app.ok(&app.publisher, "retryFailedUpdates", json!({ "releaseId": release }), selection).await;
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(ends_with(&app, &release).await, [3, 0, 0, 3, 0, 0], "a retry takes it back");
}

#[tokio::test]
async fn r49_a_curve_that_can_not_be_drawn_says_what_to_do() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let query = |arguments: &str| {
        format!("query($id: ID!) {{ integrationPack(id: $id) {{ adoption {{ curve({arguments}) {{ at }} }} }} }}")
    };
    for (arguments, says) in [
        ("points: 1", "2 to 200"),
        ("points: 201", "2 to 200"),
        ("from: \"2026-11-22T08:00:00.000000Z\", to: \"2026-11-22T07:00:00.000000Z\"", "earlier"),
        ("from: \"2030-01-01T00:00:00.000000Z\"", "earlier"),
    ] {
        let answer = app.gql_raw(Some(&app.publisher), &query(arguments), json!({ "id": installed.pack.id })).await;
        assert_eq!(answer.text("/errors/0/extensions/code"), "BAD_USER_INPUT", "{arguments}");
        assert!(answer.text("/errors/0/message").contains(says), "{answer:#}");
    }
    // A client's clock may be slightly ahead.
    app.update_now(&installed.pack).await;
    let ahead = curve(&app, &installed.pack.id, "to: \"2030-01-01T00:00:00.000000Z\", points: 200").await;
    assert_eq!((ahead.len(), ahead[199].0.as_str()), (200, crate::support::START));
}

#[tokio::test]
async fn r27_a_list_of_packs_counts_installations_as_a_pack_alone_does() {
    let app = TestApp::new().await;
    let ([_, globex, _], installed) = three_accounts(&app).await;
    app.pack("Never released").await;
    app.update_now(&installed.pack).await;
    app.uninstall(&globex, &installed.installations[1]).await;
    // Lists that ask for the number and lists that don't are read by one statement.
    let list = "edges { node { id name adoption { installationCount } } }";
    let query = format!(
        "{{ counted: integrationPacks {{ {list} }} newest: integrationPacks(orderBy: {{ field: CREATED_AT, direction: DESC }}) {{ {list} }} named: integrationPacks(first: 1) {{ edges {{ node {{ name }} }} }} }}"
    );
    let read = app.gql(&app.publisher, &query, json!({})).await;
    let counts = |list: &str| -> Vec<(String, i64)> {
        let edges = read.list(&format!("/{list}/edges")).iter();
        edges.map(|edge| (edge.text("/node/name"), edge.int("/node/adoption/installationCount"))).collect()
    };
    let expected = |name: &str, count| (name.to_owned(), count);
    assert_eq!(counts("counted"), [expected("Never released", 0), expected("Orders", 2)]);
    assert_eq!(counts("newest"), [expected("Never released", 0), expected("Orders", 2)]);
    assert_eq!(read.text("/named/edges/0/node/name"), "Never released");
    let alone = "query($id: ID!) { integrationPack(id: $id) { adoption { installationCount } } }";
    let alone = app.gql(&app.publisher, alone, json!({ "id": installed.pack.id })).await;
    assert_eq!(alone.int("/integrationPack/adoption/installationCount"), 2);
}

#[test]
fn r27_points_are_evenly_spaced_with_both_ends() {
    let (begin, end) = (instant("2026-11-22T09:00:00Z"), instant("2026-11-22T09:00:00.000010Z"));
    let part = |points| CurvePart::new(None, None, points, end, end);
    let micros = |part: CurvePart| -> Vec<i64> {
        part.instants(begin).iter().map(|at| (*at - begin).num_microseconds().unwrap()).collect()
    };
    assert_eq!(micros(part(2).unwrap()), [0, 10]);
    assert_eq!(micros(part(4).unwrap()), [0, 3, 6, 10]);
    assert_eq!(part(200).unwrap().instants(begin).len(), 200);
    assert_eq!(part(4).unwrap().instants(end), vec![end; 4], "no time has passed");
    assert!(part(4).unwrap().instants(end + Duration::microseconds(1)).is_empty());
    assert_eq!((part(1), part(201)), (Err(CurveFault::Points), Err(CurveFault::Points)));
    assert_eq!(CurvePart::new(Some(end), Some(begin), 2, end, end), Err(CurveFault::FromAfterTo));
}
