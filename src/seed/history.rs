//! The history of a pack.

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::id::{ComponentId, ComponentVersionId, ContentKey, PackVersionId};
use crate::domain::packs::{DraftRow, Pack, PackVersion};
use crate::domain::releases::Release;

/// The course of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// A first release, which moves no installation (R23).
    First,
    /// An immediate release.
    Immediate,
    /// A dated release, rolled out in its window.
    Dated,
    /// A dated release that was promoted.
    Promoted,
    /// A dated release that was canceled.
    Canceled,
    /// A dated release in its testing period.
    Pending,
}

impl Course {
    pub(super) fn is_rolled_out(self) -> bool {
        matches!(self, Self::Immediate | Self::Dated | Self::Promoted)
    }
}

/// A release and the version that it created.
#[derive(Clone, Debug)]
pub struct GeneratedRelease {
    pub version: PackVersion,
    pub content: BTreeMap<ComponentId, ComponentVersionId>,
    pub release: Release,
    /// When progress was last announced.
    pub progressed_at: Option<Instant>,
    pub(super) course: Course,
}

/// A change to a draft.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Added(Vec<ComponentId>),
    Removed { component: ComponentId, marked: bool },
    Pinned { component: ComponentId, version: ComponentVersionId },
}

/// A pack, its draft, and its releases.
#[derive(Clone, Debug)]
pub struct History {
    pub pack: Pack,
    pub rows: Vec<DraftRow>,
    pub(super) edits: Vec<(Instant, Edit)>,
    /// The keys of all components that were ever in the pack (R14).
    pub keys: Vec<(ComponentId, ContentKey)>,
    /// Oldest first.
    pub issues: Vec<GeneratedRelease>,
}

impl History {
    /// When the pack could first be installed; `None` before its first release.
    pub(super) fn installable_from(&self) -> Option<Instant> {
        self.issues.iter().find(|issue| issue.course == Course::First).and_then(|issue| issue.release.started_at)
    }

    /// Whether accounts can install the pack now.
    pub(super) fn can_be_installed(&self) -> bool {
        self.pack.deleted_at.is_none() && self.installable_from().is_some()
    }

    /// The versions that can't be deleted (R8): the content in force, and those to which rows are pinned.
    pub(super) fn holds(&self) -> impl Iterator<Item = ComponentVersionId> {
        let standing = &self.pack.standing;
        let in_force = [standing.current_version, standing.pending.map(|pending| pending.version_id)];
        let issues = self.issues.iter().filter(move |issue| in_force.contains(&Some(issue.version.id)));
        let in_use = issues.flat_map(|issue| issue.content.values().copied());
        in_use.chain(self.rows.iter().filter_map(|row| row.pinned))
    }

    /// The version that was current at an instant, and its number.
    pub(super) fn version_at(&self, at: Instant) -> (PackVersionId, i32) {
        let current = self.issues.iter().rev().find(|issue| {
            let ended = matches!(issue.course, Course::Canceled | Course::Pending);
            !ended && issue.release.started_at.is_some_and(|started| started <= at)
        });
        let found = current.or(self.issues.first()).map(|issue| (issue.version.id, issue.version.number));
        found.unwrap_or((PackVersionId(uuid::Uuid::nil()), 0))
    }

    pub(super) fn number(&self, version: PackVersionId) -> i32 {
        self.issues.iter().find(|issue| issue.version.id == version).map_or(0, |issue| issue.version.number)
    }
}
