//! The commands for pipelines: decisions without a connection, and the real program against a real server.

pub(crate) mod killed;
pub(crate) mod packaging;
pub(crate) mod releasing;
pub(crate) mod rules;
pub(crate) mod surroundings;
pub(crate) mod tokens;
pub(crate) mod waiting;

use std::process::{Output, Stdio};

use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use serde_json::{Value, json};

use crate::program::starts::TIME_LIMIT;
use crate::support::{At as _, Managed, Server, Setup, TestApp};

/// A run of GitHub Actions, as it says so itself.
pub(crate) const RUN: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_SERVER_URL", "https://github.com"),
    ("GITHUB_REPOSITORY", "northwind/orders"),
    ("GITHUB_SHA", "0f3a5c"),
    ("GITHUB_REF", "refs/heads/main"),
    ("GITHUB_REF_NAME", "main"),
    ("GITHUB_RUN_ID", "7001"),
];

/// A commit outside of any service.
pub(crate) const COMMIT: &[(&str, &str)] = &[("PACKWRIGHT_COMMIT", "0f3a5c")];

/// The end of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) printed: String,
    pub(crate) words: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.printed).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            printed: String::from_utf8(output.stdout).expect("text"),
            words: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// The program with these arguments and variables, and no others: the tests may run in a pipeline themselves.
pub(crate) fn program(arguments: &[&str], variables: &[(&str, &str)]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = tokio::time::timeout(TIME_LIMIT, program(arguments, variables).output()).await;
    output.expect("in time").expect("it runs").into()
}

/// A server with a component, a pack that holds it, and an account that has the pack.
pub(crate) struct World {
    pub(crate) app: TestApp,
    pub(crate) server: Server,
    pub(crate) component: String,
    pub(crate) pack: String,
    pub(crate) acme: Managed,
    pub(crate) installation: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let app = TestApp::with(setup).await;
        let input = json!({ "name": "Import orders", "type": "PROCESS", "key": "orders/import" });
        let component =
            app.ok(&app.publisher, "createComponent", input, "component { id }").await.text("/component/id");
        app.package_with(&component, json!({ "version": "1.0.0" })).await;
        let input = json!({ "name": "Orders", "installationType": "SINGLE", "key": "orders" });
        let made = app.ok(&app.publisher, "createIntegrationPack", input, "integrationPack { id }").await;
        let pack = made.text("/integrationPack/id");
        app.add(&pack, &[&component]).await;
        app.share_with_all(&pack).await;
        let acme = app.managed("Acme").await;
        app.release_now(&pack).await;
        app.tick().await;
        let installation = app.install(&acme, "Orders").await;
        // Whatever port leads to it.
        let http = HttpOptions { public_hosts: vec!["127.0.0.1".into()], ..HttpOptions::default() };
        let server = Server::with(&app, http, ConnectionOptions::default()).await;
        Self { app, server, component, pack, acme, installation }
    }

    /// The variables of a pipeline that knows the server and has a token.
    pub(crate) fn variables(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [("PACKWRIGHT_SERVER", self.url()), ("PACKWRIGHT_TOKEN", self.app.publisher.clone())];
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more).collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Runs a command with the publisher's token.
    pub(crate) async fn run(&self, arguments: &[&str], more: &[(&str, &str)]) -> Ended {
        let variables = self.variables(more);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(arguments, &variables).await
    }

    /// Packages a newer version, so that there is something to release.
    pub(crate) async fn package(&self, label: &str) {
        self.app.package_with(&self.component, json!({ "version": label })).await;
    }

    /// The labels of the component's packages, newest first.
    pub(crate) async fn labels(&self) -> Vec<String> {
        let query =
            "query($id: ID!) { component(id: $id) { packagedComponents(first: 100) { edges { node { version } } } } }";
        let found = self.app.gql(&self.app.publisher, query, json!({ "id": self.component })).await;
        found.nodes("/component/packagedComponents").iter().map(|node| node.text("/version")).collect()
    }

    /// The ids of the pack's releases, newest first.
    pub(crate) async fn releases(&self) -> Vec<String> {
        let found = self.app.read_pack(&self.pack, "releases(first: 100) { edges { node { id } } }").await;
        found.nodes("/releases").iter().map(|node| node.text("/id")).collect()
    }

    /// The number of the version that Acme has.
    pub(crate) async fn installed(&self) -> i64 {
        self.app.installed_number(&self.acme, &self.installation).await
    }
}
