//! Reading the event log by query: cursors shared with subscriptions, filters, pages (R49, R50).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::log::events_packs::insert_event_of_a_deleted_pack;
use crate::support::rows::{code_of, tables, unknown_like};
use crate::support::{At, Installed, Managed, TestApp, uuid_of};

const EVENTS: &str = "query($filter: EventFilter, $first: Int, $after: String, $last: Int, $before: String) {
    events(filter: $filter, first: $first, after: $after, last: $last, before: $before) { totalCount
        edges { cursor node { __typename id cursor kind actor { kind name } ... on PackEvent { packId packName } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const LIVE: &str = "subscription($after: String, $filter: EventFilter) { events(after: $after, filter: $filter) {
    __typename id cursor kind actor { kind name } ... on PackEvent { packId packName } } }";

impl TestApp {
    /// A page of the log in a reader's view.
    pub(crate) async fn event_page(&self, token: &str, arguments: Value) -> Value {
        self.gql(token, EVENTS, arguments).await.at("/events").clone()
    }

    /// The events after a cursor in a reader's view that match a filter, at most 100.
    pub(crate) async fn events_since(&self, token: &str, after: &str, filter: Value) -> Vec<Value> {
        let page = self.event_page(token, json!({ "after": after, "filter": filter, "first": 100 })).await;
        assert_eq!(page.at("/pageInfo/hasNextPage"), false, "more than a page");
        page.list("/edges").iter().map(|edge| edge.at("/node").clone()).collect()
    }
}

/// The kinds of some events.
pub(crate) fn kinds(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event.text("/kind")).collect()
}

/// Acme has a pack installed. A release of it was scheduled, applied early by Acme, and canceled.
async fn story() -> (TestApp, Managed, Installed, String, String) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    app.apply(&acme, &installed.installations[0]).await;
    app.cancel(&release).await;
    app.tick().await;
    (app, acme, installed, p, a)
}

const TO_PUBLISHER: [&str; 14] = [
    "PACK_CREATED",
    "COMPONENT_PACKAGED",
    "PACK_UPDATED",
    "PACK_SHARED",
    "RELEASE_STARTED",
    "RELEASE_COMPLETED",
    "INSTALLATION_CREATED",
    "COMPONENT_PACKAGED",
    "NEWER_SHAREABLE_PACKAGED",
    "RELEASE_SCHEDULED",
    "UPDATE_OFFERED",
    "INSTALLATION_UPDATED",
    "RELEASE_CANCELED",
    "INSTALLATION_UPDATED",
];

#[tokio::test]
async fn r50_each_reader_reads_its_own_log_in_order() {
    let (app, acme, installed, p, a) = story().await;
    let to_publisher = app.events_since(&app.publisher, &p, Value::Null).await;
    let to_acme = app.events_since(&acme.token, &a, Value::Null).await;
    assert_eq!(kinds(&to_publisher), TO_PUBLISHER);
    let of_acme = [
        "PACK_SHARED",
        "INSTALLATION_CREATED",
        "RELEASE_SCHEDULED",
        "UPDATE_OFFERED",
        "INSTALLATION_UPDATED",
        "RELEASE_CANCELED",
        "INSTALLATION_UPDATED",
    ];
    assert_eq!(kinds(&to_acme), of_acme);
    let available = app.available(&acme, "Orders").await;
    let of_packs = to_publisher.iter().filter(|event| event.text("/kind") != "COMPONENT_PACKAGED");
    assert!(of_packs.clone().all(|event| event.text("/packId") == installed.pack.id));
    assert!(to_acme.iter().all(|event| event.text("/packId") == available));
    let cursors: BTreeSet<_> = to_publisher.iter().map(|event| event.text("/cursor")).collect();
    assert!(to_acme.iter().all(|event| !cursors.contains(&event.text("/cursor"))), "each account has its own cursors");
}

#[tokio::test]
async fn r50_the_query_and_the_subscription_give_the_same_events_after_the_same_cursor() {
    let (app, acme, _, p, a) = story().await;
    for (token, start) in [(&app.publisher, p), (&acme.token, a)] {
        let all = app.events_since(token, &start, Value::Null).await;
        let live = app.subscribe(token, LIVE, json!({ "after": start })).await.collect(all.len()).await;
        assert_eq!(live.iter().map(|item| item.at("/events").clone()).collect::<Vec<_>>(), all);
        for (index, event) in all.iter().enumerate() {
            let cursor = event.text("/cursor");
            assert_eq!(app.events_since(token, &cursor, Value::Null).await, all[index + 1..], "a cursor of either");
            if let Some(next) = all.get(index + 1) {
                let item = app.subscribe(token, LIVE, json!({ "after": cursor })).await.next().await;
                assert_eq!(item.at("/events"), next);
            }
        }
    }
}

