//! The number of SQL statements for a query depends on the fields that it selects, and not on the number of rows (R20).
//! A field that runs a statement for each row fails here.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{At as _, Installed, Managed, TestApp};

pub(crate) const PACKS_PAGE: &str = "query($first: Int = 20, $after: String) { integrationPacks(first: $first, after: $after) {
    edges { cursor node { id name installationType state newerShareableAvailable hasUnreleasedChanges
        currentVersion { id number createdAt installationCount }
        pendingRelease { id version { number } window { date timeZone startsAt endsAt late latenessSeconds } }
        components { component { id name type } current { id version createdAt notes } pending { id version } next { id version }
            latestShareable { id version createdAt notes } newerShareableAvailable pinned markedForRemoval }
        viewerCanRelease viewerCanScheduleRelease } }
    pageInfo { hasNextPage endCursor } } }";

const WHAT_IS_NEWER: &str = "{ packsWithNewerShareableVersions(first: 50) {
    edges { node { id name components(onlyWithNewerShareable: true) {
        component { id name } current { version } latestShareable { version createdAt notes } } } }
    pageInfo { hasNextPage endCursor } } }";

const HISTORY: &str = "query($id: ID!) { component(id: $id) { id name type packagedComponents(first: 20) {
    edges { node { id version shareable notes createdAt createdBy { name } packs(first: 5) { totalCount edges { node { id name } } } } }
    pageInfo { hasNextPage endCursor } } } }";

const RELEASE_PAGE: &str = "query($id: ID!) { release(id: $id) { id state version { id number } createdBy { kind name }
    progress { total offered applied appliedEarly skipped failed withdrawn percent }
    diff { fromNumber toNumber added { key name type version } removed { key name type version }
        changed { isDowngrade from { key name version } to { key version } } unchangedCount }
    updates(first: 50) { edges { node { id state skipReason installation { id name account { id name } } } } pageInfo { hasNextPage endCursor } } } }";

const ADOPTION: &str = "{ integrationPacks(first: 20) { edges { node { id adoption { installationCount accountCount frozenCount
    byVersion { version { number } installationCount } curve(points: 60) { at offered appliedEarly } }
    pendingRelease { id adoption { installationCount accountCount frozenCount byVersion { version { number } installationCount }
        curve(points: 60) { at offered appliedEarly skipped failed } } } } } } }";

const ACCOUNTS: &str = "{ managedAccounts(first: 50) { edges { node { id name
    groups(first: 5) { edges { node { id name } } } packs(first: 5) { edges { node { id name } } } installations(first: 5) { edges { node { id name } } } } } } }";

const BROWSE: &str = "{ availablePacks(first: 20) { edges { node { id name description installationType publisherName
    currentVersion { number notes contents { key name type version } } support { contact url prerequisites { text url } installationGuide { text url } }
    installations(first: 5) { edges { node { id name } } } viewerCanInstall } } pageInfo { hasNextPage endCursor } } }";

const MY_INSTALLATIONS: &str = "{ installations(first: 20) { edges { node { id name state version { number createdAt } movedAt
    pack { id name ... on AvailablePack { isShared } } viewerCanApply viewerCanUninstall
    pendingUpdate { id state how skipReason fromVersion { number } toVersion { number } viewerCanApply
        release { id notes window { date startsAt endsAt } testingPeriod { endsAt isOpen } }
        diff { fromNumber toNumber added { key name version } removed { key } changed { isDowngrade from { key version } to { key version } } unchangedCount } } } }
    pageInfo { hasNextPage endCursor } } }";

const MY_UPDATES: &str =
    "{ pendingUpdates(first: 20) { edges { node { id state fromVersion { number } toVersion { number }
    release { id notes testingPeriod { isOpen } } installation { id name pack { name } } } } } }";

