//! The commands of a story, and the small world in which it happens.

use chrono::{Days, Duration};
use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::support::rows::{code_of, refusal_of};
use crate::support::{At, Managed, TestApp, in_stages, input_type, of_groups, of_percent};

/// A command. Numbers choose objects, and wrap around.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Package {
        component: usize,
        shareable: bool,
    },
    Publish {
        component: usize,
    },
    /// Deletes a package, or restores a deleted one.
    Delete {
        component: usize,
        version: usize,
    },
    Undelete {
        component: usize,
        version: usize,
    },
    Add {
        pack: usize,
        component: usize,
    },
    Remove {
        pack: usize,
        component: usize,
    },
    Restore {
        pack: usize,
        component: usize,
    },
    Pin {
        pack: usize,
        component: usize,
        version: usize,
    },
    Unpin {
        pack: usize,
        component: usize,
    },
    ReleaseNow {
        pack: usize,
    },
    ReleaseOn {
        pack: usize,
        days: u64,
    },
    /// Releases in two stages: a group tomorrow, half of the installations the day after.
    ReleaseInStages {
        pack: usize,
        group: usize,
        days: u64,
    },
    OpenNextStage {
        pack: usize,
    },
    Reschedule {
        pack: usize,
        days: u64,
    },
    Promote {
        pack: usize,
    },
    Cancel {
        pack: usize,
    },
    RetryFailed {
        pack: usize,
    },
    /// Gives the newest release one of a few halt rules, or none.
    SetRule {
        pack: usize,
        rule: usize,
    },
    Pause {
        pack: usize,
    },
    Resume {
        pack: usize,
    },
    /// Rolls the newest release back, or the one before.
    RollBack {
        pack: usize,
        number: usize,
    },
    DeletePack {
        pack: usize,
    },
    Install {
        account: usize,
        pack: usize,
    },
    ApplyEarly {
        account: usize,
        update: usize,
    },
    Report {
        account: usize,
        update: usize,
        works: bool,
    },
    Uninstall {
        account: usize,
        installation: usize,
    },
    Share {
        pack: usize,
        group: usize,
    },
    Unshare {
        pack: usize,
        group: usize,
    },
    Join {
        group: usize,
        account: usize,
    },
    Leave {
        group: usize,
        account: usize,
    },
    Suspend {
        account: usize,
    },
    Reactivate {
        account: usize,
    },
    /// Makes the next moves of an installation fail.
    Fault {
        installation: usize,
        times: u32,
    },
    Wait {
        hours: i64,
        tick: bool,
    },
    Tick,
}

