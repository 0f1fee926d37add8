//! Batches that compare the grants of several accounts at once (R49).

use packwright::service::Settings;
use packwright::service::followup::open_tasks;
use sea_orm::{ConnectionTrait as _, DatabaseBackend};
use serde_json::json;
use uuid::Uuid;

use crate::support::rows::{LogMark, tables};
use crate::support::{Setup, TestApp, uuid_of};

const PACKS: usize = 2;
const ACCOUNTS: usize = 17;

/// A world with two packs that are granted to a group, and accounts that aren't in it yet.
struct Sharing {
    app: TestApp,
    group: String,
    packs: Vec<Uuid>,
    accounts: Vec<String>,
}

impl Sharing {
    async fn new(batch_size: u64) -> Self {
        let settings = Settings { batch_size, ..Settings::default() };
        let app = TestApp::with(Setup { settings, ..Setup::default() }).await;
        let group = app.group("Testers", &[]).await;
        let (mut packs, mut accounts) = (Vec::new(), Vec::new());
        for index in 0..PACKS {
            let pack = app.pack_with(&format!("Orders {index}"), &[&format!("Import {index}")]).await;
            app.release_now(&pack.id).await;
            app.share(&pack.id, &[&group]).await;
            packs.push(uuid_of(&pack.id));
        }
        for index in 0..ACCOUNTS {
            accounts.push(app.not_enrolled(&app.publisher, &format!("Account {index:02}")).await.0);
        }
        app.tick().await;
        Self { app, group, packs, accounts }
    }

    /// Puts all accounts into the group, or out of it. Runs the scheduler until nothing is left to do now.
    async fn change(&self, mutation: &str) -> u64 {
        let input = json!({ "groupId": self.group, "accountIds": self.accounts });
        let before = self.batches();
        self.app.ok(&self.app.publisher, mutation, input, "accountGroup { id }").await;
        self.app.tick().await;
        self.batches() - before
    }

    /// The number of batches of the scheduler.
    fn batches(&self) -> u64 {
        let done = self.app.app.services.follow_ups.by_kind();
        done.get("GRANTS_OF_ACCOUNT").map_or(0, |done| done.batches)
    }

    /// What each account was told since a mark: kinds of events, and the number of the pack.
    async fn told(&self, mark: &LogMark) -> Vec<Vec<(String, Option<usize>)>> {
        let events = mark.events(&self.app).await;
        let of_account = |account: &String| {
            let account = Some(uuid_of(account));
            let events = events.iter().filter(|event| event.account_id == account);
            events.map(|e| (e.kind.clone(), self.packs.iter().position(|pack| Some(*pack) == e.pack_id))).collect()
        };
        self.accounts.iter().map(of_account).collect()
    }
}

#[tokio::test]
async fn r49_one_batch_compares_the_grants_of_as_many_accounts_as_it_has_room_for() {
    let mut answers = Vec::new();
    // With room for four accounts, and for one.
    for (batch_size, most) in [(8, ACCOUNTS.div_ceil(4)), (2, 2 * ACCOUNTS)] {
        let world = Sharing::new(batch_size).await;
        let mark = LogMark::now(&world.app).await;
        for mutation in ["addAccountsToGroup", "removeAccountsFromGroup"] {
            let batches = world.change(mutation).await;
            assert!(batches > 0 && batches <= most as u64, "{mutation} took {batches} batches, at most {most}");
        }
        answers.push(world.told(&mark).await);
    }
    let of_each = |kind: &str| (0..PACKS).map(|pack| (kind.to_owned(), Some(pack))).collect::<Vec<_>>();
    let expected = [of_each("PACK_SHARED"), of_each("PACK_UNSHARED")].concat();
    assert_eq!(answers[0], vec![expected; ACCOUNTS]);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn r49_an_account_whose_batch_fails_keeps_no_other_account_waiting() {
    let world = Sharing::new(8).await;
    let failing = "WHERE name = 'Account 09'";
    let statements = match tables(&world.app).get_database_backend() {
        DatabaseBackend::Postgres => vec![
            format!(
                "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.account_id = (SELECT id FROM account {failing}) THEN RAISE EXCEPTION 'a trap'; END IF;
                    RETURN NEW; END $$"
            ),
            "CREATE TRIGGER trap BEFORE INSERT ON announced_grant FOR EACH ROW EXECUTE FUNCTION trap()".into(),
        ],
        _ => vec![format!(
            "CREATE TRIGGER trap BEFORE INSERT ON announced_grant
                WHEN NEW.account_id = (SELECT id FROM account {failing})
                BEGIN SELECT RAISE(ABORT, 'a trap'); END"
        )],
    };
    for statement in statements {
        tables(&world.app).execute_unprepared(&statement).await.expect("the trap");
    }
    let mark = LogMark::now(&world.app).await;
    let input = json!({ "groupId": world.group, "accountIds": world.accounts });
    world.app.ok(&world.app.publisher, "addAccountsToGroup", input, "accountGroup { id }").await;
    // The batch with the failing account fails as a whole. Its first account is tried again, alone, a little later.
    for _ in 0..3 {
        let _ = world.app.app.scheduler.tick().await;
        world.app.clock.advance_to(world.app.now() + chrono::Duration::seconds(4));
    }
    let told = world.told(&mark).await;
    for (index, told) in told.iter().enumerate() {
        assert_eq!(told.len(), if index == 9 { 0 } else { PACKS }, "account {index}: {told:?}");
    }
    let left = open_tasks(&world.app.app.services).await.expect("the tasks").tasks;
    assert_eq!(left.len(), 1, "only the failing account's task is left");
}
