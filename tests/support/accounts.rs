//! Publishers, managed accounts, groups and tokens.

use packwright::domain::accounts::Role;
use packwright::service::accounts::{create_publisher, create_token_with_secret};
use serde_json::json;

use super::{At, TestApp};

/// A managed account of the first publisher.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    /// The ManagedAccount's ID, as its publisher knows it.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The token of its administrator.
    pub(crate) token: String,
}

/// Another publisher than the first one.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    /// The token of its administrator.
    pub(crate) token: String,
}

impl TestApp {
    /// Creates another publisher with the zone Europe/Berlin, as the command line does.
    pub(crate) async fn another_publisher(&self, name: &str) -> Publisher {
        let services = &self.app.services;
        let account = create_publisher(services, name, Some(super::ZONE.into())).await.expect("a publisher");
        let token = format!("test-{}-admin", name.to_lowercase());
        create_token_with_secret(services, account, "admin", Role::Administrator, &token).await.expect("a token");
        Publisher { token }
    }

    /// An enrolled managed account of the first publisher, only in All Accounts.
    pub(crate) async fn managed(&self, name: &str) -> Managed {
        let (id, enrolment) = self.not_enrolled(&self.publisher, name).await;
        Managed { id, name: name.into(), token: self.enrol(&enrolment).await }
    }

    /// Several of [`TestApp::managed`]: `let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await`.
    pub(crate) async fn managed_accounts<const N: usize>(&self, names: [&str; N]) -> [Managed; N] {
        let mut accounts = Vec::new();
        for name in names {
            accounts.push(self.managed(name).await);
        }
        accounts.try_into().expect("as many as names")
    }

    /// A managed account of any publisher, not enrolled: (its ID, its enrolment token).
    pub(crate) async fn not_enrolled(&self, publisher_token: &str, name: &str) -> (String, String) {
        let selection = "account { id } enrolmentToken enrolmentExpiresAt";
        let payload = self.ok(publisher_token, "createManagedAccount", json!({ "name": name }), selection).await;
        (payload.text("/account/id"), payload.text("/enrolmentToken"))
    }

    /// A trusted publisher of the token's account. Returns its ID.
    pub(crate) async fn trust(
        &self,
        token: &str,
        name: &str,
        issuer: &str,
        claims: &[(&str, &str)],
        role: &str,
    ) -> String {
        let claims: Vec<_> = claims.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let input = json!({ "name": name, "issuer": issuer, "claims": claims, "role": role });
        self.ok(token, "createTrustedPublisher", input, "trustedPublisher { id }").await.text("/trustedPublisher/id")
    }

    /// Spends an enrolment token on the account's first administrator token. Returns its secret.
    pub(crate) async fn enrol(&self, enrolment_token: &str) -> String {
        let input = json!({ "name": "first", "role": "ADMINISTRATOR" });
        self.ok(enrolment_token, "createApiToken", input, "secret").await.text("/secret")
    }

    /// The secret of a new token for the same account as `admin`. `role` is a value of the enum Role.
    pub(crate) async fn token(&self, admin: &str, role: &str) -> String {
        let input = json!({ "name": format!("a token of role {role}"), "role": role });
        self.ok(admin, "createApiToken", input, "secret").await.text("/secret")
    }

    /// Suspends a managed account.
    pub(crate) async fn suspend(&self, account: &Managed) {
        self.ok(&self.publisher, "suspendAccount", json!({ "accountId": account.id }), "account { id }").await;
    }

    /// Makes a suspended account active.
    pub(crate) async fn reactivate(&self, account: &Managed) {
        self.ok(&self.publisher, "reactivateAccount", json!({ "accountId": account.id }), "account { id }").await;
    }

    /// A group of the first publisher with these accounts, which may be none.
    pub(crate) async fn group(&self, name: &str, accounts: &[&Managed]) -> String {
        let made = self.ok(&self.publisher, "createAccountGroup", json!({ "name": name }), "accountGroup { id }").await;
        let group = made.text("/accountGroup/id");
        if !accounts.is_empty() {
            let ids: Vec<_> = accounts.iter().map(|account| &account.id).collect();
            self.ok(&self.publisher, "addAccountsToGroup", json!({ "groupId": group, "accountIds": ids }), "").await;
        }
        group
    }

    /// Adds an account to a group.
    pub(crate) async fn join(&self, group: &str, account: &Managed) {
        let input = json!({ "groupId": group, "accountIds": [account.id] });
        self.ok(&self.publisher, "addAccountsToGroup", input, "").await;
    }

    /// Removes an account from a group.
    pub(crate) async fn leave(&self, group: &str, account: &Managed) {
        let input = json!({ "groupId": group, "accountIds": [account.id] });
        self.ok(&self.publisher, "removeAccountsFromGroup", input, "").await;
    }

    /// The ID of the first publisher's group All Accounts.
    pub(crate) async fn all_accounts(&self) -> String {
        let query = "{ accountGroups(first: 1) { edges { node { id isAllAccounts } } } }";
        let data = self.gql(&self.publisher, query, json!(null)).await;
        assert_eq!(data.at("/accountGroups/edges/0/node/isAllAccounts"), true, "All Accounts comes first");
        data.text("/accountGroups/edges/0/node/id")
    }

    /// Shares a pack with groups.
    pub(crate) async fn share(&self, pack: &str, groups: &[&str]) {
        self.ok(&self.publisher, "sharePack", json!({ "packId": pack, "groupIds": groups }), "integrationPack { id }")
            .await;
    }

    /// Unshares a pack. Returns how many installations froze.
    pub(crate) async fn unshare(&self, pack: &str, groups: &[&str]) -> i64 {
        self.ok(&self.publisher, "unsharePack", json!({ "packId": pack, "groupIds": groups }), "frozenCount")
            .await
            .int("/frozenCount")
    }

    /// Shares a pack with every managed account, including future ones.
    pub(crate) async fn share_with_all(&self, pack: &str) {
        let all = self.all_accounts().await;
        self.share(pack, &[&all]).await;
    }
}
