//! Stored counts equal the counted rows: installations by version, accounts by pack, and the installations that
//! releases have not reached yet. Tested with random stories, while two servers work on one database.

use std::collections::{BTreeMap, BTreeSet};

use packwright::domain::id::{PackId, ReleaseId};
use packwright::store::installations::{tallies, write_counts as counts};
use packwright::store::packs::write as packs;
use packwright::store::releases::write as releases;
use uuid::Uuid;

use crate::support::TestApp;
use crate::whole::invariants::{run_stories, story};
use crate::whole::invariants_rows::Rows;
use crate::whole::invariants_story::{Command, Story};

/// Fails unless the stored counts equal the numbers of rows.
pub(crate) fn kept_numbers_equal_counts(rows: &Rows, step: &str) {
    let mut counted: BTreeMap<(Uuid, Uuid), i32> = BTreeMap::new();
    let mut accounts: BTreeSet<(Uuid, Uuid)> = BTreeSet::new();
    for installation in rows.installations.values().filter(|i| i.uninstalled_at.is_none()) {
        *counted.entry((installation.pack_id, installation.version_id)).or_default() += 1;
        accounts.insert((installation.pack_id, installation.account_id));
    }
    let (mut kept, mut since_ever) = (BTreeMap::new(), BTreeMap::new());
    let mut accounts_kept: BTreeMap<Uuid, i32> = BTreeMap::new();
    for row in &rows.counts {
        let key = (row.pack_id, row.version_id);
        *since_ever.entry(key).or_default() += row.installations;
        if row.id >= rows.packs[&row.pack_id].tally_base_id {
            *kept.entry(key).or_default() += row.installations + row.all_installations;
            *accounts_kept.entry(row.pack_id).or_default() += row.accounts + row.all_accounts;
        }
    }
    for sums in [&mut kept, &mut since_ever] {
        sums.retain(|_, count: &mut i32| *count != 0);
    }
    assert_eq!(kept, counted, "{step}: installations by pack and version, kept and counted");
    assert_eq!(since_ever, counted, "{step}: all that changed since ever, and counted");
    for (pack, kept) in accounts_kept {
        let counted = accounts.iter().filter(|(of, _)| *of == pack).count();
        assert_eq!(
            usize::try_from(kept),
            Ok(counted),
            "{step}: accounts of {}, kept and counted",
            rows.packs[&pack].name
        );
    }
    for release in rows.releases.values().filter(|r| ["SCHEDULED", "IN_PROGRESS"].contains(&r.state.as_str())) {
        let of_it = rows.tallies.iter().filter(|row| row.release_id == release.id && row.id >= release.tally_base_id);
        let kept: i32 = of_it.map(|row| row.remaining).sum();
        let here = rows.installations.values().filter(|i| i.pack_id == release.pack_id && i.uninstalled_at.is_none());
        let remaining =
            here.filter(|i| i.version_id != release.version_id && !rows.updates.contains_key(&(i.id, release.id)));
        assert_eq!(usize::try_from(kept), Ok(remaining.count()), "{step}: what {release:?} has still to come to");
    }
    judged_numbers_equal_counts(rows, step);
}

/// The numbers that a halt rule is judged by equal the counted updates, of releases that were neither resumed nor taken
/// back (R58).
fn judged_numbers_equal_counts(rows: &Rows, step: &str) {
    let open = ["SCHEDULED", "IN_PROGRESS", "SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED"];
    for release in rows.releases.values().filter(|r| r.resumed_at.is_none() && open.contains(&r.state.as_str())) {
        let of_it = rows.tallies.iter().filter(|row| row.release_id == release.id && row.id >= release.tally_base_id);
        let kept = of_it.fold((0, 0), |(executed, bad), row| (executed + row.executed, bad + row.bad));
        let (mut executed, mut bad) = (0, 0);
        for update in rows.updates.values().filter(|update| update.release_id == release.id) {
            let failed = update.state == "FAILED";
            executed += i32::from(failed || update.state == "APPLIED");
            bad += i32::from(failed || update.outcome.as_deref() == Some("BROKEN"));
        }
        assert_eq!(kept, (executed, bad), "{step}: the numbers of {release:?}");
    }
}

/// Compacts all counts with more than two rows.
async fn compact(app: &TestApp, rows: &Rows) {
    let (services, now) = (&app.app.services, app.now());
    for pack in rows.packs.keys().map(|id| PackId(*id)) {
        let tx = services.db.begin().await.expect("a transaction");
        if packs::lock_any(&tx, pack).await.expect("a pack").is_none() {
            continue;
        }
        counts::compact(&tx, pack, now, 2).await.expect("compacted");
        for release in rows.releases.values().filter(|release| release.pack_id == pack.0) {
            let release = releases::get(&tx, pack, ReleaseId(release.id)).await.expect("a release").expect("a release");
            tallies::compact(&tx, &release, now, 2).await.expect("compacted");
        }
        tx.commit().await.expect("committed");
    }
}

async fn run_story(commands: Vec<Command>) {
    let mut story = Story::begin().await;
    let other = story.app.another_server().await;
    for (index, command) in commands.iter().enumerate() {
        // Either server skips work that the other one has locked.
        let (outcome, _) = tokio::join!(story.step(command), other.scheduler.tick());
        let rows = Rows::read(&story.app).await;
        kept_numbers_equal_counts(&rows, &format!("step {index}, {command:?} ({outcome:?})"));
        if index % 5 == 4 {
            compact(&story.app, &rows).await;
            kept_numbers_equal_counts(&Rows::read(&story.app).await, &format!("step {index}, compacted"));
        }
    }
    story.let_everything_end().await;
    kept_numbers_equal_counts(&Rows::read(&story.app).await, "the end");
    other.services.db.clone().close().await.expect("closed");
}

#[test]
fn r49_the_kept_numbers_of_two_servers_equal_the_counts() {
    run_stories(4, story(), run_story);
}