const AUDIT_LOG: &str = "{ auditLog(first: 100, filter: { actions: [\"createComponent\", \"createManagedAccount\", \"scheduler.applyUpdate\"] }) {
    edges { node { id occurredAt actor { kind name token { id name } } action subjectId subjectType subjectName
        subject { __typename id } changes { field before after } requestId } } pageInfo { hasNextPage endCursor } } }";

const EVENT_LOG: &str = "{ events(last: 100) { edges { cursor node { id cursor kind occurredAt actor { kind name } ... on PackEvent { packId packName pack { id name } }
    ... on ReleaseEvent { release { id version { number } } supersededBy { id } window { startsAt } progress { total } }
    ... on InstallationEvent { state versionNumber installation { id name } update { id state } }
    ... on SharingEvent { group { id name } }
    ... on ComponentEvent { version { id version } }
    ... on NewerShareableEvent { version { id version } } } } pageInfo { hasNextPage endCursor } } }";

/// Packs in their testing period, each with three rows, a newer version, and installations in both accounts. The first
/// component of the first pack has as many packages as there are packs.
struct Scene {
    app: TestApp,
    acme: Managed,
    component: String,
    release: String,
}

async fn scene(packs: usize) -> Scene {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mut others = Vec::new();
    for n in 0..packs {
        others.push(app.managed(&format!("Account {n}")).await);
    }
    let mut first: Option<(String, String)> = None;
    for (n, other) in others.iter().enumerate() {
        let Installed { pack, .. } = app.installed_pack(&format!("Pack {n:02}"), &[&acme, other]).await;
        let more = app.many_packaged(&format!("More {n:02}"), 2).await;
        app.add(&pack.id, &[&more[0], &more[1]]).await;
        let release = app.update_on(&pack, "2026-12-01").await;
        app.package(&more[0]).await;
        first.get_or_insert((pack.components[0].clone(), release));
    }
    let (component, release) = first.expect("a pack");
    for _ in 0..packs {
        app.package(&component).await;
    }
    Scene { app, acme, component, release }
}

impl Scene {
    /// The number of statements of a query, and the number of nodes at `list`. Counts the second run, because the first
    /// one fills the caches.
    async fn count(&self, token: &str, query: &str, variables: Value, list: &str) -> (usize, usize) {
        self.app.gql(token, query, variables.clone()).await;
        let (data, statements) = self.app.statements_of(self.app.gql(token, query, variables)).await;
        (statements.len(), data.nodes(list).len())
    }

    /// Each query with its number of statements, as a table; and the number of nodes of each.
    async fn table(&self) -> (String, Vec<usize>) {
        let publisher = self.app.publisher.as_str();
        let (component, release) = (json!({ "id": self.component }), json!({ "id": self.release }));
        let queries = [
            ("IntegrationPacksPage", publisher, PACKS_PAGE, json!({}), "/integrationPacks"),
            ("WhatIsNewer", publisher, WHAT_IS_NEWER, json!({}), "/packsWithNewerShareableVersions"),
            ("PackagedComponentHistory", publisher, HISTORY, component, "/component/packagedComponents"),
            ("ReleasePage", publisher, RELEASE_PAGE, release, "/release/updates"),
            ("AdoptionOfPacks", publisher, ADOPTION, json!({}), "/integrationPacks"),
            ("ManagedAccounts", publisher, ACCOUNTS, json!({}), "/managedAccounts"),
            ("EventLog", publisher, EVENT_LOG, json!({}), "/events"),
            ("MyEventLog", &self.acme.token, EVENT_LOG, json!({}), "/events"),
            ("AuditLog", publisher, AUDIT_LOG, json!({}), "/auditLog"),
            ("BrowsePacks", &self.acme.token, BROWSE, json!({}), "/availablePacks"),
            ("MyInstallations", &self.acme.token, MY_INSTALLATIONS, json!({}), "/installations"),
            ("MyPendingUpdates", &self.acme.token, MY_UPDATES, json!({}), "/pendingUpdates"),
        ];
        let mut table = String::new();
        let mut nodes = Vec::new();
        for (name, token, query, variables, list) in queries {
            let (statements, found) = self.count(token, query, variables, list).await;
            writeln!(table, "{name:<26} {statements:>3}").unwrap();
            nodes.push(found);
        }
        (table, nodes)
    }
}

