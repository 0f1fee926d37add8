//! Components and what is packaged of them (R5–R7, R11).

use chrono::Duration;

use super::Instant;
use super::account::Actor;
use super::id::{AccountId, ComponentId, ComponentVersionId};

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComponentType {
    Process,
    ApiService,
    ProcessRoute,
    Certificate,
    CustomLibrary,
    FlowService,
    ProcessingGroup,
}

impl ComponentType {
    /// Whether its packages can be shareable at all (R11).
    #[must_use]
    pub fn can_be_shared(self) -> bool {
        matches!(self, Self::Process | Self::ApiService)
    }
}

/// A thing that can be packaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub id: ComponentId,
    pub owner_id: AccountId,
    pub name: String,
    pub component_type: ComponentType,
    pub created_at: Instant,
    pub created_by: Actor,
}

/// Which kind of snapshot a version is (R52).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VersionKind {
    /// A packaged component.
    #[default]
    Package,
    /// A publication, for legacy packs.
    Publication,
}

/// An immutable snapshot of a component (R5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentVersion {
    pub id: ComponentVersionId,
    pub component_id: ComponentId,
    pub kind: VersionKind,
    /// The label; says nothing of order (R7).
    pub version: String,
    pub shareable: bool,
    pub notes: Option<String>,
    pub revision: i32,
    pub created_at: Instant,
    pub created_by: Actor,
}

/// A version as a caller names it: the type of its id tells its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedVersion {
    pub kind: VersionKind,
    pub id: ComponentVersionId,
}

/// A component inside a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    pub component_id: ComponentId,
    pub revision: i32,
    pub extensibility: Vec<ExtensibilitySetting>,
}

/// What a managed account may override in a component. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ExtensibilitySetting {
    pub name: String,
    pub extensible: bool,
    pub uses_default: bool,
}

/// The most packages in one call (R9).
pub const PACKAGES_MAX: usize = 250;
/// The most components in a manifest, the packaged one included.
pub const MANIFEST_MAX: usize = 500;
/// The most settings of a manifest entry.
pub const SETTINGS_MAX: usize = 200;
/// The most components in the manifests of one call, the packaged ones left aside.
pub const CALL_ENTRIES_MAX: usize = 25_000;
/// The most settings in one call.
pub const CALL_SETTINGS_MAX: usize = 100_000;
/// The most characters of notes and of settings' names in one call: those of 250 packages with the longest notes, and
/// a quarter more.
pub const CALL_CHARACTERS_MAX: usize = 1_250_000;

/// The number of a publication, that is kept as text like a label; `None` for what is none (R52).
#[must_use]
pub fn publication_number(version: &str) -> Option<i32> {
    version.parse().ok().filter(|number| *number > 0)
}

/// When a package or publication made at `now` counts as made: the later of now and one microsecond after
/// the component's newest of either kind, so that a stepped clock makes no later one older (R7).
#[must_use]
pub fn creation_time(now: Instant, newest: Option<Instant>) -> Instant {
    newest.map_or(now, |newest| now.max(newest + Duration::microseconds(1)))
}

/// What is wrong with one package of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageFault {
    /// A component of this type can't be shared (R11).
    TypeNotShareable,
    /// The manifest holds a process route (R11).
    ProcessRouteNotShareable,
}

/// Whether a package may be shareable (R11): by its component's type, then by what is inside.
///
/// # Errors
/// [`PackageFault`].
pub fn check_shareable(
    shareable: bool,
    component: ComponentType,
    inside: impl IntoIterator<Item = ComponentType>,
) -> Result<(), PackageFault> {
    if !shareable {
        return Ok(());
    }
    if !component.can_be_shared() {
        return Err(PackageFault::TypeNotShareable);
    }
    if inside.into_iter().any(|t| t == ComponentType::ProcessRoute) {
        return Err(PackageFault::ProcessRouteNotShareable);
    }
    Ok(())
}
