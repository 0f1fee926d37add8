//! More helpers: rows that no query shows, further servers on the same database, unknown IDs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::{audit_entry, event, log_batch};
use futures_util::StreamExt as _;
use packwright::service::error::Failure;
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::log::recorded_rows;
use crate::support::{At, Installed, Managed, TestApp};

/// A connection to the app's database, for rows that no query shows.
pub(crate) fn tables(app: &TestApp) -> &DatabaseConnection {
    app.app.services.db.for_migration()
}

/// The address of the app's database, for another process.
pub(crate) async fn database_url(app: &TestApp) -> String {
    app.database.url().to_owned()
}

/// The id of the first publisher's account in the tables.
pub(crate) async fn publisher_id(app: &TestApp) -> Uuid {
    let id = app.gql(&app.publisher, "{ viewer { account { id } } }", Value::Null).await.text("/viewer/account/id");
    crate::support::uuid_of(&id)
}

/// A position in the event log and in the audit log.
pub(crate) struct LogMark {
    sequence: i64,
    entries: BTreeSet<Uuid>,
}

impl LogMark {
    /// The current ends of both logs.
    pub(crate) async fn now(app: &TestApp) -> Self {
        let last = events_after(app, 0).await.last().map_or(0, |event| event.sequence);
        Self { sequence: last, entries: recorded_rows::entries(app).await.iter().map(|entry| entry.id).collect() }
    }

    /// The events after it, in order.
    pub(crate) async fn events(&self, app: &TestApp) -> Vec<event::Model> {
        events_after(app, self.sequence).await
    }

    /// The kinds of the events after it, in order.
    pub(crate) async fn kinds(&self, app: &TestApp) -> Vec<String> {
        self.events(app).await.into_iter().map(|event| event.kind).collect()
    }

    /// The audit entries after it, oldest first.
    pub(crate) async fn entries(&self, app: &TestApp) -> Vec<audit_entry::Model> {
        recorded_rows::entries(app).await.into_iter().filter(|entry| !self.entries.contains(&entry.id)).collect()
    }

    /// The actions of the audit entries after it, oldest first.
    pub(crate) async fn actions(&self, app: &TestApp) -> Vec<String> {
        self.entries(app).await.into_iter().map(|entry| entry.action).collect()
    }
}

/// The end of the event log, without reading it.
pub(crate) async fn end_of_events(app: &TestApp) -> i64 {
    let event = event::Entity::find().order_by_desc(event::Column::Sequence).one(tables(app)).await;
    let batch = log_batch::Entity::find().order_by_desc(log_batch::Column::LastSequence).one(tables(app)).await;
    let event = event.expect("an event").map(|event| event.sequence);
    event.max(batch.expect("a batch").map(|batch| batch.last_sequence)).unwrap_or(0)
}

/// The events after a position, in order.
pub(crate) async fn events_after(app: &TestApp, sequence: i64) -> Vec<event::Model> {
    recorded_rows::events_after(app, sequence).await
}

/// The UUIDs in a global ID. An update's ID has two: its installation's and its release's.
pub(crate) fn uuids_of(id: &str) -> Vec<Uuid> {
    bytes_of(id).chunks(16).map(|bytes| Uuid::from_slice(bytes).expect("16 bytes")).collect()
}

fn bytes_of(id: &str) -> Vec<u8> {
    let (_, encoded) = id.split_once('_').unwrap_or_else(|| panic!("{id} has no prefix"));
    URL_SAFE_NO_PAD.decode(encoded).unwrap_or_else(|e| panic!("{id}: {e}"))
}

/// An unknown ID of the same type.
pub(crate) fn unknown_like(id: &str) -> String {
    let (prefix, _) = id.split_once('_').expect("a prefix");
    let mut bytes = bytes_of(id);
    for byte in bytes.iter_mut().rev().take(6) {
        *byte ^= 0x5a;
    }
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The `extensions.code` of an answer's first error; `None` for an answer without errors.
pub(crate) fn code_of(answer: &Value) -> Option<String> {
    answer.pointer("/errors/0/extensions/code").and_then(Value::as_str).map(Into::into)
}

/// The code of a payload's first error; `None` for a payload that was accepted.
pub(crate) fn refusal_of(payload: &Value) -> Option<String> {
    payload.pointer("/errors/0/code").and_then(Value::as_str).map(Into::into)
}

/// Runs a test on a thread with a larger stack. Without optimization, a world built in many steps needs more than the
/// two megabytes of a test's thread.
pub(crate) fn with_large_stack<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test());
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(run).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The rows of some tables, one line for each row.
macro_rules! lines_of {
    ($app:expr, $($table:ident),+ $(,)?) => {{
        let mut lines = Vec::new();
        $(for row in entity::$table::Entity::find().all(tables($app)).await.expect("a table's rows") {
            lines.push(format!("{row:?}"));
        })+
        lines.sort();
        lines
    }};
}

