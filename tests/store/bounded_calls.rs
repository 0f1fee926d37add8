//! The number of SQL statements in a publisher's call doesn't grow with the number of packs and accounts. The rest of
//! the work is done in batches, of which a call does at most one (R49).

use serde_json::{Value, json};

use crate::support::{At, Managed, TestApp};

/// The number of objects in a batch.
const BATCH: u64 = 10;

/// Packs that all hold the same component, released and shared with one group, and accounts outside the group.
struct World {
    app: TestApp,
    component: String,
    packs: Vec<String>,
    group: String,
    accounts: Vec<Managed>,
    counts: Vec<(&'static str, usize)>,
}

impl World {
    async fn of(packs: usize, accounts: usize) -> Self {
        let app = TestApp::in_batches_of(BATCH).await;
        let (component, _) = app.packaged("Shared process").await;
        let group = app.group("Gold", &[]).await;
        let mut world = Self { app, component, packs: Vec::new(), group, accounts: Vec::new(), counts: Vec::new() };
        for n in 0..packs {
            let pack = world.app.pack(&format!("Pack {n:03}")).await;
            world.app.add(&pack, &[&world.component]).await;
            world.app.share(&pack, &[&world.group]).await;
            world.app.release_now(&pack).await;
            world.packs.push(pack);
        }
        for n in 0..accounts {
            let account = world.app.managed(&format!("Account {n:03}")).await;
            world.accounts.push(account);
        }
        world.app.tick().await;
        world
    }

    /// Counts the statements of a call, and then lets the scheduler finish the work.
    async fn count(&mut self, what: &'static str, token: Option<&str>, mutation: &str, input: Value) -> Value {
        let token = token.unwrap_or(&self.app.publisher);
        let (payload, statements) = self.app.statements_of(self.app.ok(token, mutation, input, "__typename")).await;
        assert!(statements.len() > 5, "{what}: {statements:#?}");
        self.counts.push((what, statements.len()));
        self.app.tick().await;
        payload
    }

    async fn members(&mut self, what: &'static str, mutation: &str, accounts: usize) {
        let ids: Vec<_> = self.accounts.iter().take(accounts).map(|account| account.id.clone()).collect();
        self.count(what, None, mutation, json!({ "groupId": self.group, "accountIds": ids })).await;
    }

    async fn shares(&mut self, what: &'static str, mutation: &str) {
        let input = json!({ "packId": self.packs[0], "groupIds": [self.group] });
        self.count(what, None, mutation, input).await;
    }

    /// Two accounts join a group, install packs and leave; a pack is shared and unshared; the group is deleted.
    async fn of_groups(mut self) -> Vec<(&'static str, usize)> {
        self.members("addAccountsToGroup", "addAccountsToGroup", 2).await;
        for pack in 0..self.packs.len() {
            let account = &self.accounts[0];
            self.app.install(account, &format!("Pack {pack:03}")).await;
        }
        self.members("removeAccountsFromGroup", "removeAccountsFromGroup", 2).await;
        self.members("addAccountsToGroup, which thaws", "addAccountsToGroup", 2).await;
        self.shares("unsharePack", "unsharePack").await;
        self.shares("sharePack", "sharePack").await;
        let input = json!({ "name": "One more" });
        self.count("createManagedAccount", None, "createManagedAccount", input).await;
        self.suspended().await;
        self.count("deleteAccountGroup", None, "deleteAccountGroup", json!({ "groupId": self.group })).await;
        let left = "{ installations(first: 100) { edges { node { state } } } }";
        let left = self.app.gql(&self.app.publisher, left, json!(null)).await.texts("/installations", "/state");
        assert_eq!(left, vec!["FROZEN"; self.packs.len()], "the scheduler did the rest");
        self.counts
    }

    /// All packs are released while an account is suspended. Then it is reactivated and catches up.
    async fn suspended(&mut self) {
        let account = self.accounts[0].clone();
        let input = json!({ "accountId": account.id });
        self.count("suspendAccount", None, "suspendAccount", input.clone()).await;
        self.app.package(&self.component).await;
        for pack in &self.packs {
            self.app.release_now(pack).await;
        }
        self.app.tick().await;
        self.count("reactivateAccount", None, "reactivateAccount", input).await;
        let behind = "{ installations(first: 100) { edges { node { version { number } } } } }";
        let behind = self.app.gql(&account.token, behind, json!(null)).await.nodes("/installations");
        assert!(behind.iter().all(|installation| installation.int("/version/number") == 2), "{behind:#?}");
    }

    /// A component that all packs hold is packaged; then its package is deleted and restored.
    async fn of_components(mut self) -> Vec<(&'static str, usize)> {
        let packages = json!({ "packages": [{ "componentId": self.component, "shareable": true }] });
        self.count("createPackagedComponents", None, "createPackagedComponents", packages).await;
        let newer = "{ packsWithNewerShareableVersions(first: 100) { edges { node { id } } } }";
        let newer = async |app: &TestApp| app.gql(&app.publisher, newer, json!(null)).await;
        let count = |found: &Value| found.nodes("/packsWithNewerShareableVersions").len();
        assert_eq!(count(&newer(&self.app).await), self.packs.len());
        let latest = "query($id: ID!) { component(id: $id) { latestShareable { id } } }";
        let latest = self.app.gql(&self.app.publisher, latest, json!({ "id": self.component })).await;
        let input = json!({ "packagedComponentId": latest.text("/component/latestShareable/id") });
        self.count("deletePackagedComponent", None, "deletePackagedComponent", input.clone()).await;
        assert_eq!(count(&newer(&self.app).await), 0);
        self.count("restorePackagedComponent", None, "restorePackagedComponent", input).await;
        assert_eq!(count(&newer(&self.app).await), self.packs.len());
        self.counts
    }
}

#[tokio::test]
async fn r49_a_call_that_changes_grants_takes_as_many_statements_whatever_there_is() {
    let (few, many) = (World::of(2, 2).await.of_groups().await, World::of(24, 14).await.of_groups().await);
    for ((call, of_few), (_, of_many)) in few.iter().zip(&many) {
        // Equal events of several accounts are stored in other tables than an event of one account.
        assert!(of_many.abs_diff(*of_few) <= 6, "{call} takes {of_few} and {of_many}");
    }
    assert!(many.iter().all(|(_, count)| *count < 60), "{many:#?}");
}

#[tokio::test]
async fn r19_a_call_that_packages_takes_as_many_statements_however_many_packs_hold_the_component() {
    let (few, many) = (World::of(1, 0).await.of_components().await, World::of(24, 0).await.of_components().await);
    assert_eq!(few, many);
    assert!(many.iter().all(|(_, count)| *count < 40), "{many:#?}");
}
