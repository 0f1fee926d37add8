//! The rows of the tables between two steps of a story, and derived values computed from them.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    account, account_group_member, audit_entry, component, component_version, draft_row, event, installation,
    installation_tally, installation_update, integration_pack, pack_release, pack_share, pack_version,
    pack_version_item, release_stage, release_stage_account, release_tally,
};
use sea_orm::EntityTrait as _;
use uuid::Uuid;

use crate::log::recorded_rows;
use crate::support::TestApp;
use crate::support::rows::tables;

/// The rows that the invariants are about.
pub(crate) struct Rows {
    pub(crate) accounts: BTreeMap<Uuid, account::Model>,
    pub(crate) packs: BTreeMap<Uuid, integration_pack::Model>,
    pub(crate) releases: BTreeMap<Uuid, pack_release::Model>,
    pub(crate) installations: BTreeMap<Uuid, installation::Model>,
    /// Keyed by installation and release.
    pub(crate) updates: BTreeMap<(Uuid, Uuid), installation_update::Model>,
    pub(crate) versions: BTreeMap<Uuid, pack_version::Model>,
    pub(crate) items: Vec<pack_version_item::Model>,
    pub(crate) components: BTreeMap<Uuid, component::Model>,
    pub(crate) packages: BTreeMap<Uuid, component_version::Model>,
    pub(crate) drafts: Vec<draft_row::Model>,
    pub(crate) events: Vec<event::Model>,
    pub(crate) entries: BTreeMap<Uuid, audit_entry::Model>,
    pub(crate) stages: Vec<release_stage::Model>,
    pub(crate) stage_accounts: Vec<release_stage_account::Model>,
    pub(crate) tallies: Vec<release_tally::Model>,
    pub(crate) counts: Vec<installation_tally::Model>,
    /// (pack, account) pairs with a grant by groups and shares.
    pub(crate) grants: BTreeSet<(Uuid, Uuid)>,
}

macro_rules! by_id {
    ($app:expr, $table:ident) => {
        $table::Entity::find().all(tables($app)).await.expect("rows").into_iter().map(|row| (row.id, row)).collect()
    };
}

impl Rows {
    /// Reads all rows.
    pub(crate) async fn read(app: &TestApp) -> Self {
        let shares = pack_share::Entity::find().all(tables(app)).await.expect("rows");
        let members = account_group_member::Entity::find().all(tables(app)).await.expect("rows");
        let granted = |share: &pack_share::Model| {
            let accounts =
                members.iter().filter(|m| m.group_id == share.group_id).map(|m| (share.pack_id, m.account_id));
            accounts.collect::<Vec<_>>()
        };
        let updates = installation_update::Entity::find().all(tables(app)).await.expect("rows");
        Self {
            accounts: by_id!(app, account),
            packs: by_id!(app, integration_pack),
            releases: by_id!(app, pack_release),
            installations: by_id!(app, installation),
            updates: updates.into_iter().map(|row| ((row.installation_id, row.release_id), row)).collect(),
            versions: by_id!(app, pack_version),
            items: pack_version_item::Entity::find().all(tables(app)).await.expect("rows"),
            components: by_id!(app, component),
            packages: by_id!(app, component_version),
            drafts: draft_row::Entity::find().all(tables(app)).await.expect("rows"),
            events: recorded_rows::events(app).await,
            entries: recorded_rows::entries(app).await.into_iter().map(|entry| (entry.id, entry)).collect(),
            counts: installation_tally::Entity::find().all(tables(app)).await.expect("rows"),
            stages: release_stage::Entity::find().all(tables(app)).await.expect("rows"),
            stage_accounts: release_stage_account::Entity::find().all(tables(app)).await.expect("rows"),
            tallies: release_tally::Entity::find().all(tables(app)).await.expect("rows"),
            grants: shares.iter().flat_map(granted).collect(),
        }
    }

    /// Whether a group grants the pack of an installation to its account.
    pub(crate) fn is_granted(&self, installation: &installation::Model) -> bool {
        self.grants.contains(&(installation.pack_id, installation.account_id))
    }

