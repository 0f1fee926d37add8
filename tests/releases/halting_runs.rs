//! Runs by seeds: a release with a halt rule, moves that fail from a random installation on, reports, an account that is
//! suspended and catches up, retries, and hours in which the watch ends (R58, R60). After the change that decides, nobody
//! is moved, and the simulation of the same rule halts at the same change. `PACKWRIGHT_FAULTS=long`
//! makes a thousand runs, or as many as `PACKWRIGHT_HALTING_RUNS` says.

use packwright::app::App;
use packwright::domain::installations::FailureCode;
use packwright::domain::releases::{HaltAction, HaltFigures, HaltRule, judge};
use packwright::service::Settings;
use packwright::service::followup::run_one_batch;
use sea_orm::DatabaseBackend;
use serde_json::json;

use crate::releases::halting::{installed, release};
use crate::support::rows::{LogMark, tables};
use crate::support::{At, Dice, Managed, Setup, TestApp, immediately, input_type, short_or_long};

/// The installations of a run's pack.
const COUNT: usize = 14;

/// How many runs the long run makes: a thousand, or as many as the variable says.
fn long_run() -> usize {
    let told = std::env::var("PACKWRIGHT_HALTING_RUNS").ok().and_then(|told| told.parse().ok());
    told.unwrap_or(1_000)
}

/// The installations of another account, which is suspended and active in turns.
const OF_GLOBEX: usize = 4;

/// A run on some servers, of which the first one is the app's.
struct Run<'a> {
    app: &'a TestApp,
    others: &'a [App],
    acme: &'a Managed,
    globex: &'a Managed,
    updates: Vec<String>,
    release: String,
}

impl Run<'_> {
    async fn batch(&self, server: usize) {
        let services = match server.checked_sub(1) {
            None => &self.app.app.services,
            Some(other) => &self.others[other].services,
        };
        run_one_batch(services).await.expect("a batch");
    }

    async fn report(&self, server: usize, update: &str, outcome: &str) {
        let mutation = "reportUpdateOutcome";
        let document = format!(
            "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
            input_type(mutation)
        );
        let input = json!({ "input": { "updateId": update, "outcome": outcome } });
        let request = async_graphql::Request::new(document).variables(async_graphql::Variables::from_json(input));
        let server = match server.checked_sub(1) {
            None => &self.app.app,
            Some(other) => &self.others[other],
        };
        let answer = serde_json::to_value(server.execute(Some(&self.acme.token), request).await).expect("JSON");
        let code = answer.pointer("/data/reportUpdateOutcome/errors/0/code");
        assert!(answer.get("errors").is_none(), "{answer:#}");
        assert!(code.is_none_or(|code| code == "OUTCOME_NOT_ALLOWED"), "{answer:#}");
    }

    /// The other account is suspended, or catches up when it is active again.
    async fn toggle(&self, is_suspended: &mut bool) {
        if *is_suspended {
            self.app.reactivate(self.globex).await;
        } else {
            self.app.suspend(self.globex).await;
        }
        *is_suspended = !*is_suspended;
    }

    /// Retries the failed updates, if there are any and the release has ended.
    async fn retry(&self) {
        let input = json!({ "releaseId": self.release });
        self.app.mutate(&self.app.publisher, "retryFailedUpdates", input, "retriedCount").await;
    }

    /// One step: a batch, reports or time, on any server; on several servers at once.
    async fn step(&self, dice: &mut Dice, is_suspended: &mut bool) {
        let servers = self.others.len() + 1;
        let server = |dice: &mut Dice| dice.below(servers);
        match dice.below(6) {
            0 => {
                // The watch lasts an hour.
                let seconds = if dice.below(4) == 0 { dice.below(3_000) } else { dice.below(200) };
                let seconds = i64::try_from(seconds).expect("few");
                self.app.clock.advance_to(self.app.now() + chrono::Duration::seconds(seconds));
            }
            1 | 2 => {
                let outcome = if dice.below(3) == 0 { "BROKEN" } else { "WORKS" };
                let (one, two) = (dice.one(&self.updates).clone(), dice.one(&self.updates).clone());
                let (here, there) = (server(dice), server(dice));
                if servers == 1 {
                    self.report(here, &one, outcome).await;
                } else {
                    tokio::join!(
                        self.report(here, &one, outcome),
                        self.report(there, &two, "BROKEN"),
                        self.batch(0),
                        self.batch(1),
                        self.batch(2)
                    );
                }
            }
            3 if dice.below(3) == 0 => self.toggle(is_suspended).await,
            3 if dice.below(2) == 0 => self.retry().await,
            _ => self.batch(server(dice)).await,
        }
    }
}

