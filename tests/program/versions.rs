//! Two versions of the program on one database, as while several servers are updated one after the other. What one of
//! them doesn't know it leaves to the other one.
//!
//! The other version is this program, in which the names of a kind of task and of a kind of event are others.

use std::path::{Path, PathBuf};

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::program::kill::until;
use crate::program::starts::{run, text_of};
use crate::support::rows::{database_url, tables};
use crate::support::{Ask, At as _, Installed, Program, Setup, TestApp};

/// The names that the other version has in the place of ours, each as long as ours.
const TASK: (&str, &str) = ("GRANTS_OF_PACK", "GRANTS_OF_LINE");
const EVENT: (&str, &str) = ("INSTALLATION_FROZEN", "INSTALLATION_RESTED");

/// Writes the program of the other version.
fn other_version(folder: &Path) -> PathBuf {
    let ours = env!("CARGO_BIN_EXE_packwright");
    let path = folder.join("packwright");
    std::fs::copy(ours, &path).expect("copied");
    for (our_name, their_name) in [TASK, EVENT] {
        assert_eq!(our_name.len(), their_name.len());
        let mut sed = std::process::Command::new("sed");
        sed.env("LC_ALL", "C").args(["--in-place", &format!("s/{our_name}/{their_name}/g")]).arg(&path);
        assert!(sed.status().expect("sed").success());
    }
    let size = |path: &Path| std::fs::metadata(path).expect("the program").len();
    assert_eq!(size(&path), size(Path::new(ours)));
    path
}

/// Two packs that Acme has installed, each shared with a group of its own, and the programs of both versions.
struct World {
    app: TestApp,
    url: String,
    packs: [(Installed, String); 2],
    theirs: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    /// `None` on SQLite, where one server at a time uses a file.
    async fn new() -> Option<Self> {
        let app = TestApp::with(Setup { start: "2024-11-22T09:00:00Z", ..Setup::default() }).await;
        if app.has_one_writer() {
            return None;
        }
        let acme = app.managed("Acme").await;
        let (gold, silver) = (app.group("Gold", &[&acme]).await, app.group("Silver", &[&acme]).await);
        let packs = [
            (app.installed_pack_in("Orders", &gold, &[&acme]).await, gold),
            (app.installed_pack_in("Invoices", &silver, &[&acme]).await, silver),
        ];
        while app.tick().await.is_some() && app.number("SELECT count(*) AS n FROM task").await > 0 {}
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = other_version(folder.path());
        let url = database_url(&app).await;
        Some(Self { app, url, packs, theirs, _folder: folder })
    }

    /// Starts a server of one of the versions, whose connections have this name.
    async fn serve(&self, is_ours: bool, name: &str) -> Program {
        let url = format!("{}?application_name={name}", self.url);
        if is_ours { Program::serve(&url, &[]).await } else { Program::serve_by(&self.theirs, &url, &[]).await }
    }

    async fn ask(&self, server: &Program, document: &str, variables: Value) -> Value {
        let ask = Ask::post(&json!({ "query": document, "variables": variables })).token(&self.app.publisher);
        let answer = server.send(ask).await.json();
        assert!(answer.get("errors").is_none(), "{document}: {answer:#}");
        answer.at("/data").clone()
    }

    /// The call that takes a pack from its group. A task freezes its installation.
    fn unshare(&self, number: usize) -> Ask {
        let (installed, group) = &self.packs[number];
        let document = "mutation($input: UnsharePackInput!) { unsharePack(input: $input) { errors { code } } }";
        let input = json!({ "packId": installed.pack.id, "groupIds": [group] });
        Ask::post(&json!({ "query": document, "variables": { "input": input } })).token(&self.app.publisher)
    }

    /// The kinds of the events of one pack that are stored, and that the publisher sees.
    async fn stored(&self, number: usize) -> Vec<String> {
        let pack = crate::support::uuid_of(&self.packs[number].0.pack.id);
        let events = crate::support::rows::events_after(&self.app, 0).await;
        let of_pack = events.into_iter().filter(|event| event.pack_id == Some(pack) && event.audience != "ACCOUNT");
        of_pack.map(|event| event.kind).collect()
    }

