//! The steps of the runs by seeds in `halting_runs`: what a publisher, two accounts, time and the servers do to a release
//! that has a halt rule.

use std::collections::BTreeSet;

use packwright::app::App;
use packwright::domain::installations::FailureCode;
use packwright::domain::releases::{HaltFigures, HaltRule, judge};
use packwright::service::followup::run_one_batch;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::releases::pausing::pause;
use crate::support::rows::tables;
use crate::support::{At, Dice, Managed, TestApp, input_type, instant, uuid_of};

/// The installations of a run's pack that the first account has.
pub(super) const OF_ACME: usize = 10;
/// The installations of the other account, which loses and regains what lets it be moved.
pub(super) const OF_GLOBEX: usize = 3;

/// The kind of step that a run leads to with numbers that are about to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aim {
    /// A batch of the rollout, whose moves fail.
    Batch,
    /// The next batch of the rollout: what the first one moved was reported broken.
    NextBatch,
    /// A batch of an early stage, whose moves fail.
    Stage,
    /// The next batch of an early stage: what the first one moved was reported broken.
    NextStageBatch,
    /// An early application.
    Early,
    Report,
    /// A catch-up of an account that is active again.
    CatchUp,
    /// A catch-up of an account that has its grant again.
    Grant,
    /// The call that retries: reports that came after the watch count again.
    Retry,
    /// A batch of a retry, whose moves fail again, after a resume.
    RetryBatch,
    /// The next batch of a retry: what the first one moved was reported broken.
    NextRetryBatch,
    /// A catch-up to the release when the next one is rolled back.
    RollBack,
}

pub(super) const AIMS: [Aim; 12] = [
    Aim::Batch,
    Aim::NextBatch,
    Aim::Stage,
    Aim::NextStageBatch,
    Aim::Early,
    Aim::Report,
    Aim::CatchUp,
    Aim::Grant,
    Aim::Retry,
    Aim::RetryBatch,
    Aim::NextRetryBatch,
    Aim::RollBack,
];

impl Aim {
    /// Whether the release waits for its date.
    pub(super) fn is_dated(self) -> bool {
        self.is_staged() || self == Self::Early
    }

    /// Whether the release has early stages.
    pub(super) fn is_staged(self) -> bool {
        matches!(self, Self::Stage | Self::NextStageBatch)
    }

    /// Whether every update fails at first, so that there is something to retry.
    pub(super) fn fails_at_first(self) -> bool {
        matches!(self, Self::RetryBatch | Self::NextRetryBatch)
    }

    /// Whether the account with few installations can't be moved at first.
    pub(super) fn waits_for_globex(self) -> bool {
        matches!(self, Self::CatchUp | Self::Grant | Self::RollBack)
    }

    /// The percent and the number from which on the rule is judged.
    pub(super) fn rule(self, dice: &mut Dice) -> (usize, usize) {
        match self {
            Self::Batch | Self::Stage => (5 + dice.below(30), 1 + dice.below(5)),
            // The second batch of two decides, when one of the first two is broken.
            Self::NextBatch | Self::NextStageBatch | Self::NextRetryBatch => (5 + dice.below(20), 4),
            Self::Early => (5 + dice.below(30), 3 + dice.below(4)),
            Self::Report => (5 + dice.below(45), 1 + dice.below(OF_ACME + OF_GLOBEX)),
            Self::CatchUp | Self::Grant | Self::RollBack => (5 + dice.below(15), OF_ACME + 1 + dice.below(2)),
            Self::Retry => (30 + dice.below(20), 3 + dice.below(4)),
            Self::RetryBatch => (20 + dice.below(20), 2 + dice.below(2)),
        }
    }
}

/// A run on some servers, of which the first one is the app's.
pub(super) struct Run<'a> {
    pub app: &'a TestApp,
    pub others: &'a [App],
    pub acme: &'a Managed,
    pub globex: &'a Managed,
    pub aim: Aim,
    pub pack: crate::support::Pack,
    /// The group of the other account.
    pub group: &'a str,
    pub installations: Vec<String>,
    /// The updates of the first account's installations.
    pub updates: Vec<String>,
    pub release: String,
    pub rule: HaltRule,
    pub is_suspended: bool,
    pub is_shared: bool,
}

