//! A world with two publishers and their managed accounts, and everything that each of them can read.

use serde_json::{Value, json};

use crate::gate::introspection::Schema;
use crate::support::{At, GITHUB, Managed, TestApp, of_groups, of_percent};
use crate::whole::walk::{Walk, selection};

/// Texts that only the first publisher may see: groups, drafts, package notes, tokens, unannounced releases.
pub(crate) const SECRETS_OF_PUBLISHER: &[&str] = &[
    "Gold customers",
    "Silver customers",
    "Unfinished plan",
    "Template for nobody",
    "Never released pack",
    "Scheduled for later",
    "notes of a package",
    "notes of a publication",
    "northwind-admin",
    "northwind-second-token",
    "notes of what waits for its first window",
    "why it was paused",
    "reason of a roll back",
    "Pilots of the release",
    "Stage of the pilots",
    "Stage of half of them",
];
/// Texts that only Acme and the publisher may see, among them its name.
pub(crate) const SECRETS_OF_ACME: &[&str] = &[
    "Acme Corporation",
    "Only for Acme",
    "Acme's own name",
    "Template for Acme",
    "Acme's own copy",
    "acme-second-token",
    "what Acme says of it",
];
/// Texts that only Globex and the publisher may see.
pub(crate) const SECRETS_OF_GLOBEX: &[&str] = &["Globex Industries", "Only for Globex", "Globex's own name"];
/// Texts that only the second publisher and its account may see.
pub(crate) const SECRETS_OF_SOUTHWIND: &[&str] = &["Southwind", "Initech", "Southern pack", "southern notes"];

/// A reader, and everything that it can read.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) token: String,
    pub(crate) is_publisher: bool,
    pub(crate) walk: Walk,
}

/// The world and its readers: the first publisher, Acme, Globex, the second publisher, its account.
pub(crate) struct StrangerWorld {
    pub(crate) app: TestApp,
    pub(crate) schema: Schema,
    sides: Vec<Side>,
}

impl StrangerWorld {
    /// Creates the world, and lets each reader read everything that it can.
    pub(crate) async fn build() -> Self {
        let app = TestApp::new().await;
        let schema = Schema::of(&app).await;
        let [acme, globex] = app.managed_accounts(["Acme Corporation", "Globex Industries"]).await;
        let b = app.another_publisher("Southwind").await;
        let b_managed = managed_of(&app, &b.token, "Initech").await;
        let readers = [
            ("the publisher", app.publisher.clone(), true),
            ("Acme", acme.token.clone(), false),
            ("Globex", globex.token.clone(), false),
            ("the other publisher", b.token.clone(), true),
            ("the other publisher's account", b_managed.clone(), false),
        ];
        let fence = app.installed_pack("Fence", &[&acme, &globex]).await;
        let southern = southern_pack(&app, &b.token, &b_managed, "Southern fence").await;
        let mut cursors = Vec::new();
        for (_, token, _) in &readers {
            cursors.push(app.cursor(token).await);
        }
        northwind(&app, &acme, &globex).await;
        crate::log::events_packs::insert_event_of_a_deleted_pack(&app, &acme).await;
        for token in [&app.publisher, &acme.token] {
            crate::webhooks::receiver::insert_event_of_a_disabled_endpoint(&app, token).await;
            app.trust(token, "Pipeline", GITHUB, &[("repository", "northwind/orders")], "SUPPORT").await;
        }
        southwind(&app, &b.token, &b_managed).await;
        app.update_now(&fence.pack).await;
        southern_release(&app, &b.token, &southern, json!({ "immediately": true })).await;
        let mut sides = Vec::new();
        for ((name, token, is_publisher), cursor) in readers.into_iter().zip(cursors) {
            let mut walk = Walk::from_the_roots(&app, &schema, &token).await;
            let items = events_of(&app, &schema, &token, is_publisher, &cursor).await;
            walk.also_from(&app, &schema, &token, &items).await;
            walk.also_from(&app, &schema, &token, &audited(&app, &token).await).await;
            sides.push(Side { name, token, is_publisher, walk });
        }
        Self { app, schema, sides }
    }

