//! The rows of a data set, made from the domain's structs.

use std::collections::BTreeMap;

use entity::{
    account, account_group, account_group_member, announced_grant, api_token, component, component_version,
    content_key, draft_row, enrolment_token, installation, installation_update, integration_pack, library_copy,
    library_process, library_share, manifest_entry, pack_release, pack_share, pack_version, pack_version_item,
    release_tally,
};
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountGroup, ApiToken};
use crate::domain::components::{Component, ComponentVersion, ManifestEntry, NumericLabel};
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, ContentKey, GroupId, PackId, ReleaseId};
use crate::domain::installations::{Installation, InstallationUpdate, Tally};
use crate::domain::library::LibraryProcess;
use crate::domain::log::Recorded;
use crate::domain::packs::{DraftRow, InstallationType, Pack, PackVersion};
use crate::domain::releases::Release;
use crate::domain::releases::bucket_seed;
use crate::store::accounts::write as accounts;
use crate::store::accounts::write::EnrolmentRow;
use crate::store::components::write as components;
use crate::store::installations::write_updates::UpdateRow;
use crate::store::installations::{tallies, write_updates as updates};
use crate::store::library::write as library;
use crate::store::packs::write as packs;
use crate::store::releases::write as releases;
use crate::store::seed::insert;
use crate::store::sharing::write_grants as grants;
use crate::store::{StoreResult, Tx};

/// A component with the stored values that packaging reads.
#[derive(Clone, Copy, Debug)]
pub struct SeededComponent<'a> {
    pub component: &'a Component,
    pub latest_shareable: Option<ComponentVersionId>,
    pub latest_publication: Option<ComponentVersionId>,
    /// The time of the newest version of either kind.
    pub newest_at: Option<Instant>,
    pub newest_revision: i32,
    /// The highest whole number in a version label.
    pub highest_label: Option<&'a NumericLabel>,
}

/// A pack with its draft.
#[derive(Clone, Copy, Debug)]
pub struct SeededPack<'a> {
    pub pack: &'a Pack,
    pub rows: &'a [DraftRow],
    pub keys: &'a [(ComponentId, ContentKey)],
    pub groups: &'a [GroupId],
    pub announced: &'a [AccountId],
}

/// A release with the version that it created.
#[derive(Clone, Copy, Debug)]
pub struct SeededRelease<'a> {
    pub release: &'a Release,
    pub progressed_at: Option<Instant>,
    pub version: &'a PackVersion,
    pub content: &'a BTreeMap<ComponentId, ComponentVersionId>,
}

/// An installation with the sort keys of its name and of its account's name. Its account sees events from the start of
/// the log, which is empty, until it was frozen or uninstalled (R50).
#[derive(Clone, Debug)]
pub struct SeededInstallation {
    pub installation: Installation,
    pub installation_type: InstallationType,
    pub name_key: String,
    pub account_name_key: String,
    pub frozen_at: Option<Instant>,
}

/// Moves the rows of each table with at least so many rows into a new [`Rows`].
macro_rules! taken {
    ($rows:ident, $least:expr, $($table:ident)+) => {{
        let mut taken = Rows::default();
        $(if $rows.$table.len() >= $least {
            taken.$table = std::mem::take(&mut $rows.$table);
            taken.count += taken.$table.len();
        })+
        $rows.count -= taken.count;
        taken
    }};
}

/// Gathered rows, by table.
#[derive(Default)]
pub struct Rows {
    accounts: Vec<account::ActiveModel>,
    tokens: Vec<api_token::ActiveModel>,
    enrolments: Vec<enrolment_token::ActiveModel>,
    groups: Vec<account_group::ActiveModel>,
    members: Vec<account_group_member::ActiveModel>,
    components: Vec<component::ActiveModel>,
    packages: Vec<component_version::ActiveModel>,
    manifests: Vec<manifest_entry::ActiveModel>,
    processes: Vec<library_process::ActiveModel>,
    process_shares: Vec<library_share::ActiveModel>,
    copies: Vec<library_copy::ActiveModel>,
    packs: Vec<integration_pack::ActiveModel>,
    drafts: Vec<draft_row::ActiveModel>,
    keys: Vec<content_key::ActiveModel>,
    versions: Vec<pack_version::ActiveModel>,
    items: Vec<pack_version_item::ActiveModel>,
    releases: Vec<pack_release::ActiveModel>,
    shares: Vec<pack_share::ActiveModel>,
    announced: Vec<announced_grant::ActiveModel>,
    installations: Vec<installation::ActiveModel>,
    updates: Vec<installation_update::ActiveModel>,
    tallies: Vec<release_tally::ActiveModel>,
    entries: Vec<Recorded>,
    count: usize,
}

