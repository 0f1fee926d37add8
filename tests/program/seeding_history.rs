//! A seeded world is in a state that the services could have produced, and works like any other world (R19, R27, R45).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entity::{announced_grant, library_copy, library_process, library_share, task};
use packwright::domain::{Instant, text};
use packwright::seed::Options;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gate::introspection::Schema;
use crate::program::seeding::{options, seeded};
use crate::support::rows::tables;
use crate::support::{At, TestApp, immediately, uuid_of};
use crate::whole::invariants_checks::{
    at_most_one_pending_and_one_running, each_change_is_tallied_once, is_at_its_version, no_pack_mixes_kinds,
    nothing_deleted_is_held, nothing_starts_before_its_window, progress_adds_up, stored_equals_computed,
};
use crate::whole::invariants_rows::Rows;
use crate::whole::walk::Walk;

/// The invariants of any world, except those about events, because a seeded world begins with an empty event log.
async fn check(app: &TestApp, step: &str) -> Rows {
    let rows = Rows::read(app).await;
    at_most_one_pending_and_one_running(&rows, step);
    stored_equals_computed(&rows, step);
    nothing_starts_before_its_window(&rows, step);
    each_change_is_tallied_once(&rows, step);
    nothing_deleted_is_held(&rows, step);
    no_pack_mixes_kinds(&rows, step);
    grants_are_announced(app, &rows, step).await;
    installations_have_their_last_updates_version(&rows, step);
    rows
}

/// Each visible pack was announced to its account, and each installation without a grant is frozen.
async fn grants_are_announced(app: &TestApp, rows: &Rows, step: &str) {
    let announced: BTreeSet<(Uuid, Uuid)> = announced_grant::Entity::find()
        .all(tables(app))
        .await
        .expect("rows")
        .into_iter()
        .map(|row| (row.pack_id, row.account_id))
        .collect();
    let released = |pack: &Uuid| rows.packs[pack].current_version_id.is_some();
    let granted = rows.grants.iter().copied().filter(|(pack, _)| released(pack)).collect();
    assert_eq!(announced, granted, "{step}");
    for installation in rows.installations.values().filter(|i| i.uninstalled_at.is_none()) {
        assert_eq!(installation.frozen_at.is_none(), rows.is_granted(installation), "{step}: {installation:?}");
        assert_eq!(installation.visible_until.is_none(), installation.frozen_at.is_none(), "{step}: {installation:?}");
    }
}

/// The updates of an installation lead from version to version, up to its current one.
fn installations_have_their_last_updates_version(rows: &Rows, step: &str) {
    let mut updates: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
    for update in rows.updates.values() {
        updates.entry(update.installation_id).or_default().push(update);
    }
    for installation in rows.installations.values() {
        let mut of = updates.remove(&installation.id).unwrap_or_default();
        of.sort_by_key(|update| rows.releases[&update.release_id].created_at);
        let mut version = of.first().map_or(installation.version_id, |update| update.from_version_id);
        let mut moved_at = None;
        for update in of {
            assert_eq!(update.from_version_id, version, "{step}: {update:?}");
            assert_eq!(update.to_version_id, rows.releases[&update.release_id].version_id);
            assert!(update.offered_at >= installation.installed_at, "{step}: {update:?}");
            assert!(update.settled_at.is_none_or(|at| at >= update.offered_at), "{step}: {update:?}");
            match (update.state.as_str(), update.how.as_deref()) {
                ("APPLIED", _) => (version, moved_at) = (update.to_version_id, update.settled_at),
                (_, Some("CANCELED_BACK")) => moved_at = update.settled_at,
                _ => {}
            }
        }
        assert_eq!((installation.version_id, installation.moved_at), (version, moved_at), "{step}: {installation:?}");
    }
}

