//! Packages (R5–R7, R9, R11).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::accounts::Privilege;
use crate::domain::components::ExtensibilitySetting;
use crate::graphql::components::packaged_component::PackagedComponent;
use crate::graphql::components::refusal::PackagingError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::error::bug;
use crate::graphql::ids;
use crate::graphql::source::{ArtifactInput, SourceInput};
use crate::service::components::{NewManifestEntry, NewPackage, create_packages};

use crate::graphql::mutations::{PayloadField, answer, publisher};

/// Input of `createPackagedComponents`.
#[derive(InputObject)]
struct CreatePackagedComponentsInput {
    /// 1 to 250; a component may come more than once. Together they may have 25,000 components in their manifests, 100,000 settings, and 1,250,000 characters of notes, settings' names, sources and artifacts. As JSON the largest call takes less than 24 MiB, the default limit of a request's body.
    packages: Vec<PackageInput>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `createPackagedComponents`.
#[derive(SimpleObject)]
struct CreatePackagedComponentsPayload {
    /// The packaged components, in the order of the input; null when refused.
    packaged_components: PayloadField<Vec<PackagedComponent>>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackagingError>,
}

/// One package to be made.
#[derive(InputObject)]
struct PackageInput {
    /// The ID of a Component.
    component_id: ID,
    /// The label, 1 to 64 characters; the highest numeric label + 1 when left out. Unique for the component; invisible characters make no difference.
    version: Option<String>,
    /// Whether packs may hold it; fixed at creation.
    #[graphql(default)]
    shareable: bool,
    /// The notes, at most 4,000 characters; fixed at creation.
    notes: Option<String>,
    /// The component's revision, 1 or more; one more than that of its newest package when left out.
    revision: Option<i32>,
    /// The settings that managed accounts may override in the component itself; at most 200.
    #[graphql(default)]
    extensibility: Vec<ExtensibilitySettingInput>,
    /// The other components inside; at most 499, each once.
    #[graphql(default)]
    manifest: Vec<ManifestEntryInput>,
    /// Where it comes from; fixed at creation.
    source: Option<SourceInput>,
    /// The files that it stands for: at most 20; fixed at creation.
    #[graphql(default)]
    artifacts: Vec<ArtifactInput>,
}

/// A component inside a package.
#[derive(InputObject)]
struct ManifestEntryInput {
    /// The ID of a Component of the same publisher.
    component_id: ID,
    /// Its revision, 1 or more.
    revision: i32,
    /// The settings that managed accounts may override in it; at most 200.
    #[graphql(default)]
    extensibility: Vec<ExtensibilitySettingInput>,
}

/// A setting that a managed account may override.
#[derive(InputObject)]
struct ExtensibilitySettingInput {
    /// 1 to 255 characters, unique in its entry.
    name: String,
    /// Whether it may be overridden.
    extensible: bool,
    /// Whether the packaged value is used where the setting isn't overridden.
    #[graphql(default = true)]
    uses_default: bool,
}

impl PackageInput {
    fn read(self) -> NewPackage {
        NewPackage {
            component_id: ids::component_or_nothing(&self.component_id),
            version: self.version,
            shareable: self.shareable,
            notes: self.notes,
            revision: self.revision,
            extensibility: self.extensibility.into_iter().map(Into::into).collect(),
            manifest: self.manifest.into_iter().map(ManifestEntryInput::read).collect(),
            source: self.source.map(Into::into),
            artifacts: self.artifacts.into_iter().map(Into::into).collect(),
        }
    }
}

impl ManifestEntryInput {
    fn read(self) -> NewManifestEntry {
        NewManifestEntry {
            component_id: ids::component_or_nothing(&self.component_id),
            revision: self.revision,
            extensibility: self.extensibility.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<ExtensibilitySettingInput> for ExtensibilitySetting {
    fn from(input: ExtensibilitySettingInput) -> Self {
        Self { name: input.name, extensible: input.extensible, uses_default: input.uses_default }
    }
}

/// Making packages.
#[derive(Default)]
pub(in crate::graphql) struct Components;

#[Object]
impl Components {
    /// Makes up to 250 packaged components, all or none. Codes: CLIENT_REQUEST_ID_REUSED, EMPTY_LIST, TOO_MANY, VERSION_LABEL_INVALID, VERSION_LABEL_REQUIRED, VERSION_LABEL_TAKEN, NOTES_TOO_LONG, MANIFEST_INVALID, SOURCE_INVALID, TYPE_NOT_SHAREABLE, PROCESS_ROUTE_NOT_SHAREABLE.
    async fn create_packaged_components(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The packages to make, 1 to 250: for each its component, its label and notes, whether it may be shared, and what is inside it."
        )]
        input: CreatePackagedComponentsInput,
    ) -> Result<CreatePackagedComponentsPayload> {
        let caller = publisher(ctx, Privilege::PackagedComponentManagement)?;
        let packages = input.packages.into_iter().map(PackageInput::read).collect();
        let outcome = create_packages(ctx.services(), &caller, packages, input.client_request_id).await;
        let (packaged_components, errors) = answer(ctx, outcome, async |ids: Vec<_>| {
            let made = try_join_all(ids.into_iter().map(|id| PackagedComponent::by_id(ctx, id))).await?;
            made.into_iter()
                .map(|one| one.ok_or_else(|| bug("a package is gone that was just made")))
                .collect::<Result<_>>()
                .map(Some)
        })
        .await?;
        Ok(CreatePackagedComponentsPayload { packaged_components, errors })
    }
}