#[tokio::test]
async fn r20_statements_follow_the_query_and_not_the_number_of_things() {
    let (one, few) = scene(1).await.table().await;
    let (many, nodes) = scene(12).await.table().await;
    assert_eq!(few, [1, 1, 3, 2, 1, 2, 24, 6, 5, 1, 1, 1]);
    assert_eq!(nodes, [12, 12, 14, 2, 12, 13, 100, 50, 49, 12, 12, 12]);
    assert_eq!(one, many, "a query asks once for each thing");
    insta::assert_snapshot!(one);
}

#[tokio::test]
async fn r20_a_page_of_packs_costs_the_same_whatever_the_catalogue_holds() {
    let app = TestApp::new().await;
    let mut counts = Vec::new();
    for size in [1, 20] {
        for n in counts.len()..size {
            let pack = app.pack_with(&format!("Pack {n:02}"), &[&format!("Process {n}")]).await;
            app.release_now(&pack.id).await;
            app.package_newer(&pack).await;
        }
        app.gql(&app.publisher, PACKS_PAGE, json!({})).await;
        let (page, statements) = app.statements_of(app.gql(&app.publisher, PACKS_PAGE, json!({}))).await;
        assert_eq!(page.nodes("/integrationPacks").len(), size);
        counts.push(statements.len());
    }
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn r03_hidden_and_missing_objects_cost_equally_many_statements() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let southwind = app.another_publisher("Southwind").await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    let release = app.release_now(&pack.id).await;
    let component = pack.components[0].clone();
    let version = app.read_pack(&pack.id, "currentVersion { id }").await.text("/currentVersion/id");
    for token in [&southwind.token, &acme.token] {
        for id in [&pack.id, &release, &component, &version, &pack.packages[0].id, &acme.id] {
            if token == &acme.token && *id == acme.id {
                continue;
            }
            let hidden = statements_of_node(&app, token, id).await;
            let unknown = statements_of_node(&app, token, &unknown_like(id)).await;
            assert_eq!(hidden, unknown, "{id}");
        }
    }
}

/// An ID of the same type that was never issued.
fn unknown_like(id: &str) -> String {
    let (prefix, _) = id.split_once('_').unwrap();
    format!("{prefix}_{}", "A".repeat(22))
}

async fn statements_of_node(app: &TestApp, token: &str, id: &str) -> usize {
    let query = "query($id: ID!) { node(id: $id) { id } }";
    let (data, statements) = app.statements_of(app.gql(token, query, json!({ "id": id }))).await;
    assert!(data.at("/node").is_null(), "{id} is seen by a stranger");
    statements.len()
}

#[tokio::test]
async fn the_log_has_each_statement_on_request_and_no_values() {
    let database = crate::support::Database::create().await;
    let create = ["account", "create", "Statement lovers", "--time-zone", "Europe/Berlin"];
    let database_option = ["--database-url", database.url()];
    let quiet = crate::program::starts::run(&[&create[..], &database_option].concat()).await;
    assert!(quiet.status.success() && !crate::program::starts::text_of(&quiet).contains("INSERT INTO"));
    let create = ["account", "create", "Statement readers", "--time-zone", "Europe/Berlin"];
    let logged = crate::program::starts::run(
        &[&create[..], &database_option, &["--log", "info,packwright::sql=debug"]].concat(),
    )
    .await;
    let log = String::from_utf8_lossy(&logged.stderr).into_owned();
    let inserted: Vec<&str> = log.lines().filter(|line| line.contains("INSERT INTO \"account\"")).collect();
    assert!(!inserted.is_empty() && inserted.iter().all(|line| line.contains("took_us=")), "{log}");
    assert!(log.contains("COMMIT"), "{log}");
    assert!(!log.contains("Statement readers"), "values are left out: {log}");
}