#[tokio::test]
async fn r19_a_seeded_world_is_what_the_services_would_have_left() {
    let (app, _) = seeded(Options { accounts: 700, ..options(60, 2_500) }).await;
    let rows = check(&app, "seeded").await;
    assert!(task::Entity::find().all(tables(&app)).await.expect("rows").is_empty(), "nothing is left to do");
    assert!(rows.events.is_empty());
    the_audit_log_explains_the_state(&app, &rows).await;
    copies_are_counted(&app, &rows).await;
    for release in rows.releases.values() {
        assert_ne!(release.state, "IN_PROGRESS");
        assert_eq!(release.state == "SCHEDULED", release.ended_at.is_none(), "{release:?}");
        assert!(release.state != "SCHEDULED" || release.starts_at > Some(app.now()), "{release:?}");
    }
    for account in rows.accounts.values() {
        assert_eq!(account.name_key, text::key(&account.name));
        assert!(account.created_at < app.now() && account.enrolled_at.is_some_and(|at| at < app.now()));
    }
    for installation in rows.installations.values() {
        let pack = &rows.packs[&installation.pack_id];
        let name = installation.override_name.as_ref().unwrap_or(&pack.name);
        assert_eq!(installation.name_key, text::key(name));
        assert_eq!(installation.account_name_key, rows.accounts[&installation.account_id].name_key);
        assert_eq!(installation.override_name.is_some(), pack.installation_type == "MULTI");
        let live = installation.uninstalled_at.is_none();
        assert_eq!(installation.single_pack_id.is_some(), live && installation.override_name.is_none());
        assert_eq!(installation.override_name_key.is_some(), live && installation.override_name.is_some());
    }
    every_case_occurs(&rows);
}

/// Each change has an audit entry with the right time. Changes of single installations have entries only for the last
/// days.
async fn the_audit_log_explains_the_state(app: &TestApp, rows: &Rows) {
    let mut generated_pack: BTreeMap<(&str, String), Vec<Instant>> = BTreeMap::new();
    for entry in rows.entries.values() {
        assert!(entry.occurred_at <= app.now(), "{entry:?}");
        // Only the account knows the ID of its copy.
        let own = entry.own_subject_id.as_ref().filter(|_| entry.action == "copyFromProcessLibrary");
        let id = own.unwrap_or(&entry.subject_id).clone();
        generated_pack.entry((entry.action.as_str(), id)).or_default().push(entry.occurred_at);
    }
    let mut take = |action: &'static str, id: Uuid, at: Option<Instant>| {
        let found = generated_pack.remove(&(action, id.to_string())).unwrap_or_default();
        assert_eq!(found, Vec::from_iter(at), "{action} of {id}");
    };
    for account in rows.accounts.values() {
        let managed = account.kind == "MANAGED";
        take("createManagedAccount", account.id, Some(account.created_at).filter(|_| managed));
        take("enrolManagedAccount", account.id, account.enrolled_at.filter(|_| managed));
        take("suspendAccount", account.id, account.suspended_at);
    }
    for version in rows.packages.values() {
        let made = if version.kind == "PACKAGE" { "createPackagedComponents" } else { "publishComponent" };
        take(made, version.id, Some(version.created_at));
        take("deletePackagedComponent", version.id, version.deleted_at);
    }
    for process in library_process::Entity::find().all(tables(app)).await.expect("rows") {
        take("publishToProcessLibrary", process.id, Some(process.published_at));
        take("withdrawFromProcessLibrary", process.id, process.withdrawn_at);
    }
    for component in rows.components.values() {
        let copied = rows.accounts[&component.owner_id].kind == "MANAGED";
        take("copyFromProcessLibrary", component.id, Some(component.created_at).filter(|_| copied));
        take("createComponent", component.id, Some(component.created_at).filter(|_| !copied));
    }
    for pack in rows.packs.values() {
        take("createIntegrationPack", pack.id, Some(pack.created_at));
        take("deleteIntegrationPack", pack.id, pack.deleted_at);
    }
    for release in rows.releases.values() {
        let (canceled, promoted) = (release.state == "CANCELED", release.promoted_at.is_some());
        let opened = release.started_at.filter(|_| release.starts_at.is_some() && !promoted);
        take("releaseIntegrationPack", release.id, Some(release.created_at));
        take("scheduler.startRelease", release.id, opened);
        take("promoteRelease", release.id, release.promoted_at);
        take("cancelRelease", release.id, release.ended_at.filter(|_| canceled));
        take("scheduler.completeRelease", release.id, release.ended_at.filter(|_| !canceled));
    }
    let since = app.now() - TimeDelta::days(25);
    for installation in rows.installations.values() {
        let recent = |at: &Instant| *at > since;
        let deleted = rows.packs[&installation.pack_id].deleted_at.is_some();
        let uninstalled = if deleted { "scheduler.uninstallPack" } else { "uninstallPack" };
        for (action, at) in [
            ("installPack", Some(installation.installed_at)),
            (uninstalled, installation.uninstalled_at),
            ("scheduler.freezeInstallation", installation.frozen_at),
        ] {
            if at.is_some_and(|at| recent(&at)) {
                take(action, installation.id, at);
            }
        }
        let mut of: Vec<_> = rows.updates.values().filter(|u| u.installation_id == installation.id).collect();
        of.retain(|u| u.settled_at.is_some_and(|at| recent(&at)) && u.how.as_deref() == Some("EARLY"));
        take("applyPendingUpdate", installation.id, of.first().and_then(|update| update.settled_at));
    }
}