/// Every row of every table, without the times at which tokens were last used. A refused call must not change them.
pub(crate) async fn all_rows(app: &TestApp) -> Vec<String> {
    let mut lines = lines_of!(
        app,
        account,
        account_group,
        account_group_member,
        announced_grant,
        audit_entry,
        client_request,
        component,
        component_version,
        content_key,
        draft_row,
        enrolment_token,
        event,
        installation,
        installation_update,
        integration_pack,
        log_batch,
        log_record,
        manifest_entry,
        pack_release,
        pack_share,
        pack_version,
        pack_version_item,
        task,
        update_outcome,
        webhook_attempts,
        webhook_endpoint,
    );
    for mut token in entity::api_token::Entity::find().all(tables(app)).await.expect("the tokens") {
        token.last_used_at = None;
        lines.push(format!("{token:?}"));
    }
    for mut trusted in entity::trusted_publisher::Entity::find().all(tables(app)).await.expect("the pipelines") {
        trusted.last_used_at = None;
        lines.push(format!("{trusted:?}"));
    }
    lines.sort();
    lines
}

/// Fails and shows the rows that were added or removed.
pub(crate) async fn assert_same_rows(app: &TestApp, before: &[String], what: &str) {
    let after = all_rows(app).await;
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
    let (gone, come): (Vec<_>, Vec<_>) = (before.difference(&after).collect(), after.difference(&before).collect());
    assert!(gone.is_empty() && come.is_empty(), "{what} left something behind.\ngone: {gone:#?}\ncome: {come:#?}");
}

impl TestApp {
    /// An event in a reader's view, or null, by the ID of its row.
    pub(crate) async fn read_event(&self, token: &str, event: &event::Model, selection: &str) -> Value {
        let id = format!("evt_{}", URL_SAFE_NO_PAD.encode(event.id.as_bytes()));
        let document = format!("query($id: ID!) {{ node(id: $id) {{ __typename id {selection} }} }}");
        self.gql(token, &document, json!({ "id": id })).await.at("/node").clone()
    }

    /// A pack with two components, released at once, shared with one group, and installed by these accounts of the
    /// group.
    pub(crate) async fn installed_pack_in(&self, name: &str, group: &str, accounts: &[&Managed]) -> Installed {
        let pack = self.pack_with(name, &[&format!("{name} process"), &format!("{name} service")]).await;
        self.share(&pack.id, &[group]).await;
        let first_release = self.release_now(&pack.id).await;
        let mut installations = Vec::new();
        for account in accounts {
            installations.push(self.install(account, name).await);
        }
        Installed { pack, first_release, installations }
    }

    /// An installation in its publisher's view.
    pub(crate) async fn as_publisher(&self, installation: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ installation(id: $id) {{ {selection} }} }}");
        self.gql(&self.publisher, &query, json!({ "id": installation })).await.at("/installation").clone()
    }

    /// The updates of a release in the publisher's view: `state`, `how`, `skipReason`, `installation { id }`.
    pub(crate) async fn updates_of(&self, release: &str) -> Vec<Value> {
        let selection =
            "updates(first: 100) { edges { node { id state how skipReason installation { id version { number } }
            failure { code message attempts } offeredAt settledAt appliedBy { name } } } }";
        self.read_release(release, selection).await.nodes("/updates")
    }

    /// The update of an installation by a release, in the publisher's view.
    pub(crate) async fn update_of(&self, release: &str, installation: &str) -> Value {
        let updates = self.updates_of(release).await;
        let found =
            updates.iter().find(|update| update.pointer("/installation/id").is_some_and(|id| id == installation));
        found.unwrap_or_else(|| panic!("no update of {installation} in {updates:#?}")).clone()
    }

    /// The IDs of the updates that an account may apply now.
    pub(crate) async fn pending_updates(&self, account: &Managed) -> Vec<String> {
        let query = "{ pendingUpdates(first: 100) { edges { node { id } } } }";
        self.gql(&account.token, query, json!(null)).await.texts("/pendingUpdates", "/id")
    }

    /// The names of the packs that an account sees.
    pub(crate) async fn available_names(&self, account: &Managed) -> Vec<String> {
        let query = "{ availablePacks(first: 100) { edges { node { name } } } }";
        self.gql(&account.token, query, json!(null)).await.texts("/availablePacks", "/name")
    }

    /// A pack in an account's view.
    pub(crate) async fn read_available(&self, account: &Managed, pack: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ availablePack(id: $id) {{ {selection} }} }}");
        self.gql(&account.token, &query, json!({ "id": pack })).await.at("/availablePack").clone()
    }

    /// The error code of a subscription, from the authentication or its first item; `None` when the first item has no
    /// error.
    pub(crate) async fn first_error(&self, token: Option<&str>, document: &str, variables: Value) -> Option<String> {
        let request = async_graphql::Request::new(document).variables(async_graphql::Variables::from_json(variables));
        let mut stream = match self.app.execute_stream(token, request).await {
            Ok(stream) => stream,
            Err(Failure::Unauthenticated(_)) => return Some("UNAUTHENTICATED".into()),
            Err(Failure::Forbidden(_)) => return Some("FORBIDDEN".into()),
            Err(other) => panic!("{document} failed: {other:?}"),
        };
        let patience = std::time::Duration::from_secs(20);
        let first = tokio::time::timeout(patience, stream.next()).await.expect("nothing came");
        code_of(&serde_json::to_value(first.expect("an item")).expect("an item is JSON"))
    }

    /// The cursor of the log's end, `viewer.eventCursor`.
    pub(crate) async fn cursor(&self, token: &str) -> String {
        self.gql(token, "{ viewer { eventCursor } }", json!(null)).await.text("/viewer/eventCursor")
    }
}
