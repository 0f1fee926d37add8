//! The fields that can be read of a seeded world agree with each other (R19, R28, R41, R45, R52).

use std::collections::{BTreeMap, BTreeSet};

use packwright::seed::Options;
use serde_json::{Value, json};

use crate::program::seeding::{options, seeded};
use crate::support::{At, TestApp};

/// All nodes of one of the publisher's connections, page by page.
async fn all(app: &TestApp, connection: &str, selection: &str) -> Vec<Value> {
    let document = format!(
        "query($after: String) {{ {connection}(first: 40, after: $after) {{
            edges {{ node {{ {selection} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut nodes, mut after) = (Vec::new(), json!(null));
    loop {
        let page = app.gql(&app.publisher, &document, json!({ "after": after })).await;
        nodes.extend(page.nodes(&format!("/{connection}")));
        if page.at(&format!("/{connection}/pageInfo/hasNextPage")) == &json!(false) {
            return nodes;
        }
        after = page.at(&format!("/{connection}/pageInfo/endCursor")).clone();
    }
}

const PACK: &str = "id name state deploymentModel currentVersion { number installationCount }
    pendingRelease { id version { number } } runningRelease { id }
    components { component { name } next { __typename } }
    releases(first: 100) { edges { node { id state createdAt version { number } progress { total } } } }
    adoption { installationCount frozenCount byVersion { version { number } installationCount } curve(points: 2) { offered } }
    installations(first: 1) { totalCount }";

/// Checks a pack: at most one pending and no running release, and its counts agree with each other and with the
/// tallies.
fn pack_agrees(pack: &Value) {
    let state = match (pack.at("/pendingRelease").is_null(), pack.at("/currentVersion").is_null()) {
        (true, true) => "NEVER_RELEASED",
        (true, false) => "CURRENT",
        (false, true) => "FIRST_RELEASE_SCHEDULED",
        (false, false) => "TESTING",
    };
    assert_eq!((pack.text("/state").as_str(), pack.at("/runningRelease")), (state, &json!(null)), "{pack:#}");
    let releases = pack.nodes("/releases");
    let scheduled: Vec<_> = releases.iter().filter(|release| release.text("/state") == "SCHEDULED").collect();
    let pending = pack.at("/pendingRelease").get("id");
    assert_eq!(scheduled.iter().map(|release| release.at("/id")).collect::<Vec<_>>(), Vec::from_iter(pending));
    let by_version = pack.list("/adoption/byVersion");
    let sum: i64 = by_version.iter().map(|count| count.int("/installationCount")).sum();
    assert_eq!(sum, pack.int("/adoption/installationCount"), "{pack:#}");
    assert_eq!(sum, pack.int("/installations/totalCount"), "{pack:#}");
    if state == "CURRENT" || state == "TESTING" {
        let number = pack.int("/currentVersion/number");
        let counted = by_version.iter().find(|count| count.int("/version/number") == number);
        let counted = counted.map_or(0, |count| count.int("/installationCount"));
        assert_eq!(counted, pack.int("/currentVersion/installationCount"), "{pack:#}");
    }
    let offered = pack.list("/adoption/curve").last().map_or(0, |point| point.int("/offered"));
    // The curve of a pack covers one year.
    let recent = releases.iter().filter(|release| release.text("/createdAt").as_str() > "2025-11-22T09");
    let total: i64 = recent.map(|release| release.int("/progress/total")).sum();
    assert_eq!(offered, total, "{pack:#}");
}

const INSTALLATION: &str = "id name state pack { id } account { id status } version { number }
    pendingUpdate { release { id } } updates(first: 100) { edges { node { state how skipReason
    failure { code attempts } fromVersion { number } toVersion { number } release { id } } } }";

/// Why an installation isn't at the current version; fails when there is no readable reason.
fn reason(installation: &Value, pack: &Value) -> &'static str {
    let (has, current) = (installation.int("/version/number"), pack.int("/currentVersion/number"));
    let updates = installation.nodes("/updates");
    let newest = updates.iter().map(|update| (update.text("/state"), update)).next();
    let pending = pack.at("/pendingRelease");
    let offered = installation.at("/pendingUpdate");
    if offered.is_null() && has > current {
        assert_eq!(pending.int("/version/number"), has, "{installation:#}");
        assert!(newest.is_some_and(|(state, update)| state == "APPLIED" && update.text("/how") == "EARLY"));
        return "EARLY";
    }
    if installation.text("/state") == "FROZEN" {
        assert!(offered.is_null(), "{installation:#}");
        return "FROZEN";
    }
    assert_eq!(offered.is_null(), pending.is_null(), "who may be moved is offered what is pending: {installation:#}");
    if !offered.is_null() {
        assert_eq!(offered.at("/release/id"), pending.at("/id"));
    }
    if has == current {
        return "CURRENT";
    }
    if installation.text("/account/status") == "SUSPENDED" {
        return "SUSPENDED";
    }
    let failed = updates.iter().find(|update| update.text("/state") == "FAILED");
    let failed = failed.unwrap_or_else(|| panic!("left behind for no reason: {installation:#} {pack:#}"));
    assert!(failed.int("/failure/attempts") > 1 && failed.int("/toVersion/number") == current, "{failed:#}");
    "FAILED"
}

#[tokio::test]
async fn r19_reads_of_a_seeded_world_agree() {
    let (app, filled) = seeded(Options { accounts: 500, ..options(50, 2_500) }).await;
    let packs = all(&app, "integrationPacks", PACK).await;
    packs.iter().for_each(pack_agrees);
    let of: BTreeMap<String, &Value> = packs.iter().map(|pack| (pack.text("/id"), pack)).collect();
    let installations = all(&app, "installations", INSTALLATION).await;
    assert_eq!(installations.len(), filled.installations);
    let mut reasons = BTreeSet::new();
    let mut counted: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    let mut frozen: BTreeMap<&str, i64> = BTreeMap::new();
    for installation in &installations {
        let (id, pack) = of.get_key_value(&installation.text("/pack/id")).expect("a pack that is there");
        reasons.insert(reason(installation, pack));
        *counted.entry((id, installation.int("/version/number"))).or_default() += 1;
        *frozen.entry(id).or_default() += i64::from(installation.text("/state") == "FROZEN");
    }
    assert_eq!(Vec::from_iter(reasons), ["CURRENT", "EARLY", "FAILED", "FROZEN", "SUSPENDED"]);
    for (id, pack) in &of {
        for count in pack.list("/adoption/byVersion") {
            let there = counted.remove(&(id, count.int("/version/number"))).unwrap_or(0);
            assert_eq!(there, count.int("/installationCount"), "{pack:#}");
        }
        assert_eq!(frozen.get(id.as_str()).copied().unwrap_or(0), pack.int("/adoption/frozenCount"), "{pack:#}");
    }
    assert!(counted.is_empty(), "versions that adoption knows nothing of: {counted:?}");
}

#[tokio::test]
async fn r52_a_seeded_legacy_pack_holds_publications_alone() {
    let (app, _) = seeded(options(50, 300)).await;
    let packs = all(&app, "integrationPacks", PACK).await;
    let mut models = BTreeSet::new();
    for pack in &packs {
        let model = pack.text("/deploymentModel");
        let kind = if model == "LEGACY" { "Publication" } else { "PackagedComponent" };
        for row in pack.list("/components") {
            let next = row.at("/next");
            assert!(next.is_null() || next.text("/__typename") == kind, "{pack:#}");
        }
        if !pack.at("/currentVersion").is_null() && !pack.list("/components").is_empty() {
            models.insert(model);
        }
    }
    assert_eq!(Vec::from_iter(models), ["LEGACY", "PACKAGED"]);
}