/// The copy count of a process equals its copies, and only offered processes are shared (R53).
async fn copies_are_counted(app: &TestApp, rows: &Rows) {
    let copies = library_copy::Entity::find().all(tables(app)).await.expect("rows");
    let shares = library_share::Entity::find().all(tables(app)).await.expect("rows");
    let processes = library_process::Entity::find().all(tables(app)).await.expect("rows");
    for process in &processes {
        let of = copies.iter().filter(|copy| copy.process_id == process.id).count();
        assert_eq!(Ok(process.copy_count), i64::try_from(of), "{process:?}");
        let shared = shares.iter().any(|share| share.process_id == process.id);
        assert_eq!(shared, process.withdrawn_at.is_none(), "{process:?}");
        let package = &rows.packages[&process.component_version_id];
        assert!(package.shareable && package.deleted_at.is_none(), "{package:?}");
    }
    assert!(processes.len() > 1 && !copies.is_empty(), "{processes:?}");
}

/// Every case occurs, because a world without it would test nothing.
fn every_case_occurs(rows: &Rows) {
    let updates: BTreeSet<String> = rows
        .updates
        .values()
        .map(|u| format!("{} {}", u.state, u.how.as_deref().or(u.skip_reason.as_deref()).unwrap_or("-")))
        .collect();
    for kind in [
        "OFFERED -",
        "APPLIED EARLY",
        "APPLIED AUTOMATIC",
        "APPLIED IMMEDIATE",
        "SKIPPED NOT_ENTITLED",
        "SKIPPED ACCOUNT_SUSPENDED",
        "FAILED -",
        "WITHDRAWN -",
        "WITHDRAWN CANCELED_BACK",
    ] {
        assert!(updates.contains(kind), "no update is {kind}: {updates:?}");
    }
    let releases: BTreeSet<&str> = rows.releases.values().map(|r| r.state.as_str()).collect();
    assert_eq!(releases.into_iter().collect::<Vec<_>>(), ["CANCELED", "PARTIALLY_SUCCEEDED", "SCHEDULED", "SUCCEEDED"]);
    let some = |what: &str, count: usize, of: usize| assert!(count > 0 && count < of, "{what}: {count} of {of}");
    let packs: Vec<_> = rows.packs.values().collect();
    let count = |is: fn(&entity::integration_pack::Model) -> bool| packs.iter().filter(|pack| is(pack)).count();
    some("packs with something newer", count(|p| p.newer_count > 0), packs.len());
    some("packs with unreleased changes", count(|p| p.has_unreleased_changes), packs.len());
    some(
        "packs in their testing period",
        count(|p| p.pending_starts_at.is_some() && p.current_version_id.is_some()),
        packs.len(),
    );
    some("packs never released", count(|p| p.last_number == 0), packs.len());
    some("legacy packs", count(|p| p.deployment_model == "LEGACY" && p.last_number > 0), packs.len());
    some("deleted packs", count(|p| p.deleted_at.is_some()), packs.len());
    some("deleted packages", rows.packages.values().filter(|p| p.deleted_at.is_some()).count(), rows.packages.len());
    some("suspended", rows.accounts.values().filter(|a| a.suspended_at.is_some()).count(), rows.accounts.len());
    some("MULTI packs", count(|p| p.installation_type == "MULTI"), packs.len());
    let drafts = rows.drafts.len();
    some("pinned rows", rows.drafts.iter().filter(|row| row.pinned_version_id.is_some()).count(), drafts);
    some("marked rows", rows.drafts.iter().filter(|row| row.marked_for_removal).count(), drafts);
    let installations: Vec<_> = rows.installations.values().collect();
    some("frozen", installations.iter().filter(|i| i.frozen_at.is_some()).count(), installations.len());
    some("uninstalled", installations.iter().filter(|i| i.uninstalled_at.is_some()).count(), installations.len());
}

