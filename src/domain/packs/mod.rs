//! Packs and their drafts: composing, and newer shareable versions (R10–R16, R19, R21).

mod refusal;

pub(crate) use refusal::PackRefusal;

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::components::{ComponentType, VersionKind};
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, ContentKey, PackId, PackVersionId, ReleaseId};

/// How many installations of a pack a managed account may have: one, or any number (R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstallationType {
    Single,
    Multi,
}

/// The kind of content of a pack: packaged components, or publications (R52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeploymentModel {
    Packaged,
    Legacy,
}

impl DeploymentModel {
    /// The kind of versions that a pack of this model may contain. The two kinds never mix (R52).
    #[must_use]
    pub fn holds(self) -> VersionKind {
        match self {
            Self::Packaged => VersionKind::Package,
            Self::Legacy => VersionKind::Publication,
        }
    }
}

/// A document for managed accounts: its text in Markdown, or its address (R17).
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

/// A release that was still waiting for its window when it was read from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRelease {
    pub release_id: ReleaseId,
    pub version_id: PackVersionId,
    /// When the release's window opens.
    pub starts_at: Instant,
    /// When the release's next early stage opens, or else its window (R55).
    pub due_at: Instant,
}

/// The current version, the pending release and the running rollout of a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackStanding {
    pub current_version: Option<PackVersionId>,
    pub pending: Option<PendingRelease>,
    pub running_release: Option<ReleaseId>,
    /// Whether the pending or the running release is paused: no installation is moved to its version, and its window
    /// doesn't open (R56).
    pub is_paused: bool,
    /// The version that was current before the running release; `None` unless that release is paused (R56).
    pub former_version: Option<PackVersionId>,
}

impl PackStanding {
    /// Whether the pending release's window has opened by `now`. The window of a paused release doesn't open (R56).
    #[must_use]
    pub fn is_due(self, now: Instant) -> bool {
        !self.is_paused && self.pending.is_some_and(|pending| pending.starts_at <= now)
    }

    /// Whether the pending release's window or its next early stage has opened by `now`, and the database doesn't show
    /// that yet (R55).
    #[must_use]
    pub fn has_due(self, now: Instant) -> bool {
        !self.is_paused && self.pending.is_some_and(|pending| pending.due_at <= now)
    }

    /// The running release, if it is paused.
    #[must_use]
    pub fn paused_rollout(self) -> Option<ReleaseId> {
        self.running_release.filter(|_| self.is_paused)
    }

    /// The standing at `now`. When the pending release's window has opened, its version is current and its rollout is
    /// running, whether or not the scheduler has carried that out (R30).
    #[must_use]
    pub fn at(self, now: Instant) -> Self {
        match self.pending {
            Some(due) if self.is_due(now) => Self {
                current_version: Some(due.version_id),
                pending: None,
                // A first release moves no installation, so it has succeeded once its window opens (R23).
                running_release: self.current_version.map(|_| due.release_id),
                is_paused: false,
                former_version: None,
            },
            _ => self,
        }
    }

    /// The version that new installations get: the current version, or the former one while the rollout of the current
    /// one is paused (R31, R43, R56). `self` must be derived by [`PackStanding::at`] first.
    #[must_use]
    pub fn offered_version(self) -> Option<PackVersionId> {
        self.former_version.or(self.current_version)
    }

    /// Pauses the pending or the running release. `former` is the version before it.
    pub fn pause(&mut self, former: Option<PackVersionId>) {
        self.is_paused = true;
        self.former_version = former.filter(|_| self.running_release.is_some());
    }

    /// Ends the pause, if there is one.
    pub fn end_pause(&mut self) {
        self.is_paused = false;
        self.former_version = None;
    }

    /// The version to which the next release is compared: the pending one if there is one, else the current one (R19,
    /// R21).
    #[must_use]
    pub fn in_force(self) -> Option<PackVersionId> {
        self.pending.map(|p| p.version_id).or(self.current_version)
    }

    /// The pack's state. `self` must be derived by [`PackStanding::at`] first.
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

/// The state of a pack, derived from its releases.
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
    /// Increases with each edit of the pack or its draft, and with each release.
    pub revision: i32,
    /// Stored with the pack; each transaction that could change it updates it.
    pub assessment: Assessment,
    /// Changes whenever a read of the draft could give another result: other rows, or other newest versions of their
    /// components. The numbers have no order.
    pub draft_revision: i64,
    /// The number of the newest version; 0 before the first.
    pub last_number: i32,
    /// As stored. Derive it with [`PackStanding::at`] before you use it.
    pub standing: PackStanding,
    pub created_at: Instant,
    pub created_by: Actor,
    pub updated_at: Instant,
    /// When the pack was deleted (R47). Its versions, releases and installations still refer to it.
    pub deleted_at: Option<Instant>,
    /// The publisher's own key (R67).
    pub key: Option<String>,
}

