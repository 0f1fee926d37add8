//! The invariants of section 10 of the rules.

use std::collections::{BTreeMap, BTreeSet};

use entity::{component_version, pack_release};
use packwright::domain::Instant;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{At, uuid_of};
use crate::whole::invariants_kept::kept_numbers_equal_counts;
use crate::whole::invariants_rows::Rows;
use crate::whole::invariants_stages::stages_are_sound;
use crate::whole::invariants_story::{Outcome, Story};

/// Compares the rows with those of the last step.
pub(crate) struct Checker {
    last: Rows,
}

impl Checker {
    /// A checker at the beginning of a story.
    pub(crate) async fn of(story: &Story) -> Self {
        let checker = Self { last: Rows::read(&story.app).await };
        stored_equals_computed(&checker.last, "the beginning");
        checker
    }

    /// Checks all invariants after a step.
    pub(crate) async fn check(&mut self, story: &Story, step: &str, outcome: &Outcome) {
        let rows = Rows::read(&story.app).await;
        rows_are_sound(&rows, step);
        snapshots_never_change(&self.last, &rows, step);
        self.nothing_is_moved_without_a_grant(&rows, step);
        self.nothing_is_moved_while_it_is_paused(&rows, step);
        self.eligible_installations_have_the_version(&rows, step);
        stages_are_sound(&self.last, &rows, step);
        self.one_entry_per_change_and_none_per_refusal(&rows, outcome, step);
        read_equals_computed(story, &rows, step).await;
        self.last = rows;
    }

    /// Checks the invariants that hold when no work is left.
    pub(crate) async fn check_the_end(&mut self, story: &Story) {
        let rows = Rows::read(&story.app).await;
        each_change_has_one_event(&rows, "the end");
        each_change_is_tallied_once(&rows, "the end");
        kept_numbers_equal_counts(&rows, "the end");
        self.eligible_installations_have_the_version(&rows, "the end");
        for release in rows.releases.values() {
            assert!(
                !["SCHEDULED", "IN_PROGRESS", "ROLLING_BACK"].contains(&release.state.as_str()),
                "a release never ended: {release:?}"
            );
        }
        for update in rows.updates.values() {
            // An attempt to move it back has failed, and since then it may not be moved.
            let waits = rows.releases[&update.release_id].state == "ROLLED_BACK" && update.attempts > 0;
            assert!(waits || update.state != "OFFERED", "an offer that nobody settled: {update:?}");
        }
        for pack in rows.packs.values() {
            assert!(pack.pending_release_id.is_none() && pack.running_release_id.is_none(), "{pack:?}");
        }
        for installation in rows.installations.values().filter(|i| i.uninstalled_at.is_none()) {
            is_at_its_version(&rows, installation);
            has_no_version_that_was_rolled_back(&rows, installation);
        }
        read_equals_computed(story, &rows, "the end").await;
    }

    /// No update without a grant: an update that was just applied was granted before the step or is granted after it.
    /// When the scheduler applied it, the account was also active.
    fn nothing_is_moved_without_a_grant(&self, rows: &Rows, step: &str) {
        for (key, update) in &rows.updates {
            let before = self.last.updates.get(key).map(|u| u.state.as_str());
            if update.state != "APPLIED" || before == Some("APPLIED") {
                continue;
            }
            let installation = &rows.installations[&key.0];
            let granted = self.last.is_granted(installation) || rows.is_granted(installation);
            assert!(granted, "{step}: moved without a grant: {update:?}");
            let active = self.last.is_active(installation) || rows.is_active(installation);
            assert!(active, "{step}: moved for a suspended account: {update:?}");
        }
        for (id, installation) in &rows.installations {
            let Some(before) = self.last.installations.get(id) else { continue };
            if before.version_id != installation.version_id {
                let granted = self.last.is_granted(installation) || rows.is_granted(installation);
                assert!(granted, "{step}: a frozen installation was moved: {installation:?}");
                assert!(before.uninstalled_at.is_none(), "{step}: what was uninstalled was moved: {installation:?}");
            }
        }
    }

    /// Nobody is moved to the version of a release that was paused before the step and still is (R56).
    fn nothing_is_moved_while_it_is_paused(&self, rows: &Rows, step: &str) {
        for release in rows.releases.values().filter(|release| release.paused_at.is_some()) {
            if self.last.releases.get(&release.id).and_then(|last| last.paused_at) != release.paused_at {
                continue;
            }
            for (id, installation) in rows.installations.iter().filter(|(_, i)| i.version_id == release.version_id) {
                let before = self.last.installations.get(id).map(|before| before.version_id);
                assert_eq!(before, Some(release.version_id), "{step}: moved while it is paused: {installation:?}");
            }
        }
    }