const RELEASES: &str = "query($after: String) { releases(first: 50, after: $after) { edges { node { id state
    progress { total offered applied skipped failed withdrawn percent }
    adoption { installationCount curve { offered appliedEarly appliedAutomatically appliedImmediately skipped failed } }
    updates(first: 100) { totalCount edges { node { state } } } } } pageInfo { hasNextPage endCursor } } }";

#[tokio::test]
async fn r27_a_seeded_world_lives_on() {
    let (app, filled) = seeded(Options { accounts: 310, ..options(24, 1_500) }).await;
    let seed = check(&app, "seeded").await;
    let rows = &seed;

    // The account whose token was printed applies its pending updates.
    let pending = "{ pendingUpdates(first: 100) { edges { node { id } } } installations { totalCount } }";
    let seen = app.gql(&filled.account_secret, pending, json!(null)).await;
    let offers = seen.texts("/pendingUpdates", "/id");
    assert!(!offers.is_empty() && seen.int("/installations/totalCount") > 1, "{seen:#}");
    let selection = "update { state how } alreadyApplied";
    let input = json!({ "updateId": offers[0] });
    let applied = app.ok(&filled.account_secret, "applyPendingUpdate", input, selection).await;
    assert_eq!((applied.text("/update/state"), applied.at("/alreadyApplied")), ("APPLIED".into(), &json!(false)));

    // An immediate release.
    let changed = rows.packs.values().find(|pack| {
        let installed = rows.installations.values().any(|i| i.pack_id == pack.id && i.uninstalled_at.is_none());
        pack.has_unreleased_changes && pack.pending_release_id.is_none() && installed
    });
    let changed = changed.expect("a pack with something to release").name.clone();
    let named =
        "query($search: String) { integrationPacks(first: 1, filter: { search: $search }) { edges { node { id } } } }";
    let pack = app.gql(&app.publisher, named, json!({ "search": changed })).await.texts("/integrationPacks", "/id");
    let release = app.ok(&app.publisher, "releaseIntegrationPack", immediately(&pack[0]), "release { id }").await;
    assert_eq!(
        uuid_of(&pack[0]),
        rows.releases.values().find(|r| r.pack_id == uuid_of(&pack[0])).expect("one").pack_id
    );
    check(&app, "released").await;

    // Every window opens in time.
    app.live_until("2026-12-10T00:00:00Z").await;
    let rows = check(&app, "rolled out").await;
    for pack in rows.packs.values() {
        assert!(pack.pending_release_id.is_none() && pack.running_release_id.is_none(), "{pack:?}");
    }
    for release in rows.releases.values() {
        assert!(release.ended_at.is_some() && release.lateness_seconds.is_none(), "{release:?}");
    }
    assert_eq!(app.release_state(&release.text("/release/id")).await, "SUCCEEDED");
    assert!(rows.updates.values().all(|update| update.state != "OFFERED"));
    each_change_since_has_one_event(&seed, &rows);
    every_release_adds_up(&app).await;

    // A reactivated account catches up.
    let suspended: Vec<_> = rows.accounts.values().filter(|account| account.status == "SUSPENDED").collect();
    let behind = |account: Uuid| {
        let of = rows.installations.values().filter(|i| i.account_id == account && i.uninstalled_at.is_none());
        of.filter(|i| rows.packs[&i.pack_id].current_version_id != Some(i.version_id)).count()
    };
    assert!(suspended.iter().any(|account| behind(account.id) > 0), "nobody has anything to catch up with");
    let query = "{ managedAccounts(first: 100, filter: { status: SUSPENDED }) { edges { node { id } } } }";
    let ids = app.gql(&app.publisher, query, json!(null)).await.texts("/managedAccounts", "/id");
    assert_eq!(ids.len(), suspended.len());
    for id in ids {
        app.ok(&app.publisher, "reactivateAccount", json!({ "accountId": id }), "account { status }").await;
    }
    app.live_until("2026-12-11T00:00:00Z").await;
    let rows = check(&app, "caught up").await;
    for installation in rows.installations.values().filter(|i| i.uninstalled_at.is_none()) {
        is_at_its_version(&rows, installation);
    }
}

