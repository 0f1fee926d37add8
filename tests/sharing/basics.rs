//! Groups and grants, and the packs that an account sees (R24, R48).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, unknown_like};
use crate::support::{At, Managed, TestApp, code_and_field};

/// The code and the field of a refused call that shares or unshares.
async fn share_refused(app: &TestApp, mutation: &str, pack: &str, groups: &Value) -> (String, String) {
    let refusal = app.refused(&app.publisher, mutation, json!({ "packId": pack, "groupIds": groups })).await;
    (refusal.code, refusal.field)
}

/// The names of the groups with which a pack is shared.
async fn groups_of(app: &TestApp, pack: &str) -> Vec<String> {
    app.read_pack(pack, "groups(first: 100) { edges { node { name } } }").await.texts("/groups", "/name")
}

#[tokio::test]
async fn r24_a_pack_may_be_shared_before_its_first_release_and_is_seen_from_then_on() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    assert_eq!(groups_of(&app, &pack.id).await, ["All Accounts"]);
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    let mark = LogMark::now(&app).await;
    app.release_now(&pack.id).await;
    assert_eq!(app.available_names(&acme).await, ["Orders"]);
    let account = Some(crate::support::uuid_of(&acme.id));
    let shared: Vec<_> =
        mark.events(&app).await.into_iter().filter(|e| e.kind == "PACK_SHARED" && e.account_id == account).collect();
    assert_eq!(shared.len(), 1, "an account hears of a pack never released at its first release (R50): {shared:#?}");
    app.install(&acme, "Orders").await;
}

#[tokio::test]
async fn r24_a_dated_first_release_shows_the_pack_when_its_window_opens() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_on(&pack.id, "2026-12-01").await;
    app.advance_to("2026-11-30T22:59:59Z").await;
    assert_eq!(app.available_names(&acme).await, Vec::<String>::new());
    app.advance_to("2026-11-30T23:00:00Z").await;
    assert_eq!(app.available_names(&acme).await, ["Orders"]);
    assert_eq!(app.installed_number(&acme, &app.install(&acme, "Orders").await).await, 1);
}

#[tokio::test]
async fn r48_access_is_the_union_of_the_grants() {
    let app = TestApp::new().await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let gold = app.group("Gold", &[&acme, &globex]).await;
    let silver = app.group("Silver", &[&globex]).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    app.share(&pack.id, &[&gold, &silver]).await;
    let sees = async |account: &Managed| app.find_available(account, "Orders").await.is_some();
    assert_eq!((sees(&acme).await, sees(&globex).await, sees(&initech).await), (true, true, false));
    assert_eq!(app.unshare(&pack.id, &[&gold]).await, 0, "nobody has installed it");
    assert_eq!((sees(&acme).await, sees(&globex).await, sees(&initech).await), (false, true, false));
    app.share_with_all(&pack.id).await;
    app.unshare(&pack.id, &[&silver]).await;
    assert_eq!((sees(&acme).await, sees(&globex).await, sees(&initech).await), (true, true, true));
}

#[tokio::test]
async fn r48_an_account_gets_events_of_its_first_and_last_grant_only() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (gold, silver) = (app.group("Gold", &[&acme]).await, app.group("Silver", &[&acme]).await);
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let events_since_mark = async |mark: LogMark| -> usize {
        let account = Some(crate::support::uuid_of(&acme.id));
        let to_the_account = |audience: &str| ["ACCOUNT", "PUBLISHER_AND_ACCOUNT"].contains(&audience);
        mark.events(&app).await.iter().filter(|e| e.account_id == account && to_the_account(&e.audience)).count()
    };
    for (mutation, group, expected) in
        [("sharePack", &gold, 1), ("sharePack", &silver, 0), ("unsharePack", &gold, 0), ("unsharePack", &silver, 1)]
    {
        let mark = LogMark::now(&app).await;
        app.ok(&app.publisher, mutation, json!({ "packId": pack.id, "groupIds": [group] }), "").await;
        app.tick().await;
        let kind = if mutation == "sharePack" { "PACK_SHARED" } else { "PACK_UNSHARED" };
        assert!(mark.kinds(&app).await.iter().all(|k| k == kind), "{:?}", mark.kinds(&app).await);
        assert_eq!(events_since_mark(mark).await, expected, "{mutation}");
    }
}

