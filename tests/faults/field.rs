//! Real servers under load, which are killed, and what was acknowledged, applied, announced and audited in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use packwright::service::Settings;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::faults::client::{self, Broken, Ended, mutation, settled};
use crate::faults::load::Load;
use crate::support::rows::{database_url, tables};
use crate::support::{Ask, At as _, Database, Managed, Pack, Program, Setup, TestApp};
use crate::whole::invariants_checks::{is_at_its_version, rows_are_sound};
use crate::whole::invariants_rows::Rows;

/// The options of the servers: small batches, so that much happens between them, and no allowances.
const OPTIONS: [&str; 6] = ["--batch-size", "2", "--rate-limit", "0", "--peer-rate-limit", "0"];

/// An address at which nothing listens.
const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 1);

/// After what time impatient clients try another server.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// What clients were told. A call that is repeated until it is answered counts once.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The notes of packages and of releases that were acknowledged.
    pub(crate) packages: BTreeSet<String>,
    pub(crate) releases: BTreeMap<String, String>,
    /// Releases that were acknowledged as canceled, and as promoted.
    pub(crate) canceled: BTreeSet<String>,
    pub(crate) promoted: BTreeSet<String>,
    /// Updates that were acknowledged as applied by their accounts.
    pub(crate) applied: BTreeSet<String>,
    /// The names of installations that were acknowledged, and the ids of those that were uninstalled.
    pub(crate) installed: BTreeSet<String>,
    pub(crate) uninstalled: BTreeSet<String>,
    /// How many connections broke, and how many answers said that the database was away.
    pub(crate) broken: usize,
    pub(crate) put_off: usize,
}

impl Ledger {
    /// How many calls were acknowledged.
    fn acknowledged(&self) -> usize {
        let ids = [&self.canceled, &self.promoted, &self.applied, &self.installed, &self.uninstalled];
        self.packages.len() + self.releases.len() + ids.map(BTreeSet::len).iter().sum::<usize>()
    }
}

/// A world, and the servers on its database.
pub(crate) struct Field {
    pub(crate) app: TestApp,
    pub(crate) accounts: Vec<Managed>,
    pub(crate) packs: Vec<Pack>,
    url: String,
    addresses: Vec<Mutex<SocketAddr>>,
    programs: Vec<tokio::sync::Mutex<Option<Program>>>,
    ledger: Mutex<Ledger>,
    ending: AtomicBool,
    done: AtomicBool,
    is_impatient: AtomicBool,
    calls: AtomicUsize,
}

impl Field {
    /// A world with two packs, of which every account has several installations, and so many servers.
    pub(crate) async fn new(servers: usize, database: Database) -> Arc<Self> {
        let settings = Settings { batch_size: 2, ..Settings::default() };
        // Long ago, so that a window of this world has opened for the real servers.
        let setup = Setup { start: "2024-11-22T09:00:00Z", settings, ..Setup::default() };
        let app = TestApp::on(setup, database).await;
        let accounts = Vec::from(app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await);
        let packs = vec![
            app.pack_with("Orders", &["Import", "Export"]).await,
            app.multi_pack_with("Tools", &["Drill", "Saw"]).await,
        ];
        for pack in &packs {
            app.share_with_all(&pack.id).await;
            app.release_now(&pack.id).await;
        }
        for account in &accounts {
            app.install(account, "Orders").await;
            for number in 0..5 {
                app.install_as(account, "Tools", &format!("number {number}")).await;
            }
        }
        // The servers find a window that has opened long ago.
        app.update_on(&packs[0], "2024-12-01").await;
        let url = database_url(&app).await;
        let field = Self {
            app,
            accounts,
            packs,
            url,
            addresses: (0..servers).map(|_| Mutex::new(SocketAddr::from(NOWHERE))).collect(),
            programs: (0..servers).map(|_| tokio::sync::Mutex::new(None)).collect(),
            ledger: Mutex::default(),
            ending: AtomicBool::new(false),
            done: AtomicBool::new(false),
            is_impatient: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        };
        let field = Arc::new(field);
        for number in 0..servers {
            field.start(number).await;
        }
        field
    }

    pub(crate) fn servers(&self) -> usize {
        self.programs.len()
    }

    /// Starts a server.
    pub(crate) async fn start(&self, number: usize) {
        let program = Program::serve(&self.url, &OPTIONS).await;
        *lock(&self.addresses[number]) = program.address;
        *self.programs[number].lock().await = Some(program);
    }