    /// After SUCCEEDED every eligible installation has that version: for each release that has just succeeded, every
    /// installation has the version, was skipped with a reason, or has moved on since.
    fn eligible_installations_have_the_version(&self, rows: &Rows, step: &str) {
        for release in rows.releases.values().filter(|r| r.state == "SUCCEEDED") {
            // Only while no later release has moved the installations.
            if rows.packs[&release.pack_id].current_version_id != Some(release.version_id) {
                continue;
            }
            if self.last.releases.get(&release.id).is_some_and(|r| r.state == "SUCCEEDED") {
                continue;
            }
            let here =
                rows.installations.values().filter(|i| i.pack_id == release.pack_id && i.uninstalled_at.is_none());
            if rows.packs[&release.pack_id].deleted_at.is_some() {
                continue;
            }
            for installation in here.filter(|i| i.version_id != release.version_id) {
                let update = rows.updates.get(&(installation.id, release.id));
                let skipped = update.is_some_and(|u| u.state == "SKIPPED" && u.skip_reason.is_some());
                assert!(skipped, "{step}: {release:?} has succeeded without {installation:?}: {update:?}");
            }
        }
    }

    /// An accepted call has one audit entry, a refused one has none. Entries are never removed.
    fn one_entry_per_change_and_none_per_refusal(&self, rows: &Rows, outcome: &Outcome, step: &str) {
        for (id, entry) in &self.last.entries {
            assert_eq!(rows.entries.get(id), Some(entry), "{step}: the audit log was changed");
        }
        assert_eq!(self.last.events[..], rows.events[..self.last.events.len()], "{step}: the event log was changed");
        let new: Vec<_> = rows.entries.values().filter(|entry| !self.last.entries.contains_key(&entry.id)).collect();
        let by_caller = new.iter().filter(|entry| entry.actor_kind == "API_TOKEN");
        match outcome {
            Outcome::Done(mutation) => {
                let mutation = *mutation;
                let own = new.iter().filter(|entry| entry.action == mutation).count();
                // Other changes by the same call: offered, applied or withdrawn updates, a superseded release, or one
                // that was canceled because its pack was deleted.
                let events_of =
                    rows.events[self.last.events.len()..].iter().filter(|event| event.actor_kind == "API_TOKEN");
                let aside = |kind: &str| {
                    kind == "RELEASE_SUPERSEDED" || (kind == "RELEASE_CANCELED" && mutation == "deleteIntegrationPack")
                };
                let events_of: Vec<_> = events_of.filter(|e| e.update_state.is_some() || aside(&e.kind)).collect();
                let alone = ["applyPendingUpdate", "reportUpdateOutcome"].contains(&mutation);
                let is_same = own == 0 && self.has_changed_nothing(mutation, rows);
                let expected = events_of.len() + usize::from(!alone && !is_same);
                assert_eq!(own, expected, "{step}: {new:#?}");
                assert_eq!(by_caller.count(), own, "{step}: {new:#?}");
            }
            Outcome::Refused(..) | Outcome::Nothing => assert_eq!(by_caller.count(), 0, "{step}: {new:#?}"),
            Outcome::Outside => {}
        }
    }

    /// Whether an accepted call gave an object the value that it had, which leaves no entry (R50).
    fn has_changed_nothing(&self, mutation: &str, rows: &Rows) -> bool {
        match mutation {
            "setHaltRule" => halt_rules(rows) == halt_rules(&self.last),
            "rescheduleRelease" => dates(rows) == dates(&self.last),
            "pinPackComponent" => pins(rows) == pins(&self.last),
            _ => false,
        }
    }
}

/// A halt rule as it is stored: its numbers, and what happens then.
type StoredRule<'a> = ([Option<i32>; 3], Option<&'a str>);

/// The halt rule of each release.
fn halt_rules(rows: &Rows) -> BTreeSet<(Uuid, StoredRule<'_>)> {
    let releases = rows.releases.values();
    let numbers = |r: &pack_release::Model| [r.halt_hundredths, r.halt_at_least, r.halt_watch_hours];
    releases.map(|release| (release.id, (numbers(release), release.halt_then.as_deref()))).collect()
}