    /// The kinds of the events of one pack, as a server tells them.
    async fn told(&self, server: &Program, number: usize) -> Vec<String> {
        let document =
            "query($pack: ID!) { events(filter: { packId: $pack }, first: 100) { edges { node { kind } } } }";
        let data = self.ask(server, document, json!({ "pack": self.packs[number].0.pack.id })).await;
        let edges = data.at("/events/edges").as_array().expect("edges").clone();
        edges.iter().map(|edge| edge.text("/node/kind")).collect()
    }

    async fn has_ended(&self, number: usize, kind: &str) -> bool {
        self.stored(number).await.iter().any(|stored| stored == kind)
    }
}

/// A task that one version has left behind waits for a server of that version, and keeps no other work waiting.
async fn left_behind(maker_is_ours: bool) {
    let Some(world) = World::new().await else { return };
    let (maker_event, other_event) = if maker_is_ours { (EVENT.0, EVENT.1) } else { (EVENT.1, EVENT.0) };
    let maker_task = if maker_is_ours { TASK.0 } else { TASK.1 };
    // Batches of the server that makes the task hang.
    let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') = 'doomed' THEN PERFORM pg_sleep(600); END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$";
    let set = "CREATE TRIGGER trap BEFORE UPDATE OR DELETE ON task FOR EACH ROW EXECUTE FUNCTION trap()";
    for statement in [trap, set] {
        tables(&world.app).execute_unprepared(statement).await.expect("the trap");
    }
    let mut maker = world.serve(maker_is_ours, "doomed").await;
    let other = world.serve(!maker_is_ours, "other").await;
    // The call waits for the first batch, so it gets no answer.
    tokio::spawn(maker.send(world.unshare(0)));
    let hanging = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'doomed' AND wait_event = 'PgSleep'";
    until("a batch that hangs", async || world.app.number(hanging).await > 0).await;
    maker.child.kill().await.expect("killed");

    // The other version does the same for another pack by a task of its own, and is ready all the time.
    let answer = other.send(world.unshare(1)).await.json();
    assert_eq!(answer.at("/data/unsharePack/errors"), &json!([]), "{answer}");
    until("the other version's task", async || world.has_ended(1, other_event).await).await;
    assert_eq!(other.send(Ask::new("GET", "/readyz")).await.status, 200);
    let left = format!("SELECT count(*) AS n FROM task WHERE kind = '{maker_task}' AND failures = 0");
    assert_eq!(world.app.number(&left).await, 1, "the task waits, and nobody has tried it");
    assert!(!world.has_ended(0, maker_event).await && !world.has_ended(0, other_event).await);
    // Commands tell of it, whichever version they are.
    let listed = run(&["task", "list", "--database-url", &world.url]).await;
    assert!(listed.status.success() && text_of(&listed).contains(maker_task), "{}", text_of(&listed));

    let heir = world.serve(maker_is_ours, "heir").await;
    until("the task that was left behind", async || world.has_ended(0, maker_event).await).await;
    let tasks = "SELECT count(*) AS n FROM task";
    until("the end of all tasks", async || world.app.number(tasks).await == 0).await;

    // Each version tells of the events that it knows, and goes on behind the others.
    for (server, known, unknown) in [(&heir, maker_event, other_event), (&other, other_event, maker_event)] {
        for number in 0..2 {
            let stored = world.stored(number).await;
            let told = world.told(server, number).await;
            let expected: Vec<_> = stored.into_iter().filter(|kind| kind != unknown).collect();
            assert_eq!(told, expected, "pack {number}, which knows {known}");
        }
    }
}

#[tokio::test]
async fn r49_a_task_of_a_newer_program_is_left_to_it() {
    left_behind(false).await;
}

#[tokio::test]
async fn r49_a_newer_program_leaves_a_task_that_it_no_longer_knows() {
    left_behind(true).await;
}
