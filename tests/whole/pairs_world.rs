//! The world in which two use cases meet: nearly all of them touch the same pack, its components and its accounts.

use packwright::app::App;
use packwright::domain::id::PackId;
use packwright::domain::installations::FailureCode;
use packwright::service::error::Failure;
use packwright::service::followup::run_one_batch;
use packwright::service::releases::open_if_due;
use packwright::store::releases::windows::Publishers;
use serde_json::{Value, json};

use crate::support::releasing::back;
use crate::support::rows::{code_of, refusal_of};
use crate::support::{
    At as _, TestApp, immediately, in_stages, input_type, instant, of_groups, of_percent, on_date, uuid_of,
};

/// When the window of the pack opens.
pub(crate) const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// A use case with its input.
#[derive(Clone, Debug)]
pub(crate) struct UseCase {
    /// Its name, for messages and for running it again.
    pub(crate) name: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Mutation {
        token: String,
        mutation: &'static str,
        input: Value,
    },
    /// The pack's window opens, and the scheduler carries that out.
    Open(PackId),
    /// The scheduler runs a batch.
    Batch,
}

impl UseCase {
    fn new(name: &str, what: What) -> Self {
        Self { name: name.to_owned(), what }
    }

    /// Carries the use case out on a server. Returns `done`, or the code of the refusal or of the error.
    pub(crate) async fn run(&self, server: &App) -> String {
        match &self.what {
            What::Mutation { token, mutation, input } => {
                let document = format!(
                    "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
                    input_type(mutation)
                );
                let variables = async_graphql::Variables::from_json(json!({ "input": input }));
                let request = async_graphql::Request::new(document).variables(variables);
                let answer = serde_json::to_value(server.execute(Some(token), request).await).expect("JSON");
                let payload = answer.pointer(&format!("/data/{mutation}"));
                code_of(&answer).or_else(|| refusal_of(payload?)).unwrap_or_else(|| "done".into())
            }
            What::Open(pack) => {
                server.services.clock.advance_to(instant(OPENS));
                let now = server.services.clock.now();
                told(open_if_due(&server.services, Publishers::All, *pack, now).await)
            }
            What::Batch => told(run_one_batch(&server.services).await),
        }
    }
}

fn told<T>(ended: Result<T, Failure>) -> String {
    match ended {
        // Whether the scheduler or the other use case carried it out makes no difference. When something became due
        // meanwhile, the scheduler does that first.
        Ok(_) | Err(Failure::Overtaken) => "done".into(),
        Err(failure) => format!("{failure:?}"),
    }
}

