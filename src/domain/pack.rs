//! A pack, its draft, and what is newer than what it holds (R10–R16, R19, R21).

use std::collections::BTreeMap;

use super::Instant;
use super::account::Actor;
use super::id::{AccountId, ComponentId, ComponentVersionId, ContentKey, PackId, PackVersionId, ReleaseId};
use super::packaged_component::{ComponentType, VersionKind};

/// How often a managed account may install a pack (R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstallationType {
    Single,
    Multi,
}

/// What the rows of a pack hold (R52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeploymentModel {
    Packaged,
    Legacy,
}

impl DeploymentModel {
    /// The one kind of versions that a pack of this model holds: the two never mix (R52).
    #[must_use]
    pub fn holds(self) -> VersionKind {
        match self {
            Self::Packaged => VersionKind::Package,
            Self::Legacy => VersionKind::Publication,
        }
    }
}

/// A text, or the address of one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guide {
    Text(String),
    Url(String),
}

/// The publisher's support data on a pack (R17).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SupportInfo {
    pub contact: Option<String>,
    pub url: Option<String>,
    pub installation_guide: Option<Guide>,
    pub user_guide: Option<Guide>,
    pub prerequisites: Option<Guide>,
}

/// A release whose date has not come when it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRelease {
    pub release_id: ReleaseId,
    pub version_id: PackVersionId,
    /// When its window opens.
    pub starts_at: Instant,
}

/// Which versions and releases of a pack are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub current_version: Option<PackVersionId>,
    pub pending: Option<PendingRelease>,
    pub running_release: Option<ReleaseId>,
}

impl Standing {
    /// What is so at `now`: a pending release whose window has opened is running, or has succeeded if it is
    /// the first, whether or not the scheduler has come to it (R30).
    #[must_use]
    pub fn at(self, now: Instant) -> Self {
        match self.pending {
            Some(due) if due.starts_at <= now => Self {
                current_version: Some(due.version_id),
                pending: None,
                // A first release moves nobody, and has succeeded when its window opens (R23).
                running_release: self.current_version.map(|_| due.release_id),
            },
            _ => self,
        }
    }

    /// The version that the next release is compared with: pending if there is one, else current (R19, R21).
    #[must_use]
    pub fn in_force(self) -> Option<PackVersionId> {
        self.pending.map(|p| p.version_id).or(self.current_version)
    }

    /// Where the pack stands in its life. Call it on [`Standing::at`].
    #[must_use]
    pub fn state(self) -> PackState {
        match (self.running_release, self.pending, self.current_version) {
            (Some(_), _, _) => PackState::Releasing,
            (None, Some(_), Some(_)) => PackState::Testing,
            (None, Some(_), None) => PackState::FirstReleaseScheduled,
            (None, None, Some(_)) => PackState::Current,
            (None, None, None) => PackState::NeverReleased,
        }
    }
}

/// Where a pack stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackState {
    NeverReleased,
    FirstReleaseScheduled,
    Current,
    Testing,
    Releasing,
}

/// An integration pack as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub id: PackId,
    pub publisher_id: AccountId,
    pub name: String,
    pub description: String,
    pub installation_type: InstallationType,
    pub deployment_model: DeploymentModel,
    pub support: SupportInfo,
    /// Goes up with each edit of the pack or its draft, and with each release.
    pub revision: i32,
    /// What is kept up in each transaction that can change it.
    pub assessment: Assessment,
    /// The number of the newest version made; 0 before the first.
    pub last_number: i32,
    /// As stored: read it through [`Standing::at`].
    pub standing: Standing,
    pub created_at: Instant,
    pub created_by: Actor,
    pub updated_at: Instant,
    /// When it was deleted (R47): then only what went with it still names it.
    pub deleted_at: Option<Instant>,
}

/// A numbered, immutable snapshot of a pack's content (R22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackVersion {
    pub id: PackVersionId,
    pub pack_id: PackId,
    pub publisher_id: AccountId,
    pub number: i32,
    pub notes: String,
    /// The release that made it.
    pub release_id: ReleaseId,
    pub created_at: Instant,
}

/// What a version holds of one component, as everybody may see it who has the pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentItem {
    pub component_id: ComponentId,
    pub component_version_id: ComponentVersionId,
    pub key: ContentKey,
    pub name: String,
    pub component_type: ComponentType,
    pub version: String,
    /// When the held version was made.
    pub created_at: Instant,
}

/// The most components of a pack, rows marked for removal included (R14).
pub const COMPONENTS_MAX: usize = 100;

/// A version by what decides which is newer (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub id: ComponentVersionId,
    pub created_at: Instant,
}