#[tokio::test]
async fn r49_pages_of_the_log_join_without_a_gap_either_way() {
    let (app, _, _, start, _) = story().await;
    let all = app.events_since(&app.publisher, &start, Value::Null).await;
    let (mut forward, mut after) = (Vec::new(), start.clone());
    loop {
        let page = app.event_page(&app.publisher, json!({ "first": 2, "after": after })).await;
        forward.extend(page.nodes(""));
        for edge in page.list("/edges") {
            assert_eq!(edge.at("/cursor"), edge.at("/node/cursor"), "one cursor");
        }
        after = page.text("/pageInfo/endCursor");
        assert_eq!(page.at("/pageInfo/hasPreviousPage"), true);
        if page.at("/pageInfo/hasNextPage") == false {
            break;
        }
    }
    assert_eq!(forward, all);
    let (mut backward, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = app.event_page(&app.publisher, json!({ "last": 4, "after": start, "before": before })).await;
        let mut nodes = page.nodes("");
        nodes.extend(backward);
        backward = nodes;
        before = page.at("/pageInfo/startCursor").clone();
        if backward.len() >= all.len() {
            break;
        }
    }
    assert_eq!(backward, all);
    let whole = app.event_page(&app.publisher, json!({ "first": 1 })).await;
    let everything = app.event_page(&app.publisher, json!({ "first": 100 })).await.nodes("");
    assert_eq!(whole.at("/totalCount"), &json!(everything.len()), "all that is there, cursors aside");
}

/// Acme's log, when it has or had several packs: one twice, one frozen for a while, one removed for a while. Each pack
/// was released again in every round, so that the packs' events alternate. A pack that Acme never had was released too.
async fn many_packs() -> (TestApp, Managed) {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let gold = app.group("Gold", &[&acme]).await;
    let mut packs = Vec::new();
    for name in ["One", "Two", "Three"] {
        packs.push(app.installed_pack(name, &[&acme]).await.pack);
    }
    packs.push(app.installed_pack_in("Frozen", &gold, &[&acme]).await.pack);
    packs.push(app.installed_pack("Foreign", &[&globex]).await.pack);
    let several = app.multi_pack_with("Several", &["Repeated"]).await;
    app.share_with_all(&several.id).await;
    app.release_now(&several.id).await;
    let twice = app.install_as(&acme, "Several", "First").await;
    packs.push(several);
    for round in 0..4 {
        for pack in &packs {
            app.update_now(pack).await;
        }
        match round {
            0 => {
                app.install_as(&acme, "Several", "Second").await;
                app.unshare(&packs[3].id, &[&gold]).await;
                app.uninstall(&acme, &twice).await;
            }
            1 => app.share(&packs[3].id, &[&gold]).await,
            2 => {
                app.install_as(&acme, "Several", "Third").await;
            }
            _ => {
                app.unshare(&packs[3].id, &[&gold]).await;
            }
        }
    }
    app.tick().await;
    (app, acme)
}

#[tokio::test]
async fn r49_pages_of_an_account_with_many_packs_join_to_its_whole_log() {
    let (app, acme) = many_packs().await;
    for kinds in [Value::Null, json!(["RELEASE_COMPLETED"]), json!(["RELEASE_STARTED", "INSTALLATION_UPDATED"])] {
        let filter = json!({ "kinds": kinds });
        let whole = app.event_page(&acme.token, json!({ "first": 100, "filter": filter })).await;
        let all = whole.nodes("");
        let counted = (whole.at("/pageInfo/hasNextPage"), whole.at("/totalCount"));
        assert_eq!(counted, (&json!(false), &json!(all.len())));
        let ids: BTreeSet<_> = all.iter().map(|event| event.text("/id")).collect();
        assert_eq!(ids.len(), all.len(), "no event comes twice");
        for size in [2, 7, 50] {
            let (mut forward, mut after) = (Vec::new(), Value::Null);
            let (mut backward, mut before) = (Vec::new(), Value::Null);
            while forward.len() < all.len() {
                let page = json!({ "first": size, "after": after, "filter": filter });
                let page = app.event_page(&acme.token, page).await;
                forward.extend(page.nodes(""));
                after = page.at("/pageInfo/endCursor").clone();
                assert_eq!(page.at("/pageInfo/hasNextPage"), &json!(forward.len() < all.len()), "{size} {filter}");
            }
            while backward.len() < all.len() {
                let page = json!({ "last": size, "before": before, "filter": filter });
                let page = app.event_page(&acme.token, page).await;
                let nodes = page.nodes("");
                backward.splice(0..0, nodes);
                before = page.at("/pageInfo/startCursor").clone();
                assert_eq!(page.at("/pageInfo/hasPreviousPage"), &json!(backward.len() < all.len()), "{size} {filter}");
            }
            assert_eq!((&forward, &backward), (&all, &all), "{size} {filter}");
        }
    }
}

