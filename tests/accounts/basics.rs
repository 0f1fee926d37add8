//! Accounts: their names and time zones, and what a change of the zone must not move (R35).

use serde_json::{Value, json};

use crate::support::{At, Setup, TestApp, code_and_field};

const SELECTION: &str =
    "account { __typename id name timeZone } releasesKeepingTimeZone { id window { timeZone date startsAt } }";

async fn update(app: &TestApp, token: &str, input: Value) -> Value {
    app.ok(token, "updateAccount", input, SELECTION).await
}

async fn refused(app: &TestApp, token: &str, mutation: &str, input: Value) -> (String, String) {
    let refusal = app.refused(token, mutation, input).await;
    (refusal.code, refusal.field)
}

#[tokio::test]
async fn r35_a_zone_is_left_alone_when_left_out_and_unset_by_null() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for (token, type_name) in [(&app.publisher, "PublisherAccount"), (&acme.token, "OwnAccount")] {
        let set = update(&app, token, json!({ "timeZone": "Asia/Tokyo" })).await;
        assert_eq!(
            (set.text("/account/__typename"), set.text("/account/timeZone")),
            (type_name.into(), "Asia/Tokyo".into())
        );
        let left_out = update(&app, token, json!({})).await;
        assert_eq!(left_out.text("/account/timeZone"), "Asia/Tokyo", "left out is unchanged");
        let unset = update(&app, token, json!({ "timeZone": null })).await;
        assert_eq!(unset.at("/account/timeZone"), &Value::Null, "null unsets");
    }
    // The same through a variable: left out when it isn't given, and null.
    let document = "mutation($zone: TimeZone) { updateAccount(input: { timeZone: $zone }) { account { timeZone } } }";
    update(&app, &acme.token, json!({ "timeZone": "Asia/Tokyo" })).await;
    let not_given = app.gql(&acme.token, document, json!({})).await;
    assert_eq!(not_given.text("/updateAccount/account/timeZone"), "Asia/Tokyo");
    let given = app.gql(&acme.token, document, json!({ "zone": null })).await;
    assert_eq!(given.at("/updateAccount/account/timeZone"), &Value::Null);
}

#[tokio::test]
async fn r35_a_change_of_zone_moves_no_release_and_lists_those_that_keep_the_old_one() {
    let app = TestApp::new().await;
    let mut releases = Vec::new();
    for (name, date) in [("Later", "2026-12-09"), ("Sooner", "2026-12-01"), ("Today", "2026-11-23")] {
        let pack = app.pack_with(name, &[name]).await;
        releases.push((app.release_on(&pack.id, date).await, date));
    }
    app.advance_to("2026-11-22T23:00:00Z").await;
    let payload = update(&app, &app.publisher, json!({ "timeZone": "America/New_York" })).await;
    let listed: Vec<_> = payload.list("/releasesKeepingTimeZone").iter().map(|r| r.text("/window/date")).collect();
    assert_eq!(listed, ["2026-12-01", "2026-12-09"], "soonest first, and only those that are pending");
    for (release, date) in &releases {
        let window = app.read_release(release, "window { date timeZone startsAt }").await;
        assert_eq!(
            (window.text("/window/date"), window.text("/window/timeZone")),
            ((*date).into(), "Europe/Berlin".into())
        );
        assert!(window.text("/window/startsAt").ends_with("T23:00:00.000000Z"), "{window:#}");
    }
    app.reschedule(&releases[1].0, "2026-12-03").await;
    let moved = app.read_release(&releases[1].0, "window { timeZone startsAt }").await;
    assert_eq!(
        moved.at("/window"),
        &json!({ "timeZone": "Europe/Berlin", "startsAt": "2026-12-02T23:00:00.000000Z" }),
        "the release keeps its zone"
    );
    let new = app.pack_with("New", &["New"]).await;
    let made = app.release_on(&new.id, "2026-12-01").await;
    let window = app.read_release(&made, "window { timeZone startsAt }").await;
    assert_eq!(
        window.at("/window"),
        &json!({ "timeZone": "America/New_York", "startsAt": "2026-12-01T05:00:00.000000Z" })
    );
}

