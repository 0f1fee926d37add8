//! Everything that the first publisher can see, to check that a refused call changes nothing.

use serde_json::{Value, json};

use super::TestApp;

/// Everything that the first publisher could see at one time.
pub(crate) type World = Vec<Value>;

const QUERIES: [&str; 5] = [
    "{ components(first: 100) { edges { node { id name type latestShareable { id }
        packagedComponents(first: 100, filter: { includeDeleted: true }) { edges { node { id version shareable notes createdAt revision deletedAt } } } publications(first: 100) { edges { node { id number notes createdAt } } } } } } }",
    "{ integrationPacks(first: 100) { edges { node { id name description revision state updatedAt hasUnreleasedChanges
        support { contact url installationGuide { text url } userGuide { text url } prerequisites { text url } }
        components { component { id } current { id } pending { id } next { id } newerShareableAvailable pinned markedForRemoval }
        currentVersion { id } pendingRelease { id } runningRelease { id }
        versions(first: 100) { edges { node { id number notes installationCount contents { key name version } } } }
        releases(first: 100) { edges { node { id state schedule notes window { date timeZone startsAt endsAt } promotedAt startedAt endedAt
            progress { total offered applied appliedEarly skipped failed withdrawn }
            updates(first: 100) { edges { node { id state how skipReason settledAt } } } } } }
        groups(first: 100) { edges { node { id } } } } } } }",
    "{ accountGroups(first: 100) { edges { node { id name accounts(first: 100) { edges { node { id } } } packs(first: 100) { edges { node { id } } } } } }
       managedAccounts(first: 100) { edges { node { id name status timeZone } } }
       installations(first: 100) { edges { node { id name state movedAt version { number } pendingUpdate { id } } } } }",
    "{ processLibrary(first: 100) { edges { node { id name version description publishedAt
        ... on PublishedProcess { copyCount groups(first: 100) { edges { node { id } } } } } } } }",
    "{ viewer { eventCursor account { id name timeZone ... on PublisherAccount { apiTokens(first: 100) { edges { node { id name role expiresAt revokedAt } } } } } } }",
];

impl TestApp {
    /// Everything that the first publisher can see now, and the end of its event log.
    pub(crate) async fn world(&self) -> World {
        let mut world = Vec::new();
        for query in QUERIES {
            world.push(self.gql(&self.publisher, query, json!(null)).await);
        }
        world
    }

    /// Fails when anything has changed.
    pub(crate) async fn assert_unchanged(&self, before: &World) {
        for (then, now) in before.iter().zip(self.world().await) {
            assert_eq!(*then, now, "something was left behind");
        }
    }
}