/// Builds the world. Returns its use cases.
pub(crate) async fn build(app: &TestApp) -> Vec<UseCase> {
    let [acme, globex, initech, umbrella] = app.managed_accounts(["Acme", "Globex", "Initech", "Umbrella"]).await;
    let (wayne, enrolment) = app.not_enrolled(&app.publisher, "Wayne").await;
    let gold = app.group("Gold", &[&acme, &umbrella]).await;
    let silver = app.group("Silver", &[&globex, &initech]).await;
    let platinum = app.group("Platinum", &[&acme]).await;
    let pack = app.pack_with("Orders", &["Import", "Export", "Transform", "Marked"]).await;
    let [import, export, transform, marked] = &pack.components[..] else { panic!("four components") };
    app.share(&pack.id, &[&gold, &silver]).await;
    app.release_now(&pack.id).await;
    let mut installations = Vec::new();
    for account in [&acme, &globex, &umbrella] {
        installations.push(app.install(account, "Orders").await);
    }
    app.suspend(&umbrella).await;
    // A pack with an update that has failed.
    let tools = app.multi_pack_with("Tools", &["Drill"]).await;
    app.share_with_all(&tools.id).await;
    app.release_now(&tools.id).await;
    let one = app.install_as(&acme, "Tools", "One").await;
    let two = app.install_as(&acme, "Tools", "Two").await;
    app.mover.fail(&two, 5, FailureCode::Internal);
    let failed = app.update_now(&tools).await;
    app.live_until("2026-11-22T09:30:00Z").await;
    app.mover.repair();
    assert_eq!(app.release_state(&failed).await, "PARTIALLY_SUCCEEDED");
    // A pack that could be released on a date.
    let invoices = app.pack_with("Invoices", &["Bill"]).await;
    app.share(&invoices.id, &[&gold]).await;
    app.release_now(&invoices.id).await;
    app.package_newer(&invoices).await;
    // A release in its testing period, and a draft with something new.
    app.remove(&pack.id, marked).await;
    app.pin(&pack.id, transform, &pack.packages[2].id).await;
    let stages = [of_groups("Pilots", "2026-11-29", &[&silver]), of_percent("Few", "2026-11-30", 0.01)];
    let release = app.release_in_stages(&pack, "2026-12-01", &stages).await;
    app.tick().await;
    let newest = app.package(import).await.id;
    let deleted = app.package(export).await.id;
    app.delete_package(&deleted).await;
    let (report, reported) = app.packaged("Report").await;
    let unused = app.component_of("Unused", "CERTIFICATE").await;
    let holding = json!({ "componentId": report, "manifest": [{ "componentId": unused, "revision": 1 }] });
    let second = json!({ "name": "second", "role": "ADMINISTRATOR" });
    let second = app.ok(&acme.token, "createApiToken", second, "apiToken { id }").await.text("/apiToken/id");
    let published = json!({ "packagedComponentId": reported.id, "groupIds": [gold] });
    let published = app.ok(&app.publisher, "publishToProcessLibrary", published, "publishedProcess { id }").await;
    let offered = "{ processLibrary { edges { node { id } } } }";
    let offered = app.gql(&acme.token, offered, json!(null)).await.texts("/processLibrary", "/id")[0].clone();
    let orders_of_acme = app.offered(&acme, &installations[0]).await.expect("an offer");
    let orders_of_globex = app.offered(&globex, &installations[1]).await.expect("an offer");
    let orders_seen = app.available(&initech, "Orders").await;
    let tools_seen = app.available(&acme, "Tools").await;
    app.tick().await;

    let row = |component: &str| json!({ "packId": pack.id, "componentId": component });
    let mut once = immediately(&pack.id);
    once["clientRequestId"] = json!("once");
    let by_publisher = [
        ("createComponent", json!({ "name": "New", "type": "PROCESS", "clientRequestId": "once" })),
        ("updateComponent", json!({ "componentId": report, "name": "New", "key": "new" })),
        ("deleteComponent", json!({ "componentId": unused })),
        ("createPackagedComponents manifest", json!({ "packages": [holding] })),
        ("createPackagedComponents", json!({ "packages": [{ "componentId": import, "shareable": true }] })),
        ("publishComponent", json!({ "componentId": import })),
        ("deletePackagedComponent", json!({ "packagedComponentId": newest })),
        ("restorePackagedComponent", json!({ "packagedComponentId": deleted })),
        ("createIntegrationPack", json!({ "name": "Fresh", "installationType": "SINGLE", "key": "fresh" })),
        ("updateIntegrationPack", json!({ "packId": pack.id, "name": "Fresh", "description": "Renamed." })),
        ("addPackComponents", json!({ "packId": pack.id, "componentIds": [report] })),
        ("removePackComponent", row(export)),
        ("restorePackComponent", row(marked)),
        ("pinPackComponent", json!({ "packId": pack.id, "componentId": import, "versionId": pack.packages[0].id })),
        ("pinPackComponent newest", json!({ "packId": pack.id, "componentId": import, "versionId": newest })),
        ("unpinPackComponent", row(transform)),
        ("releaseIntegrationPack", immediately(&pack.id)),
        ("releaseIntegrationPack once", once),
        ("releaseIntegrationPack dated", on_date(&pack.id, "2026-12-05")),
        ("releaseIntegrationPack first date", on_date(&invoices.id, "2026-12-07")),
        ("releaseIntegrationPack other date", on_date(&invoices.id, "2026-12-08")),
        (
            "releaseIntegrationPack stages",
            in_stages(&invoices.id, "2026-12-08", &[of_groups("Silver", "2026-12-01", &[&silver])]),
        ),
        ("rescheduleRelease", json!({ "releaseId": release, "onDate": "2026-12-03" })),
        (
            "rescheduleRelease stages",
            json!({ "releaseId": release, "onDate": "2026-12-01", "stages": [{ "name": "Pilots", "onDate": "2026-11-28" }] }),
        ),
        ("openNextStage", json!({ "releaseId": release })),
        ("promoteRelease", json!({ "releaseId": release })),
        ("cancelRelease", json!({ "releaseId": release })),
        ("pauseRelease", json!({ "releaseId": release, "reason": "A fault." })),
        ("resumeRelease", json!({ "releaseId": release })),
        ("setHaltRule", json!({ "releaseId": release, "haltWhen": { "percent": 1, "atLeast": 1 } })),
        ("setHaltRule none", json!({ "releaseId": release })),
        ("retryFailedUpdates", json!({ "releaseId": failed })),
        ("rollBackRelease", back(&release)),
        ("rollBackRelease failed", back(&failed)),
        ("deleteIntegrationPack", json!({ "packId": pack.id, "confirmInstallations": 3 })),
        ("createAccountGroup", json!({ "name": "Bronze" })),
        ("updateAccountGroup", json!({ "groupId": gold, "name": "Bronze" })),
        ("deleteAccountGroup", json!({ "groupId": gold })),
        ("addAccountsToGroup", json!({ "groupId": gold, "accountIds": [initech.id, globex.id] })),
        ("removeAccountsFromGroup", json!({ "groupId": gold, "accountIds": [acme.id] })),
        ("sharePack", json!({ "packId": pack.id, "groupIds": [platinum] })),
        ("unsharePack", json!({ "packId": pack.id, "groupIds": [gold] })),
        ("unsharePack silver", json!({ "packId": pack.id, "groupIds": [silver] })),
        ("createManagedAccount", json!({ "name": "Stark" })),
        ("reissueEnrolmentToken", json!({ "accountId": wayne })),
        ("suspendAccount", json!({ "accountId": acme.id })),
        ("reactivateAccount", json!({ "accountId": umbrella.id })),
        ("updateAccount", json!({ "accountId": acme.id, "name": "Stark" })),
        ("updateAccount own", json!({ "timeZone": "Asia/Tokyo" })),
        ("publishToProcessLibrary", json!({ "packagedComponentId": newest, "groupIds": [gold] })),
        ("withdrawFromProcessLibrary", json!({ "processId": published.text("/publishedProcess/id") })),
    ];
    let by_accounts = [
        (&enrolment, "createApiToken enrols", json!({ "name": "first", "role": "ADMINISTRATOR" })),
        (&acme.token, "createApiToken", json!({ "name": "third", "role": "SUPPORT" })),
        (&acme.token, "revokeApiToken", json!({ "tokenId": second })),
        (&acme.token, "copyFromProcessLibrary", json!({ "processId": offered })),
        (&initech.token, "installPack", json!({ "packId": orders_seen })),
        (&acme.token, "installPack named", json!({ "packId": tools_seen, "overrideName": "Three" })),
        (&acme.token, "renameInstallation", json!({ "installationId": one, "overrideName": "Three" })),
        (&acme.token, "uninstallPack", json!({ "installationId": installations[0] })),
        (&acme.token, "uninstallPack failed", json!({ "installationId": two })),
        (&acme.token, "applyPendingUpdate", json!({ "updateId": orders_of_acme })),
        (&acme.token, "reportUpdateOutcome", json!({ "updateId": orders_of_acme, "outcome": "BROKEN" })),
        (&globex.token, "applyPendingUpdate other", json!({ "updateId": orders_of_globex })),
    ];
    let by_publisher = by_publisher.map(|(name, input)| (&app.publisher, name, input));
    let mut all: Vec<_> = by_publisher
        .into_iter()
        .chain(by_accounts)
        .map(|(token, name, input)| {
            let mutation = name.split(' ').next().unwrap_or(name);
            UseCase::new(name, What::Mutation { token: token.clone(), mutation, input })
        })
        .collect();
    all.push(UseCase::new("open", What::Open(PackId(uuid_of(&pack.id)))));
    all.push(UseCase::new("batch", What::Batch));
    all
}