#[tokio::test]
async fn r35_the_same_zone_or_another_name_lists_no_release() {
    let app = TestApp::new().await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_on(&pack.id, "2026-12-01").await;
    for input in [json!({ "timeZone": "Europe/Berlin" }), json!({ "name": "Northwind Traders" }), json!({})] {
        assert_eq!(update(&app, &app.publisher, input).await.at("/releasesKeepingTimeZone"), &json!([]));
    }
    let unset = update(&app, &app.publisher, json!({ "timeZone": null })).await;
    assert_eq!(unset.text("/releasesKeepingTimeZone/0/id"), release, "no zone is another zone");
    let acme = app.managed("Acme").await;
    let zone = json!({ "accountId": acme.id, "timeZone": "Asia/Tokyo" });
    assert_eq!(
        update(&app, &app.publisher, zone).await.at("/releasesKeepingTimeZone"),
        &json!([]),
        "a managed account's is for display"
    );
}

#[tokio::test]
async fn r35_without_a_zone_a_dated_release_is_refused() {
    let app = TestApp::with(Setup { time_zone: None, ..Setup::default() }).await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    let refusal =
        app.refused(&app.publisher, "releaseIntegrationPack", crate::support::on_date(&pack, "2026-12-01")).await;
    assert_eq!(refusal.code, "TIME_ZONE_REQUIRED");
    let dates = "{ viewer { account { ... on PublisherAccount { releaseDates { earliest } } } } }";
    assert_eq!(app.gql(&app.publisher, dates, json!(null)).await.at("/viewer/account/releaseDates"), &Value::Null);
    assert_eq!(
        app.read_pack(&pack, "viewerCanRelease viewerCanScheduleRelease").await,
        json!({ "viewerCanRelease": true, "viewerCanScheduleRelease": false })
    );
    update(&app, &app.publisher, json!({ "timeZone": "Asia/Tokyo" })).await;
    let release = app.release_on(&pack, "2026-12-01").await;
    assert_eq!(
        app.read_release(&release, "window { startsAt }").await.text("/window/startsAt"),
        "2026-11-30T15:00:00.000000Z"
    );
}

#[tokio::test]
async fn r35_a_zone_that_the_server_does_not_know_is_refused() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for zone in ["Europe/Atlantis", "+02:00", "X"] {
        for (mutation, input) in [
            ("updateAccount", json!({ "timeZone": zone })),
            ("updateAccount", json!({ "accountId": acme.id, "timeZone": zone })),
            ("createManagedAccount", json!({ "name": "Globex", "timeZone": zone })),
        ] {
            assert_eq!(
                refused(&app, &app.publisher, mutation, input).await,
                code_and_field("TIME_ZONE_UNKNOWN", "timeZone"),
                "{mutation} {zone}"
            );
        }
    }
}

#[tokio::test]
async fn r01_a_managed_account_sets_its_zone_and_not_its_name() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let input = json!({ "name": "Acme Inc", "timeZone": "Asia/Tokyo" });
    assert_eq!(refused(&app, &acme.token, "updateAccount", input).await, code_and_field("NAME_NOT_EDITABLE", "name"));
    let own = app.gql(&acme.token, "{ viewer { account { name timeZone } } }", json!(null)).await;
    assert_eq!(own.at("/viewer/account"), &json!({ "name": "Acme", "timeZone": null }), "nothing of it was done");
    update(&app, &acme.token, json!({ "timeZone": "Asia/Tokyo" })).await;
    let input = json!({ "accountId": acme.id, "name": "Acme Inc" });
    let renamed = update(&app, &app.publisher, input).await;
    let expected =
        json!({ "__typename": "ManagedAccount", "id": acme.id, "name": "Acme Inc", "timeZone": "Asia/Tokyo" });
    assert_eq!(renamed.at("/account"), &expected);
}