/// The date of each release and of each of its stages.
fn dates(rows: &Rows) -> BTreeSet<(Uuid, Option<i32>, Option<&str>)> {
    let releases = rows.releases.values().map(|release| (release.id, None, release.date.as_deref()));
    let stages = rows.stages.iter();
    releases.chain(stages.map(|s| (s.release_id, Some(s.position), Some(s.date.as_str())))).collect()
}

/// The pin of each row of the drafts.
fn pins(rows: &Rows) -> BTreeSet<(Uuid, Uuid, Option<Uuid>)> {
    rows.drafts.iter().map(|row| (row.pack_id, row.component_id, row.pinned_version_id)).collect()
}

/// The invariants of one state.
pub(crate) fn rows_are_sound(rows: &Rows, step: &str) {
    at_most_one_pending_and_one_running(rows, step);
    references_are_valid(rows, step);
    stored_equals_computed(rows, step);
    nothing_deleted_is_held(rows, step);
    no_pack_mixes_kinds(rows, step);
    nothing_starts_before_its_window(rows, step);
    each_change_has_one_event(rows, step);
    each_change_is_tallied_once(rows, step);
    kept_numbers_equal_counts(rows, step);
}

/// When no work is left, every eligible installation has the current version (R27, R45, R46), unless its move failed.
pub(crate) fn is_at_its_version(rows: &Rows, installation: &entity::installation::Model) {
    let pack = &rows.packs[&installation.pack_id];
    assert!(pack.deleted_at.is_none(), "a deleted pack is still installed: {installation:?}");
    let current = pack.current_version_id.expect("what is installed was released");
    if installation.version_id == current || !rows.is_granted(installation) || !rows.is_active(installation) {
        return;
    }
    let update = rows.updates.get(&(installation.id, rows.versions[&current].release_id));
    assert!(update.is_some_and(|u| u.state == "FAILED"), "left behind: {installation:?}, {update:?}");
}

/// After ROLLED_BACK no entitled, active installation has the release's version (R59).
pub(crate) fn has_no_version_that_was_rolled_back(rows: &Rows, installation: &entity::installation::Model) {
    let release = &rows.releases[&rows.versions[&installation.version_id].release_id];
    if release.state == "ROLLED_BACK" {
        let may_move = rows.is_granted(installation) && rows.is_active(installation);
        assert!(!may_move, "{release:?} left {installation:?} behind");
    }
}

/// No foreign key holds what a rollout writes: an update's installation, release and versions, and the version of an
/// installation.
fn references_are_valid(rows: &Rows, step: &str) {
    for installation in rows.installations.values() {
        let version = rows.versions.get(&installation.version_id);
        assert_eq!(version.map(|v| v.pack_id), Some(installation.pack_id), "{step}: the version of {installation:?}");
    }
    for update in rows.updates.values() {
        let of = rows.installations.get(&update.installation_id).expect("an update's installation");
        assert_eq!((of.account_id, of.pack_id), (update.account_id, update.pack_id), "{step}: {update:?}");
        let packs = [
            rows.releases.get(&update.release_id).map(|release| release.pack_id),
            rows.versions.get(&update.from_version_id).map(|version| version.pack_id),
            rows.versions.get(&update.to_version_id).map(|version| version.pack_id),
            rows.packs.get(&update.pack_id).map(|pack| pack.id),
        ];
        assert_eq!(packs, [Some(update.pack_id); 4], "{step}: {update:?}");
        assert_eq!(update.publisher_id, rows.packs[&update.pack_id].publisher_id, "{step}: {update:?}");
        assert!(update.state != "FAILED" || update.failure_code.is_some(), "{step}: it says why: {update:?}");
    }
}

pub(crate) fn at_most_one_pending_and_one_running(rows: &Rows, step: &str) {
    for pack in rows.packs.values() {
        let running: &[&str] = &["IN_PROGRESS", "ROLLING_BACK"];
        let expected = [(&["SCHEDULED"][..], pack.pending_release_id), (running, pack.running_release_id)];
        for (states, named) in expected {
            let of_pack = rows.releases.values().filter(|r| r.pack_id == pack.id);
            let found: Vec<_> = of_pack.filter(|r| states.contains(&r.state.as_str())).map(|r| r.id).collect();
            assert_eq!(found, named.into_iter().collect::<Vec<_>>(), "{step}: {states:?} releases of {}", pack.name);
        }
        let paused = rows.releases.values().any(|r| r.pack_id == pack.id && r.paused_at.is_some());
        assert_eq!(paused, pack.release_paused, "{step}: whether a release of {} is paused", pack.name);
        let running = pack.running_release_id.filter(|_| paused).and_then(|id| rows.releases.get(&id));
        let former = running.and_then(|release| release.previous_version_id);
        assert_eq!(former, pack.former_version_id, "{step}: the version that accounts are offered of {}", pack.name);
    }
}