impl Run<'_> {
    fn server(&self, index: usize) -> &App {
        index.checked_sub(1).map_or(&self.app.app, |other| &self.others[other])
    }

    async fn batch(&self, server: usize) {
        run_one_batch(&self.server(server).services).await.expect("a batch");
    }

    /// A mutation of the first account's token on a server. It may be refused with one of these codes.
    async fn ask(&self, server: usize, mutation: &str, input: Value, refusals: &[&str]) {
        let document = format!(
            "mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}",
            input_type(mutation)
        );
        let variables = async_graphql::Variables::from_json(json!({ "input": input }));
        let request = async_graphql::Request::new(document).variables(variables);
        let answer = self.server(server).execute(Some(&self.acme.token), request).await;
        let answer = serde_json::to_value(answer).expect("JSON");
        let refused = answer.pointer(&format!("/data/{mutation}/errors/0/code"));
        let code = answer.pointer("/errors/0/extensions/code").or(refused);
        assert!(code.is_none_or(|code| refusals.iter().any(|it| code == it)), "{answer:#}");
    }

    async fn report(&self, server: usize, update: &str, outcome: &str) {
        let input = json!({ "updateId": update, "outcome": outcome });
        // An offer that no batch had saved is gone when the release is taken back.
        self.ask(server, "reportUpdateOutcome", input, &["OUTCOME_NOT_ALLOWED", "NOT_FOUND"]).await;
    }

    async fn apply(&self, server: usize, update: &str) {
        // A move may fail; then nothing has happened.
        let refusals = ["UPDATE_WITHDRAWN", "RELEASE_PAUSED", "RELEASE_IN_PROGRESS", "UNAVAILABLE", "NOT_FOUND"];
        self.ask(server, "applyPendingUpdate", json!({ "updateId": update }), &refusals).await;
    }

    /// The other account is suspended, or catches up when it is active again.
    async fn toggle_account(&mut self) {
        if self.is_suspended {
            self.app.reactivate(self.globex).await;
        } else {
            self.app.suspend(self.globex).await;
        }
        self.is_suspended = !self.is_suspended;
    }

    /// The other account loses its grant, or catches up when it has it again.
    async fn toggle_grant(&mut self) {
        if self.is_shared {
            self.app.unshare(&self.pack.id, &[self.group]).await;
        } else {
            self.app.share(&self.pack.id, &[self.group]).await;
        }
        self.is_shared = !self.is_shared;
    }

    /// A mutation of the publisher about the release, which may be refused.
    async fn publish(&self, mutation: &str) {
        self.app.mutate(&self.app.publisher, mutation, json!({ "releaseId": self.release }), "").await;
    }

    /// One step: a batch, reports, applications or time, on any server; on several servers at once.
    async fn step(&mut self, dice: &mut Dice) {
        let servers = self.others.len() + 1;
        let (here, there) = (dice.below(servers), dice.below(servers));
        let (one, two) = (dice.one(&self.updates).clone(), dice.one(&self.updates).clone());
        match dice.below(8) {
            0 => {
                // The watch lasts an hour.
                let seconds = if dice.below(4) == 0 { dice.below(3_000) } else { dice.below(200) };
                self.app.clock_only_by(i64::try_from(seconds).expect("few"));
            }
            1 | 2 => {
                let outcome = if dice.below(3) == 0 { "BROKEN" } else { "WORKS" };
                if servers == 1 {
                    self.report(here, &one, outcome).await;
                } else {
                    tokio::join!(
                        self.report(here, &one, outcome),
                        self.report(there, &two, "BROKEN"),
                        self.apply(here, &two),
                        self.batch(0),
                        self.batch(1),
                        self.batch(2)
                    );
                }
            }
            3 => match dice.below(4) {
                0 => self.toggle_account().await,
                1 => self.toggle_grant().await,
                2 => self.publish("retryFailedUpdates").await,
                _ => self.publish("resumeRelease").await,
            },
            4 if self.aim.is_dated() => self.apply(here, &one).await,
            _ => self.batch(here).await,
        }
    }

    pub(super) async fn steps(&mut self, count: usize, dice: &mut Dice) {
        for _ in 0..count {
            self.app.clock_only_by(1);
            self.step(dice).await;
            self.check().await;
        }
    }

    /// Does what is due, for so many seconds.
    async fn settle(&self, seconds: i64) {
        let end = self.app.now() + chrono::Duration::seconds(seconds);
        while let Some(next) = self.app.tick().await.filter(|next| *next <= end) {
            self.check().await;
            self.app.clock.advance_to(next.max(self.app.now() + chrono::Duration::seconds(1)));
        }
        self.check().await;
    }

    /// Reports so many of the first account's updates as broken that the rule decides as soon as enough were executed.
    async fn break_enough(&self, executed: usize, dice: &mut Dice) {
        let executed = i64::try_from(executed).expect("few");
        let mut reported = BTreeSet::new();
        while !judge(&self.rule, HaltFigures { executed, bad: i64::try_from(reported.len()).expect("few") }) {
            self.app.clock_only_by(1);
            let update = dice.one(&self.updates);
            if reported.insert(update) {
                self.report(0, update, "BROKEN").await;
                self.check().await;
            }
        }
    }

    /// Leads to numbers that are about to decide, and to the step that does.
    pub(super) async fn lead(&mut self, dice: &mut Dice) {
        let enough = usize::try_from(self.rule.at_least).expect("few");
        match self.aim {
            Aim::Batch | Aim::Report => {}
            Aim::NextBatch => self.break_first_and_go_on().await,
            Aim::Stage => {
                self.publish("openNextStage").await;
                self.check().await;
            }
            Aim::NextStageBatch => {
                self.publish("openNextStage").await;
                self.break_first_and_go_on().await;
            }
            Aim::Early => {
                let first = dice.below(OF_ACME);
                let order: Vec<_> = (0..enough).map(|n| self.updates[(first + n) % OF_ACME].clone()).collect();
                for update in &order[1..] {
                    self.apply(0, update).await;
                    self.app.clock_only_by(1);
                }
                let mut bad = 0;
                while !judge(&self.rule, HaltFigures { executed: self.rule.at_least.into(), bad }) {
                    bad += 1;
                    let update = usize::try_from(bad).expect("few");
                    self.report(0, &order[update.min(order.len() - 1)], "BROKEN").await;
                    self.app.clock_only_by(1);
                }
                self.check().await;
                self.apply(0, &order[0]).await;
                self.check().await;
            }
            Aim::CatchUp | Aim::Grant | Aim::RollBack => {
                self.settle(900).await;
                self.break_enough(OF_ACME + OF_GLOBEX, dice).await;
                match self.aim {
                    Aim::CatchUp => self.toggle_account().await,
                    Aim::Grant => self.toggle_grant().await,
                    _ => self.take_next_back().await,
                }
                self.check().await;
            }
            Aim::Retry => {
                self.settle(900).await;
                self.app.clock_only_by(3_700);
                self.break_enough(OF_ACME + OF_GLOBEX, dice).await;
                self.publish("retryFailedUpdates").await;
                self.check().await;
            }
            Aim::RetryBatch | Aim::NextRetryBatch => {
                for _ in 0..OF_ACME {
                    self.settle(900).await;
                    self.publish("resumeRelease").await;
                }
                self.app.clock_only_by(1);
                if self.aim == Aim::NextRetryBatch {
                    self.app.mover.repair();
                }
                self.publish("retryFailedUpdates").await;
                self.check().await;
                if self.aim == Aim::NextRetryBatch {
                    self.break_first_and_go_on().await;
                }
            }
        }
    }

    /// Reports one of the updates broken that the first batch has applied, and runs the next batch.
    async fn break_first_and_go_on(&self) {
        for update in &self.updates {
            self.app.clock_only_by(1);
            self.report(0, update, "BROKEN").await;
            self.check().await;
            if self.app.read_release(&self.release, "haltFigures { bad }").await.int("/haltFigures/bad") > 0 {
                break;
            }
        }
        // Batches of other tasks may come first.
        for _ in 0..8 {
            self.batch(0).await;
            self.check().await;
            let figures = self.app.read_release(&self.release, "haltFigures { executed }").await;
            if figures.int("/haltFigures/executed") >= self.rule.at_least.into() {
                break;
            }
        }
    }

    /// The next release is paused before it has come to the other account, and rolled back.
    async fn take_next_back(&mut self) {
        self.app.mover.fail(&self.installations[0], 1, FailureCode::Internal);
        let next = self.app.update_now(&self.pack).await;
        pause(self.app, &next).await;
        self.toggle_account().await;
        self.app.tick().await;
        self.app.clock_only_by(10);
        self.app.roll_back(&next).await;
        self.check().await;
        self.app.tick().await;
    }

    /// Each step was judged: numbers that decide are those of a halted release.
    async fn check(&self) {
        let row = entity::pack_release::Entity::find_by_id(uuid_of(&self.release)).one(tables(self.app)).await;
        let row = row.expect("read").expect("the release");
        let is_judged =
            matches!(row.state.as_str(), "SCHEDULED" | "IN_PROGRESS" | "SUCCEEDED" | "PARTIALLY_SUCCEEDED" | "FAILED");
        let seen = self.app.read_release(&self.release, "state watchedUntil haltFigures { executed bad }").await;
        let is_watched = seen.at("/watchedUntil").as_str().is_none_or(|until| instant(until) > self.app.now());
        // What is due and hasn't opened is judged when it opens, and a report after the watch when somebody retries.
        if row.halted_at.is_some() || !is_judged || !is_watched || seen.text("/state") != row.state {
            return;
        }
        let figures = HaltFigures { executed: seen.int("/haltFigures/executed"), bad: seen.int("/haltFigures/bad") };
        assert!(!judge(&self.rule, figures), "{:?}: a step wasn't judged: {figures:?} by {:?}", self.aim, self.rule);
    }
}
