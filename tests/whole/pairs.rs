//! All pairs: any two use cases that meet end like one after the other, in one of both orders.
//!
//! The first one is held after each of its statements in turn, while the second one runs to its end or to a lock. A use
//! case with several transactions may have the other one between them too. Pairs and statements are drawn, because all
//! of them would take hours; `PACKWRIGHT_PAIR` runs one pair again: `PACKWRIGHT_PAIR='testing, cancelRelease,
//! promoteRelease'`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant as Tick};

use packwright::app::App;
use packwright::service::Settings;
use sea_orm::ConnectionTrait as _;

use crate::gate::introspection::Schema;
use crate::support::rows::tables;
use crate::support::{At as _, Dice, Setup, TestApp, short_or_long};
use crate::whole::invariants_checks::rows_are_sound;
use crate::whole::invariants_rows::Rows;
use crate::whole::pairs_rows::{Beginning, all_tables};
use crate::whole::pairs_world::{self, OPENS, UseCase};

/// The moments at which pairs meet.
const MOMENTS: [&str; 6] = ["testing", "waiting, paused", "due", "rolling out", "in ranges", "rolling out, paused"];
/// How many statements of a pair are drawn at which the first use case is held.
const HOLDS: usize = 3;
/// Pairs that had a fault once. They meet at each of their statements.
const ONCE_WRONG: [[&str; 3]; 1] = [["rolling out", "unsharePack silver", "installPack"]];
/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What a pair came to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// Of the first use case, and of the second one.
    answers: [String; 2],
    state: Vec<String>,
}

/// A world on a database, with two servers, which is put back to its beginning before each run.
pub(crate) struct Field {
    app: TestApp,
    other: App,
    cases: Vec<UseCase>,
    /// One for each of [`MOMENTS`].
    beginnings: Vec<Beginning>,
    back: Vec<String>,
    runs: AtomicUsize,
}

