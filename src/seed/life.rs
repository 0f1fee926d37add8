//! What a pack has been through.

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::domain::id::{ComponentId, ComponentVersionId, ContentKey, PackVersionId};
use crate::domain::pack::{DraftRow, Pack, PackVersion};
use crate::domain::release::Release;

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody had the pack (R23).
    First,
    /// It was rolled out at once.
    Immediate,
    /// It was offered, and rolled out in its window.
    Dated,
    /// It was offered, and then not waited for.
    Promoted,
    /// It was offered, and taken back.
    Canceled,
    /// It is being offered.
    Pending,
}

impl Fate {
    pub(super) fn is_rolled_out(self) -> bool {
        matches!(self, Self::Immediate | Self::Dated | Self::Promoted)
    }
}

/// A release with the version that it made.
#[derive(Clone, Debug)]
pub struct Issue {
    pub version: PackVersion,
    pub content: BTreeMap<ComponentId, ComponentVersionId>,
    pub release: Release,
    /// When progress was last announced.
    pub progressed_at: Option<Instant>,
    pub(super) fate: Fate,
}

/// What the publisher did to a draft.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Added(Vec<ComponentId>),
    Removed { component: ComponentId, marked: bool },
    Pinned { component: ComponentId, version: ComponentVersionId },
}

/// A pack, its draft, its releases.
#[derive(Clone, Debug)]
pub struct Life {
    pub pack: Pack,
    pub rows: Vec<DraftRow>,
    pub(super) edits: Vec<(Instant, Edit)>,
    /// Of every component that ever stood in the pack (R14).
    pub keys: Vec<(ComponentId, ContentKey)>,
    /// Oldest first.
    pub issues: Vec<Issue>,
}

impl Life {
    /// When it could first be installed; `None` for one that can't yet.
    pub(super) fn installable_from(&self) -> Option<Instant> {
        self.issues.iter().find(|issue| issue.fate == Fate::First).and_then(|issue| issue.release.started_at)
    }

    /// Whether it is installed anywhere now.
    pub(super) fn can_be_installed(&self) -> bool {
        self.pack.deleted_at.is_none() && self.installable_from().is_some()
    }

    /// What may not be deleted (R8): content in force, and what a row is pinned to.
    pub(super) fn holds(&self) -> impl Iterator<Item = ComponentVersionId> {
        let standing = &self.pack.standing;
        let in_force = [standing.current_version, standing.pending.map(|pending| pending.version_id)];
        let issues = self.issues.iter().filter(move |issue| in_force.contains(&Some(issue.version.id)));
        let held = issues.flat_map(|issue| issue.content.values().copied());
        held.chain(self.rows.iter().filter_map(|row| row.pinned))
    }

    /// The version that was current at an instant, and its number.
    pub(super) fn version_at(&self, at: Instant) -> (PackVersionId, i32) {
        let current = self.issues.iter().rev().find(|issue| {
            let ended = matches!(issue.fate, Fate::Canceled | Fate::Pending);
            !ended && issue.release.started_at.is_some_and(|started| started <= at)
        });
        let found = current.or(self.issues.first()).map(|issue| (issue.version.id, issue.version.number));
        found.unwrap_or((PackVersionId(uuid::Uuid::nil()), 0))
    }

    /// The number of a version.
    pub(super) fn number(&self, version: PackVersionId) -> i32 {
        self.issues.iter().find(|issue| issue.version.id == version).map_or(0, |issue| issue.version.number)
    }
}
