//! Releases in stages.

use packwright::domain::id::{InstallationId, PackId};
use packwright::domain::releases::Buckets;
use serde_json::{Value, json};

use super::{At, Pack, TestApp, on_date, uuid_of};

/// The fields of a ReleaseStage that tests look at.
const STAGES: &str = "stages { name state percent installationCount openedAt completedAt groups { name }
    window { date timeZone startsAt endsAt late latenessSeconds } }";

/// A stage of some groups.
pub(crate) fn of_groups(name: &str, date: &str, groups: &[&str]) -> Value {
    json!({ "name": name, "onDate": date, "holds": { "groupIds": groups } })
}

/// A stage of a part of the installations.
pub(crate) fn of_percent(name: &str, date: &str, percent: f64) -> Value {
    json!({ "name": name, "onDate": date, "holds": { "percent": percent } })
}

/// An input of `releaseIntegrationPack` that releases in stages.
pub(crate) fn in_stages(pack: &str, date: &str, stages: &[Value]) -> Value {
    let mut input = on_date(pack, date);
    input["stages"] = json!(stages);
    input
}

impl TestApp {
    /// Packages a newer version and releases the pack in stages. Returns the release's ID.
    pub(crate) async fn release_in_stages(&self, pack: &Pack, date: &str, stages: &[Value]) -> String {
        self.package_newer(pack).await;
        let input = in_stages(&pack.id, date, stages);
        self.ok(&self.publisher, "releaseIntegrationPack", input, "release { id }").await.text("/release/id")
    }

    /// The stages of a release.
    pub(crate) async fn stages(&self, release: &str) -> Vec<Value> {
        self.read_release(release, STAGES).await.list("/stages").clone()
    }

    /// The states of a release's stages, the last one included.
    pub(crate) async fn stage_states(&self, release: &str) -> Vec<String> {
        self.stages(release).await.iter().map(|stage| stage.text("/state")).collect()
    }

    /// Opens the next stage of a release.
    pub(crate) async fn open_next_stage(&self, release: &str) {
        self.ok(&self.publisher, "openNextStage", json!({ "releaseId": release }), "release { id }").await;
    }

    /// The state of an installation's newest update, and how it came about.
    pub(crate) async fn newest_update(&self, account: &super::Managed, installation: &str) -> (String, Option<String>) {
        let updates = self.updates(account, installation).await;
        let newest = updates.first().expect("an update");
        (newest.text("/state"), newest.at("/how").as_str().map(Into::into))
    }
}

/// The bucket of an installation for the release that makes version `number` of a pack, in percent.
pub(crate) fn bucket(pack: &str, number: i32, installation: &str) -> f64 {
    let buckets = Buckets::of(PackId(uuid_of(pack)), number);
    f64::from(buckets.bucket(InstallationId(uuid_of(installation)))) / 100.0
}

/// The installations in the order of their buckets, and a percent that holds the first `count` of them.
pub(crate) fn lowest(pack: &str, number: i32, installations: &[String], count: usize) -> (Vec<usize>, f64) {
    let of = |index: &usize| bucket(pack, number, &installations[*index]);
    let mut order: Vec<usize> = (0..installations.len()).collect();
    order.sort_by(|one, other| of(one).total_cmp(&of(other)));
    let percent = ((of(&order[count - 1]) + 0.01) * 100.0).round() / 100.0;
    assert!(order.get(count).is_none_or(|next| of(next) >= percent), "two installations in one bucket");
    (order, percent)
}