#[tokio::test]
async fn r01_a_managed_accounts_name_is_unique_for_its_publisher_whatever_the_case() {
    let app = TestApp::new().await;
    let other = app.managed("Other").await;
    // The second name is the first one in another case, or in another spelling of the same characters.
    for (first, second) in [
        ("Acme", " ACME "),
        ("Straße", "STRAẞE"),
        ("İstanbul", "i̇stanbul"),
        ("Café", "CAFE\u{301}"),
        ("Ångström", "A\u{30a}NGSTRÖM"),
        ("ΑΘΗΝΑ", "αθηνα"),
        ("ﬁnance", "ﬁNANCE"),
    ] {
        app.not_enrolled(&app.publisher, first).await;
        let name_taken = code_and_field("NAME_TAKEN", "name");
        assert_eq!(
            refused(&app, &app.publisher, "createManagedAccount", json!({ "name": second })).await,
            name_taken,
            "{first} {second}"
        );
        let input = json!({ "accountId": other.id, "name": second });
        assert_eq!(refused(&app, &app.publisher, "updateAccount", input).await, name_taken, "{first} {second}");
    }
    for free in ["Istanbul", "Cafe"] {
        app.not_enrolled(&app.publisher, free).await;
    }
    update(&app, &app.publisher, json!({ "accountId": other.id, "name": "OTHER" })).await;
    let b = app.another_publisher("Southwind").await.token;
    app.not_enrolled(&b, "Acme").await;
}

#[tokio::test]
async fn r01_a_name_is_kept_in_nfc_and_trimmed() {
    let app = TestApp::new().await;
    let input = json!({ "name": "  Cafe\u{301} \u{2003}" });
    let made = app.ok(&app.publisher, "createManagedAccount", input, "account { name }").await;
    assert_eq!(made.text("/account/name"), "Café");
}

#[tokio::test]
async fn r01_an_accounts_name_has_one_to_255_characters() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for (name, code) in
        [("".to_owned(), "NAME_REQUIRED"), (" \u{a0}".into(), "NAME_REQUIRED"), ("🦀".repeat(256), "NAME_TOO_LONG")]
    {
        for (mutation, input) in [
            ("createManagedAccount", json!({ "name": name })),
            ("updateAccount", json!({ "name": name })),
            ("updateAccount", json!({ "accountId": acme.id, "name": name })),
            ("createApiToken", json!({ "name": name, "role": "SUPPORT" })),
        ] {
            assert_eq!(
                refused(&app, &app.publisher, mutation, input).await,
                code_and_field(code, "name"),
                "{mutation}"
            );
        }
    }
    app.not_enrolled(&app.publisher, &"🦀".repeat(255)).await;
    for name in ["a\u{0}b", "a\nb"] {
        assert_eq!(app.denied(&app.publisher, "createManagedAccount", json!({ "name": name })).await, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn r01_two_accounts_of_one_name_at_once_are_one() {
    let app = TestApp::new().await;
    let make = |name: &'static str| {
        app.mutate(&app.publisher, "createManagedAccount", json!({ "name": name }), "account { id }")
    };
    let (one, other) = tokio::join!(make("Acme"), make("ACME"));
    let codes: Vec<_> = [one, other].iter().filter_map(crate::support::rows::refusal_of).collect();
    assert_eq!(codes, ["NAME_TAKEN"]);
}

#[tokio::test]
async fn r04_a_managed_account_is_read_as_suspended_by_its_publisher() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let query = "query($id: ID!) { managedAccount(id: $id) { status suspendedAt } }";
    let read = async || app.gql(&app.publisher, query, json!({ "id": acme.id })).await.at("/managedAccount").clone();
    assert_eq!(read().await, json!({ "status": "ACTIVE", "suspendedAt": null }));
    app.suspend(&acme).await;
    assert_eq!(read().await, json!({ "status": "SUSPENDED", "suspendedAt": "2026-11-22T09:00:00.000000Z" }));
    let suspended = "{ managedAccounts(filter: { status: SUSPENDED }) { edges { node { name } } } }";
    assert_eq!(app.gql(&app.publisher, suspended, json!(null)).await.texts("/managedAccounts", "/name"), ["Acme"]);
    app.reactivate(&acme).await;
    assert_eq!(read().await, json!({ "status": "ACTIVE", "suspendedAt": null }));
}