async fn execute(app: &TestApp, sql: &str) {
    tables(app).execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

impl Field {
    /// `None` on SQLite, which has one writer at a time.
    pub(crate) async fn new() -> Option<Self> {
        // A batch has one installation, so that a task has several transactions, and a rollout that has begun two
        // ranges.
        let settings = Settings { batch_size: 1, split_from: 2, ..Settings::default() };
        let app = TestApp::with(Setup { settings: settings.clone(), ..Setup::default() }).await;
        if app.has_one_writer() {
            return None;
        }
        let cases = pairs_world::build(&app).await;
        let other = app.another_server_of(settings).await;
        let mut field = Self { app, other, cases, beginnings: Vec::new(), back: Vec::new(), runs: AtomicUsize::new(0) };
        for (number, moment) in MOMENTS.iter().enumerate() {
            match *moment {
                // On to the next moment after it, a release is resumed.
                "waiting, paused" => {
                    field.case("pauseRelease").run(&field.app.app).await;
                }
                "due" => {
                    field.case("resumeRelease").run(&field.app.app).await;
                    field.app.clock_only(OPENS);
                }
                "rolling out" => {
                    field.case("open").run(&field.app.app).await;
                    field.case("batch").run(&field.app.app).await;
                }
                "in ranges" => {
                    // The early stages come first.
                    let ranges = "SELECT COUNT(*) AS n FROM task WHERE kind = 'ROLL_OUT_RANGE'";
                    for _ in 0..40 {
                        if field.app.number(ranges).await == 0 {
                            field.case("batch").run(&field.app.app).await;
                        }
                    }
                    assert_eq!(field.app.number(ranges).await, 2, "what is left is split");
                }
                "rolling out, paused" => {
                    field.case("pauseRelease").run(&field.app.app).await;
                }
                _ => {}
            }
            let all = all_tables(&field.app).await;
            execute(&field.app, &format!("CREATE SCHEMA saved_{number}")).await;
            let mut back = String::from("BEGIN; SET LOCAL session_replication_role = replica;");
            for table in &all {
                let saved = format!("saved_{number}.{table}");
                execute(&field.app, &format!("CREATE TABLE {saved} AS TABLE {table}")).await;
                back += &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {saved};");
            }
            field.back.push(back + "COMMIT");
            field.beginnings.push(Beginning::of(&field.app).await);
        }
        Some(field)
    }

    fn case(&self, name: &str) -> &UseCase {
        self.cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no use case {name}"))
    }

    /// Puts the world back to its beginning.
    async fn begin(&self, moment: usize) {
        if self.runs.fetch_add(1, Ordering::Relaxed) % 100 == 99 {
            execute(&self.app, "VACUUM").await;
        }
        execute(&self.app, &self.back[moment]).await;
        self.app.clock.set_to(self.beginnings[moment].now());
    }

    /// Finishes all tasks, and looks at what is there.
    async fn end(&self, moment: usize, answers: [String; 2], step: &str) -> Outcome {
        self.app.tick().await;
        let state = self.beginnings[moment].state(&self.app).await;
        rows_are_sound(&Rows::read(&self.app).await, step);
        Outcome { answers, state }
    }

    /// One after the other. `a` is on the first server, `b` on the second one. The answers are in that order.
    async fn in_turn(&self, moment: usize, a: &UseCase, b: &UseCase, a_first: bool) -> Outcome {
        self.begin(moment).await;
        let answers = if a_first {
            let of_a = a.run(&self.app.app).await;
            [of_a, b.run(&self.other).await]
        } else {
            let of_b = b.run(&self.other).await;
            [a.run(&self.app.app).await, of_b]
        };
        let step = format!(
            "{}: {} and {}, {} first",
            MOMENTS[moment],
            a.name,
            b.name,
            if a_first { &a.name } else { &b.name }
        );
        self.end(moment, answers, &step).await
    }

    /// The statements of a use case that has the world to itself.
    async fn statements(&self, moment: usize, a: &UseCase) -> Vec<String> {
        self.begin(moment).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = seen.clone();
        self.app.after_statements(move |sql| sees.lock().unwrap_or_else(PoisonError::into_inner).push(sql.to_owned()));
        a.run(&self.app.app).await;
        self.app.after_statements(|_| {});
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }

    /// `a` is held after statement number `at` while `b` runs to its end or to a lock.
    async fn held(self: &Arc<Self>, moment: usize, a: &UseCase, b: &UseCase, at: usize) -> Outcome {
        self.begin(moment).await;
        let (stopped, stops) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (mut stopped, mut count) = (Some(stopped), 0);
        self.app.after_statements(move |_| {
            if count == at
                && let Some(stopped) = stopped.take()
            {
                let _ = stopped.send(());
                // An error means that the test has failed meanwhile.
                let _ = tokio::task::block_in_place(|| may_go_on.recv());
            }
            count += 1;
        });
        let (field, case) = (self.clone(), a.clone());
        let mut of_a = tokio::spawn(async move { case.run(&field.app.app).await });
        // It may have fewer statements this time, and come to its end.
        let held = async {
            tokio::select! {
                _ = stops => None,
                ended = &mut of_a => Some(ended.expect("an answer")),
            }
        };
        let ended = tokio::time::timeout(TIME_LIMIT, held).await.expect("it is held or at its end");
        let (field, case) = (self.clone(), b.clone());
        let of_b = tokio::spawn(async move { case.run(&field.other).await });
        let begun = Tick::now();
        while !of_b.is_finished() && self.app.waiting().await == 0 {
            assert!(begun.elapsed() < TIME_LIMIT, "{} neither ends nor waits", b.name);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(go_on);
        let both = async {
            let of_a = match ended {
                Some(ended) => ended,
                None => of_a.await.expect("an answer"),
            };
            [of_a, of_b.await.expect("an answer")]
        };
        let answers = tokio::time::timeout(TIME_LIMIT, both).await.expect("both end");
        self.app.after_statements(|_| {});
        let step = format!("{}: {} held at statement {at}, and {}", MOMENTS[moment], a.name, b.name);
        self.end(moment, answers, &step).await
    }

    /// Lets two use cases race, so many times. Returns the faults.
    pub(crate) async fn race(
        self: &Arc<Self>,
        moment: &str,
        a: &str,
        b: &str,
        rounds: usize,
        dice: &mut Dice,
    ) -> Vec<String> {
        let number = MOMENTS.iter().position(|known| *known == moment).expect("a moment");
        let (a, b) = (self.case(a), self.case(b));
        let mut allowed = self.in_turns(number, a, b).await;
        allowed.extend(self.all_between(number, a, b).await);
        let (mut faults, mut seen) = (Vec::new(), BTreeMap::<[String; 2], usize>::new());
        for _ in 0..rounds {
            self.begin(number).await;
            let (early, late) = (dice.within(Duration::from_millis(8)), dice.within(Duration::from_millis(8)));
            let go = |after: Duration, case: &UseCase, is_first: bool| {
                let (field, case) = (self.clone(), case.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    case.run(if is_first { &field.app.app } else { &field.other }).await
                })
            };
            let (of_a, of_b) = (go(early, a, true), go(late, b, false));
            let both = async { [of_a.await.expect("an answer"), of_b.await.expect("an answer")] };
            let answers = tokio::time::timeout(TIME_LIMIT, both).await.expect("both end");
            *seen.entry(answers.clone()).or_default() += 1;
            let found = self.end(number, answers, &format!("{moment}: {} and {} at once", a.name, b.name)).await;
            if !allowed.contains(&found) {
                faults.push(difference(&found, &allowed));
            }
        }
        eprintln!("{moment}: {} and {}, {rounds} times: {seen:?}", a.name, b.name);
        faults
    }

    /// The outcomes of both orders.
    async fn in_turns(&self, moment: usize, a: &UseCase, b: &UseCase) -> Vec<Outcome> {
        vec![self.in_turn(moment, a, b, true).await, self.in_turn(moment, a, b, false).await]
    }

    /// The outcomes with one use case between two transactions of the other one.
    async fn all_between(self: &Arc<Self>, moment: usize, a: &UseCase, b: &UseCase) -> Vec<Outcome> {
        let of_a = between_transactions(&self.statements(moment, a).await);
        let of_b = between_transactions(&self.statements(moment, b).await);
        let mut outcomes = self.between(moment, a, b, &of_a).await;
        for mut outcome in self.between(moment, b, a, &of_b).await {
            outcome.answers.reverse();
            outcomes.push(outcome);
        }
        outcomes
    }

    /// The outcomes with `b` between two transactions of `a`.
    async fn between(self: &Arc<Self>, moment: usize, a: &UseCase, b: &UseCase, outside: &[usize]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for at in outside {
            outcomes.push(self.held(moment, a, b, *at).await);
        }
        outcomes
    }
}

/// The numbers of the last statements before each writing transaction but the first one.
fn between_transactions(statements: &[String]) -> Vec<usize> {
    let writes = |sql: &String| sql.starts_with("BEGIN") && !sql.contains("READ ONLY");
    let begun = (0..statements.len()).filter(|number| writes(&statements[*number]));
    begun.skip(1).filter_map(|number| number.checked_sub(1)).collect()
}

/// The differences between an outcome and the nearest of others.
fn difference(found: &Outcome, allowed: &[Outcome]) -> String {
    let lines = |of: &Outcome| of.state.iter().cloned().collect::<BTreeSet<_>>();
    let found_lines = lines(found);
    let nearest = allowed.iter().min_by_key(|outcome| lines(outcome).symmetric_difference(&found_lines).count());
    let nearest = nearest.expect("an outcome");
    let near = lines(nearest);
    let more: Vec<_> = found_lines.difference(&near).collect();
    let missing: Vec<_> = near.difference(&found_lines).collect();
    let allowed: Vec<_> = allowed.iter().map(|outcome| &outcome.answers).collect();
    format!(
        "answers {:?}, where {allowed:?} are right.\nToo much, beside the state of {:?}: {more:#?}\nMissing: {missing:#?}",
        found.answers, nearest.answers
    )
}

/// Lets a pair meet. Returns at how many statements, and the faults.
async fn meet(
    field: &Arc<Field>,
    moment: usize,
    a: &UseCase,
    b: &UseCase,
    mut choose: impl FnMut(usize) -> Vec<usize>,
) -> (usize, Vec<String>) {
    let statements = field.statements(moment, a).await;
    let mut allowed = field.in_turns(moment, a, b).await;
    let (mut faults, chosen, mut is_complete) = (Vec::new(), choose(statements.len()), false);
    for at in &chosen {
        let found = field.held(moment, a, b, *at).await;
        if !allowed.contains(&found) && !std::mem::replace(&mut is_complete, true) {
            allowed.extend(field.all_between(moment, a, b).await);
        }
        if !allowed.contains(&found) {
            faults.push(format!(
                "{}, {}, {}, {at} (after {}): {}",
                MOMENTS[moment],
                a.name,
                b.name,
                statements[*at].chars().take(200).collect::<String>(),
                difference(&found, &allowed)
            ));
        }
    }
    (chosen.len(), faults)
}

/// Lets a pair meet at each of its statements, by the names of its moment and its use cases.
async fn meet_everywhere(field: &Arc<Field>, [moment, a, b]: [&str; 3]) -> (usize, Vec<String>) {
    let moment = MOMENTS.iter().position(|known| *known == moment).expect("a moment");
    meet(field, moment, field.case(a), field.case(b), |all| (0..all).collect()).await
}

/// How long pairs are drawn in the long run: five minutes, or so many seconds as the variable says.
fn long_run() -> Duration {
    let told = std::env::var("PACKWRIGHT_PAIRS_SECONDS").ok().and_then(|told| told.parse().ok());
    Duration::from_secs(told.unwrap_or(300))
}

/// The pair that is asked for by the variable.
fn asked_for() -> Option<[String; 3]> {
    let told = std::env::var("PACKWRIGHT_PAIR").ok()?;
    let parts: Vec<_> = told.split(',').map(|part| part.trim().to_owned()).collect();
    parts.try_into().ok()
}

async fn all_pairs() {
    let Some(field) = Field::new().await.map(Arc::new) else { return };
    if let Some([moment, a, b]) = asked_for() {
        let (held, faults) = meet_everywhere(&field, [&moment, &a, &b]).await;
        assert!(faults.is_empty(), "{held} statements: {}", faults.join("\n\n"));
        return;
    }
    let mut dice = Dice::new("pairs");
    let (mut pairs, mut held, mut faults) = (0, 0, Vec::new());
    for pair in ONCE_WRONG {
        let (all, found) = meet_everywhere(&field, pair).await;
        pairs += 1;
        held += all;
        faults.extend(found);
    }
    let (begun, lasts) = (Tick::now(), short_or_long(Duration::from_secs(45), long_run()));
    while begun.elapsed() < lasts {
        let (moment, a, b) = (dice.below(MOMENTS.len()), dice.one(&field.cases), dice.one(&field.cases));
        let choose = |all: usize| {
            let chosen: BTreeSet<_> = (0..HOLDS.min(all)).map(|_| dice.below(all)).collect();
            chosen.into_iter().collect()
        };
        let (some, found) = meet(&field, moment, a, b, choose).await;
        pairs += 1;
        held += some;
        faults.extend(found);
    }
    let runs = field.runs.load(Ordering::Relaxed);
    eprintln!("{pairs} pairs met at {held} statements, in {runs} runs of {:?}", begun.elapsed());
    assert!(faults.is_empty(), "{} faults:\n\n{}", faults.len(), faults.join("\n\n"));
}

/// Runs a test on threads with a larger stack.
pub(crate) fn on_large_threads(test: impl Future<Output = ()> + Send + 'static) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(4).thread_stack_size(16 << 20).enable_all().build().expect("a runtime");
    let ran = runtime.block_on(async { tokio::spawn(test).await });
    ran.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
}

/// The mutations that meet no other use case. They change rows of webhook endpoints and trusted publishers alone, which
/// no use case of the others changes.
const MEET_NOBODY: [&str; 9] = [
    "createTrustedPublisher",
    "deleteTrustedPublisher",
    "createWebhookEndpoint",
    "updateWebhookEndpoint",
    "deleteWebhookEndpoint",
    "pauseWebhookEndpoint",
    "resumeWebhookEndpoint",
    "rotateWebhookSecret",
    "sendTestEvent",
];

#[tokio::test]
async fn r30_every_mutation_is_among_the_use_cases_that_meet() {
    let app = TestApp::new().await;
    let cases = pairs_world::build(&app).await;
    let meets = |name: &str| cases.iter().any(|case| case.name.split(' ').next() == Some(name));
    for field in Schema::of(&app).await.mutations() {
        let name = field.text("/name");
        let is_left_out = MEET_NOBODY.contains(&name.as_str());
        assert!(meets(&name) != is_left_out, "{name}: add it to the use cases of tests/whole/pairs_world.rs");
    }
}

#[test]
fn r30_two_use_cases_that_meet_end_like_one_after_the_other() {
    on_large_threads(all_pairs());
}
