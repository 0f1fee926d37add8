//! Components, and the packages and publications made of them (R5–R7, R11).

mod label;
mod refusal;

pub use label::{Numeric, NumericLabel, next_label};
pub(crate) use refusal::PackagingRefusal;

use chrono::Duration;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId};
use crate::domain::source::{Artifact, Source};

/// The type of a component. Only a process or an API service can be shared in a pack (R11), and only a process in the
/// process library (R53).
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
    /// Whether packages of this type may be shareable (R11).
    #[must_use]
    pub fn can_be_shared(self) -> bool {
        matches!(self, Self::Process | Self::ApiService)
    }
}

/// A component, which a publisher builds, packages and releases in packs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub id: ComponentId,
    pub owner_id: AccountId,
    pub name: String,
    pub component_type: ComponentType,
    pub created_at: Instant,
    pub created_by: Actor,
    /// Whether a version of the component was ever in a pack's version. Then the component can't be renamed (R69).
    pub in_pack_version: bool,
}

impl Component {
    /// Whether the component may still be renamed (R69).
    #[must_use]
    pub fn can_be_renamed(&self) -> bool {
        !self.in_pack_version
    }
}

/// The two kinds of component versions (R52).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VersionKind {
    /// A packaged component.
    #[default]
    Package,
    /// A publication, which legacy packs contain.
    Publication,
}

/// An immutable snapshot of a component (R5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentVersion {
    pub id: ComponentVersionId,
    pub component_id: ComponentId,
    pub kind: VersionKind,
    /// The version label, or a publication's number. The order of versions doesn't depend on it (R7).
    pub version: String,
    pub shareable: bool,
    pub notes: Option<String>,
    pub revision: i32,
    pub created_at: Instant,
    pub created_by: Actor,
    /// The origin of the package (R68).
    pub source: Option<Source>,
    /// The files that the package represents (R68).
    pub artifacts: Vec<Artifact>,
}

/// A version that a caller names. The API has an id type for packages and one for publications, so the id that a caller
/// gives says the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedVersion {
    pub kind: VersionKind,
    pub id: ComponentVersionId,
}

/// A component in the manifest of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    pub component_id: ComponentId,
    pub revision: i32,
    pub extensibility: Vec<ExtensibilitySetting>,
}

/// A setting of a component and whether a managed account may override it. The setting's value is never stored.
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
/// The most components in the manifests of one call, without the packaged components themselves.
pub const CALL_ENTRIES_MAX: usize = 25_000;
/// The most settings in one call.
pub const CALL_SETTINGS_MAX: usize = 100_000;
/// The most characters of notes, setting names, sources and artifacts in one call: the longest notes of 250 packages,
/// and a quarter more.
pub const CALL_CHARACTERS_MAX: usize = 1_250_000;

/// Reads the number of a publication, which the database stores as text like a label (R52). `None` unless positive.
#[must_use]
pub fn publication_number(version: &str) -> Option<i32> {
    version.parse().ok().filter(|number| *number > 0)
}

/// The creation time of a package or publication made at `now`: the later of `now` and one microsecond after the
/// component's `newest` one. So a clock that is set back can't make a later package look older (R7).
#[must_use]
pub fn creation_time(now: Instant, newest: Option<Instant>) -> Instant {
    newest.map_or(now, |newest| now.max(newest + Duration::microseconds(1)))
}

/// Why a package can't be shareable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageFault {
    /// A component of this type can't be shared (R11).
    TypeNotShareable,
    /// The manifest contains a process route (R11).
    ProcessRouteNotShareable,
}

/// Checks a package's shareable flag (R11) against the type of its component, then against the types in its manifest.
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