    /// The first publisher, Acme, Globex, the second publisher, its account.
    pub(crate) fn sides(&self) -> [&Side; 5] {
        self.sides.iter().collect::<Vec<_>>().try_into().ok().expect("five readers")
    }

    /// The objects that others can read and the stranger can't: (ID, type).
    pub(crate) fn foreign_to<'a>(&'a self, stranger: &'a Side) -> Vec<(&'a str, &'a str)> {
        let others = self.sides.iter().filter(|side| side.name != stranger.name);
        let mut found: Vec<_> =
            others.flat_map(|side| side.walk.beyond(&stranger.walk)).map(|(id, t)| (id.as_str(), t.as_str())).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Creates packs in each state, with and without shares and installations, and releases with each outcome. Split into
/// parts because the stack of a test's thread is small.
async fn northwind(app: &TestApp, acme: &Managed, globex: &Managed) {
    more_tokens_and_accounts(app, acme).await;
    let gold = app.group("Gold customers", &[acme]).await;
    let silver = app.group("Silver customers", &[globex]).await;
    secrets_of_acme(app).await;
    app.installed_pack("Current for all", &[acme, globex]).await;
    app.installed_pack_in("Only for Acme", &gold, &[acme]).await;
    app.installed_pack_in("Only for Globex", &silver, &[globex]).await;
    templates(app, acme, &gold).await;
    several_times(app, acme, globex).await;
    canceled_once(app, acme, globex).await;
    superseded_once(app, acme, globex).await;
    withdrawn(app, acme, &gold).await;
    rolled_back(app, acme, globex).await;
    in_its_testing_period(app, acme, globex).await;
    paused(app, acme, globex).await;
    app.tick().await;
}

async fn more_tokens_and_accounts(app: &TestApp, acme: &Managed) {
    for (token, name) in [(&app.publisher, "northwind-second-token"), (&acme.token, "acme-second-token")] {
        app.ok(token, "createApiToken", json!({ "name": name, "role": "SUPPORT" }), "apiToken { id }").await;
    }
    app.not_enrolled(&app.publisher, "Umbrella").await;
}

async fn secrets_of_acme(app: &TestApp) {
    let published = app.component("Unfinished plan, published").await;
    let notes = json!({ "componentId": published, "notes": "notes of a publication" });
    app.ok(&app.publisher, "publishComponent", notes, "").await;
    let legacy = app.legacy_pack("Never released legacy pack").await;
    app.add(&legacy, &[&published]).await;
    let never = app.pack_with("Never released pack", &["Unfinished plan"]).await;
    app.share_with_all(&never.id).await;
    let notes = json!({ "shareable": false, "notes": "notes of a package", "version": "draft" });
    app.package_with(&never.components[0], notes).await;
    let later = app.pack_with("Scheduled for later", &["Later process"]).await;
    app.share_with_all(&later.id).await;
    let notes = "notes of what waits for its first window";
    let input = json!({ "packId": later.id, "schedule": { "onDate": "2026-12-24" }, "notes": notes });
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
}

async fn templates(app: &TestApp, acme: &Managed, gold: &str) {
    for (name, groups) in [("Template for Acme", vec![gold]), ("Template for nobody", vec![])] {
        let (_, package) = app.packaged(name).await;
        let input = json!({ "packagedComponentId": package.id, "groupIds": groups });
        app.ok(&app.publisher, "publishToProcessLibrary", input, "").await;
    }
    let library = app.gql(&acme.token, "{ processLibrary { edges { node { id } } } }", json!(null)).await;
    let input = json!({ "processId": library.texts("/processLibrary", "/id")[0], "name": "Acme's own copy" });
    app.ok(&acme.token, "copyFromProcessLibrary", input, "").await;
}

async fn several_times(app: &TestApp, acme: &Managed, globex: &Managed) {
    let multi = app.multi_pack_with("Several times", &["Repeated process"]).await;
    app.share_with_all(&multi.id).await;
    app.release_now(&multi.id).await;
    app.install_as(acme, "Several times", "Acme's own name").await;
    app.install_as(globex, "Several times", "Globex's own name").await;
    app.update_now(&multi).await;
}

async fn canceled_once(app: &TestApp, acme: &Managed, globex: &Managed) {
    let canceled = app.installed_pack("Canceled once", &[acme, globex]).await;
    let release = app.update_on(&canceled.pack, "2026-12-01").await;
    app.apply(acme, &canceled.installations[0]).await;
    app.reschedule(&release, "2026-12-02").await;
    app.cancel(&release).await;
}

async fn superseded_once(app: &TestApp, acme: &Managed, globex: &Managed) {
    let superseded = app.installed_pack("Superseded once", &[acme, globex]).await;
    app.update_on(&superseded.pack, "2026-12-01").await;
    app.update_now(&superseded.pack).await;
}

async fn withdrawn(app: &TestApp, acme: &Managed, gold: &str) {
    let frozen = app.installed_pack_in("Taken back from Gold", gold, &[acme]).await;
    app.unshare(&frozen.pack.id, &[gold]).await;
    app.update_now(&frozen.pack).await;
}

async fn rolled_back(app: &TestApp, acme: &Managed, globex: &Managed) {
    let rolled = app.installed_pack("Rolled back once", &[acme]).await;
    let release = app.update_now(&rolled.pack).await;
    app.install(globex, "Rolled back once").await;
    let back = json!({ "releaseId": release, "reason": "reason of a roll back", "atMost": 2 });
    app.ok(&app.publisher, "rollBackRelease", back, "release { id }").await;
}

async fn in_its_testing_period(app: &TestApp, acme: &Managed, globex: &Managed) {
    let testing = app.installed_pack("In its testing period", &[acme, globex]).await;
    let pilots = app.group("Pilots of the release", &[globex]).await;
    let stages = [
        of_groups("Stage of the pilots", "2026-11-27", &[&pilots]),
        of_percent("Stage of half of them", "2026-11-29", 50.0),
    ];
    app.release_in_stages(&testing.pack, "2026-12-01", &stages).await;
    let update = app.apply(acme, &testing.installations[0]).await;
    let input = json!({ "updateId": update, "outcome": "BROKEN", "comment": "what Acme says of it" });
    app.ok(&acme.token, "reportUpdateOutcome", input, "").await;
    app.package_newer(&testing.pack).await;
}

async fn paused(app: &TestApp, acme: &Managed, globex: &Managed) {
    let paused = app.installed_pack("Paused", &[acme, globex]).await;
    let release = app.update_on(&paused.pack, "2026-12-01").await;
    let input = json!({ "releaseId": release, "reason": "why it was paused" });
    app.ok(&app.publisher, "pauseRelease", input, "").await;
}

/// Enrols a managed account of any publisher. Returns its token.
async fn managed_of(app: &TestApp, publisher: &str, name: &str) -> String {
    let (_, enrolment) = app.not_enrolled(publisher, name).await;
    app.enrol(&enrolment).await
}

/// A smaller world for the second publisher: one pack, installed, with a release in its testing period.
async fn southwind(app: &TestApp, b: &str, managed: &str) {
    let pack = southern_pack(app, b, managed, "Southern pack").await;
    southern_release(app, b, &pack, json!({ "onDate": "2026-12-20" })).await;
}

/// A pack of the second publisher, released and installed: (its ID, its component's ID).
async fn southern_pack(app: &TestApp, b: &str, managed: &str, name: &str) -> (String, String) {
    let input = json!({ "name": format!("{name}'s process"), "type": "PROCESS" });
    let component = app.ok(b, "createComponent", input, "component { id }").await.text("/component/id");
    let input = json!({ "name": name, "installationType": "SINGLE" });
    let pack = app.ok(b, "createIntegrationPack", input, "integrationPack { id }").await.text("/integrationPack/id");
    app.ok(b, "createPackagedComponents", southern_package(&component), "").await;
    app.ok(b, "addPackComponents", json!({ "packId": pack, "componentIds": [component] }), "").await;
    let groups = app.gql(b, "{ accountGroups(first: 1) { edges { node { id } } } }", json!(null)).await;
    let all = groups.texts("/accountGroups", "/id");
    app.ok(b, "sharePack", json!({ "packId": pack, "groupIds": all }), "").await;
    let input = json!({ "packId": pack, "schedule": { "immediately": true }, "notes": "southern notes" });
    app.ok(b, "releaseIntegrationPack", input, "").await;
    let query = "query($name: String!) { availablePacks(filter: { search: $name }) { edges { node { id } } } }";
    let packs = app.gql(managed, query, json!({ "name": name })).await;
    app.ok(managed, "installPack", json!({ "packId": packs.texts("/availablePacks", "/id")[0] }), "").await;
    (pack, component)
}

fn southern_package(component: &str) -> Value {
    json!({ "packages": [{ "componentId": component, "shareable": true, "notes": "southern notes" }] })
}

/// Packages a newer version for a southern pack, and releases it.
async fn southern_release(app: &TestApp, b: &str, (pack, component): &(String, String), schedule: Value) {
    app.ok(b, "createPackagedComponents", southern_package(component), "").await;
    let input = json!({ "packId": pack, "schedule": schedule, "notes": "southern notes" });
    app.ok(b, "releaseIntegrationPack", input, "").await;
}

/// The events since `cursor` that a reader gets from each subscription that takes `after`. Each subscription stops at
/// the release of the fence, the last event.
async fn events_of(app: &TestApp, schema: &Schema, token: &str, is_publisher: bool, cursor: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let fences = "{ installations(filter: { search: \"fence\" }) { edges { node { id } } } }";
    let installed = app.gql(token, fences, json!(null)).await.nodes("/installations").len();
    for field in schema.subscriptions() {
        let name = field.text("/name");
        let takes_after = field.list("/args").iter().any(|arg| arg.text("/name") == "after");
        let closed = !is_publisher && name == "newerShareablePackaged";
        if !takes_after || closed {
            continue;
        }
        let of = crate::gate::introspection::named(field.at("/type"));
        let mut fields = selection(schema, &of, 5);
        if of == "Event" {
            fields = fields.replacen('{', "{ ... on PackEvent { packName }", 1);
        }
        let document = format!("subscription($after: String) {{ {name}(after: $after) {fields} }}");
        let mut subscription = app.subscribe(token, &document, json!({ "after": cursor })).await;
        // A publisher gets the fence's update once for each account.
        let mut left = if name == "installationUpdated" { installed } else { 1 };
        while left > 0 {
            let item = subscription.next().await;
            items.push(item.clone());
            let event = item.at(&format!("/{name}"));
            let last = ["RELEASE_COMPLETED", "INSTALLATION_UPDATED", "NEWER_SHAREABLE_PACKAGED"];
            if event
                .pointer("/packName")
                .and_then(Value::as_str)
                .is_some_and(|name| name.to_lowercase().ends_with("fence"))
                && last.contains(&event.text("/kind").as_str())
            {
                left -= 1;
            }
        }
    }
    items
}

/// All entries of a reader's audit log, page by page.
async fn audited(app: &TestApp, token: &str) -> Vec<Value> {
    let query = "query($after: String) { auditLog(first: 100, after: $after) { edges { node { __typename id } } pageInfo { hasNextPage endCursor } } }";
    let (mut pages, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = app.gql(token, query, json!({ "after": after })).await;
        after = page.at("/auditLog/pageInfo/endCursor").clone();
        let more = page.at("/auditLog/pageInfo/hasNextPage") == true;
        pages.push(page);
        if !more {
            return pages;
        }
    }
}
