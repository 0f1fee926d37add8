//! Runs by seeds: a release with a halt rule, moves that fail from a random installation on, reports, early applications,
//! early stages, an account that is suspended or loses its grant and catches up, retries, resumes, a roll back, and hours
//! in which the watch ends (R58, R60). Each run leads to one kind of step that is about to decide, and goes on by chance.
//! No step is left unjudged, after the change that decides nobody is moved, and the simulation of the same rule halts at
//! the same change. `PACKWRIGHT_FAULTS=long` makes a thousand runs, or as many as `PACKWRIGHT_HALTING_RUNS` says.

use std::collections::BTreeMap;

use entity::event;
use packwright::app::App;
use packwright::domain::installations::FailureCode;
use packwright::domain::releases::{HaltAction, HaltFigures, HaltRule, judge};
use packwright::service::Settings;
use serde_json::json;

use crate::releases::halting::release;
use crate::releases::halting_steps::{AIMS, Aim, OF_ACME, OF_GLOBEX, Run};
use crate::support::rows::{end_of_events, events_after};
use crate::support::{
    At, Dice, Managed, Setup, TestApp, immediately, in_stages, of_percent, on_date, short_or_long, uuid_of,
};

/// How many runs the long run makes: a thousand, or as many as the variable says.
fn long_run() -> usize {
    let told = std::env::var("PACKWRIGHT_HALTING_RUNS").ok().and_then(|told| told.parse().ok());
    told.unwrap_or(1_000)
}

/// What all runs share.
struct World {
    app: TestApp,
    others: Vec<App>,
    acme: Managed,
    globex: Managed,
    groups: [String; 2],
}

impl World {
    /// Makes a pack that both accounts have installed, and releases it with a halt rule.
    async fn begin(&self, number: usize, dice: &mut Dice) -> Run<'_> {
        let Self { app, others, acme, globex, groups } = self;
        let aim = AIMS[number % AIMS.len()];
        let name = format!("Orders {number}");
        let pack = app.multi_pack_with(&name, &[&format!("{name} process")]).await;
        let [first, group] = groups;
        app.share(&pack.id, &[first, group]).await;
        app.release_now(&pack.id).await;
        let mut installations = Vec::new();
        for index in 0..OF_ACME {
            installations.push(app.install_as(acme, &name, &format!("{name} {index}")).await);
        }
        for index in 0..OF_GLOBEX {
            app.install_as(globex, &name, &format!("{name} of Globex {index}")).await;
        }
        app.package_newer(&pack).await;
        let is_shared = aim != Aim::Grant;
        let is_suspended = matches!(aim, Aim::CatchUp | Aim::RollBack) || (is_shared && dice.below(4) == 0);
        if is_suspended {
            app.suspend(globex).await;
        }
        if !is_shared {
            app.unshare(&pack.id, &[group]).await;
        }
        // The first moves of what fails, up to all of them.
        let (first_fault, times) = match aim {
            Aim::Batch | Aim::Stage => (dice.below(OF_ACME / 2), 5),
            Aim::Report => (dice.below(2 * OF_ACME), 5),
            Aim::Retry => (OF_ACME - 2, 5),
            Aim::RetryBatch | Aim::NextRetryBatch => (0, u32::MAX),
            Aim::NextBatch | Aim::NextStageBatch | Aim::Early | Aim::CatchUp | Aim::Grant | Aim::RollBack => {
                (OF_ACME, 0)
            }
        };
        for installation in installations.iter().skip(first_fault) {
            if aim.fails_at_first() || dice.below(3) > 0 {
                app.mover.fail(installation, times, FailureCode::Internal);
            }
        }
        let (percent, at_least) = aim.rule(dice);
        let rolls_back = !aim.fails_at_first() && dice.below(4) == 0;
        let rule = HaltRule {
            hundredths: i32::try_from(percent * 100).expect("few"),
            at_least: i32::try_from(at_least).expect("few"),
            then: if rolls_back { HaltAction::RollBack } else { HaltAction::Pause },
            watch_hours: 1,
        };
        let day = |days: i64| (app.now() + chrono::Duration::days(days)).date_naive().to_string();
        let input = match aim {
            _ if aim.is_staged() => {
                let some = 20.0 + f64::from(u8::try_from(dice.below(50)).expect("few"));
                let stages = [of_percent("Some", &day(2), some), of_percent("More", &day(3), 90.0)];
                in_stages(&pack.id, &day(4), &stages)
            }
            Aim::Early => on_date(&pack.id, &day(3)),
            _ => immediately(&pack.id),
        };
        let release = release(app, input, input_of(&rule)).await;
        let mut updates = Vec::new();
        for installation in &installations {
            updates.push(app.update_of(&release, installation).await.text("/id"));
        }
        Run {
            app,
            others,
            acme,
            globex,
            aim,
            pack,
            group,
            installations,
            updates,
            release,
            rule,
            is_suspended,
            is_shared,
        }
    }

    /// One run. Returns what it led to, and whether the rule halted the release.
    async fn run(&self, number: usize, dice: &mut Dice) -> (Aim, bool) {
        let start = end_of_events(&self.app).await;
        let mut run = self.begin(number, dice).await;
        run.lead(dice).await;
        run.steps(if run.aim.waits_for_globex() { 12 } else { 24 }, dice).await;
        let mut events = events_after(&self.app, start).await;
        events.retain(|event| event.release_id == Some(uuid_of(&run.release)));
        assert_nobody_is_moved_while_it_stands(&events);
        let halted = self.assert_simulation_agrees(&run, &events).await;
        self.end(&run).await;
        (run.aim, halted)
    }

    /// The simulation of the same rule says the same. Returns whether the rule halted the release.
    async fn assert_simulation_agrees(&self, run: &Run<'_>, events: &[event::Model]) -> bool {
        let app = &self.app;
        let query = "query($pack: ID!, $rule: HaltRuleInput!) { haltRuleOnHistory(packId: $pack, haltWhen: $rule) { release { id } haltsAt figures { executed bad } } }";
        let told = app.gql(&app.publisher, query, json!({ "pack": run.pack.id, "rule": input_of(&run.rule) })).await;
        let told = told.list("/haltRuleOnHistory").iter().find(|told| told.text("/release/id") == run.release).cloned();
        let told = told.expect("the release has a history");
        let figures = HaltFigures { executed: told.int("/figures/executed"), bad: told.int("/figures/bad") };
        let halted = events.iter().find(|event| event.kind == "RELEASE_HALTED");
        assert_eq!(judge(&run.rule, figures), halted.is_some(), "{:?}: {told}: {events:#?}", run.aim);
        if let Some(halted) = halted {
            let selection = "... on ReleaseEvent { occurredAt figures { executed bad } }";
            let seen = app.read_event(&app.publisher, halted, selection).await;
            assert_eq!(
                (seen.at("/figures"), seen.at("/occurredAt")),
                (told.at("/figures"), told.at("/haltsAt")),
                "{:?}",
                run.aim
            );
        }
        halted.is_some()
    }

    /// Ends a run, so that nothing of it is left for the next one.
    async fn end(&self, run: &Run<'_>) {
        let app = &self.app;
        app.mover.repair();
        // The watch may be over, and the release may have ended.
        for mutation in ["setHaltRule", "cancelRelease", "resumeRelease"] {
            app.mutate(&app.publisher, mutation, json!({ "releaseId": run.release }), "").await;
        }
        if run.is_suspended {
            app.reactivate(run.globex).await;
        }
        self.settle().await;
        // An account that is active again comes to all of its packs, and so would later runs.
        let input = json!({ "packId": run.pack.id, "confirmInstallations": OF_ACME + OF_GLOBEX });
        app.mutate(&app.publisher, "deleteIntegrationPack", input, "").await;
        self.settle().await;
    }

    /// Does what is due within two hours.
    async fn settle(&self) {
        let end = self.app.now() + chrono::Duration::hours(2);
        while let Some(next) = self.app.tick().await.filter(|next| *next <= end) {
            self.app.clock.advance_to(next.max(self.app.now() + chrono::Duration::seconds(1)));
        }
    }
}

