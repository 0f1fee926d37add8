//! Calls every mutation: all fields of its payload can be read, and the same call again changes nothing.

use std::collections::BTreeSet;

use packwright::domain::installations::FailureCode;
use packwright::gate::Limits;
use packwright::http::EngineOptions;
use packwright::traces::TraceSettings;
use serde_json::{Value, json};

use crate::gate::introspection::{Schema, named};
use crate::support::rows::{LogMark, all_rows, assert_same_rows, code_of, with_large_stack};
use crate::support::{At, GITHUB, Setup, TestApp, immediately, on_date};
use crate::traces::Traced;
use crate::whole::walk::payload_selection;

/// Mutations that create another object on each call, if the input has no `clientRequestId`.
const MAKE_ANOTHER: [&str; 5] =
    ["createComponent", "createApiToken", "reissueEnrolmentToken", "rotateWebhookSecret", "sendTestEvent"];

/// Calls mutations, and checks each call and its repetition.
struct Caller {
    app: TestApp,
    schema: Schema,
    called: BTreeSet<String>,
    /// Whether each call is repeated.
    again: bool,
    /// What each call left in both logs.
    heard: Vec<String>,
    /// The texts that calls took and answered.
    told: BTreeSet<String>,
}

impl Caller {
    async fn new(again: bool) -> Self {
        Self::of(TestApp::with(Self::setup()).await, again).await
    }

    fn setup() -> Setup {
        let large = Limits { cost: 100_000_000, tokens: 200_000, selections: 200_000, depth: 50, ..Limits::default() };
        let engine = EngineOptions { documents: large, ..EngineOptions::default() };
        Setup { engine, ..Setup::default() }
    }

    async fn of(app: TestApp, again: bool) -> Self {
        let schema = Schema::of(&app).await;
        Self { app, schema, called: BTreeSet::new(), again, heard: Vec::new(), told: BTreeSet::new() }
    }

    /// The payload of an accepted call, with all fields that can be reached from it.
    async fn call(&mut self, token: &str, mutation: &str, mut input: Value) -> Value {
        let field = self.schema.mutations().iter().find(|field| field.text("/name") == mutation).cloned();
        let field = field.unwrap_or_else(|| panic!("there is no mutation {mutation}"));
        let of = named(field.at("/args/0/type"));
        let names = self.schema.get(&of).list("/inputFields").iter().map(|field| field.text("/name"));
        let repeatable = names.into_iter().any(|name| name == "clientRequestId");
        if repeatable {
            input["clientRequestId"] = json!(format!("call {}", self.called.len()));
        }
        let selection = payload_selection(&self.schema, &named(field.at("/type")));
        let document = format!("mutation($input: {of}!) {{ {mutation}(input: $input) {selection} }}");
        let mark = LogMark::now(&self.app).await;
        let answer = self.app.gql_raw(Some(token), &document, json!({ "input": input })).await;
        self.hear(mutation, &mark).await;
        assert_eq!(code_of(&answer), None, "{mutation} with {input}: {:#}", answer.at("/errors"));
        let payload = answer.at(&format!("/data/{mutation}")).clone();
        assert_eq!(payload.at("/errors"), &json!([]), "{mutation} with {input}");
        if self.again {
            let before = all_rows(&self.app).await;
            let again = self.app.gql_raw(Some(token), &document, json!({ "input": input })).await;
            assert_ne!(code_of(&again).as_deref(), Some("INTERNAL_SERVER_ERROR"), "{mutation} again: {again:#}");
            if repeatable || !MAKE_ANOTHER.contains(&mutation) {
                assert_same_rows(&self.app, &before, &format!("{mutation}, called again with {input},")).await;
            } else {
                assert_ne!(all_rows(&self.app).await, before, "{mutation} makes another: say no more that it does");
            }
        }
        collect_texts(&input, &mut self.told);
        collect_texts(&payload, &mut self.told);
        self.called.insert(mutation.to_owned());
        payload
    }