#[tokio::test]
async fn r48_sharing_twice_is_refused_and_shares_with_none() {
    let app = TestApp::new().await;
    let (gold, silver) = (app.group("Gold", &[]).await, app.group("Silver", &[]).await);
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    app.share(&pack, &[&gold]).await;
    let refusal = app.refused(&app.publisher, "sharePack", json!({ "packId": pack, "groupIds": [silver, gold] })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("ALREADY_SHARED", "groupIds"));
    assert_eq!(refusal.errors[0].at("/groups"), &json!([{ "id": gold }]), "it names the group at fault");
    assert_eq!(groups_of(&app, &pack).await, ["Gold"]);
    let refusal =
        app.refused(&app.publisher, "unsharePack", json!({ "packId": pack, "groupIds": [gold, silver] })).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("NOT_SHARED", "groupIds"));
    assert_eq!(refusal.errors[0].at("/groups"), &json!([{ "id": silver }]));
}

#[tokio::test]
async fn r48_two_calls_that_share_at_once_share_once() {
    let app = TestApp::new().await;
    let gold = app.group("Gold", &[]).await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    let mark = LogMark::now(&app).await;
    let input = || json!({ "packId": pack, "groupIds": [gold] });
    let share = || app.mutate(&app.publisher, "sharePack", input(), "integrationPack { id }");
    let (one, other) = tokio::join!(share(), share());
    let codes: Vec<_> = [one, other].iter().filter_map(crate::support::rows::refusal_of).collect();
    assert_eq!(codes, ["ALREADY_SHARED"]);
    assert_eq!(mark.actions(&app).await, ["sharePack"]);
}

#[tokio::test]
async fn r48_lists_have_at_least_one_and_at_most_a_hundred() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[]).await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    for mutation in ["sharePack", "unsharePack"] {
        assert_eq!(share_refused(&app, mutation, &pack, &json!([])).await, code_and_field("EMPTY_LIST", "groupIds"));
        let many = json!(vec![gold.clone(); 101]);
        assert_eq!(share_refused(&app, mutation, &pack, &many).await, code_and_field("TOO_MANY", "groupIds"));
    }
    for mutation in ["addAccountsToGroup", "removeAccountsFromGroup"] {
        for (ids, code) in [(json!([]), "EMPTY_LIST"), (json!(vec![acme.id.clone(); 101]), "TOO_MANY")] {
            let refusal = app.refused(&app.publisher, mutation, json!({ "groupId": gold, "accountIds": ids })).await;
            assert_eq!((refusal.code.as_str(), refusal.field.as_str()), (code, "accountIds"), "{mutation}");
        }
    }
}

#[tokio::test]
async fn r48_only_a_publishers_own_accounts_groups_and_packs_go_together() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let gold = app.group("Gold", &[]).await;
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    let b = app.another_publisher("Southwind").await.token;
    let (foreign_account, _) = app.not_enrolled(&b, "Initech").await;
    let made = app.ok(&b, "createAccountGroup", json!({ "name": "Foreign" }), "accountGroup { id }").await;
    let foreign_group = made.text("/accountGroup/id");
    for (mutation, input) in [
        ("sharePack", json!({ "packId": pack, "groupIds": [gold, foreign_group] })),
        ("unsharePack", json!({ "packId": pack, "groupIds": [foreign_group] })),
        ("addAccountsToGroup", json!({ "groupId": gold, "accountIds": [acme.id, foreign_account] })),
        ("addAccountsToGroup", json!({ "groupId": foreign_group, "accountIds": [acme.id] })),
        ("removeAccountsFromGroup", json!({ "groupId": gold, "accountIds": [foreign_account] })),
        ("sharePack", json!({ "packId": pack, "groupIds": [unknown_like(&gold)] })),
        ("sharePack", json!({ "packId": pack, "groupIds": [pack] })),
    ] {
        assert_eq!(app.denied(&app.publisher, mutation, input.clone()).await, "NOT_FOUND", "{mutation} {input}");
    }
}

#[tokio::test]
async fn r48_a_group_without_a_pack_can_be_found_for_a_dialog() {
    let app = TestApp::new().await;
    let (gold, _) = (app.group("Gold", &[]).await, app.group("Silver", &[]).await);
    let pack = app.pack_with("Orders", &["Import"]).await.id;
    let query = "query($id: ID!) { accountGroups(filter: { withoutPackId: $id }) { edges { node { name } } } }";
    let without = async || app.gql(&app.publisher, query, json!({ "id": pack })).await.texts("/accountGroups", "/name");
    assert_eq!(without().await, ["All Accounts", "Gold", "Silver"]);
    app.share(&pack, &[&gold]).await;
    assert_eq!(without().await, ["All Accounts", "Silver"]);
}