impl Rows {
    /// The number of gathered rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes the rows of each table that has at least `least` of them. The rows of the other tables stay.
    pub(in crate::store) fn take_tables(&mut self, least: usize) -> Self {
        taken!(self, least, accounts tokens enrolments groups members components packages manifests processes
            process_shares copies packs drafts keys versions items releases shares announced installations updates
            tallies entries)
    }

    pub fn account(&mut self, account: &Account) {
        self.count += 1;
        self.accounts.push(accounts::row(account));
    }

    /// Adds a token with the hash of its secret.
    pub fn token(&mut self, token: &ApiToken, secret_hash: Vec<u8>) {
        self.count += 1;
        self.tokens.push(accounts::token_row(token, secret_hash));
    }

    /// Adds the used enrolment token of an account (R1): its id, the hash of its secret, and its expiry.
    pub fn enrolment(&mut self, account: &Account, (id, secret_hash): (Uuid, &[u8]), expires_at: Instant) {
        self.count += 1;
        let spent = EnrolmentRow { id, account_id: account.id, expires_at, spent_at: account.enrolled_at };
        self.enrolments.push(accounts::enrolment_row(&spent, secret_hash.to_vec(), account.created_at));
    }

    /// Adds a group and its members.
    pub fn group(&mut self, group: &AccountGroup, members: impl Iterator<Item = AccountId>) {
        self.groups.push(grants::group_row(group));
        let before = self.members.len();
        self.members.extend(members.map(|account| account_group_member::ActiveModel {
            group_id: Set(group.id.into()),
            account_id: Set(account.into()),
        }));
        self.count += 1 + self.members.len() - before;
    }

    /// Adds a component with the stored values that packaging reads.
    pub fn component(&mut self, new: SeededComponent<'_>) {
        self.count += 1;
        self.components.push(component::ActiveModel {
            latest_shareable_id: Set(new.latest_shareable.map(Into::into)),
            latest_publication_id: Set(new.latest_publication.map(Into::into)),
            newest_at: Set(new.newest_at),
            newest_revision: Set(new.newest_revision),
            highest_numeric_label: Set(components::whole(new.highest_label)),
            ..components::row(new.component)
        });
    }

    /// Adds a package with its manifest, or a publication with an empty one.
    ///
    /// # Errors
    /// A setting can't be serialized.
    pub fn version(
        &mut self,
        of: &Component,
        new: &ComponentVersion,
        manifest: &[ManifestEntry],
        deleted_at: Option<Instant>,
    ) -> StoreResult<()> {
        self.count += 1 + manifest.len();
        let row = components::version_row(new, of)?;
        self.packages.push(component_version::ActiveModel { deleted_at: Set(deleted_at), ..row });
        self.manifests.extend(components::manifest_rows(new.id, manifest)?);
        Ok(())
    }

    /// Adds a library process and its shares.
    pub fn process(&mut self, process: &LibraryProcess, groups: &[GroupId]) {
        self.count += 1 + groups.len();
        self.processes.push(library::row(process));
        self.process_shares.extend(groups.iter().map(|group| library_share::ActiveModel {
            process_id: Set(process.id.into()),
            group_id: Set((*group).into()),
        }));
    }

    /// Adds the source of a component that is a copy of a library process.
    pub fn copy(&mut self, component: &Component, of: &LibraryProcess) {
        self.count += 1;
        self.copies.push(library::copy_row(component.id, of));
    }

    /// Adds a pack with its draft, shares and announcements.
    ///
    /// # Errors
    /// The support data can't be serialized.
    pub fn pack(&mut self, SeededPack { pack, rows, keys, groups, announced }: SeededPack<'_>) -> StoreResult<()> {
        self.count += 1 + rows.len() + keys.len() + groups.len() + announced.len();
        self.packs.push(packs::row(pack)?);
        self.drafts.extend(rows.iter().map(|row| draft_row::ActiveModel {
            pack_id: Set(pack.id.into()),
            component_id: Set(row.component_id.into()),
            pinned_version_id: Set(row.pinned.map(Into::into)),
            marked_for_removal: Set(row.marked_for_removal),
        }));
        self.keys.extend(keys.iter().map(|(component, key)| content_key::ActiveModel {
            pack_id: Set(pack.id.into()),
            component_id: Set((*component).into()),
            content_key: Set((*key).into()),
        }));
        self.shares.extend(
            groups
                .iter()
                .map(|group| pack_share::ActiveModel { pack_id: Set(pack.id.into()), group_id: Set((*group).into()) }),
        );
        self.announced.extend(announced.iter().map(|account| announced_grant::ActiveModel {
            pack_id: Set(pack.id.into()),
            account_id: Set((*account).into()),
        }));
        Ok(())
    }