#[tokio::test]
async fn r50_an_account_reads_of_its_packs_the_releases_since_it_installed_them_except_while_frozen() {
    let (app, acme) = many_packs().await;
    let completed = json!({ "first": 100, "filter": { "kinds": ["RELEASE_COMPLETED"] } });
    let of_packs = app.event_page(&acme.token, completed.clone()).await.nodes("");
    let named = |name: &str| of_packs.iter().filter(|event| event.text("/packName") == name).count();
    let counts = ["One", "Two", "Three", "Several", "Frozen", "Foreign"].map(|name| (name, named(name)));
    let expected = [("One", 4), ("Two", 4), ("Three", 4), ("Several", 4), ("Frozen", 3), ("Foreign", 0)];
    assert_eq!(counts, expected, "the frozen pack's second release was made while it was frozen");
    let newest = app.event_page(&acme.token, json!({ "last": 1 })).await.text("/edges/0/cursor");
    assert_eq!(app.cursor(&acme.token).await, newest);
}

#[tokio::test]
async fn r50_the_log_is_narrowed_by_kind_pack_installation_release_and_account() {
    let (app, acme, installed, p, a) = story().await;
    let other = app.installed_pack("Invoices", &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    for (token, start, pack) in [(&app.publisher, &p, &installed.pack.id), (&acme.token, &a, &available)] {
        let all = app.events_since(token, start, Value::Null).await;
        let of = |test: &dyn Fn(&Value) -> bool| all.iter().filter(|event| test(event)).cloned().collect::<Vec<_>>();
        let named = |names: &[&str], event: &Value| names.contains(&event.text("/kind").as_str());
        let kinds = ["RELEASE_CANCELED", "UPDATE_OFFERED", "RELEASE_CANCELED", "PACK_SHARED"];
        let by_kind = app.events_since(token, start, json!({ "kinds": kinds })).await;
        assert_eq!(by_kind, of(&|event| named(&kinds, event)));
        let by_pack = app.events_since(token, start, json!({ "packId": pack })).await;
        assert_eq!(by_pack, of(&|event| event["packId"] == *pack));
        let both = json!({ "packId": pack, "kinds": ["PACK_SHARED", "RELEASE_SCHEDULED"] });
        assert_eq!(
            app.events_since(token, start, both.clone()).await,
            of(&|event| { event["packId"] == *pack && named(&["PACK_SHARED", "RELEASE_SCHEDULED"], event) })
        );
        let by_installation =
            app.events_since(token, start, json!({ "installationId": installed.installations[0] })).await;
        assert_eq!(
            crate::log::event_log::kinds(&by_installation),
            ["INSTALLATION_CREATED", "UPDATE_OFFERED", "INSTALLATION_UPDATED", "INSTALLATION_UPDATED"]
        );
        let of_other = app.events_since(token, start, json!({ "installationId": other.installations[0] })).await;
        assert_eq!(crate::log::event_log::kinds(&of_other), ["INSTALLATION_CREATED"]);
        assert_eq!(
            app.events_since(token, start, json!({ "kinds": [] })).await,
            by_pack[..0],
            "an empty list matches nothing"
        );
        let live = app.subscribe(token, LIVE, json!({ "after": start, "filter": both })).await.collect(2).await;
        assert_eq!(live[1].text("/events/kind"), "RELEASE_SCHEDULED");
        let counted = app.event_page(token, json!({ "filter": { "kinds": kinds } })).await;
        assert_eq!(counted.int("/totalCount"), i64::try_from(by_kind.len()).expect("few"));
    }
    let release = app.read_pack(&installed.pack.id, "releases(first: 1) { edges { node { id } } }").await;
    let release = release.texts("/releases", "/id")[0].clone();
    let by_release = app.events_since(&app.publisher, &p, json!({ "releaseId": release })).await;
    let of_release =
        ["RELEASE_SCHEDULED", "UPDATE_OFFERED", "INSTALLATION_UPDATED", "RELEASE_CANCELED", "INSTALLATION_UPDATED"];
    assert_eq!(crate::log::event_log::kinds(&by_release), of_release);
    let announced = json!({ "releaseId": release.replacen("rel_", "ann_", 1) });
    let by_release = app.events_since(&acme.token, &a, announced).await;
    assert_eq!(crate::log::event_log::kinds(&by_release), of_release, "the account has the pack");
    let by_account = app.events_since(&app.publisher, &p, json!({ "accountId": acme.id })).await;
    let moved = "INSTALLATION_UPDATED";
    let of_account = ["INSTALLATION_CREATED", "UPDATE_OFFERED", moved, moved, "INSTALLATION_CREATED"];
    assert_eq!(crate::log::event_log::kinds(&by_account), of_account);
    let globex = app.managed("Globex").await;
    let of_globex = app.events_since(&app.publisher, &p, json!({ "accountId": globex.id })).await;
    assert_eq!(crate::log::event_log::kinds(&of_globex), ["ACCOUNT_CREATED", "ACCOUNT_ENROLLED"]);
    let of_others = "query($id: ID!) { events(filter: { accountId: $id }) { edges { cursor } } }";
    let denied = app.error_code(Some(&acme.token), of_others, json!({ "id": globex.id })).await;
    assert_eq!(denied, "NOT_FOUND", "an account knows no other one");
}

#[tokio::test]
async fn r50_a_cursor_that_is_not_the_accounts_is_bad_input_in_the_log() {
    let (app, acme, ..) = story().await;
    let foreign = app.cursor(&acme.token).await;
    for side in ["after", "before"] {
        for cursor in [foreign.as_str(), "", "0", "nonsense"] {
            assert_eq!(app.error_code(Some(&app.publisher), EVENTS, json!({ side: cursor })).await, "BAD_USER_INPUT");
        }
    }
}

#[tokio::test]
async fn r50_the_events_of_a_pack_that_is_gone_are_read_by_its_id() {
    use sea_orm::{ActiveValue::Set, EntityTrait as _};
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let pack = insert_event_of_a_deleted_pack(&app, &acme).await;
    let row = entity::integration_pack::ActiveModel {
        id: Set(uuid_of(&pack)),
        deleted_at: Set(Some(app.now())),
        ..Default::default()
    };
    entity::integration_pack::Entity::update(row).exec(tables(&app)).await.expect("the pack is gone");
    let available = pack.replacen("pack_", "avail_", 1);
    for (token, start, id) in [(&app.publisher, &p, &pack), (&acme.token, &a, &available)] {
        let mut of_pack = kinds(&app.events_since(token, start, json!({ "packId": id })).await);
        of_pack.retain(|kind| kind != "PACK_CREATED");
        assert_eq!(of_pack, ["PACK_DELETED"]);
        let live = app.subscribe(token, LIVE, json!({ "after": start, "filter": { "packId": id } })).await.next().await;
        assert_eq!(live.text("/events/packId"), *id);
    }
    assert_eq!(
        app.error_code(Some(&app.publisher), EVENTS, json!({ "filter": { "packId": available } })).await,
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn r03_the_log_reveals_nothing_of_an_id_that_the_reader_may_not_see() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let southwind = app.another_publisher("Southwind").await.token;
    let gold = app.group("Gold", &[&acme]).await;
    let installed = app.installed_pack_in("Orders", &gold, &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    for (token, field, id) in [
        (&southwind, "packId", &installed.pack.id),
        (&southwind, "installationId", &installed.installations[0]),
        (&globex.token, "packId", &available),
        (&globex.token, "installationId", &installed.installations[0]),
    ] {
        let mut seen = Vec::new();
        for id in [id.clone(), unknown_like(id)] {
            let variables = json!({ "filter": { field: id } });
            app.gql_raw(Some(token), EVENTS, variables.clone()).await;
            let (answer, statements) = app.statements_of(app.gql_raw(Some(token), EVENTS, variables.clone())).await;
            assert_eq!(code_of(&answer).as_deref(), Some("NOT_FOUND"));
            assert_eq!(app.first_error(Some(token), LIVE, variables).await.as_deref(), Some("NOT_FOUND"));
            // The answer repeats the ID.
            seen.push((answer.to_string().replace(&id, "the ID"), statements));
        }
        assert_eq!(seen[0], seen[1], "the same statements and the same answer");
    }
}