/// The event log, empty at first, has each change of an update since then, and no earlier one.
fn each_change_since_has_one_event(before: &Rows, rows: &Rows) {
    let mut generated_pack: BTreeMap<(Option<Uuid>, Option<Uuid>), Vec<&str>> = BTreeMap::new();
    for event in &rows.events {
        if let Some(state) = &event.update_state {
            generated_pack.entry((event.installation_id, event.release_id)).or_default().push(state);
        }
    }
    for ((installation, release), update) in &rows.updates {
        let of = generated_pack.remove(&(Some(*installation), Some(*release))).unwrap_or_default();
        let was = before.updates.get(&(*installation, *release)).map(|update| update.state.as_str());
        if was == Some(&update.state) {
            assert!(of.is_empty(), "{of:?} of {update:?}");
        } else {
            assert_eq!(of.last(), Some(&update.state.as_str()), "{update:?}");
            assert_eq!(of.iter().filter(|state| **state == update.state).count(), 1, "{update:?}");
        }
    }
    assert!(generated_pack.is_empty() && !rows.events.is_empty(), "{generated_pack:?}");
}

async fn every_release_adds_up(app: &TestApp) {
    let mut after = json!(null);
    let mut seen = 0;
    loop {
        let page = app.gql(&app.publisher, RELEASES, json!({ "after": after })).await;
        for release in page.nodes("/releases") {
            seen += 1;
            if release.int("/updates/totalCount") <= 100 {
                progress_adds_up(&release, "at the end");
            }
            let end = release.list("/adoption/curve").last().cloned().unwrap_or(json!({ "offered": 0 }));
            assert_eq!(end.int("/offered"), release.int("/progress/total"), "{release:#}");
        }
        if page.at("/releases/pageInfo/hasNextPage") != &Value::Bool(true) {
            break;
        }
        after = page.at("/releases/pageInfo/endCursor").clone();
    }
    assert!(seen > 30, "{seen} releases");
}

#[tokio::test]
async fn r02_all_of_a_seeded_world_can_be_read() {
    let (app, filled) = seeded(Options { components: 20, groups: 3, ..options(6, 60) }).await;
    let schema = Schema::of(&app).await;
    let publisher = Walk::from_the_roots(&app, &schema, &app.publisher).await;
    let account = Walk::from_the_roots(&app, &schema, &filled.account_secret).await;
    let of = |walk: &Walk, kind: &str| walk.ids.values().filter(|is_chosen| *is_chosen == kind).count();
    assert_eq!(of(&publisher, "IntegrationPack"), 6);
    assert_eq!(of(&publisher, "Installation"), 60);
    assert!(of(&account, "AvailablePack") > 0 && of(&account, "Installation") > 0);
    for kind in publisher.shared_types(&account) {
        assert!(["Installation", "InstallationUpdate", "AuditEntry"].contains(&kind), "both have met a {kind}");
    }
}