/// One row of a draft, with what is needed to judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftRow {
    pub component_id: ComponentId,
    /// The version that the publisher chose; `None` when the row follows (R16).
    pub pinned: Option<ComponentVersionId>,
    pub marked_for_removal: bool,
    /// The newest version that is shareable and not deleted (R19).
    pub latest_shareable: Option<Stamp>,
}

impl DraftRow {
    /// What a release made now would take; `None` for a row that is marked, and for one that follows a
    /// component without a shareable version.
    #[must_use]
    pub fn next(&self) -> Option<ComponentVersionId> {
        if self.marked_for_removal { None } else { self.pinned.or(self.latest_shareable.map(|s| s.id)) }
    }

    /// Whether the newest shareable version was made after the one in force (R19). A row without
    /// anything in force has nothing newer.
    #[must_use]
    pub fn newer_shareable_available(&self, in_force: Option<Stamp>) -> bool {
        matches!((self.latest_shareable, in_force), (Some(latest), Some(held)) if latest.created_at > held.created_at)
    }
}

/// What a pack version holds: the version of each component.
pub type Content = BTreeMap<ComponentId, Stamp>;

/// What is kept on a pack about its draft, so that a page of packs needn't compute it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Rows, those marked for removal included.
    pub component_count: i32,
    /// Rows that have a newer shareable version than the one in force (R19).
    pub newer_count: i32,
    /// Whether a release made now would differ from what is in force (R21).
    pub has_unreleased_changes: bool,
}

/// Judges a draft against the content in force: pending if there is one, else current; empty for none.
#[must_use]
pub fn assess(rows: &[DraftRow], in_force: &Content) -> Assessment {
    let newer =
        rows.iter().filter(|row| row.newer_shareable_available(in_force.get(&row.component_id).copied())).count();
    Assessment {
        component_count: count(rows.len()),
        newer_count: count(newer),
        has_unreleased_changes: next_content(rows) != ids(in_force),
    }
}

/// What a release made now would hold.
#[must_use]
pub fn next_content(rows: &[DraftRow]) -> BTreeMap<ComponentId, ComponentVersionId> {
    rows.iter().filter_map(|row| Some((row.component_id, row.next()?))).collect()
}

/// The versions of a content, without when they were made.
#[must_use]
pub fn ids(content: &Content) -> BTreeMap<ComponentId, ComponentVersionId> {
    content.iter().map(|(component, stamp)| (*component, stamp.id)).collect()
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// A component that a caller wants to add, with what is needed to judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub component_id: ComponentId,
    pub component_type: ComponentType,
    /// Whether it has a version that is shareable and not deleted.
    pub has_shareable_version: bool,
    /// Whether the draft has a row of it, marked or not.
    pub in_draft: bool,
}

/// Why components can't be added; each with all that are at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddFault {
    AlreadyInPack(Vec<ComponentId>),
    TypeNotAllowed(Vec<ComponentId>),
    ApiServiceInMulti(Vec<ComponentId>),
    NoShareableVersion(Vec<ComponentId>),
    PackFull,
}

/// Whether all `candidates` can be added to a pack that has `rows` rows (R11–R14). A component that
/// the call names twice counts as standing in the pack already.
///
/// # Errors
/// The first [`AddFault`] in the order of its variants.
pub fn check_add(pack: InstallationType, rows: usize, candidates: &[Candidate]) -> Result<(), AddFault> {
    let mut seen = std::collections::BTreeSet::new();
    let at_fault = |fault: &mut dyn FnMut(&Candidate) -> bool| -> Option<Vec<ComponentId>> {
        let found: Vec<_> = candidates.iter().filter(|c| fault(c)).map(|c| c.component_id).collect();
        (!found.is_empty()).then_some(found)
    };
    if let Some(found) = at_fault(&mut |c| c.in_draft || !seen.insert(c.component_id)) {
        return Err(AddFault::AlreadyInPack(found));
    }
    if let Some(found) = at_fault(&mut |c| !c.component_type.can_be_shared()) {
        return Err(AddFault::TypeNotAllowed(found));
    }
    if let Some(found) =
        at_fault(&mut |c| pack == InstallationType::Multi && c.component_type == ComponentType::ApiService)
    {
        return Err(AddFault::ApiServiceInMulti(found));
    }
    if let Some(found) = at_fault(&mut |c| !c.has_shareable_version) {
        return Err(AddFault::NoShareableVersion(found));
    }
    if rows + candidates.len() > COMPONENTS_MAX { Err(AddFault::PackFull) } else { Ok(()) }
}

/// What removing a row does (R15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It was released, or is about to be: it stays, marked, until the next release is made.
    Mark,
    /// It was never released: it just goes.
    Drop,
}

/// What removing a row does (R15). `released`: whether current or pending content holds its component.
#[must_use]
pub fn removal(released: bool) -> Removal {
    if released { Removal::Mark } else { Removal::Drop }
}