/// Pack versions and packages never change, and are never removed.
fn snapshots_never_change(last: &Rows, rows: &Rows, step: &str) {
    for (id, version) in &last.versions {
        assert_eq!(rows.versions.get(id), Some(version), "{step}: a pack version has changed");
    }
    for (id, package) in &last.packages {
        // Only deleting and restoring may change a package (R8).
        let now =
            rows.packages.get(id).map(|now| component_version::Model { deleted_at: package.deleted_at, ..now.clone() });
        assert_eq!(now.as_ref(), Some(package), "{step}: a package has changed");
    }
    let of = |rows: &Rows| -> BTreeMap<Uuid, BTreeSet<(Uuid, Uuid)>> {
        let mut contents: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for item in &rows.items {
            contents.entry(item.pack_version_id).or_default().insert((item.component_id, item.component_version_id));
        }
        contents
    };
    let (before, after) = (of(last), of(rows));
    for (version, content) in before {
        assert_eq!(after.get(&version), Some(&content), "{step}: the content of a pack version has changed");
    }
}

/// The derived columns of packs equal values computed from the rows.
pub(crate) fn stored_equals_computed(rows: &Rows, step: &str) {
    for pack in rows.packs.values().filter(|pack| pack.deleted_at.is_none()) {
        let stored = (pack.component_count, pack.newer_count, pack.has_unreleased_changes);
        assert_eq!(stored, rows.assessment(pack), "{step}: what is stored of {} (rows, newer, unreleased)", pack.name);
    }
}

/// No content in force and no pinned row has a deleted package (R8), unless it came into force again by a roll back after
/// the package was deleted (R59), and the newest shareable package of each component
/// is stored correctly (R19).
pub(crate) fn nothing_deleted_is_held(rows: &Rows, step: &str) {
    let deleted = |id: &Uuid| rows.packages[id].deleted_at.is_some();
    let there = |pack: &Uuid| rows.packs[pack].deleted_at.is_none();
    for pack in rows.packs.values().filter(|pack| there(&pack.id)) {
        for version in [pack.current_version_id, pack.pending_version_id] {
            let in_content = rows.content(version);
            if rows.came_back(pack.id, version) {
                continue;
            }
            assert!(!in_content.values().any(deleted), "{step}: {} holds a deleted package: {in_content:?}", pack.name);
        }
    }
    for row in rows.drafts.iter().filter(|row| there(&row.pack_id)) {
        assert!(!row.pinned_version_id.as_ref().is_some_and(deleted), "{step}: pinned to a deleted package: {row:?}");
    }
    for component in rows.components.values() {
        let latest = |kind| rows.latest_shareable(component.id, kind).map(|version| version.id);
        let stored = (component.latest_shareable_id, component.latest_publication_id);
        assert_eq!(stored, (latest("PACKAGE"), latest("PUBLICATION")), "{step}: the newest of {}", component.name);
    }
}

/// The two kinds of content never mix in a pack (R52).
pub(crate) fn no_pack_mixes_kinds(rows: &Rows, step: &str) {
    for item in &rows.items {
        let pack = &rows.packs[&rows.versions[&item.pack_version_id].pack_id];
        let expected = if pack.deployment_model == "LEGACY" { "PUBLICATION" } else { "PACKAGE" };
        assert_eq!(rows.packages[&item.component_version_id].kind, expected, "{step}: {} holds it", pack.name);
    }
}

pub(crate) fn nothing_starts_before_its_window(rows: &Rows, step: &str) {
    for release in rows.releases.values() {
        if let (Some(starts), Some(started), None) = (release.starts_at, release.started_at, release.promoted_at) {
            assert!(started >= starts, "{step}: started before its window: {release:?}");
        }
    }
    for update in rows.updates.values().filter(|u| u.how.as_deref() == Some("AUTOMATIC")) {
        let starts = rows.releases[&update.release_id].starts_at.expect("a dated release");
        assert!(update.settled_at.is_some_and(|at| at >= starts), "{step}: moved before its window: {update:?}");
    }
}