    /// Notes what a call left in both logs: its events with their audience, and its audit entries.
    async fn hear(&mut self, mutation: &str, mark: &LogMark) {
        let counted = |names: Vec<String>| {
            let mut counts: Vec<(String, usize)> = Vec::new();
            for name in names {
                match counts.iter_mut().find(|(counted, _)| *counted == name) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((name, 1)),
                }
            }
            let all = counts.into_iter().map(|(name, n)| if n == 1 { name } else { format!("{n} {name}") });
            let all = all.collect::<Vec<_>>().join(", ");
            if all.is_empty() { "none".to_owned() } else { all }
        };
        let events = mark.events(&self.app).await;
        let events = events.into_iter().map(|event| format!("{} to {}", event.kind, event.audience)).collect();
        let entries = mark.actions(&self.app).await;
        assert!(!entries.is_empty() || mutation == "sendTestEvent", "{mutation} leaves no audit entry");
        self.heard.push(format!("{mutation}\n  events: {}\n  entries: {}", counted(events), counted(entries)));
    }

    /// Like [`Self::call`], as the first publisher.
    async fn publisher(&mut self, mutation: &str, input: Value) -> Value {
        let token = self.app.publisher.clone();
        self.call(&token, mutation, input).await
    }
}

/// A pack with two components and a package of each, released, shared with a group, and installed by its only account.
struct Begun {
    pack: String,
    components: [String; 2],
    packages: Vec<String>,
    group: String,
    account: String,
    token: String,
    installation: String,
}

async fn begin(caller: &mut Caller) -> Begun {
    let mut components = [String::new(), String::new()];
    for (slot, name) in components.iter_mut().zip(["Import", "Export"]) {
        let made = caller.publisher("createComponent", json!({ "name": name, "type": "PROCESS" })).await;
        *slot = made.text("/component/id");
    }
    let renamed = json!({ "componentId": components[1], "name": "Exports", "key": "exports" });
    caller.publisher("updateComponent", renamed).await;
    let unused = json!({ "name": "Unused", "type": "PROCESS", "key": "unused" });
    let unused = caller.publisher("createComponent", unused).await.text("/component/id");
    caller.publisher("deleteComponent", json!({ "componentId": unused })).await;
    let packages: Vec<_> = components.iter().map(|id| json!({ "componentId": id, "shareable": true })).collect();
    let made = caller.publisher("createPackagedComponents", json!({ "packages": packages })).await;
    let packages: Vec<_> = made.list("/packagedComponents").iter().map(|package| package.text("/id")).collect();
    let made =
        caller.publisher("createIntegrationPack", json!({ "name": "Orders", "installationType": "SINGLE" })).await;
    let pack = made.text("/integrationPack/id");
    let changed = json!({ "packId": pack, "description": "All orders.", "support": { "contact": "Ada" } });
    caller.publisher("updateIntegrationPack", changed).await;
    caller.publisher("addPackComponents", json!({ "packId": pack, "componentIds": components })).await;
    let account = caller.publisher("createManagedAccount", json!({ "name": "Acme" })).await.text("/account/id");
    let enrolment = caller.publisher("reissueEnrolmentToken", json!({ "accountId": account })).await;
    let token = caller.app.enrol(&latest_secret(&caller.app, &account, &enrolment).await).await;
    let group = caller.publisher("createAccountGroup", json!({ "name": "Gold" })).await.text("/accountGroup/id");
    caller.publisher("updateAccountGroup", json!({ "groupId": group, "name": "Platinum" })).await;
    caller.publisher("addAccountsToGroup", json!({ "groupId": group, "accountIds": [account] })).await;
    caller.publisher("sharePack", json!({ "packId": pack, "groupIds": [group] })).await;
    caller.publisher("releaseIntegrationPack", immediately(&pack)).await;
    let packs = "{ availablePacks { edges { node { id } } } }";
    let available = caller.app.gql(&token, packs, json!(null)).await.texts("/availablePacks", "/id")[0].clone();
    let installed = caller.call(&token, "installPack", json!({ "packId": available })).await;
    let installation = installed.text("/installation/id");
    Begun { pack, components, packages, group, account, token, installation }
}