/// One run. Returns whether the rule halted the release.
async fn run(app: &TestApp, others: &[App], [acme, globex]: [&Managed; 2], number: usize, dice: &mut Dice) -> bool {
    let name = format!("Orders {number}");
    let world = installed(app, acme, &name, COUNT).await;
    for index in 0..OF_GLOBEX {
        app.install_as(globex, &name, &format!("{name} of Globex {index}")).await;
    }
    // In some runs the rule is judged only when somebody catches up.
    let waits_for_globex = dice.below(3) == 0;
    let mut is_suspended = waits_for_globex || dice.below(2) == 0;
    if is_suspended {
        app.suspend(globex).await;
    }
    let first_fault = dice.below(2 * COUNT);
    for installation in world.installations.iter().skip(first_fault) {
        if dice.below(2) == 0 {
            app.mover.fail(installation, 5, FailureCode::Internal);
        }
    }
    let percent = 5 + dice.below(45);
    let at_least = if waits_for_globex { COUNT + 1 } else { 1 + dice.below(COUNT + OF_GLOBEX) };
    let mark = LogMark::now(app).await;
    let rule = json!({ "percent": percent, "atLeast": at_least, "watchHours": 1 });
    let release = release(app, immediately(&world.pack.id), rule.clone()).await;
    let mut updates = Vec::new();
    for installation in &world.installations {
        updates.push(app.update_of(&release, installation).await.text("/id"));
    }
    let run = Run { app, others, acme, globex, updates, release };
    for _ in 0..60 {
        app.clock.advance_to(app.now() + chrono::Duration::seconds(1));
        run.step(dice, &mut is_suspended).await;
    }
    let events = mark.events(app).await;
    let halted = events.iter().position(|event| event.kind == "RELEASE_HALTED");
    // A halt that is only announced stops nobody who catches up or is retried.
    let is_paused = halted.is_some_and(|at| events.get(at + 1).is_some_and(|event| event.kind == "RELEASE_PAUSED"));
    let after = halted.filter(|_| is_paused).map_or(&[][..], |at| &events[at..]);
    let moved = after
        .iter()
        .filter(|event| event.update_state.as_deref() == Some("APPLIED") && event.kind == "INSTALLATION_UPDATED");
    assert_eq!(moved.count(), 0, "moved after the change that decided: {events:#?}");
    // The simulation of the same rule says the same.
    let query = "query($pack: ID!, $rule: HaltRuleInput!) { haltRuleOnHistory(packId: $pack, haltWhen: $rule) { release { id } haltsAt figures { executed bad } } }";
    let told = app.gql(&app.publisher, query, json!({ "pack": world.pack.id, "rule": rule })).await;
    let told = &told.list("/haltRuleOnHistory")[0];
    assert_eq!(told.text("/release/id"), run.release);
    let figures = HaltFigures { executed: told.int("/figures/executed"), bad: told.int("/figures/bad") };
    let rule = HaltRule {
        hundredths: i32::try_from(percent * 100).expect("few"),
        at_least: i32::try_from(at_least).expect("few"),
        then: HaltAction::Pause,
        watch_hours: 1,
    };
    assert_eq!(judge(&rule, figures), halted.is_some(), "{told}: {events:#?}");
    if let Some(halted) = halted {
        let seen = app
            .read_event(&app.publisher, &events[halted], "... on ReleaseEvent { occurredAt figures { executed bad } }")
            .await;
        assert_eq!((seen.at("/figures"), seen.at("/occurredAt")), (told.at("/figures"), told.at("/haltsAt")));
        // The watch may be over; then nothing is halted any more.
        app.mutate(&app.publisher, "setHaltRule", json!({ "releaseId": run.release }), "").await;
        if app.read_release(&run.release, "viewerCanResume").await.at("/viewerCanResume") == true {
            crate::releases::pausing::resume(app, &run.release).await;
        }
    }
    app.mover.repair();
    if is_suspended {
        app.reactivate(globex).await;
    }
    // Nothing of this run is left for the next one.
    for _ in 0..20 {
        let Some(next) = app.tick().await else { break };
        app.clock.advance_to(next.max(app.now()));
    }
    halted.is_some()
}

async fn runs(servers: usize, count: usize) {
    let settings = Settings { batch_size: 2, ..Settings::default() };
    let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
    if servers > 1 && tables(&app).get_database_backend() != DatabaseBackend::Postgres {
        return;
    }
    let mut others = Vec::new();
    for _ in 1..servers {
        others.push(app.another_server_of(settings.clone()).await);
    }
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let mut dice = Dice::new("halting");
    let mut halted = 0;
    for number in 0..count {
        halted += usize::from(run(&app, &others, [&acme, &globex], number, &mut dice).await);
        if (number + 1) % 10 == 0 {
            eprintln!("{halted} of {} releases were halted so far, on {servers} servers", number + 1);
        }
    }
    eprintln!("{halted} of {count} releases were halted on {servers} servers");
    assert!(halted > 0, "no run halted");
    // A few runs may all halt.
    assert!(count < 100 || halted < count, "every run halted");
}

#[tokio::test]
async fn r58_after_the_change_that_decides_nobody_is_moved() {
    runs(1, short_or_long(12, long_run())).await;
}

#[tokio::test]
async fn r58_after_the_change_that_decides_nobody_is_moved_on_three_servers() {
    runs(3, short_or_long(8, long_run())).await;
}
