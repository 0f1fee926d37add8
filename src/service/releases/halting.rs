//! Halts releases by their halt rules, and changes the rules (R58).
//!
//! The rule is judged in the transaction of each batch, each early application, each report and each change of the rule,
//! before it commits. While the release has a rule, each of these transactions takes the pack's exclusive lock, so it sees the changes of
//! all transactions before it, on any number of servers.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::Instant;
use crate::domain::accounts::{Actor, Privilege};
use crate::domain::id::{PackId, PackVersionId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::Pack;
use crate::domain::releases::{
    Halt, HaltAction, HaltFigures, HaltRule, Pause, Release, ReleaseRefusal, RequestedHaltRule, batch_limit,
    decide_halt, decide_roll_back, decide_set_rule, judge,
};
use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::ending::commit;
use crate::service::error::{Failure, Outcome};
use crate::service::instant::Touched;
use crate::service::journal::{ActingActor, Entry, Journal, JournalEvent, Subject};
use crate::service::packs::reassess;
use crate::service::releases::pausing::pause_with;
use crate::service::releases::rolling_back::{Cause, facts, start_roll_back};
use crate::service::releases::{Ending, add_task, end_pending};
use crate::store::convert::Stored as _;
use crate::store::followup::paused;
use crate::store::followup::tasks::Work;
use crate::store::installations::write_counts::ROWS_MAX;
use crate::store::installations::{moving_back, tallies, write_updates as updates};
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::{StoreResult, Tx};

/// The most installations that the next batch of a release may process: `size`, or fewer if the release has a halt
/// rule. Only such a release costs a statement.
pub(in crate::service) async fn size_of_batch(tx: &Tx, release: &Release, size: u64) -> StoreResult<u64> {
    let Some(rule) = release.halt.filter(|_| release.halted_at.is_none()) else { return Ok(size) };
    Ok(size.min(batch_limit(&rule, updates::progress(tx, release.id).await?.judged)))
}

/// Whether a release would halt if all moves that wait for another attempt failed for good. Then the caller must move
/// no other installation until these attempts are made. Only a release with a rule costs statements.
pub(in crate::service) async fn waits_for_attempts(tx: &Tx, release: &Release, now: Instant) -> StoreResult<bool> {
    let Some(rule) = release.judged_by(now) else { return Ok(false) };
    let waiting = i64::try_from(updates::count_undecided(tx, release).await?).unwrap_or(i64::MAX);
    if waiting == 0 {
        return Ok(false);
    }
    let HaltFigures { executed, bad } = updates::progress(tx, release.id).await?.judged;
    let figures = HaltFigures { executed: executed.saturating_add(waiting), bad: bad.saturating_add(waiting) };
    Ok(judge(&rule, figures))
}

/// Holds the pack of a release, for a call that may have to judge the release. The pack's lock is shared with other
/// calls. If the release has a halt rule, the lock must be exclusive, so that the judgment sees the changes of all
/// other calls (R58). The first attempt doesn't know whether there is a rule, so it shares the lock, and sets `alone`
/// for the next attempt if there is one.
///
/// # Errors
/// [`Failure::Overtaken`] when the next attempt must take the exclusive lock; not found.
pub(in crate::service) async fn hold_to_judge(
    tx: &Tx,
    pack: PackId,
    release: ReleaseId,
    alone: &AtomicBool,
) -> Result<(Pack, Release), Failure> {
    let is_alone = alone.load(Ordering::Relaxed);
    let pack = if is_alone { packs::lock_any(tx, pack).await? } else { packs::hold(tx, pack).await? };
    let pack = pack.ok_or(Failure::NotFound)?;
    let release = releases::get(tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    if release.halt.is_some() && !is_alone {
        alone.store(true, Ordering::Relaxed);
        return Err(Failure::Overtaken);
    }
    Ok((pack, release))
}

/// Judges a release after a step that has changed its updates, and halts it if its rule says so. The caller has locked
/// the pack. Returns the effect of the halt; `None` if the release wasn't halted.
pub(in crate::service) async fn judge_step(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
) -> Result<Option<Halt>, Failure> {
    let Some(rule) = release.judged_by(journal.now) else { return Ok(None) };
    let kept = updates::progress(tx, release.id).await?;
    if kept.rows > ROWS_MAX {
        // Each report adds a row. After this compaction, the next step has to sum only the rows that are added later.
        tallies::compact(tx, release, journal.now, ROWS_MAX).await?;
    }
    let figures = kept.judged;
    if !judge(&rule, figures) {
        return Ok(None);
    }
    let former = match rule.then {
        HaltAction::RollBack => decide_roll_back(&facts(tx, pack, release, journal).await?).ok(),
        HaltAction::Pause => None,
    };
    let halt = match decide_halt(rule.then, release.state, former.is_some()) {
        // An operator has dropped the rollout's task. It moves nobody any more, so there is nothing to pause.
        Halt::Pause if paused::is_given_up(tx, release.id).await? => Halt::Announce,
        halt => halt,
    };
    release.halted_at = Some(journal.now);
    let caller = journal.act_as(ActingActor::default());
    announce(journal, pack, release, figures, halt);
    match former.filter(|_| halt == Halt::RollBack) {
        Some(former) => roll_back(cx, tx, journal, pack, release, former, figures).await?,
        None => carry_out(cx, tx, journal, pack, release, halt, figures).await?,
    }
    journal.act_as(caller);
    Ok(Some(halt))
}

fn announce(journal: &mut Journal<'_>, pack: &Pack, release: &Release, figures: HaltFigures, halt: Halt) {
    journal.append_entry(
        Entry::of("scheduler.haltRelease", Subject::Release(release.id), pack.name.clone())
            .set("executed", figures.executed)
            .set("bad", figures.bad)
            .set("halt", halt.name()),
    );
    journal.append_event(JournalEvent {
        release_id: Some(release.id),
        data: EventData { figures: Some(figures), ..EventData::default() },
        ..JournalEvent::of(EventKind::ReleaseHalted, pack)
    });
}

async fn carry_out(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    halt: Halt,
    figures: HaltFigures,
) -> Result<(), Failure> {
    match halt {
        Halt::Pause if !release.is_paused() => {
            let (by, reason) = (Actor::scheduler(), reason(figures));
            let pause = Pause { at: journal.now, reason, by, figures: Some(figures) };
            pause_with(tx, journal, pack, release, pause).await?;
        }
        Halt::Pause | Halt::Announce | Halt::RollBack => releases::save(tx, release).await?,
        Halt::Cancel => {
            release.reason = Some(reason(figures));
            end_pending(tx, journal, pack, release, Ending::Canceled("scheduler.cancelRelease")).await?;
            packs::save_standing(tx, pack.id, &pack.standing).await?;
            reassess(cx, tx, pack).await?;
            let moves = updates::any_applied(tx, release.id).await?;
            add_task(cx, tx, pack, Work::Withdraw(pack.id, release.id), moves, journal.now).await?;
        }
    }
    Ok(())
}

/// Rolls a halted release back to the `former` version (R59).
async fn roll_back(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    former: PackVersionId,
    figures: HaltFigures,
) -> Result<(), Failure> {
    let installations = moving_back::impact_back(tx, pack.id, former).await?.moved;
    let cause = Cause { action: "scheduler.rollBackRelease", reason: Some(reason(figures)), installations };
    start_roll_back(cx, tx, journal, pack, release, former, cause).await?;
    Ok(())
}

/// The reason that the publisher reads for a halt.
fn reason(HaltFigures { executed, bad }: HaltFigures) -> String {
    format!("The release's halt rule decided: {bad} of {executed} updates failed or were reported broken.")
}

/// Changes or takes away a release's rule. The new rule is judged at once, by the figures so far (R58).
///
/// # Errors
/// INVALID_HALT_RULE, WATCH_IS_OVER; not found.
pub(crate) async fn set_halt_rule(
    cx: &Services,
    caller: &Publisher,
    release: ReleaseId,
    rule: Option<RequestedHaltRule>,
) -> Outcome<(), ReleaseRefusal> {
    caller.viewer.require(Privilege::IntegrationPack)?;
    let pack = releases::pack_of(&cx.look_up(caller.scope), release).await?.ok_or(Failure::NotFound)?;
    let touched = Touched::Pack(caller.id(), pack);
    cx.after_due_windows(touched, || try_set_rule(cx, caller, pack, release, rule)).await
}

async fn try_set_rule(
    cx: &Services,
    caller: &Publisher,
    pack: PackId,
    release: ReleaseId,
    rule: Option<RequestedHaltRule>,
) -> Outcome<(), ReleaseRefusal> {
    let tx = cx.db.begin().await?;
    let mut pack = packs::lock(&tx, &caller.scope, pack).await?.ok_or(Failure::NotFound)?;
    let mut release = releases::lock(&tx, pack.id, release).await?.ok_or(Failure::NotFound)?;
    let mut journal = Journal::of(cx, caller, cx.instant(&tx, [&pack])?);
    let rule = rule.map(RequestedHaltRule::checked).transpose()?;
    decide_set_rule(&release, journal.now)?;
    let before = release.halt;
    if rule == before {
        return Ok(());
    }
    release.halt = rule;
    // A halt by the former rule doesn't keep the new one from being judged.
    release.halted_at = None;
    releases::save(&tx, &release).await?;
    let of = |field: fn(&HaltRule) -> String, rule: Option<HaltRule>| rule.as_ref().map(field);
    let mut entry = Entry::of("setHaltRule", Subject::Release(release.id), pack.name.clone());
    for (name, field) in FIELDS {
        entry = entry.change(name, of(field, before), of(field, rule));
    }
    journal.append_entry(entry);
    // The figures so far may break the new rule. Then not even one batch more may run.
    judge_step(cx, &tx, &mut journal, &mut pack, &mut release).await?;
    Ok(commit(tx, journal).await?)
}

/// The fields of a rule, for the audit log.
type Field = (&'static str, fn(&HaltRule) -> String);
/// Each field of a rule with its name in the mutation's input, and a function that writes its value.
pub(super) const FIELDS: [Field; 4] = [
    ("haltWhen.percent", |rule| rule.percent().to_string()),
    ("haltWhen.atLeast", |rule| rule.at_least.to_string()),
    ("haltWhen.then", |rule| HaltAction::stored(rule.then).to_owned()),
    ("haltWhen.watchHours", |rule| rule.watch_hours.to_string()),
];