/// The valid enrolment token. A repeated call has invalidated the one in `payload`.
async fn latest_secret(app: &TestApp, account: &str, payload: &Value) -> String {
    let again = app.mutate(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": account }), "enrolmentToken");
    let secret = again.await.text("/enrolmentToken");
    assert_ne!(secret, payload.text("/enrolmentToken"));
    secret
}

async fn draft_and_packages(caller: &mut Caller, begun: &Begun) {
    let Begun { pack, components, packages, .. } = begun;
    let row = json!({ "packId": pack, "componentId": components[1] });
    caller.publisher("removePackComponent", row.clone()).await;
    caller.publisher("restorePackComponent", row.clone()).await;
    let pin = json!({ "packId": pack, "componentId": components[0], "versionId": packages[0] });
    caller.publisher("pinPackComponent", pin).await;
    caller.publisher("unpinPackComponent", json!({ "packId": pack, "componentId": components[0] })).await;
    caller.publisher("publishComponent", json!({ "componentId": components[0] })).await;
    let newer = caller.app.package(&components[0]).await.id;
    caller.publisher("deletePackagedComponent", json!({ "packagedComponentId": newer })).await;
    caller.publisher("restorePackagedComponent", json!({ "packagedComponentId": newer })).await;
}

async fn releases(caller: &mut Caller, begun: &Begun) {
    let Begun { pack, components, token, installation, .. } = begun;
    let made = caller.publisher("releaseIntegrationPack", on_date(pack, "2026-12-01")).await;
    let release = made.text("/release/id");
    let date = json!({ "releaseId": release, "onDate": "2026-12-02" });
    caller.publisher("rescheduleRelease", date).await;
    caller.publisher("pauseRelease", json!({ "releaseId": release, "reason": "A fault." })).await;
    let rule = json!({ "percent": 50, "atLeast": 5 });
    caller.publisher("setHaltRule", json!({ "releaseId": release, "haltWhen": rule })).await;
    caller.publisher("resumeRelease", json!({ "releaseId": release })).await;
    let offered = "query($id: ID!) { installation(id: $id) { pendingUpdate { id } } }";
    let offered = caller.app.gql(token, offered, json!({ "id": installation })).await;
    let update = offered.text("/installation/pendingUpdate/id");
    caller.call(token, "applyPendingUpdate", json!({ "updateId": update })).await;
    let reported = json!({ "updateId": update, "outcome": "BROKEN", "comment": "No.", "clientRequestId": "report" });
    caller.call(token, "reportUpdateOutcome", reported).await;
    caller.publisher("cancelRelease", json!({ "releaseId": release })).await;
    let stages = json!([{ "name": "Few", "onDate": "2026-11-25", "holds": { "percent": 0.01 } }]);
    let mut in_stages = on_date(pack, "2026-12-01");
    in_stages["stages"] = stages;
    let staged = caller.publisher("releaseIntegrationPack", in_stages).await.text("/release/id");
    caller.publisher("openNextStage", json!({ "releaseId": staged })).await;
    caller.publisher("cancelRelease", json!({ "releaseId": staged })).await;
    let release = caller.app.release_on(pack, "2026-12-03").await;
    caller.publisher("promoteRelease", json!({ "releaseId": release })).await;
    caller.app.package(&components[0]).await;
    caller.app.mover.fail(installation, u32::MAX, FailureCode::Internal);
    let release = caller.app.release_now(pack).await;
    caller.app.live_until("2026-11-22T10:00:00Z").await;
    caller.app.mover.repair();
    caller.publisher("retryFailedUpdates", json!({ "releaseId": release })).await;
    let back = json!({ "releaseId": release, "reason": "It was better before.", "atMost": 1 });
    caller.publisher("rollBackRelease", back).await;
}

async fn accounts(caller: &mut Caller, begun: &Begun) {
    let Begun { account, token, .. } = begun;
    caller.publisher("suspendAccount", json!({ "accountId": account })).await;
    caller.publisher("reactivateAccount", json!({ "accountId": account })).await;
    let changed = json!({ "accountId": account, "name": "Acme Corporation", "timeZone": "Europe/Paris" });
    caller.publisher("updateAccount", changed).await;
    caller.call(token, "updateAccount", json!({ "timeZone": "Europe/Rome" })).await;
    let made = caller.call(token, "createApiToken", json!({ "name": "second", "role": "SUPPORT" })).await;
    caller.call(token, "revokeApiToken", json!({ "tokenId": made.text("/apiToken/id") })).await;
}

async fn several_installations(caller: &mut Caller, begun: &Begun) {
    let multi = caller.app.multi_pack_with("Several", &["Repeated"]).await;
    caller.app.share(&multi.id, &[&begun.group]).await;
    caller.app.release_now(&multi.id).await;
    let packs = "{ availablePacks(filter: { search: \"Several\" }) { edges { node { id } } } }";
    let available = caller.app.gql(&begun.token, packs, json!(null)).await.texts("/availablePacks", "/id")[0].clone();
    let input = json!({ "packId": available, "overrideName": "One" });
    let installation = caller.call(&begun.token, "installPack", input).await.text("/installation/id");
    let renamed = json!({ "installationId": installation, "overrideName": "Two" });
    caller.call(&begun.token, "renameInstallation", renamed).await;
    caller.call(&begun.token, "uninstallPack", json!({ "installationId": installation })).await;
}

async fn library(caller: &mut Caller, begun: &Begun) {
    let input = json!({ "packagedComponentId": begun.packages[0], "groupIds": [begun.group], "description": "Text" });
    let process = caller.publisher("publishToProcessLibrary", input).await.text("/publishedProcess/id");
    let offered = "{ processLibrary { edges { node { id } } } }";
    let offered = caller.app.gql(&begun.token, offered, json!(null)).await.texts("/processLibrary", "/id")[0].clone();
    caller.call(&begun.token, "copyFromProcessLibrary", json!({ "processId": offered })).await;
    caller.publisher("withdrawFromProcessLibrary", json!({ "processId": process })).await;
}

async fn webhooks(caller: &mut Caller, begun: &Begun) {
    let input = json!({ "name": "Sales", "url": "https://93.184.215.14/hook" });
    let made = caller.call(&begun.token, "createWebhookEndpoint", input).await;
    let endpoint = json!({ "endpointId": made.text("/endpoint/id") });
    let renamed = json!({ "endpointId": made.text("/endpoint/id"), "name": "Sales of all" });
    caller.call(&begun.token, "updateWebhookEndpoint", renamed).await;
    caller.call(&begun.token, "pauseWebhookEndpoint", endpoint.clone()).await;
    caller.call(&begun.token, "resumeWebhookEndpoint", endpoint.clone()).await;
    caller.call(&begun.token, "rotateWebhookSecret", endpoint.clone()).await;
    let here = json!({ "endpointId": made.text("/endpoint/id"), "url": "http://127.0.0.1:9/" });
    caller.call(&begun.token, "updateWebhookEndpoint", here).await;
    caller.call(&begun.token, "sendTestEvent", endpoint.clone()).await;
    caller.call(&begun.token, "deleteWebhookEndpoint", endpoint).await;
}

async fn pipelines(caller: &mut Caller, begun: &Begun) {
    let claims = json!([{ "name": "repository", "value": "acme/orders" }]);
    let input = json!({ "name": "Deploy", "issuer": GITHUB, "claims": claims, "role": "STANDARD_USER" });
    for token in [begun.token.clone(), caller.app.publisher.clone()] {
        let made = caller.call(&token, "createTrustedPublisher", input.clone()).await;
        let trusted = json!({ "trustedPublisherId": made.text("/trustedPublisher/id") });
        caller.call(&token, "deleteTrustedPublisher", trusted).await;
    }
}

/// Undoes everything, while the pack has a pending release.
async fn end(caller: &mut Caller, begun: &Begun) {
    let Begun { pack, components, group, account, .. } = begun;
    caller.app.package(&components[0]).await;
    caller.app.release_on(pack, "2026-12-10").await;
    caller.publisher("unsharePack", json!({ "packId": pack, "groupIds": [group] })).await;
    caller.publisher("removeAccountsFromGroup", json!({ "groupId": group, "accountIds": [account] })).await;
    caller.publisher("deleteAccountGroup", json!({ "groupId": group })).await;
    let deleted = json!({ "packId": pack, "confirmInstallations": 1 });
    let deleted = caller.publisher("deleteIntegrationPack", deleted).await;
    let release = deleted.at("/canceledRelease");
    assert_eq!(release.at("/version/release/id"), release.at("/id"), "{release:#}");
    assert_eq!(release.at("/version/diff/toNumber"), release.at("/version/number"), "{release:#}");
    assert!(release.at("/pack/currentVersion/release/id").is_string(), "{release:#}");
}

async fn every_mutation(again: bool) -> Vec<String> {
    let mut caller = Caller::new(again).await;
    call_every_mutation(&mut caller).await;
    caller.heard
}

async fn call_every_mutation(caller: &mut Caller) {
    let begun = begin(caller).await;
    draft_and_packages(caller, &begun).await;
    releases(caller, &begun).await;
    accounts(caller, &begun).await;
    several_installations(caller, &begun).await;
    library(caller, &begun).await;
    webhooks(caller, &begun).await;
    pipelines(caller, &begun).await;
    end(caller, &begun).await;
    let all = caller.schema.mutations().iter().map(|field| field.text("/name"));
    let left: Vec<_> = all.filter(|name| !caller.called.contains(name)).collect();
    assert!(left.is_empty(), "no call of {left:?}: teach this story");
}

#[test]
fn the_payload_of_every_mutation_can_be_read() {
    with_large_stack(async || {
        every_mutation(false).await;
    });
}

/// The snapshot is the table of what each mutation announces and writes down: read it when it changes.
#[test]
fn r50_each_mutation_leaves_the_events_and_entries_of_its_row() {
    with_large_stack(async || insta::assert_snapshot!("events_and_entries", every_mutation(false).await.join("\n")));
}

#[test]
fn r50_every_mutation_called_again_changes_and_announces_nothing() {
    with_large_stack(async || {
        every_mutation(true).await;
    });
}

/// The texts in a value, but for those that name something of the schema.
fn collect_texts(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if !text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') => {
            into.insert(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, into)),
        Value::Object(values) => {
            values.iter().filter(|(name, _)| *name != "__typename").for_each(|(_, value)| collect_texts(value, into));
        }
        _ => {}
    }
}