    /// Adds a release with the version that it created.
    ///
    /// # Errors
    /// Its source can't be serialized.
    pub fn release(
        &mut self,
        SeededRelease { release, progressed_at, version, content }: SeededRelease<'_>,
    ) -> StoreResult<()> {
        self.count += 2 + content.len();
        self.versions.push(releases::version_row(version));
        self.items.extend(releases::item_rows(version.id, content));
        self.releases.push(pack_release::ActiveModel { progressed_at: Set(progressed_at), ..releases::row(release)? });
        Ok(())
    }

    pub fn installation(&mut self, new: SeededInstallation) {
        self.count += 1;
        let SeededInstallation { installation, installation_type, name_key, account_name_key, frozen_at } = new;
        let live = installation.uninstalled_at.is_none();
        let single = live && installation_type == InstallationType::Single;
        let override_name_key = installation.override_name.as_ref().filter(|_| live).map(|_| name_key.clone());
        self.installations.push(installation::ActiveModel {
            id: Set(installation.id.into()),
            pack_id: Set(installation.pack_id.into()),
            account_id: Set(installation.account_id.into()),
            publisher_id: Set(installation.publisher_id.into()),
            override_name: Set(installation.override_name),
            name_key: Set(name_key),
            account_name_key: Set(account_name_key),
            version_id: Set(installation.version_id.into()),
            bucket_seed: Set(bucket_seed(installation.id)),
            installed_at: Set(installation.installed_at),
            moved_at: Set(installation.moved_at),
            uninstalled_at: Set(installation.uninstalled_at),
            key: Set(installation.key.clone()),
            frozen_at: Set(frozen_at),
            visible_after: Set(0),
            visible_until: Set((frozen_at.is_some() || !live).then_some(0)),
            single_pack_id: Set(single.then(|| installation.pack_id.into())),
            override_name_key: Set(override_name_key),
        });
    }

    pub fn update(&mut self, update: InstallationUpdate, attempts: i32) {
        self.count += 1;
        let row = UpdateRow { update, stored: None, attempts, next_attempt_at: None, outcome: None };
        self.updates.push(updates::active(&row));
    }

    /// Adds a release's tally at an instant.
    pub fn tally(&mut self, release: ReleaseId, pack: PackId, at: Instant, tally: &Tally) {
        self.count += 1;
        // `kept::count` fills `remaining` at the end of the load.
        self.tallies.push(tallies::active(release, pack, at, &Tally { remaining: 0, ..*tally }));
    }

    /// Adds audit entries.
    pub fn entries(&mut self, entries: impl IntoIterator<Item = Recorded>) {
        let before = self.entries.len();
        self.entries.extend(entries);
        self.count += self.entries.len() - before;
    }

    /// Writes all rows, each after the rows that it refers to.
    pub(in crate::store) async fn insert(self, tx: &Tx) -> StoreResult<()> {
        insert(tx, self.accounts).await?;
        insert(tx, self.tokens).await?;
        insert(tx, self.enrolments).await?;
        insert(tx, self.groups).await?;
        insert(tx, self.members).await?;
        insert(tx, self.components).await?;
        insert(tx, self.packages).await?;
        insert(tx, self.manifests).await?;
        insert(tx, self.processes).await?;
        insert(tx, self.process_shares).await?;
        insert(tx, self.copies).await?;
        insert(tx, self.packs).await?;
        insert(tx, self.drafts).await?;
        insert(tx, self.keys).await?;
        insert(tx, self.versions).await?;
        insert(tx, self.items).await?;
        insert(tx, self.releases).await?;
        insert(tx, self.shares).await?;
        insert(tx, self.announced).await?;
        insert(tx, self.installations).await?;
        insert(tx, self.updates).await?;
        insert(tx, self.tallies).await?;
        crate::store::seed::entries::insert(tx, self.entries).await
    }
}