    /// Kills a server with SIGKILL.
    pub(crate) async fn kill(&self, number: usize) {
        if let Some(mut program) = self.programs[number].lock().await.take() {
            program.child.kill().await.expect("killed");
        }
    }

    /// Sends a signal to a server.
    pub(crate) async fn signal(&self, number: usize, name: &str) {
        self.programs[number].lock().await.as_ref().expect("a server").signal(name);
    }

    /// Lets clients give a call up that isn't answered soon, and repeat it on another server.
    pub(crate) fn make_clients_impatient(&self) {
        self.is_impatient.store(true, Ordering::Relaxed);
    }

    /// Lets clients find no server under a number, as a balancer does that has noticed that it doesn't answer.
    pub(crate) fn hide(&self, number: usize) {
        *lock(&self.addresses[number]) = SocketAddr::from(NOWHERE);
    }

    /// Lets clients find a server again.
    pub(crate) async fn show(&self, number: usize) {
        let address = self.programs[number].lock().await.as_ref().expect("a server").address;
        *lock(&self.addresses[number]) = address;
    }

    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        *lock(&self.addresses[number])
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Waits until so many more calls are acknowledged, however slow the machine is.
    pub(crate) async fn acknowledges(&self, more: usize) {
        let so_many = self.ledger().acknowledged() + more;
        let is_reached = async || self.ledger().acknowledged() >= so_many;
        client::until("more acknowledged calls", client::PATIENCE, is_reached).await;
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether all work has come to an end.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Asks one server after the other, until one answers.
    pub(crate) async fn answer(&self, ask: &Ask) -> client::Answer {
        loop {
            let number = self.calls.fetch_add(1, Ordering::Relaxed) % self.servers();
            let asked = client::ask(self.address(number), ask.clone());
            let answer = if self.is_impatient.load(Ordering::Relaxed) {
                tokio::time::timeout(IMPATIENCE, asked).await.unwrap_or(Err(Broken))
            } else {
                asked.await
            };
            match answer {
                Ok(answer) => return answer,
                Err(Broken) => {
                    self.ledger().broken += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Repeats a mutation until it is answered. Says how it ended, and whether an earlier try may have been done.
    pub(crate) async fn call(&self, token: &str, name: &str, input: &Value, selection: &str) -> (Ended, bool) {
        let ask = mutation(token, name, input, selection);
        let broken = || self.ledger().broken;
        let (before, mut tries) = (broken(), 0);
        loop {
            if let Some(ended) = settled(&self.answer(&ask).await, name) {
                // Other clients' connections count too, so this says too often that an earlier try may have been done.
                return (ended, tries > 0 || broken() > before);
            }
            tries += 1;
            self.ledger().put_off += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the clients have ended, and until no task and no rollout is left. Then ends all servers, and counts.
    pub(crate) async fn come_to_an_end(&self, load: Load) {
        self.ending.store(true, Ordering::Relaxed);
        let reader = load.end_clients().await;
        self.finish_all_work().await;
        self.done.store(true, Ordering::Relaxed);
        let heard = reader.await.expect("a reader without a fault");
        self.end_servers().await;
        let all = self.heard_in_all().await;
        let first = heard.iter().zip(&all).position(|(heard, told)| heard != told);
        assert_eq!(
            (first, heard.len()),
            (None, all.len()),
            "the first event that the reader heard in another order, and how many it heard, each once"
        );
        self.count().await;
    }

    /// Waits until no task and no rollout is left.
    async fn finish_all_work(&self) {
        let left = "SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM integration_pack
                    WHERE running_release_id IS NOT NULL) AS n";
        let backend = tables(&self.app).get_database_backend();
        client::until("the end of all work", client::PATIENCE, async || {
            let row = tables(&self.app).query_one_raw(Statement::from_string(backend, left)).await;
            row.ok().flatten().is_some_and(|row| row.try_get::<i64>("", "n").expect("a number") == 0)
        })
        .await;
    }

    async fn end_servers(&self) {
        for program in &self.programs {
            let program = program.lock().await.take().expect("a server");
            program.signal("TERM");
            let (status, took) = program.end().await;
            assert!(status.success() && took < Duration::from_secs(15), "{status} after {took:?}");
        }
    }

    /// Counts from outside: what was acknowledged is there once, each change of state was applied, announced and
    /// audited once, and the invariants of section 10 hold.
    pub(crate) async fn count(&self) {
        let rows = Rows::read(&self.app).await;
        rows_are_sound(&rows, "the end");
        for installation in rows.installations.values().filter(|i| i.uninstalled_at.is_none()) {
            is_at_its_version(&rows, installation);
        }
        let ledger = self.ledger();
        for notes in &ledger.packages {
            let made = rows.packages.values().filter(|package| package.notes.as_ref() == Some(notes)).count();
            assert_eq!(made, 1, "packages with the notes {notes}");
        }
        let done = |action: &str, subject: &str| {
            let found = rows.entries.values().filter(|e| e.action == action && e.subject_id == subject);
            // A call that withdraws an offer has an entry for that beside its own.
            let found: Vec<_> = found.filter(|e| !e.changes.contains("update.state")).collect();
            assert!(found.len() < 2, "audited twice: {found:#?}");
            found.len()
        };
        for (notes, release) in &ledger.releases {
            let made: Vec<_> = rows.versions.values().filter(|version| &version.notes == notes).collect();
            assert_eq!(made.len(), 1, "versions with the notes {notes}");
            assert_eq!(made[0].release_id, crate::support::uuid_of(release), "{notes}");
            assert_eq!(done("releaseIntegrationPack", &made[0].release_id.to_string()), 1, "entries of {notes}");
        }
        for (ids, action, state) in
            [(&ledger.canceled, "cancelRelease", "CANCELED"), (&ledger.promoted, "promoteRelease", "SUCCEEDED")]
        {
            for id in ids {
                let id = crate::support::uuid_of(id);
                assert_eq!((done(action, &id.to_string()), &*rows.releases[&id].state), (1, state), "{action} {id}");
            }
        }
        for update in &ledger.applied {
            let [installation, release] = crate::support::rows::uuids_of(update)[..] else { panic!("{update}") };
            let stands = &rows.updates[&(installation, release)];
            let is_early = ["EARLY", "CANCELED_BACK"].contains(&stands.how.as_deref().unwrap_or_default());
            assert!(is_early, "it was acknowledged as applied: {stands:?}");
        }
        each_move_is_audited_once(&rows);
        for name in &ledger.installed {
            let made = rows.installations.values().filter(|i| i.override_name.as_ref() == Some(name)).count();
            assert_eq!(made, 1, "installations with the name {name}");
        }
        for id in &ledger.uninstalled {
            let id = crate::support::uuid_of(id);
            assert!(rows.installations[&id].uninstalled_at.is_some(), "{id} was acknowledged as uninstalled");
            assert_eq!(done("uninstallPack", &id.to_string()), 1, "entries of {id}");
        }
        eprintln!(
            "{} packages, {} releases ({} canceled, {} promoted), {} early applications, {} installed and {} uninstalled; \
             {} events and {} audit entries of {} moves; {} connections broke, {} answers put a call off",
            ledger.packages.len(),
            ledger.releases.len(),
            ledger.canceled.len(),
            ledger.promoted.len(),
            ledger.applied.len(),
            ledger.installed.len(),
            ledger.uninstalled.len(),
            rows.events.len(),
            rows.entries.len(),
            rows.updates.values().filter(|update| update.state == "APPLIED").count(),
            ledger.broken,
            ledger.put_off,
        );
    }

    /// The events of the publisher, as a client reads them from its first cursor on, page by page.
    pub(crate) async fn heard_in_all(&self) -> Vec<String> {
        let query = "query($after: String) { events(first: 100, after: $after) {
            edges { cursor node { id } } pageInfo { hasNextPage } } }";
        let (mut after, mut heard) = (Value::Null, Vec::new());
        loop {
            let page = self.app.gql(&self.app.publisher, query, json!({ "after": after })).await;
            for edge in page.list("/events/edges") {
                heard.push(edge.text("/node/id"));
                after = edge.at("/cursor").clone();
            }
            if page.at("/events/pageInfo/hasNextPage") == false {
                return heard;
            }
        }
    }
}

/// Each move by the scheduler or by an account has one event and one audit entry.
fn each_move_is_audited_once(rows: &Rows) {
    let mut told: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for event in rows.events.iter().filter(|event| event.update_state.as_deref() == Some("APPLIED")) {
        let installation = event.installation_id.expect("an installation").to_string();
        told.entry(installation).or_default()[0] += 1;
    }
    for (installation, counts) in &mut told {
        let moves = ["scheduler.applyUpdate", "applyPendingUpdate", "releaseIntegrationPack", "promoteRelease"];
        counts[1] = rows
            .entries
            .values()
            .filter(|entry| moves.contains(&entry.action.as_str()) && entry.subject_id.contains(installation.as_str()))
            .count();
    }
    for (installation, [events, entries]) in told {
        assert_eq!(events, entries, "moves of {installation}: told, and audited");
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
