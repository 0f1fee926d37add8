//! The warnings of a release preview (R34).

use std::collections::BTreeMap;

use async_graphql::{ComplexObject, Context, Enum, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::components::ManifestEntry;
use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::packs::PackStanding;
use crate::domain::releases::{GoesBack, Labelled, LabelledRow, Mismatch, Occurrence, Warning};
use crate::graphql::components::{Component, ExtensibilitySetting, PackagedComponent};
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::ResultExt as _;
use crate::graphql::interfaces::ComponentVersion;
use crate::graphql::packs::content;
use crate::store::components::versions::higher_unreleased;

/// A warning before a release.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseWarningCode {
    /// One component alone: single processes belong in the process library.
    SingleComponentPack,
    /// Several processes share a component, and their manifests have different settings for it.
    ExtensibilityMismatch,
    /// No contact in the support data.
    NoSupportContact,
    /// No group has the pack.
    NotSharedWithAnyone,
    /// A row would take a version whose numeric label is lower than the one in force, or than another unreleased shareable one.
    LabelGoesBack,
}

/// A warning before a release.
#[derive(SimpleObject)]
pub(crate) struct ReleaseWarning {
    /// The code of the warning.
    code: ReleaseWarningCode,
    /// A sentence in English that says what to do.
    message: &'static str,
    /// For EXTENSIBILITY_MISMATCH: the differences; else empty. At most 100; further ones appear once these are resolved.
    mismatches: Vec<ExtensibilityMismatch>,
    /// For LABEL_GOES_BACK: the rows; else empty.
    labels: Vec<LabelGoesBack>,
}

/// The type `LabelGoesBack`: a row whose label would go back.
pub(crate) struct LabelGoesBack(GoesBack);

/// A row whose label goes back.
#[Object]
impl LabelGoesBack {
    /// The component.
    async fn component(&self, ctx: &Context<'_>) -> Result<Component> {
        Component::must(ctx, self.0.component_id).await
    }

    /// The version that the row would take.
    async fn next(&self, ctx: &Context<'_>) -> Result<ComponentVersion> {
        ComponentVersion::must(ctx, self.0.next).await
    }

    /// The version of the higher label.
    async fn higher(&self, ctx: &Context<'_>) -> Result<ComponentVersion> {
        ComponentVersion::must(ctx, self.0.higher).await
    }
}

/// A component that several processes of the pack share, with settings that differ between their manifests.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct ExtensibilityMismatch {
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
pub(crate) struct ExtensibilityOccurrence {
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
        let of = |code| Self { code, message, mismatches: Vec::new(), labels: Vec::new() };
        match warning {
            Warning::SingleComponentPack => of(ReleaseWarningCode::SingleComponentPack),
            Warning::ExtensibilityMismatch(found) => Self {
                mismatches: found.into_iter().map(Into::into).collect(),
                ..of(ReleaseWarningCode::ExtensibilityMismatch)
            },
            Warning::NoSupportContact => of(ReleaseWarningCode::NoSupportContact),
            Warning::NotSharedWithAnyone => of(ReleaseWarningCode::NotSharedWithAnyone),
            Warning::LabelGoesBack(found) => {
                Self { labels: found.into_iter().map(LabelGoesBack).collect(), ..of(ReleaseWarningCode::LabelGoesBack) }
            }
        }
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

/// Manifests, by package.
pub(in crate::graphql) type Manifests = BTreeMap<ComponentVersionId, std::sync::Arc<Vec<ManifestEntry>>>;

/// The manifests of the given versions. Versions without one are left out.
pub(in crate::graphql) async fn manifests(
    ctx: &Context<'_>,
    versions: impl IntoIterator<Item = ComponentVersionId>,
) -> Result<Manifests> {
    let loaders = ctx.loaders();
    let read = async |id| loaders.components.manifests.one(id).await.map(|manifest| (id, manifest));
    let found = try_join_all(versions.into_iter().map(read)).await.or_failure()?;
    Ok(found.into_iter().filter_map(|(id, manifest)| Some((id, manifest?))).collect())
}

/// The rows that a release would take, with the labels that decide whether one goes back.
pub(in crate::graphql) async fn labelled(
    ctx: &Context<'_>,
    pack: PackId,
    standing: PackStanding,
    next: &BTreeMap<ComponentId, ComponentVersionId>,
) -> Result<Vec<LabelledRow>> {
    let loaders = ctx.loaders();
    let in_force = standing.pending.map(|pending| pending.version_id).or(standing.current_version);
    let in_force = content(&ctx.loaders(), in_force).await?.unwrap_or_default();
    let ids: Vec<_> = next.values().copied().collect();
    let higher = higher_unreleased(&ctx.publisher_snapshot()?, pack, &ids).await.or_failure()?;
    let label = async |id: ComponentVersionId| {
        let found = loaders.components.versions.must(id).await.or_failure()?;
        Ok::<_, async_graphql::Error>(Labelled { id, label: found.version.clone() })
    };
    let row = async |(component, version): (&ComponentId, &ComponentVersionId)| {
        let in_force = match in_force.get(component) {
            Some(stamp) => Some(label(stamp.id).await?),
            None => None,
        };
        Ok(LabelledRow {
            component_id: *component,
            next: label(*version).await?,
            in_force,
            higher_unreleased: higher.get(version).copied(),
        })
    };
    try_join_all(next.iter().map(row)).await
}