/// How many stages of a release meet a condition.
fn of_stages(rows: &Rows, release: Uuid, meets: impl Fn(&entity::release_stage::Model) -> bool) -> usize {
    rows.stages.iter().filter(|stage| stage.release_id == release && meets(stage)).count()
}

/// Each change of state has one event. The events of an update form a possible sequence, with each state once, and end
/// with its current state. An installation moves to a release's version at most once.
fn each_change_has_one_event(rows: &Rows, step: &str) {
    let mut events_of: BTreeMap<(Uuid, Uuid), Vec<&str>> = BTreeMap::new();
    for event in &rows.events {
        if event.kind == "UPDATE_OUTCOME_REPORTED" {
            continue;
        }
        if let (Some(installation), Some(release), Some(state)) =
            (event.installation_id, event.release_id, &event.update_state)
        {
            events_of.entry((installation, release)).or_default().push(state);
        }
    }
    for (key, update) in &rows.updates {
        let life = events_of.remove(key).unwrap_or_default();
        let begun = life.strip_prefix(&["OFFERED"]).unwrap_or(&life);
        let possible = match begun {
            [] => update.state == "OFFERED",
            [end] => update.state == *end && *end != "OFFERED",
            ["APPLIED", "WITHDRAWN"] => update.state == "WITHDRAWN",
            ["SKIPPED", "APPLIED"] => update.state == "APPLIED" && update.how.as_deref() == Some("CATCH_UP"),
            ["FAILED", "APPLIED"] => update.state == "APPLIED",
            ["SKIPPED" | "FAILED", "APPLIED", "WITHDRAWN"] => update.how.as_deref() == Some("ROLLED_BACK"),
            _ => false,
        };
        assert!(possible, "{step}: the events {life:?} of an update that is {}: {update:?}", update.state);
    }
    assert!(events_of.is_empty(), "{step}: events of updates that there are not: {events_of:?}");
    for release in rows.releases.values() {
        let of = |kind: &str| rows.events.iter().filter(|e| e.release_id == Some(release.id) && e.kind == kind).count();
        let about = release.id.to_string();
        let retries =
            rows.entries.values().filter(|e| e.action == "retryFailedUpdates" && e.subject_id == about).count();
        let ended = ["SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED"].contains(&release.state.as_str());
        let taken_back = ["ROLLING_BACK", "ROLLED_BACK"].contains(&release.state.as_str());
        // Each retry starts and ends the release once more.
        let starts = usize::from(release.started_at.is_some()) + retries;
        // A roll back may have come before the end.
        let completed = if taken_back { of("RELEASE_COMPLETED") } else { retries };
        assert!(completed == starts || completed + 1 == starts || starts == 0, "{step}: the ends of {release:?}");
        let expected = [
            ("RELEASE_STARTED", starts),
            ("RELEASE_COMPLETED", if ended { starts } else { completed }),
            ("RELEASE_ROLLING_BACK", usize::from(taken_back)),
            ("RELEASE_ROLLED_BACK", usize::from(release.state == "ROLLED_BACK")),
            ("RELEASE_CANCELED", usize::from(release.state == "CANCELED")),
            ("RELEASE_SUPERSEDED", usize::from(release.state == "SUPERSEDED")),
            ("RELEASE_SCHEDULED", usize::from(release.starts_at.is_some())),
            ("RELEASE_STAGE_OPENED", of_stages(rows, release.id, |stage| stage.opened_at.is_some())),
            ("RELEASE_STAGE_COMPLETED", of_stages(rows, release.id, |stage| stage.completed_at.is_some())),
        ];
        for (kind, so_often) in expected {
            assert_eq!(of(kind), so_often, "{step}: {kind} of {release:?}");
        }
    }
}

