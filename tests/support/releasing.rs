//! Releases of the first publisher's packs.

use serde_json::{Value, json};

use super::{At, TestApp};

/// Release notes for tests that don't care about them.
pub(crate) const NOTES: &str = "What is new.";

/// An input of `releaseIntegrationPack` that releases at once.
pub(crate) fn immediately(pack: &str) -> Value {
    json!({ "packId": pack, "schedule": { "immediately": true }, "notes": NOTES })
}

/// An input of `releaseIntegrationPack` that releases on a date.
pub(crate) fn on_date(pack: &str, date: &str) -> Value {
    json!({ "packId": pack, "schedule": { "onDate": date }, "notes": NOTES })
}

impl TestApp {
    /// Releases a draft at once. Returns the release's ID.
    pub(crate) async fn release_now(&self, pack: &str) -> String {
        self.ok(&self.publisher, "releaseIntegrationPack", immediately(pack), "release { id }")
            .await
            .text("/release/id")
    }

    /// Releases a draft on a date. Returns the release's ID.
    pub(crate) async fn release_on(&self, pack: &str, date: &str) -> String {
        self.ok(&self.publisher, "releaseIntegrationPack", on_date(pack, date), "release { id }")
            .await
            .text("/release/id")
    }

    /// Tries to release: the payload with `release { id }`, accepted or refused.
    pub(crate) async fn try_release(&self, input: Value) -> Value {
        self.mutate(&self.publisher, "releaseIntegrationPack", input, "release { id }").await
    }

    /// Moves a pending release to another date.
    pub(crate) async fn reschedule(&self, release: &str, date: &str) {
        let input = json!({ "releaseId": release, "onDate": date });
        self.ok(&self.publisher, "rescheduleRelease", input, "release { id }").await;
    }

    /// Starts a pending release now.
    pub(crate) async fn promote(&self, release: &str) {
        self.ok(&self.publisher, "promoteRelease", json!({ "releaseId": release }), "release { id }").await;
    }

    /// Cancels a pending release.
    pub(crate) async fn cancel(&self, release: &str) {
        self.ok(&self.publisher, "cancelRelease", json!({ "releaseId": release }), "release { id }").await;
    }

    /// A release in its publisher's view: `read_release(id, "state startedAt")` returns the Release.
    pub(crate) async fn read_release(&self, release: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ release(id: $id) {{ {selection} }} }}");
        self.gql(&self.publisher, &query, json!({ "id": release })).await.at("/release").clone()
    }

    /// The state of a release.
    pub(crate) async fn release_state(&self, release: &str) -> String {
        self.read_release(release, "state").await.text("/state")
    }

    /// All fields of a release's progress.
    pub(crate) async fn progress(&self, release: &str) -> Value {
        let selection = "progress { total offered applied appliedEarly skipped failed withdrawn percent }";
        self.read_release(release, selection).await.at("/progress").clone()
    }

    /// The number of the current version in the publisher's view; `None` before the first release.
    pub(crate) async fn current_number(&self, pack: &str) -> Option<i64> {
        self.read_pack(pack, "currentVersion { number }")
            .await
            .pointer("/currentVersion/number")
            .and_then(Value::as_i64)
    }
}

/// An input of `rollBackRelease` that moves any number of installations.
pub(crate) fn back(release: &str) -> Value {
    json!({ "releaseId": release, "reason": "It breaks imports.", "atMost": 1_000 })
}

/// Roll backs.
impl TestApp {
    /// Tries to roll a release back: the payload with `release { id state reason endedAt } installationCount`.
    pub(crate) async fn try_roll_back(&self, input: Value) -> Value {
        let selection = "release { id state reason endedAt } installationCount";
        self.mutate(&self.publisher, "rollBackRelease", input, selection).await
    }

    /// Rolls a release back. Returns how many installations that moves.
    pub(crate) async fn roll_back(&self, release: &str) -> i64 {
        let payload = super::accepted(self.try_roll_back(back(release)).await);
        assert_eq!(payload.text("/release/id"), release);
        payload.int("/installationCount")
    }

    /// The preview of a roll back.
    pub(crate) async fn roll_back_preview(&self, release: &str) -> Value {
        let query = "query($id: ID!) { rollBackPreview(releaseId: $id) { release { id state } backTo { number }
            willMoveCount willSkip { reason installationCount } refusals { code message field blockingRelease { id } }
            diff { fromNumber toNumber changed { from { version } to { version } } } } }";
        self.gql(&self.publisher, query, json!({ "id": release })).await.at("/rollBackPreview").clone()
    }
}