/// A numbered, immutable snapshot of a pack's content (R22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackVersion {
    pub id: PackVersionId,
    pub pack_id: PackId,
    pub publisher_id: AccountId,
    pub number: i32,
    pub notes: String,
    /// The release that created this version.
    pub release_id: ReleaseId,
    pub created_at: Instant,
}

/// One component in a pack version, as each account that sees the version may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentItem {
    pub component_id: ComponentId,
    pub component_version_id: ComponentVersionId,
    pub key: ContentKey,
    pub name: String,
    pub component_type: ComponentType,
    pub version: String,
    /// When the package or publication was created.
    pub created_at: Instant,
}

/// The most components in a pack, including rows that are marked for removal (R14).
pub const COMPONENTS_MAX: usize = 100;

/// A component version with its creation time, which alone decides which version is newer (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionStamp {
    pub id: ComponentVersionId,
    pub created_at: Instant,
}

/// One row of a draft, and what the rules need to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftRow {
    pub component_id: ComponentId,
    /// The pinned version; `None` for a row that follows the newest shareable version (R16).
    pub pinned: Option<ComponentVersionId>,
    pub marked_for_removal: bool,
    /// The newest version that is shareable and not deleted (R19).
    pub latest_shareable: Option<VersionStamp>,
}

impl DraftRow {
    /// The version that a release made now would take. `None` for a row that is marked for removal, and for a following
    /// row whose component has no shareable version.
    #[must_use]
    pub fn next(&self) -> Option<ComponentVersionId> {
        if self.marked_for_removal { None } else { self.pinned.or(self.latest_shareable.map(|s| s.id)) }
    }

    /// Whether the latest shareable version was created after the one in force (R19). Always false without a version in
    /// force.
    #[must_use]
    pub fn newer_shareable_available(&self, in_force: Option<VersionStamp>) -> bool {
        matches!((self.latest_shareable, in_force), (Some(latest), Some(in_force_version)) if latest.created_at > in_force_version.created_at)
    }
}

/// The content of a pack version: one version of each component.
pub type Content = BTreeMap<ComponentId, VersionStamp>;

/// Facts about a draft that are stored with its pack, so that a page of packs needn't compute them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// The number of rows, including those marked for removal.
    pub component_count: i32,
    /// The number of rows that have a newer shareable version than the one in force (R19).
    pub newer_count: i32,
    /// Whether the draft differs from the content in force (R21).
    pub has_unreleased_changes: bool,
}

/// Computes the assessment of a draft. `in_force` is the content of the pending release if there is one, else of the
/// current version, else empty.
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

/// The content that a release made now would have.
#[must_use]
pub fn next_content(rows: &[DraftRow]) -> BTreeMap<ComponentId, ComponentVersionId> {
    rows.iter().filter_map(|row| Some((row.component_id, row.next()?))).collect()
}

/// The version ids of a content.
#[must_use]
pub fn ids(content: &Content) -> BTreeMap<ComponentId, ComponentVersionId> {
    content.iter().map(|(component, stamp)| (*component, stamp.id)).collect()
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// A component that a caller wants to add to a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub component_id: ComponentId,
    pub component_type: ComponentType,
    /// Whether the component has a version that is shareable and not deleted.
    pub has_shareable_version: bool,
    /// Whether the draft has a row of the component, marked for removal or not.
    pub in_draft: bool,
}

/// Why components can't be added. Each fault lists all the components that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddFault {
    AlreadyInPack(Vec<ComponentId>),
    TypeNotAllowed(Vec<ComponentId>),
    ApiServiceInMulti(Vec<ComponentId>),
    NoShareableVersion(Vec<ComponentId>),
    PackFull,
}

/// Checks that all `candidates` can be added to a draft that has `rows` rows (R11–R14). A component that the call names
/// twice counts as already in the pack.
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

/// What removing a row from a draft does to it (R15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The component is in current or pending content: the row stays, marked, until the next release is made.
    Mark,
    /// The component was never released: the row is deleted.
    Drop,
}

/// Decides a removal (R15). `released` is whether the current or the pending content has the component.
#[must_use]
pub fn removal(released: bool) -> Removal {
    if released { Removal::Mark } else { Removal::Drop }
}