/// For each release and instant, the tallies equal the number of updates that were offered and ended then. After a
/// cancel only the totals are comparable.
pub(crate) fn each_change_is_tallied_once(rows: &Rows, step: &str) {
    let mut tallied: BTreeMap<(Uuid, Option<Instant>, &str), i32> = BTreeMap::new();
    for row in &rows.tallies {
        assert_eq!(row.pack_id, rows.releases[&row.release_id].pack_id, "{step}: {row:?}");
        *tallied.entry((row.release_id, None, "EARLY")).or_default() += row.applied_early;
        for (what, count) in [
            ("OFFERED", row.offered),
            ("AUTOMATIC", row.applied_automatically),
            ("IMMEDIATE", row.applied_immediately),
            ("SKIPPED", row.skipped),
            ("FAILED", row.failed),
        ] {
            // For a failed update that a retry applied, and a skipped one that caught up, only the totals are
            // comparable.
            let at = Some(row.at).filter(|_| !["FAILED", "SKIPPED"].contains(&what));
            // A cancel moves back whom an account or a stage has moved, and the update doesn't say any more who did.
            let is_moved_back = what == "AUTOMATIC" && rows.releases[&row.release_id].state == "CANCELED";
            let (at, what) = if is_moved_back { (None, "EARLY") } else { (at, what) };
            *tallied.entry((row.release_id, at, what)).or_default() += count;
        }
    }
    let mut computed: BTreeMap<(Uuid, Option<Instant>, &str), i32> = BTreeMap::new();
    for update in rows.updates.values() {
        let mut count = |at, what| *computed.entry((update.release_id, at, what)).or_default() += 1;
        count(Some(update.offered_at), "OFFERED");
        let (state, how, settled_at) = rows.before_roll_back(update);
        match (state.as_str(), how.as_deref()) {
            ("APPLIED", Some("EARLY")) | (_, Some("CANCELED_BACK")) => count(None, "EARLY"),
            ("APPLIED", Some("STAGED")) if rows.releases[&update.release_id].state == "CANCELED" => {
                count(None, "EARLY")
            }
            ("APPLIED", Some("AUTOMATIC" | "STAGED")) => count(settled_at, "AUTOMATIC"),
            ("APPLIED", Some("IMMEDIATE")) => count(settled_at, "IMMEDIATE"),
            ("SKIPPED", _) | (_, Some("CATCH_UP")) => count(None, "SKIPPED"),
            ("FAILED", _) => count(None, "FAILED"),
            _ => {}
        }
    }
    tallied.retain(|_, count| *count != 0);
    assert_eq!(tallied, computed, "{step}: tallied, and as the updates say");
    states_are_counted_right(rows, step);
}

/// The tallies of current states equal the states of the updates.
fn states_are_counted_right(rows: &Rows, step: &str) {
    let mut tallied: BTreeMap<Uuid, [i32; 10]> = BTreeMap::new();
    for row in rows.tallies.iter().filter(|row| row.id >= rows.releases[&row.release_id].tally_base_id) {
        let change = [
            row.now_offered,
            row.now_applied,
            row.now_applied_early,
            row.now_skipped,
            row.now_failed,
            row.now_withdrawn,
            row.now_works,
            row.now_broken,
            row.now_applied_staged,
            row.now_moved_back,
        ];
        let sums = tallied.entry(row.release_id).or_default();
        sums.iter_mut().zip(change).for_each(|(sum, change)| *sum += change);
    }
    // A release that nobody has an update of yet can have a tally: of the updates that are still to come.
    tallied.retain(|_, sums| *sums != [0; 10]);
    let mut counted: BTreeMap<Uuid, [i32; 10]> = BTreeMap::new();
    for update in rows.updates.values() {
        let sums = counted.entry(update.release_id).or_default();
        match update.state.as_str() {
            "OFFERED" => sums[0] += 1,
            "APPLIED" => {
                sums[1] += 1;
                sums[2] += i32::from(update.how.as_deref() == Some("EARLY"));
                sums[6] += i32::from(update.outcome.as_deref() == Some("WORKS"));
                sums[7] += i32::from(update.outcome.as_deref() == Some("BROKEN"));
                sums[8] += i32::from(update.how.as_deref() == Some("STAGED"));
            }
            "SKIPPED" => sums[3] += 1,
            "FAILED" => sums[4] += 1,
            "WITHDRAWN" => {
                sums[5] += 1;
                sums[9] += i32::from(matches!(update.how.as_deref(), Some("CANCELED_BACK" | "ROLLED_BACK")));
            }
            other => panic!("{step}: an update in the state {other}"),
        }
    }
    assert_eq!(tallied, counted, "{step}: the states of updates, tallied and counted");
}