/// The outcome of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// There was no object for the command.
    Nothing,
    /// The command isn't a call of the API.
    Outside,
    /// The call was accepted. Has the mutation's name.
    Done(&'static str),
    /// A rule or a GraphQL error refused the call. Has the mutation and the code.
    Refused(&'static str, String),
}

/// A small world with a few objects of each kind.
pub(crate) struct Story {
    pub(crate) app: TestApp,
    pub(crate) packs: Vec<String>,
    components: Vec<String>,
    accounts: Vec<Managed>,
    groups: Vec<String>,
    /// How many installations of the MULTI pack were requested. Each gets its own name.
    installs: usize,
}

impl Story {
    /// Creates four packs (one MULTI, one LEGACY), four components, three accounts, and two groups of two accounts
    /// beside All Accounts; batches have two objects.
    pub(crate) async fn begin() -> Self {
        let app = TestApp::in_batches_of(2).await;
        let accounts: Vec<_> = app.managed_accounts(["Acme", "Globex", "Initech"]).await.into();
        let groups = vec![
            app.all_accounts().await,
            app.group("Gold", &[&accounts[0], &accounts[1]]).await,
            app.group("Silver", &[&accounts[0], &accounts[2]]).await,
        ];
        let mut components = Vec::new();
        for name in ["Import", "Export", "Transform", "Report"] {
            components.push(app.packaged(name).await.0);
            app.publish(components.last().expect("a component")).await;
        }
        let packs = vec![
            app.pack("Orders").await,
            app.pack("Invoices").await,
            app.multi_pack("Tools").await,
            app.legacy_pack("Ledger").await,
        ];
        // One grant for each pack, so that losing it freezes.
        let granted = [&groups[1], &groups[0], &groups[2], &groups[0]];
        for ((pack, component), group) in packs.iter().zip(&components).zip(granted) {
            app.add(pack, &[component]).await;
            app.share(pack, &[group]).await;
            app.release_now(pack).await;
        }
        let mut story = Self { app, packs, components, accounts, groups, installs: 0 };
        for account in 0..3 {
            for pack in 0..4 {
                story.install(account, pack).await;
            }
        }
        story.app.tick().await;
        story
    }

    /// Carries out a command.
    pub(crate) async fn step(&mut self, command: &Command) -> Outcome {
        match *command {
            Command::Package { component, shareable } => {
                let input = json!({ "packages": [{ "componentId": pick(&self.components, component), "shareable": shareable }] });
                self.publish("createPackagedComponents", input).await
            }
            Command::Publish { component } => {
                self.publish("publishComponent", json!({ "componentId": pick(&self.components, component) })).await
            }
            Command::Delete { component, version } => self.package("deletePackagedComponent", component, version).await,
            Command::Undelete { component, version } => {
                self.package("restorePackagedComponent", component, version).await
            }
            Command::Add { pack, component } => {
                let input =
                    json!({ "packId": pick(&self.packs, pack), "componentIds": [pick(&self.components, component)] });
                self.publish("addPackComponents", input).await
            }
            Command::Remove { pack, component } => self.row("removePackComponent", pack, component).await,
            Command::Restore { pack, component } => self.row("restorePackComponent", pack, component).await,
            Command::Unpin { pack, component } => self.row("unpinPackComponent", pack, component).await,
            Command::Pin { pack, component, version } => self.pin(pack, component, version).await,
            Command::ReleaseNow { pack } => {
                self.publish("releaseIntegrationPack", crate::support::immediately(pick(&self.packs, pack).as_str()))
                    .await
            }
            Command::ReleaseOn { pack, days } => {
                let input = crate::support::on_date(pick(&self.packs, pack).as_str(), &self.date_in(days));
                self.publish("releaseIntegrationPack", input).await
            }
            Command::ReleaseInStages { pack, group, days } => {
                let stages = [
                    of_groups("Group", &self.date_in(2), &[pick(&self.groups, group).as_str()]),
                    of_percent("Half", &self.date_in(3), 50.0),
                ];
                let input = in_stages(pick(&self.packs, pack).as_str(), &self.date_in(days + 3), &stages);
                self.publish("releaseIntegrationPack", input).await
            }
            Command::OpenNextStage { pack } => self.newest_release("openNextStage", pack, json!({})).await,
            Command::Reschedule { pack, days } => {
                let more = json!({ "onDate": self.date_in(days) });
                self.newest_release("rescheduleRelease", pack, more).await
            }
            Command::Promote { pack } => self.newest_release("promoteRelease", pack, json!({})).await,
            Command::Cancel { pack } => self.newest_release("cancelRelease", pack, json!({})).await,
            Command::RetryFailed { pack } => self.newest_release("retryFailedUpdates", pack, json!({})).await,
            Command::SetRule { pack, rule } => {
                let rules = [
                    json!(null),
                    json!({ "percent": 10, "atLeast": 1 }),
                    json!({ "percent": 30, "atLeast": 2, "then": "ROLL_BACK" }),
                ];
                self.newest_release("setHaltRule", pack, json!({ "haltWhen": pick(&rules, rule) })).await
            }
            Command::Pause { pack } => self.newest_release("pauseRelease", pack, json!({ "reason": "A fault." })).await,
            Command::Resume { pack } => self.newest_release("resumeRelease", pack, json!({})).await,
            Command::RollBack { pack, number } => self.roll_back(pack, number).await,
            Command::DeletePack { pack } => self.delete_pack(pack).await,
            Command::Install { account, pack } => self.install(account, pack).await,
            Command::ApplyEarly { account, update } => self.apply(account, update).await,
            Command::Report { account, update, works } => self.report(account, update, works).await,
            Command::Uninstall { account, installation } => self.uninstall(account, installation).await,
            Command::Share { pack, group } => self.share("sharePack", pack, group).await,
            Command::Unshare { pack, group } => self.share("unsharePack", pack, group).await,
            Command::Join { group, account } => self.member("addAccountsToGroup", group, account).await,
            Command::Leave { group, account } => self.member("removeAccountsFromGroup", group, account).await,
            Command::Suspend { account } => {
                let input = json!({ "accountId": pick(&self.accounts, account).id });
                self.publish("suspendAccount", input).await
            }
            Command::Reactivate { account } => {
                let input = json!({ "accountId": pick(&self.accounts, account).id });
                self.publish("reactivateAccount", input).await
            }
            Command::Fault { installation, times } => self.fault(installation, times).await,
            Command::Wait { hours, tick } => {
                self.app.clock.advance_to(self.app.now() + Duration::hours(hours));
                if tick {
                    self.app.tick().await;
                }
                Outcome::Outside
            }
            Command::Tick => {
                self.app.tick().await;
                Outcome::Outside
            }
        }
    }

    /// Resumes what is paused, and runs the scheduler until no work waits any more.
    pub(crate) async fn let_everything_end(&mut self) {
        for pack in 0..self.packs.len() {
            // Without a rule nothing is paused again.
            self.newest_release("setHaltRule", pack, json!({})).await;
            self.newest_release("resumeRelease", pack, json!({})).await;
        }
        for _ in 0..60 {
            match self.app.tick().await {
                Some(next) => self.app.clock.advance_to(next.max(self.app.now())),
                None => return,
            }
        }
        panic!("the scheduler never comes to an end");
    }

    async fn call(&self, token: &str, mutation: &'static str, input: Value) -> Outcome {
        let document = format!(
            "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code message }} }} }}",
            input_type(mutation)
        );
        let answer = self.app.gql_raw(Some(token), &document, json!({ "input": input })).await;
        if let Some(code) = code_of(&answer) {
            // An early apply whose move fails answers UNAVAILABLE and changes nothing.
            let failed = mutation == "applyPendingUpdate" && code == "UNAVAILABLE";
            assert!(failed || ["NOT_FOUND", "FORBIDDEN"].contains(&code.as_str()), "{mutation} {input}: {answer:#}");
            return Outcome::Refused(mutation, code);
        }
        match refusal_of(answer.at(&format!("/data/{mutation}"))) {
            Some(code) => Outcome::Refused(mutation, code),
            None => Outcome::Done(mutation),
        }
    }

    async fn publish(&self, mutation: &'static str, input: Value) -> Outcome {
        self.call(&self.app.publisher, mutation, input).await
    }

    async fn row(&self, mutation: &'static str, pack: usize, component: usize) -> Outcome {
        let input = json!({ "packId": pick(&self.packs, pack), "componentId": pick(&self.components, component) });
        self.publish(mutation, input).await
    }

    async fn pin(&self, pack: usize, component: usize, version: usize) -> Outcome {
        // Sometimes a version of the kind that the pack can't hold (R52).
        let legacy = pack % self.packs.len() == 3;
        let chosen = if legacy != (version == 5) {
            self.publication(component, version).await
        } else {
            self.version(component, version).await
        };
        let component = pick(&self.components, component);
        let input = json!({ "packId": pick(&self.packs, pack), "componentId": component, "versionId": chosen });
        self.publish("pinPackComponent", input).await
    }

    /// A publication of a component; number 0 is the newest.
    async fn publication(&self, component: usize, version: usize) -> String {
        let query = "query($id: ID!) { component(id: $id) { publications(first: 100) { edges { node { id } } } } }";
        let variables = json!({ "id": pick(&self.components, component) });
        let data = self.app.gql(&self.app.publisher, query, variables).await;
        pick(&data.texts("/component/publications", "/id"), version).clone()
    }

    async fn package(&self, mutation: &'static str, component: usize, version: usize) -> Outcome {
        let chosen = self.version(component, version).await;
        self.publish(mutation, json!({ "packagedComponentId": chosen })).await
    }

    /// A package of a component, deleted or not; number 0 is the newest.
    async fn version(&self, component: usize, version: usize) -> String {
        let query = "query($id: ID!) { component(id: $id) {
            packagedComponents(first: 100, filter: { includeDeleted: true }) { edges { node { id } } } } }";
        let variables = json!({ "id": pick(&self.components, component) });
        let data = self.app.gql(&self.app.publisher, query, variables).await;
        pick(&data.texts("/component/packagedComponents", "/id"), version).clone()
    }

    async fn newest_release(&self, mutation: &'static str, pack: usize, more: Value) -> Outcome {
        let query = "query($id: ID!) { integrationPack(id: $id) { releases(first: 1) { edges { node { id } } } } }";
        let id = json!({ "id": pick(&self.packs, pack) });
        let seen = self.app.gql_raw(Some(&self.app.publisher), query, id).await;
        let release = seen.pointer("/data/integrationPack/releases/edges/0/node/id");
        let Some(release) = release else { return Outcome::Nothing };
        let mut input = json!({ "releaseId": release });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.publish(mutation, input).await
    }

    /// Rolls back a release of a pack; number 0 is the newest.
    async fn roll_back(&self, pack: usize, number: usize) -> Outcome {
        let query = "query($id: ID!) { integrationPack(id: $id) { releases(first: 3) { edges { node { id } } } } }";
        let id = json!({ "id": pick(&self.packs, pack) });
        let seen = self.app.gql_raw(Some(&self.app.publisher), query, id).await;
        if seen.pointer("/data/integrationPack").is_none_or(Value::is_null) {
            return Outcome::Nothing;
        }
        let releases = seen.texts("/data/integrationPack/releases", "/id");
        self.publish("rollBackRelease", crate::support::releasing::back(pick(&releases, number).as_str())).await
    }

    /// Deletes a pack with the correct confirmation.
    async fn delete_pack(&self, pack: usize) -> Outcome {
        let pack = pick(&self.packs, pack);
        let document =
            "mutation($id: ID!) { deleteIntegrationPack(input: { packId: $id, dryRun: true }) { uninstalledCount } }";
        let dry = self.app.gql_raw(Some(&self.app.publisher), document, json!({ "id": pack })).await;
        let count = dry.pointer("/data/deleteIntegrationPack/uninstalledCount").cloned().unwrap_or_default();
        self.publish("deleteIntegrationPack", json!({ "packId": pack, "confirmInstallations": count })).await
    }

    async fn share(&self, mutation: &'static str, pack: usize, group: usize) -> Outcome {
        self.publish(mutation, json!({ "packId": pick(&self.packs, pack), "groupIds": [pick(&self.groups, group)] }))
            .await
    }

    async fn member(&self, mutation: &'static str, group: usize, account: usize) -> Outcome {
        let input = json!({ "groupId": pick(&self.groups, group), "accountIds": [pick(&self.accounts, account).id] });
        self.publish(mutation, input).await
    }

    /// The IDs of a connection that an account reads; none while it is suspended.
    async fn ids(&self, account: usize, field: &str) -> Vec<String> {
        let query = format!("{{ {field}(first: 100) {{ edges {{ node {{ id }} }} }} }}");
        let answer = self.app.gql_raw(Some(&pick(&self.accounts, account).token), &query, json!(null)).await;
        match code_of(&answer).as_deref() {
            None => answer.texts(&format!("/data/{field}"), "/id"),
            Some("FORBIDDEN") => Vec::new(),
            Some(code) => panic!("{field}: {code}"),
        }
    }

    async fn install(&mut self, account: usize, pack: usize) -> Outcome {
        let packs = self.ids(account, "availablePacks").await;
        if packs.is_empty() {
            return Outcome::Nothing;
        }
        let pack = pick(&packs, pack).clone();
        let token = &pick(&self.accounts, account).token;
        let kind = "query($id: ID!) { availablePack(id: $id) { installationType } }";
        let multi =
            self.app.gql(token, kind, json!({ "id": pack })).await.text("/availablePack/installationType") == "MULTI";
        let mut input = json!({ "packId": pack });
        if multi {
            self.installs += 1;
            input["overrideName"] = json!(format!("number {}", self.installs));
        }
        self.call(token, "installPack", input).await
    }

    async fn apply(&self, account: usize, update: usize) -> Outcome {
        let updates = self.ids(account, "pendingUpdates").await;
        if updates.is_empty() {
            return Outcome::Nothing;
        }
        let input = json!({ "updateId": pick(&updates, update) });
        self.call(&pick(&self.accounts, account).token, "applyPendingUpdate", input).await
    }

    /// Reports how one of the updates of the account's installations went.
    async fn report(&self, account: usize, update: usize, works: bool) -> Outcome {
        let query = "{ installations(first: 100) { edges { node { updates(first: 3) { edges { node { id } } } } } } }";
        let token = &pick(&self.accounts, account).token;
        let answer = self.app.gql_raw(Some(token), query, json!(null)).await;
        if code_of(&answer).is_some() {
            return Outcome::Nothing;
        }
        let installations = answer.nodes("/data/installations");
        let updates: Vec<_> =
            installations.iter().flat_map(|installation| installation.texts("/updates", "/id")).collect();
        if updates.is_empty() {
            return Outcome::Nothing;
        }
        let outcome = if works { "WORKS" } else { "BROKEN" };
        self.call(token, "reportUpdateOutcome", json!({ "updateId": pick(&updates, update), "outcome": outcome })).await
    }

    async fn uninstall(&self, account: usize, installation: usize) -> Outcome {
        let installations = self.ids(account, "installations").await;
        if installations.is_empty() {
            return Outcome::Nothing;
        }
        let input = json!({ "installationId": pick(&installations, installation) });
        self.call(&pick(&self.accounts, account).token, "uninstallPack", input).await
    }

    async fn fault(&self, installation: usize, times: u32) -> Outcome {
        let query = "{ installations(first: 100) { edges { node { id } } } }";
        let all = self.app.gql(&self.app.publisher, query, json!(null)).await.texts("/installations", "/id");
        if all.is_empty() {
            return Outcome::Nothing;
        }
        self.app.mover.fail(pick(&all, installation).as_str(), times, FailureCode::Temporary);
        Outcome::Outside
    }

    /// The date some days from now, in UTC, which may differ from the date in Berlin by a day.
    fn date_in(&self, days: u64) -> String {
        let date = self.app.now().date_naive().checked_add_days(Days::new(days)).expect("a date");
        date.to_string()
    }
}

fn pick<T>(of: &[T], number: usize) -> &T {
    &of[number % of.len()]
}