fn input_of(rule: &HaltRule) -> serde_json::Value {
    let then = if rule.then == HaltAction::RollBack { "ROLL_BACK" } else { "PAUSE" };
    json!({ "percent": rule.hundredths / 100, "atLeast": rule.at_least, "then": then, "watchHours": rule.watch_hours })
}

/// Nobody is moved to a release's version while it is paused, or after it was taken back.
fn assert_nobody_is_moved_while_it_stands(events: &[event::Model]) {
    let mut stands = false;
    for event in events {
        match event.kind.as_str() {
            "RELEASE_PAUSED" | "RELEASE_CANCELED" | "RELEASE_ROLLING_BACK" => stands = true,
            "RELEASE_RESUMED" => stands = false,
            "INSTALLATION_UPDATED" if event.update_state.as_deref() == Some("APPLIED") => {
                assert!(!stands, "moved after the change that decided: {events:#?}");
            }
            _ => {}
        }
    }
}

/// How many releases were made, and how many of them were halted, by the step that their runs led to.
#[derive(Default)]
struct Counts(BTreeMap<Aim, (usize, usize)>);

impl Counts {
    fn add(&mut self, (aim, halted): (Aim, bool)) {
        let of_aim = self.0.entry(aim).or_default();
        *of_aim = (of_aim.0 + 1, of_aim.1 + usize::from(halted));
    }

    fn halted(&self) -> usize {
        self.0.values().map(|(_, halted)| halted).sum()
    }

    fn by_aim(&self) -> String {
        let told = self.0.iter().map(|(aim, (releases, halted))| format!("{aim:?} {halted} of {releases}"));
        told.collect::<Vec<_>>().join(", ")
    }
}

async fn runs(servers: usize, count: usize) {
    let settings = Settings { batch_size: 2, ..Settings::default() };
    let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
    if servers > 1 && !app.is_postgresql() {
        return;
    }
    let mut others = Vec::new();
    for _ in 1..servers {
        others.push(app.another_server_of(settings.clone()).await);
    }
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let groups = [app.group("Gold", &[&acme]).await, app.group("Silver", &[&globex]).await];
    let world = World { app, others, acme, globex, groups };
    let mut dice = Dice::new("halting");
    let mut counts = Counts::default();
    for number in 0..count {
        counts.add(world.run(number, &mut dice).await);
        if (number + 1) % 100 == 0 {
            eprintln!("{} of {} releases were halted so far, on {servers} servers", counts.halted(), number + 1);
        }
    }
    let halted = counts.halted();
    eprintln!("{halted} of {count} releases were halted on {servers} servers: {}", counts.by_aim());
    assert!(halted > 0, "no run halted");
    // A few runs may all halt.
    assert!(count < 100 || halted < count, "every run halted");
}

#[tokio::test]
async fn r58_after_the_change_that_decides_nobody_is_moved() {
    runs(1, short_or_long(2 * AIMS.len(), long_run())).await;
}

#[tokio::test]
async fn r58_after_the_change_that_decides_nobody_is_moved_on_three_servers() {
    runs(3, short_or_long(AIMS.len(), long_run())).await;
}