/// The fields that the publisher reads equal values computed from the rows.
async fn read_equals_computed(story: &Story, rows: &Rows, step: &str) {
    let selection = "name newerShareableAvailable hasUnreleasedChanges componentCount state currentVersion { id installationCount } pendingRelease { id }
        components { component { name } newerShareableAvailable } releases(first: 100) { edges { node { id state
        progress { total offered applied skipped failed withdrawn percent } updates(first: 100) { totalCount edges { node { state } } } } } }
        installations(first: 100) { totalCount edges { node { id state } } }";
    for id in &story.packs {
        let pack = &rows.packs[&uuid_of(id)];
        if pack.deleted_at.is_some() {
            continue;
        }
        let read = story.app.read_pack(id, selection).await;
        let (count, newer, unreleased) = rows.assessment(pack);
        let seen = (
            read.int("/componentCount"),
            read.at("/newerShareableAvailable") == true,
            read.at("/hasUnreleasedChanges") == true,
        );
        assert_eq!(seen, (i64::from(count), newer > 0, unreleased), "{step}: what is read of {}", pack.name);
        let newer_rows =
            read.list("/components").iter().filter(|row| row.at("/newerShareableAvailable") == true).count();
        assert_eq!(
            newer_rows,
            usize::try_from(newer).expect("few"),
            "{step}: rows of {} with something newer",
            pack.name
        );
        let due = !pack.release_paused && pack.pending_starts_at.is_some_and(|at| at <= story.app.now());
        assert_eq!(read.at("/pendingRelease").is_null(), due || pack.pending_release_id.is_none(), "{step}: {read:#}");
        let current = if due { pack.pending_version_id } else { pack.current_version_id };
        let read_current = read.pointer("/currentVersion/id").and_then(Value::as_str).map(uuid_of);
        assert_eq!(read_current, current, "{step}: the current version of {}", pack.name);
        installations_are_read_as_they_are(rows, pack.id, &read, step);
        for release in read.nodes("/releases") {
            progress_adds_up(&release, step);
        }
    }
}

fn installations_are_read_as_they_are(rows: &Rows, pack: Uuid, read: &Value, step: &str) {
    let here: Vec<_> =
        rows.installations.values().filter(|i| i.pack_id == pack && i.uninstalled_at.is_none()).collect();
    assert_eq!(read.int("/installations/totalCount"), i64::try_from(here.len()).expect("few"), "{step}");
    for node in read.nodes("/installations") {
        let installation = &rows.installations[&uuid_of(&node.text("/id"))];
        let expected = if rows.is_granted(installation) { "ACTIVE" } else { "FROZEN" };
        assert_eq!(node.text("/state"), expected, "{step}: {installation:?}");
    }
    if let Some(current) = read.pointer("/currentVersion/id").and_then(Value::as_str) {
        let have = here.iter().filter(|i| i.version_id == uuid_of(current)).count();
        assert_eq!(read.int("/currentVersion/installationCount"), i64::try_from(have).expect("few"), "{step}");
    }
}

pub(crate) fn progress_adds_up(release: &Value, step: &str) {
    let progress = release.at("/progress");
    let parts = ["offered", "applied", "skipped", "failed", "withdrawn"];
    let numbers: BTreeMap<_, _> = parts.iter().map(|part| (*part, progress.int(&format!("/{part}")))).collect();
    assert_eq!(progress.int("/total"), numbers.values().sum::<i64>(), "{step}: {release:#}");
    let done = progress.int("/total") - numbers["offered"];
    let percent = progress.at("/percent").as_f64().expect("a number");
    #[expect(clippy::cast_precision_loss, reason = "a handful of installations")]
    let expected =
        if progress.int("/total") == 0 { 100.0 } else { done as f64 * 100.0 / progress.int("/total") as f64 };
    // A roll back's progress has a number of its own.
    let is_rolling_back = release.get("state").is_some_and(|state| state == "ROLLING_BACK");
    let is_right = if is_rolling_back { (0.0..=100.0).contains(&percent) } else { (percent - expected).abs() < 0.001 };
    assert!(is_right, "{step}: {release:#}");
    // The page of updates agrees with the progress.
    let states = release.nodes("/updates");
    for (part, state) in [
        ("offered", "OFFERED"),
        ("applied", "APPLIED"),
        ("skipped", "SKIPPED"),
        ("failed", "FAILED"),
        ("withdrawn", "WITHDRAWN"),
    ] {
        let shown = states.iter().filter(|update| update.text("/state") == state).count();
        assert_eq!(i64::try_from(shown).expect("few"), numbers[part], "{step}: {part} of {release:#}");
    }
}
