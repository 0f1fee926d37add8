//! What deserves a second look before a release (R34).

use std::collections::BTreeMap;

use async_graphql::{ComplexObject, Context, Enum, Result, SimpleObject};
use futures_util::future::try_join_all;

use super::component::Component;
use super::manifest::ExtensibilitySetting;
use super::packaged_component::PackagedComponent;
use crate::domain::id::{ComponentId, ComponentVersionId};
use crate::domain::packaged_component::ManifestEntry;
use crate::domain::preview::{Mismatch, Occurrence, Warning};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;

/// What deserves a second look before a release (R34).
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseWarningCode {
    /// One component alone: single processes belong in the process library (R53).
    SingleComponentPack,
    /// Processes set a shared component differently.
    ExtensibilityMismatch,
    /// No contact in the support data (R17).
    NoSupportContact,
    /// No group has the pack.
    NotSharedWithAnyone,
}

/// What deserves a second look before a release (R34).
#[derive(SimpleObject)]
pub struct ReleaseWarning {
    /// Which warning.
    code: ReleaseWarningCode,
    /// A sentence in English that says what to do.
    message: &'static str,
    /// For EXTENSIBILITY_MISMATCH: what differs; else empty. At most 100, the rest is told when these are mended.
    mismatches: Vec<ExtensibilityMismatch>,
}

/// A component that several processes of the pack share, with settings that differ between their manifests (R34).
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ExtensibilityMismatch {
    #[graphql(skip)]
    component_id: ComponentId,
    /// The setting's name.
    setting_name: String,
    /// Each process's package that holds the component, with its setting; at most 100.
    occurrences: Vec<ExtensibilityOccurrence>,
}

/// How one package of the pack sets it.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ExtensibilityOccurrence {
    #[graphql(skip)]
    version_id: ComponentVersionId,
    /// The setting in that manifest; null when it is not there.
    setting: Option<ExtensibilitySetting>,
}

#[ComplexObject]
impl ExtensibilityMismatch {
    /// The shared component.
    async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.component_id).await
    }
}

#[ComplexObject]
impl ExtensibilityOccurrence {
    /// The package whose manifest it is.
    async fn packaged_component(&self, ctx: &Context<'_>) -> Result<PackagedComponent> {
        PackagedComponent::must(ctx, self.version_id).await
    }
}

impl From<Warning> for ReleaseWarning {
    fn from(warning: Warning) -> Self {
        let message = warning.message();
        let (code, mismatches) = match warning {
            Warning::SingleComponentPack => (ReleaseWarningCode::SingleComponentPack, Vec::new()),
            Warning::ExtensibilityMismatch(found) => (ReleaseWarningCode::ExtensibilityMismatch, found),
            Warning::NoSupportContact => (ReleaseWarningCode::NoSupportContact, Vec::new()),
            Warning::NotSharedWithAnyone => (ReleaseWarningCode::NotSharedWithAnyone, Vec::new()),
        };
        Self { code, message, mismatches: mismatches.into_iter().map(Into::into).collect() }
    }
}

impl From<Mismatch> for ExtensibilityMismatch {
    fn from(mismatch: Mismatch) -> Self {
        let Mismatch { component_id, setting_name, occurrences } = mismatch;
        Self { component_id, setting_name, occurrences: occurrences.into_iter().map(Into::into).collect() }
    }
}

impl From<Occurrence> for ExtensibilityOccurrence {
    fn from(occurrence: Occurrence) -> Self {
        Self { version_id: occurrence.version_id, setting: occurrence.setting.as_ref().map(Into::into) }
    }
}

/// Manifests by the package that has them.
pub(super) type Manifests = BTreeMap<ComponentVersionId, std::sync::Arc<Vec<ManifestEntry>>>;

/// The manifests of those of the versions that have one.
///
/// # Errors
/// What reading them failed with.
pub(super) async fn manifests(
    ctx: &Context<'_>,
    versions: impl IntoIterator<Item = ComponentVersionId>,
) -> Result<Manifests> {
    let loaders = ctx.loaders();
    let read = async |id| loaders.publisher.manifests.one(id).await.map(|manifest| (id, manifest));
    let found = try_join_all(versions.into_iter().map(read)).await.or_failure()?;
    Ok(found.into_iter().filter_map(|(id, manifest)| Some((id, manifest?))).collect())
}
