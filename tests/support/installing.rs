//! Actions and reads of managed accounts.

use serde_json::{Value, json};

use super::{At, Managed, Pack, TestApp};

/// A pack that was released, shared with every account and installed by some.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) pack: Pack,
    /// The first release.
    pub(crate) first_release: String,
    /// One for each account, in the order of the request.
    pub(crate) installations: Vec<String>,
}

impl TestApp {
    /// The ID by which an account knows the pack with a name; `None` when it can't see the pack.
    pub(crate) async fn find_available(&self, account: &Managed, name: &str) -> Option<String> {
        let query = "query($search: String) { availablePacks(filter: { search: $search }, first: 100) { edges { node { id name } } } }";
        let data = self.gql(&account.token, query, json!({ "search": name })).await;
        data.nodes("/availablePacks").iter().find(|pack| pack.text("/name") == name).map(|pack| pack.text("/id"))
    }

    /// The ID by which an account knows the pack with a name. The account must see it.
    pub(crate) async fn available(&self, account: &Managed, name: &str) -> String {
        self.find_available(account, name)
            .await
            .unwrap_or_else(|| panic!("{} doesn't see the pack {name}", account.name))
    }

    /// Installs the pack with a name. Returns the installation's ID.
    pub(crate) async fn install(&self, account: &Managed, pack_name: &str) -> String {
        let pack = self.available(account, pack_name).await;
        self.ok(&account.token, "installPack", json!({ "packId": pack }), "installation { id }")
            .await
            .text("/installation/id")
    }

    /// Installs a MULTI pack under a name.
    pub(crate) async fn install_as(&self, account: &Managed, pack_name: &str, name: &str) -> String {
        let input = json!({ "packId": self.available(account, pack_name).await, "overrideName": name });
        self.ok(&account.token, "installPack", input, "installation { id }").await.text("/installation/id")
    }

    pub(crate) async fn uninstall(&self, account: &Managed, installation: &str) {
        self.ok(&account.token, "uninstallPack", json!({ "installationId": installation }), "uninstalledId").await;
    }

    /// An installation in its account's view; null when it can't be seen.
    pub(crate) async fn read_installation(&self, account: &Managed, installation: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ installation(id: $id) {{ {selection} }} }}");
        self.gql(&account.token, &query, json!({ "id": installation })).await.at("/installation").clone()
    }

    /// The number of an installation's version.
    pub(crate) async fn installed_number(&self, account: &Managed, installation: &str) -> i64 {
        self.read_installation(account, installation, "version { number }").await.int("/version/number")
    }

    /// [`TestApp::installed_number`] of several installations of an account.
    pub(crate) async fn installed_numbers(&self, account: &Managed, installations: &[String]) -> Vec<i64> {
        let mut numbers = Vec::new();
        for installation in installations {
            numbers.push(self.installed_number(account, installation).await);
        }
        numbers
    }

    /// The ID of an installation's pending update; `None` when there is none.
    pub(crate) async fn offered(&self, account: &Managed, installation: &str) -> Option<String> {
        let found = self.read_installation(account, installation, "pendingUpdate { id state }").await;
        found.pointer("/pendingUpdate/id").map(|id| {
            assert_eq!(found.text("/pendingUpdate/state"), "OFFERED");
            id.text("")
        })
    }

    /// The updates of an installation in its account's view, newest first.
    pub(crate) async fn updates(&self, account: &Managed, installation: &str) -> Vec<Value> {
        let selection = "updates(first: 100) { edges { node { id state how skipReason offeredAt settledAt
            fromVersion { number } toVersion { number } failure { code attempts } appliedBy { kind name } } } }";
        self.read_installation(account, installation, selection).await.nodes("/updates")
    }

    /// Tries to apply an update early. Returns the payload with the update's state and `alreadyApplied`.
    pub(crate) async fn try_apply(&self, account: &Managed, update: &str) -> Value {
        let selection = "update { id state how } alreadyApplied";
        self.mutate(&account.token, "applyPendingUpdate", json!({ "updateId": update }), selection).await
    }

    /// Applies an installation's pending update. Returns the update's ID.
    pub(crate) async fn apply(&self, account: &Managed, installation: &str) -> String {
        let update = self.offered(account, installation).await.expect("an update is offered");
        let payload = super::accepted(self.try_apply(account, &update).await);
        assert_eq!(payload.text("/update/state"), "APPLIED");
        update
    }

    /// A pack with one component (`<name> process`), released at once, shared with all accounts, and installed by each
    /// of `accounts`.
    pub(crate) async fn installed_pack(&self, name: &str, accounts: &[&Managed]) -> Installed {
        let pack = self.pack_with(name, &[&format!("{name} process")]).await;
        self.share_with_all(&pack.id).await;
        let first_release = self.release_now(&pack.id).await;
        let mut installations = Vec::new();
        for account in accounts {
            installations.push(self.install(account, name).await);
        }
        Installed { pack, first_release, installations }
    }

    /// A MULTI pack with one component (`<name> process`), released at once, shared with all accounts, and installed so
    /// many times by an account, as `<name> 0`, `<name> 1` and so on.
    pub(crate) async fn installed_times(&self, name: &str, account: &Managed, count: usize) -> Installed {
        let pack = self.multi_pack_with(name, &[&format!("{name} process")]).await;
        self.share_with_all(&pack.id).await;
        let first_release = self.release_now(&pack.id).await;
        let mut installations = Vec::new();
        for index in 0..count {
            installations.push(self.install_as(account, name, &format!("{name} {index}")).await);
        }
        Installed { pack, first_release, installations }
    }

    /// Packages a newer shareable version of the pack's first component, so that there is something to release.
    pub(crate) async fn package_newer(&self, pack: &Pack) -> super::Package {
        self.package(&pack.components[0]).await
    }

    /// [`TestApp::package_newer`], and a release on a date.
    pub(crate) async fn update_on(&self, pack: &Pack, date: &str) -> String {
        self.package_newer(pack).await;
        self.release_on(&pack.id, date).await
    }

    /// [`TestApp::package_newer`], and an immediate release.
    pub(crate) async fn update_now(&self, pack: &Pack) -> String {
        self.package_newer(pack).await;
        self.release_now(&pack.id).await
    }
}