    /// Whether a version is its pack's current one again because a later one was rolled back (R59).
    pub(crate) fn came_back(&self, pack: Uuid, version: Option<Uuid>) -> bool {
        let taken_back =
            |release: &&pack_release::Model| ["ROLLING_BACK", "ROLLED_BACK"].contains(&release.state.as_str());
        let of_pack = self.releases.values().filter(|release| release.pack_id == pack);
        let of_versions: Vec<_> = of_pack.filter(taken_back).map(|release| release.version_id).collect();
        let number = |version: Uuid| self.versions[&version].number;
        version.is_some_and(|version| of_versions.iter().any(|of| number(*of) > number(version)))
    }

    /// State, method and time of an update before its installation was moved back by a roll back, as the audit log has
    /// them; else as they are.
    pub(crate) fn before_roll_back(
        &self,
        update: &installation_update::Model,
    ) -> (String, Option<String>, Option<packwright::domain::Instant>) {
        if update.how.as_deref() != Some("ROLLED_BACK") {
            return (update.state.clone(), update.how.clone(), update.settled_at);
        }
        let applied = self.events.iter().find(|event| {
            let of = (event.installation_id, event.release_id, event.update_state.as_deref());
            of == (Some(update.installation_id), Some(update.release_id), Some("APPLIED"))
        });
        // It was installed with the version.
        let Some(applied) = applied else { return ("WITHDRAWN".into(), None, update.settled_at) };
        // Two releases may have moved it at one instant.
        let number = self.versions[&self.releases[&update.release_id].version_id].number;
        let of_it = |entry: &&audit_entry::Model| {
            let actions = ["scheduler.applyUpdate", "applyPendingUpdate"];
            actions.contains(&entry.action.as_str())
                && entry.occurred_at == applied.occurred_at
                && entry.subject_id.contains(&update.installation_id.to_string())
                && entry.changes.contains("update.how")
                && entry.changes.contains(&format!("\"after\":\"{number}\""))
        };
        let methods = ["EARLY", "STAGED", "AUTOMATIC", "IMMEDIATE", "CATCH_UP"];
        let entry = self.entries.values().find(of_it).expect("an entry of its move");
        let how = methods.into_iter().find(|how| entry.changes.contains(&format!("\"{how}\"")));
        ("APPLIED".into(), how.map(Into::into), Some(applied.occurred_at))
    }

    /// Whether an installation's account is active.
    pub(crate) fn is_active(&self, installation: &installation::Model) -> bool {
        self.accounts[&installation.account_id].status == "ACTIVE"
    }

    /// The newest version of a component and a kind that packs may hold (R7, R19, R52).
    pub(crate) fn latest_shareable(&self, component: Uuid, kind: &str) -> Option<&component_version::Model> {
        let of = self.packages.values().filter(|p| p.component_id == component && p.kind == kind);
        of.filter(|p| p.shareable && p.deleted_at.is_none()).max_by_key(|p| p.created_at)
    }

    /// The content of a pack version, component → package; empty without a version.
    pub(crate) fn content(&self, version: Option<Uuid>) -> BTreeMap<Uuid, Uuid> {
        let in_content = self.items.iter().filter(|item| Some(item.pack_version_id) == version);
        in_content.map(|item| (item.component_id, item.component_version_id)).collect()
    }

    /// The assessment of a pack computed from the rows: (rows, rows with a newer version, whether a release would
    /// differ) (R19, R21).
    pub(crate) fn assessment(&self, pack: &integration_pack::Model) -> (i32, i32, bool) {
        let in_force = self.content(pack.pending_version_id.or(pack.current_version_id));
        let kind = if pack.deployment_model == "LEGACY" { "PUBLICATION" } else { "PACKAGE" };
        let drafts: Vec<_> = self.drafts.iter().filter(|row| row.pack_id == pack.id).collect();
        let newer = drafts.iter().filter(|row| {
            let in_content = in_force.get(&row.component_id).map(|id| self.packages[id].created_at);
            let latest = self.latest_shareable(row.component_id, kind).map(|p| p.created_at);
            matches!((latest, in_content), (Some(latest), Some(in_content)) if latest > in_content)
        });
        let next: BTreeMap<_, _> = drafts
            .iter()
            .filter(|row| !row.marked_for_removal)
            .filter_map(|row| {
                let latest = || self.latest_shareable(row.component_id, kind).map(|p| p.id);
                Some((row.component_id, row.pinned_version_id.or_else(latest)?))
            })
            .collect();
        let count = |n: usize| i32::try_from(n).expect("few");
        (count(drafts.len()), count(newer.count()), next != in_force)
    }
}
