//! While a query is answered, another server takes away what the query reads. The query still shows one state.
//!
//! The test takes each query of `examples/operations` as each kind of account asks it, lets it go on to one of its
//! statements, takes something away there, and lets the query end. The statement and the thing are drawn anew in each
//! run, by a seed that is printed; `PACKWRIGHT_TEST_SEED` repeats a run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use packwright::app::App;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::support::{At as _, Managed, Pack, TestApp, Watched};

/// How many tests share the queries, so that they run at the same time.
const SHARES: usize = 4;

/// One of each thing that queries show. Nothing but the publisher is shared with another family.
struct Family {
    account: Managed,
    group: String,
    pack: Pack,
    /// The pack in the account's view.
    available: String,
    pending: String,
    installation: String,
    /// The offered update, in the account's view.
    update: String,
    /// A package that no version of the pack holds.
    newest: String,
    process: String,
    /// The account's copy of the process.
    copy: String,
    /// Where the publisher's log ended before, and the account's after its first event.
    cursor: String,
}

/// What is taken away.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Pack,
    Group,
    Share,
    Member,
    Account,
    Installation,
    Release,
    Package,
    Process,
}

use Gone::{Account, Group, Installation, Member, Package, Process, Release, Share};

/// Who asks a query, with which variables, and what is taken away meanwhile.
type Asked = (bool, Value, &'static [Gone]);

const AS_PUBLISHER: bool = false;
const AS_ACCOUNT: bool = true;
/// What takes a pack away from an account.
const OF_PACK: &[Gone] = &[Gone::Pack, Group, Share, Member, Installation, Release];

impl Family {
    /// The queries as they are asked of this family; `None` for a query that the test doesn't know.
    fn asks(&self, query: &str) -> Option<Vec<Asked>> {
        let (pack, available) = (json!(self.pack.id), json!(self.available));
        let component = json!(self.pack.components[0]);
        let none = json!(null);
        let p = |variables: Value, gone: &'static [Gone]| (AS_PUBLISHER, variables, gone);
        let a = |variables: Value, gone: &'static [Gone]| (AS_ACCOUNT, variables, gone);
        Some(match query {
            "accountGroup" => vec![p(json!({ "id": self.group }), &[Gone::Pack, Group, Share, Member, Account])],
            "accountGroups" => vec![p(none, &[Gone::Pack, Group, Share, Member, Account])],
            "auditLog" => vec![
                p(json!({ "filter": { "subjectId": pack } }), OF_PACK),
                a(none, &[Gone::Pack, Group, Share, Installation, Process]),
            ],
            "availablePack" => vec![a(json!({ "id": available }), OF_PACK)],
            "availablePacks" => vec![a(none, OF_PACK)],
            "component" => vec![
                p(json!({ "id": component }), &[Gone::Pack, Package, Process]),
                a(json!({ "id": self.copy }), &[Process, Group, Member]),
            ],
            "components" => vec![
                p(json!({ "filter": { "types": ["PROCESS"] } }), &[Gone::Pack, Package]),
                a(none, &[Process, Group]),
            ],
            "events" => vec![p(json!({ "after": self.cursor }), OF_PACK), a(none, OF_PACK)],
            "installation" => {
                vec![p(json!({ "id": self.installation }), OF_PACK), a(json!({ "id": self.installation }), OF_PACK)]
            }
            "installations" => vec![p(json!({ "filter": { "packId": pack } }), OF_PACK), a(none, OF_PACK)],
            "integrationPack" => {
                vec![p(json!({ "id": pack }), &[Gone::Pack, Group, Share, Installation, Release, Package])]
            }
            "integrationPacks" => vec![p(none, &[Gone::Pack, Installation, Release, Package])],
            "managedAccount" => {
                vec![p(json!({ "id": self.account.id }), &[Gone::Pack, Group, Member, Account, Installation])]
            }
            "managedAccounts" => vec![p(none, &[Group, Member, Account])],
            "node" => {
                vec![p(json!({ "id": self.pending }), &[Gone::Pack, Release]), a(json!({ "id": self.update }), OF_PACK)]
            }
            "nodes" => vec![
                p(json!({ "ids": [pack, self.pending, component] }), &[Gone::Pack, Release, Package]),
                a(json!({ "ids": [available, self.update, self.installation, self.copy] }), OF_PACK),
            ],
            "packagedComponent" => vec![p(json!({ "id": self.newest }), &[Gone::Pack, Package])],
            "packagedComponents" => vec![p(json!({ "filter": { "componentId": component } }), &[Gone::Pack, Package])],
            "packsWithNewerShareableVersions" => vec![p(none, &[Gone::Pack, Package, Release])],
            "pendingUpdates" => vec![a(json!({ "packId": available }), OF_PACK)],
            "processLibrary" => vec![p(none.clone(), &[Process, Group]), a(none, &[Process, Group, Member])],
            "release" => vec![p(json!({ "id": self.pending }), &[Gone::Pack, Installation, Release, Account])],
            "releasePreview" => {
                let on = json!({ "packId": pack, "schedule": { "onDate": "2026-12-20" } });
                vec![p(on, &[Gone::Pack, Share, Installation, Release, Package])]
            }
            "rollBackPreview" => {
                vec![p(json!({ "id": self.pending }), &[Gone::Pack, Share, Installation, Release, Account])]
            }
            "haltRuleOnHistory" => {
                let rule = json!({ "percent": 5, "atLeast": 1 });
                vec![p(json!({ "packId": pack, "rule": rule }), &[Gone::Pack, Installation, Release, Account])]
            }
            "releaseWindow" => vec![p(json!({ "date": "2026-12-20", "timeZone": "Europe/Berlin" }), &[Gone::Pack])],
            "releases" => vec![p(none, &[Gone::Pack, Installation, Release])],
            "serverInfo" => vec![p(none, &[Gone::Pack])],
            "viewer" => vec![p(none.clone(), OF_PACK), a(none, OF_PACK)],
            "trustedPublishers" => vec![p(none.clone(), OF_PACK), a(none, OF_PACK)],
            "webhookEndpoints" => vec![p(none.clone(), OF_PACK), a(none, OF_PACK)],
            _ => return None,
        })
    }

    async fn lose(&self, app: &TestApp, gone: Gone) {
        let pack = &self.pack.id;
        match gone {
            Gone::Pack => {
                let input = json!({ "packId": pack, "confirmInstallations": 1 });
                app.ok(&app.publisher, "deleteIntegrationPack", input, "").await;
            }
            Group => {
                app.ok(&app.publisher, "deleteAccountGroup", json!({ "groupId": self.group }), "").await;
            }
            Share => {
                app.unshare(pack, &[&self.group]).await;
            }
            Member => {
                let input = json!({ "groupId": self.group, "accountIds": [self.account.id] });
                app.ok(&app.publisher, "removeAccountsFromGroup", input, "").await;
            }
            Account => app.suspend(&self.account).await,
            Installation => app.uninstall(&self.account, &self.installation).await,
            Release => app.cancel(&self.pending).await,
            Package => app.delete_package(&self.newest).await,
            Process => {
                app.withdraw(&self.process).await;
            }
        }
    }
}

impl TestApp {
    /// A family whose names come before the others' in each list.
    async fn family(&self, number: usize) -> Family {
        let cursor = self.cursor(&self.publisher).await;
        let name = |of: &str| format!("{:04} {of}", 9_999 - number);
        let account = self.managed(&name("account")).await;
        let group = self.group(&name("group"), &[&account]).await;
        let pack = self.pack_with(&name("pack"), &[&name("process")]).await;
        self.share(&pack.id, &[&group]).await;
        self.release_now(&pack.id).await;
        let process = self.put_into_library(&pack.packages[0].id, &[&group]).await.text("/id");
        let copy = self.copy(&account, &name("process")).await;
        let available = self.available(&account, &pack.name).await;
        let installation = self.install(&account, &pack.name).await;
        let pending = self.update_on(&pack, "2026-12-10").await;
        let newest = self.package_newer(&pack).await.id;
        self.tick().await;
        let update = self.offered(&account, &installation).await.expect("an update is offered");
        Family { account, group, pack, available, pending, installation, update, newest, process, copy, cursor }
    }
}

/// The queries among the examples, by name.
fn queries() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/operations");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let query =
        |path: &Path| Some(path.file_name()?.to_str()?.strip_prefix("query.")?.strip_suffix(".graphql")?.to_owned());
    files.filter_map(|path| Some((query(&path)?, std::fs::read_to_string(&path).unwrap()))).collect()
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    /// A seed of its own for each run.
    fn thrown() -> Self {
        let given = std::env::var("PACKWRIGHT_TEST_SEED").ok().map(|seed| seed.parse().expect("the seed is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        eprintln!("PACKWRIGHT_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `below`.
    fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

async fn ask(server: &App, token: &str, document: &str, variables: &Value) -> Value {
    let variables = async_graphql::Variables::from_json(variables.clone());
    let answer = server.execute(Some(token), async_graphql::Request::new(document).variables(variables)).await;
    let answer = serde_json::to_value(answer).expect("JSON");
    json!({ "data": answer.get("data"), "errors": answer.get("errors") })
}

/// The codes of an answer's errors.
fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("none")).collect()
}

/// Asks a query, and takes something of the family away after its statement `place`. Returns whether the query got so
/// far.
async fn interrupt(
    (app, reader): (&Arc<TestApp>, &Watched),
    family: &Arc<Family>,
    (name, document): (&str, &str),
    (is_account, variables): (bool, &Value),
    (place, gone): (usize, Gone),
) -> bool {
    let token = if is_account { family.account.token.clone() } else { app.publisher.clone() };
    let before = ask(&app.app, &token, document, variables).await;
    assert_eq!(codes(&before), Vec::<&str>::new(), "{name}: {before:#}");
    let was_lost = Arc::new(AtomicBool::new(false));
    let (other, loser, lost, mut seen) = (app.clone(), family.clone(), was_lost.clone(), 0);
    reader.after_statements(move |sql| {
        // The statement that reads the token has gone before, or its result is cached.
        if sql.contains(r#""t_secret_hash""#) {
            return;
        }
        seen += 1;
        if seen == place {
            let (runtime, other, loser) = (Handle::current(), other.clone(), loser.clone());
            // In a thread of its own: waiting in this one would swallow what wakes the query up.
            let thread = std::thread::spawn(move || runtime.block_on(loser.lose(&other, gone)));
            tokio::task::block_in_place(|| thread.join()).expect("it is taken away");
            lost.store(true, Ordering::Release);
        }
    });
    let meanwhile = ask(&reader.app, &token, document, variables).await;
    reader.after_statements(|_| {});
    if !was_lost.load(Ordering::Acquire) {
        assert_eq!(meanwhile, before, "{name}");
        return false;
    }
    let after = ask(&app.app, &token, document, variables).await;
    let is_fine = meanwhile == before
        || meanwhile == after
        || codes(&meanwhile).iter().all(|code| *code == "NOT_FOUND") && !codes(&meanwhile).is_empty();
    assert!(
        is_fine && !codes(&after).contains(&"INTERNAL_SERVER_ERROR"),
        "{name} of {}, from which {gone:?} was taken after statement {place}, shows neither state:\nbefore {before:#}\nmeanwhile {meanwhile:#}\nafter {after:#}",
        if is_account { "an account" } else { "the publisher" }
    );
    true
}

/// Interrupts every fourth query, from the one at `share` on.
async fn interrupt_all(share: usize) {
    let mut dice = Dice::thrown();
    let app = Arc::new(TestApp::new().await);
    // Neither has anything of a new family in its caches.
    let (counter, reader) = (app.another_server_watched().await, app.another_server_watched().await);
    let mut number = 0;
    for (name, document) in queries().iter().skip(share).step_by(SHARES) {
        let mut index = 0;
        loop {
            number += 1;
            let family = Arc::new(app.family(number).await);
            let mut asked = family.asks(name).unwrap_or_else(|| panic!("give the query {name} its variables here"));
            let is_last = index + 1 == asked.len();
            let (is_account, variables, gone) = asked.swap_remove(index);
            let token = if is_account { &family.account.token } else { &app.publisher };
            let statements = counter.statements_of(ask(&counter.app, token, document, &variables)).await;
            if statements > 0 {
                let (query, by) = ((name.as_str(), document.as_str()), (is_account, &variables));
                let drawn = (1 + dice.throw(statements), gone[dice.throw(gone.len())]);
                let is_interrupted = interrupt((&app, &reader), &family, query, by, drawn).await
                    || interrupt((&app, &reader), &family, query, by, (1, drawn.1)).await;
                assert!(is_interrupted, "{name} ran {statements} statements before, and none now");
            }
            if is_last {
                break;
            }
            index += 1;
        }
    }
    for server in [counter, reader] {
        server.app.services.db.clone().close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_between_two_statements_of_a_query_is_shown_whole_or_not_found_1() {
    interrupt_all(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_between_two_statements_of_a_query_is_shown_whole_or_not_found_2() {
    interrupt_all(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_between_two_statements_of_a_query_is_shown_whole_or_not_found_3() {
    interrupt_all(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_between_two_statements_of_a_query_is_shown_whole_or_not_found_4() {
    interrupt_all(3).await;
}
