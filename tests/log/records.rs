//! Equal changes of many installations are stored once, and both logs show them as if each had its own rows (R49, R50,
//! R51).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::support::rows::with_large_stack;
use crate::support::{At, Managed, Pack, TestApp};

pub(crate) const EVENTS: &str = "query($first: Int, $after: String, $last: Int, $before: String, $filter: EventFilter) {
    events(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        edges { cursor node { __typename id cursor kind occurredAt actor { kind name token { id } } ... on PackEvent { packId packName pack { id } }
            ... on ReleaseEvent { release { id } supersededBy { id } window { startsAt endsAt } previousWindow { startsAt }
                progress { total offered applied appliedEarly skipped failed withdrawn } }
            ... on InstallationEvent { installation { id } update { id } state versionNumber }
            ... on SharingEvent { group { id } }
            ... on NewerShareableEvent { version { id } }
            ... on PackDeletedEvent { uninstalledCount } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

pub(crate) const ENTRIES: &str = "query($first: Int, $after: String, $last: Int, $before: String, $filter: AuditLogFilter) {
    auditLog(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        edges { cursor node { __typename id occurredAt actor { kind name token { id } } action subjectId subjectType subjectName
            subject { __typename id } changes { field before after } requestId } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// A log: its query, and the path of its field.
pub(crate) type Log = (&'static str, &'static str);

pub(crate) const BOTH: [Log; 2] = [(EVENTS, "/events"), (ENTRIES, "/auditLog")];

/// A world whose installations have been through all changes that are possible.
pub(crate) struct RecordedStory {
    pub(crate) app: TestApp,
    pub(crate) accounts: [Managed; 3],
    pub(crate) orders: Pack,
    pub(crate) installations: Vec<String>,
    pub(crate) releases: Vec<String>,
}

impl RecordedStory {
    /// The world, with batches of this size.
    pub(crate) async fn in_batches_of(size: u64) -> Self {
        let app = TestApp::in_batches_of(size).await;
        let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
        let everybody = app.all_accounts().await;
        let gold = app.group("Gold", &[&accounts[0], &accounts[1]]).await;
        let silver = app.group("Silver", &[&accounts[2]]).await;
        let orders = app.multi_pack_with("Orders", &["Import"]).await;
        app.share(&orders.id, &[&gold, &silver]).await;
        let ledger = app.pack_with("Ledger", &["Book"]).await;
        app.share(&ledger.id, &[&everybody]).await;
        let mut releases = vec![app.release_now(&orders.id).await, app.release_now(&ledger.id).await];
        let mut installations = Vec::new();
        for round in 0..4 {
            for account in &accounts {
                installations.push(app.install_as(account, "Orders", &format!("Orders {round}")).await);
            }
        }
        for account in &accounts {
            installations.push(app.install(account, "Ledger").await);
        }
        let mut story = Self { app, accounts, orders, installations, releases: Vec::new() };
        // Offered, applied early by some, and withdrawn from all by a cancel.
        releases.push(story.of(async |app, orders| app.update_on(orders, "2026-12-01").await).await);
        for index in [0, 1, 4] {
            story.app.apply(&story.accounts[index % 3], &story.installations[index]).await;
        }
        story.app.cancel(&releases[2]).await;
        story.app.tick().await;
        // Offered, and rolled out while some moves fail and one account is suspended.
        releases.push(story.of(async |app, orders| app.update_on(orders, "2026-12-02").await).await);
        story.app.apply(&story.accounts[0], &story.installations[3]).await;
        story.app.suspend(&story.accounts[1]).await;
        for index in [0, 5, 6] {
            story.app.mover.fail(&story.installations[index], u32::MAX, FailureCode::Temporary);
        }
        story.app.live_until("2026-12-02T12:00:00Z").await;
        story.app.mover.repair();
        story.app.ok(&story.app.publisher, "retryFailedUpdates", json!({ "releaseId": releases[3] }), "").await;
        story.app.tick().await;
        story.app.reactivate(&story.accounts[1]).await;
        story.app.tick().await;
        // Frozen while one release is offered and superseded by another one, and unfrozen.
        releases.push(story.of(async |app, orders| app.update_on(orders, "2026-12-09").await).await);
        story.app.unshare(&story.orders.id, &[&silver]).await;
        story.app.tick().await;
        releases.push(story.of(async |app, orders| app.update_now(orders).await).await);
        story.app.tick().await;
        story.app.share(&story.orders.id, &[&silver]).await;
        story.app.tick().await;
        // Offered, some uninstalled, and the pack deleted.
        releases.push(story.of(async |app, orders| app.update_on(orders, "2026-12-20").await).await);
        story.app.uninstall(&story.accounts[0], &story.installations[9]).await;
        let input = json!({ "packId": story.orders.id, "confirmInstallations": 11 });
        story.app.ok(&story.app.publisher, "deleteIntegrationPack", input, "").await;
        story.app.tick().await;
        story.releases = releases;
        story
    }

    async fn of(&self, release: impl AsyncFnOnce(&TestApp, &Pack) -> String) -> String {
        let made = release(&self.app, &self.orders).await;
        self.app.tick().await;
        made
    }

    /// The publisher and the managed accounts, each with its token.
    pub(crate) fn readers(&self) -> [(&'static str, &str); 4] {
        let [acme, globex, initech] = &self.accounts;
        [
            ("the publisher", &self.app.publisher),
            ("Acme", &acme.token),
            ("Globex", &globex.token),
            ("Initech", &initech.token),
        ]
    }
}

/// All edges of a log in its order, in pages of a size; read from the end if `backward`.
pub(crate) async fn pages(
    app: &TestApp,
    token: &str,
    (query, at): Log,
    filter: &Value,
    size: usize,
    backward: bool,
) -> Vec<Value> {
    let (mut edges, mut page_end) = (Vec::new(), Value::Null);
    let (count, side, more, end) = match backward {
        false => ("first", "after", "/pageInfo/hasNextPage", "/pageInfo/endCursor"),
        true => ("last", "before", "/pageInfo/hasPreviousPage", "/pageInfo/startCursor"),
    };
    loop {
        let page = app.gql(token, query, json!({ count: size, side: page_end, "filter": filter })).await.at(at).clone();
        let found = page.list("/edges").clone();
        assert!(found.len() == size || page.at(more) == false, "a page that more follows is full: {}", found.len());
        match backward {
            false => edges.extend(found),
            true => drop(edges.splice(0..0, found)),
        }
        if page.at(more) == false {
            return edges;
        }
        page_end = page.at(end).clone();
    }
}

/// Replaces ids by their order of appearance, so that two runs give the same text.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// An event or entry without nulls, and without values that differ between runs.
    fn normalized(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.name(text)),
            Value::Array(items) => items.iter().map(|item| self.normalized(item)).collect(),
            Value::Object(fields) => {
                let normalized_fields = fields
                    .iter()
                    .filter(|(field, value)| !value.is_null() && !["cursor", "__typename"].contains(&field.as_str()));
                Value::Object(normalized_fields.map(|(field, value)| (field.clone(), self.normalized(value))).collect())
            }
            other => other.clone(),
        }
    }

    fn name(&mut self, text: &str) -> String {
        let Some((prefix, _)) = text.split_once('_').filter(|(prefix, rest)| prefix.len() <= 6 && rest.len() >= 20)
        else {
            return text.to_owned();
        };
        let next = self.0.values().filter(|name| name.starts_with(&format!("{prefix} "))).count() + 1;
        self.0.entry(text.to_owned()).or_insert(format!("{prefix} {next}")).clone()
    }
}

#[test]
fn r51_both_logs_of_a_story_match_their_snapshots() {
    with_large_stack(async || {
        let story = RecordedStory::in_batches_of(4).await;
        let (mut names, mut text) = (Names::default(), String::new());
        for log in BOTH {
            for (reader, token) in story.readers() {
                writeln!(text, "\n{} to {reader}", &log.1[1..]).expect("a line");
                let mut edges = pages(&story.app, token, log, &json!({}), 100, log.1 == "/auditLog").await;
                if log.1 == "/auditLog" {
                    edges.reverse();
                }
                for edge in edges {
                    writeln!(text, "{}", names.normalized(edge.at("/node"))).expect("a line");
                }
            }
        }
        insta::assert_snapshot!("the_logs_of_a_story", text);
    });
}