#[test]
fn no_trace_tells_what_mutations_take_and_answer() {
    with_large_stack(async || {
        let traced = Traced::with(Caller::setup(), |settings| TraceSettings { queue: 1_000_000, ..settings }).await;
        let (app, sent) = traced.split();
        let mut caller = Caller::of(app, false).await;
        call_every_mutation(&mut caller).await;
        // Texts as they are sent outside of variables, by a client that does so, and where they are refused.
        let admin = caller.app.publisher.clone();
        for document in [
            "mutation { createComponent(input: { name: \"geheimesliteral\", type: PROCESS, key: \"geheimeskey\" }) { component { id } } }",
            "query Search { components(filter: { nameContains: \"geheimessearch\" }) { edges { node { id } } } }",
            "{ component(id: \"geheimesid\") { id } }",
            "{ geheimesfield }",
        ] {
            caller.app.gql_raw(Some(&admin), document, json!({ "unknown": "geheimesvariable" })).await;
        }
        caller.app.gql_raw(Some("geheimestoken"), "{ viewer { role } }", json!({})).await;
        let (told, app) = (caller.told, caller.app);
        let collector = sent.end().await;
        let text = collector.text();
        assert!(collector.spans().len() > 1_000, "{}", collector.spans().len());
        assert_eq!(Traced::counts(&app).await[1..], [0.0; 3], "every span has come");
        assert!(told.len() > 200, "{}", told.len());
        // A text of few letters is found by chance.
        let found: Vec<_> = told.iter().filter(|told| told.len() > 8 && text.contains(told.as_str())).collect();
        assert!(found.is_empty(), "{found:?}");
        for secret in [admin.as_str(), "geheimes"] {
            assert!(!text.contains(secret), "{secret} is in a trace");
        }
    });
}
