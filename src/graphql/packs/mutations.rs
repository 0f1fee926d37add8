//! Making, editing and deleting packs (R10, R17, R47).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, OneofObject, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::domain::packs::{Guide, SupportInfo};
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{DeploymentModel, InstallationType};
use crate::graphql::ids;
use crate::graphql::packs::integration_pack::IntegrationPack;
use crate::graphql::packs::refusal::PackError;
use crate::graphql::releases::Release;
use crate::graphql::scalars::{Markdown, Uri};
use crate::service::packs::{Deletion, NewPack, PackEdit, create_pack, delete_pack, update_pack};

use crate::graphql::mutations::{PayloadField, answer, change, publisher, result_and_errors};

/// Input of `createIntegrationPack`.
#[derive(InputObject)]
struct CreateIntegrationPackInput {
    /// 1 to 255 characters after trimming.
    name: String,
    /// At most 500 characters.
    #[graphql(default)]
    description: String,
    /// How often an account may install the pack; fixed at creation.
    installation_type: InstallationType,
    /// The kind of versions that the pack's rows hold; fixed at creation.
    #[graphql(default_with = "DeploymentModel::Packaged")]
    deployment_model: DeploymentModel,
    /// Support data.
    support: Option<SupportInfoInput>,
    /// A key of your own: 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`, unique among your packs; case matters.
    key: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `createIntegrationPack`.
#[derive(SimpleObject)]
struct CreateIntegrationPackPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `updateIntegrationPack`.
#[derive(InputObject)]
struct UpdateIntegrationPackInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// A new name; unchanged when left out or null.
    name: Option<String>,
    /// A new description; unchanged when left out or null.
    description: Option<String>,
    /// New support data, whole; unchanged when left out or null.
    support: Option<SupportInfoInput>,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
    /// A key of your own, as in `createIntegrationPack`; unchanged when left out, null takes it away.
    key: MaybeUndefined<String>,
}

/// Answer of `updateIntegrationPack`.
#[derive(SimpleObject)]
struct UpdateIntegrationPackPayload {
    /// The pack; null when refused.
    integration_pack: PayloadField<IntegrationPack>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// Input of `deleteIntegrationPack`.
#[derive(InputObject)]
struct DeleteIntegrationPackInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// The number of installations that will be uninstalled; needed unless `dryRun`.
    confirm_installations: Option<i32>,
    /// Says what would happen and changes nothing.
    #[graphql(default)]
    dry_run: bool,
}

/// Answer of `deleteIntegrationPack`.
#[derive(SimpleObject)]
struct DeleteIntegrationPackPayload {
    /// The ID that the pack had; null for a dry run.
    deleted_pack_id: Option<ID>,
    /// How many installations were or would be uninstalled; null when refused.
    uninstalled_count: Option<i32>,
    /// The pending release that was or would be canceled; null when there is none.
    canceled_release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<PackError>,
}

/// The publisher's whole support data: a field that is left out becomes empty.
#[derive(InputObject)]
struct SupportInfoInput {
    /// At most 255 characters.
    contact: Option<String>,
    /// An address.
    url: Option<Uri>,
    /// How to install.
    installation_guide: Option<GuideInput>,
    /// How to use.
    user_guide: Option<GuideInput>,
    /// The prerequisites.
    prerequisites: Option<GuideInput>,
}

/// A text or the address of one.
#[derive(OneofObject)]
enum GuideInput {
    /// At most 20,000 characters.
    Text(Markdown),
    /// An address.
    Url(Uri),
}

impl From<SupportInfoInput> for SupportInfo {
    fn from(input: SupportInfoInput) -> Self {
        Self {
            contact: input.contact,
            url: input.url.map(|url| url.0),
            installation_guide: input.installation_guide.map(Into::into),
            user_guide: input.user_guide.map(Into::into),
            prerequisites: input.prerequisites.map(Into::into),
        }
    }
}

impl From<GuideInput> for Guide {
    fn from(input: GuideInput) -> Self {
        match input {
            GuideInput::Text(text) => Self::Text(text.0),
            GuideInput::Url(url) => Self::Url(url.0),
        }
    }
}

/// Making, editing and deleting packs.
#[derive(Default)]
pub(in crate::graphql) struct Packs;

#[Object]
impl Packs {
    /// Makes an empty pack. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, DESCRIPTION_TOO_LONG, SUPPORT_INFO_INVALID, KEY_INVALID, KEY_TAKEN.
    async fn create_integration_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The new pack's name, description, support data and key, how often an account may install it, and what kind of components it holds."
        )]
        input: CreateIntegrationPackInput,
    ) -> Result<CreateIntegrationPackPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let pack = NewPack {
            name: input.name,
            description: input.description,
            installation_type: input.installation_type.into(),
            deployment_model: input.deployment_model.into(),
            support: input.support.map(Into::into).unwrap_or_default(),
            key: input.key,
        };
        let outcome = create_pack(ctx.services(), &caller, pack, input.client_request_id.as_deref()).await;
        let (integration_pack, errors) = answer(ctx, outcome, |id| IntegrationPack::by_id(ctx, id)).await?;
        Ok(CreateIntegrationPackPayload { integration_pack, errors })
    }

    /// Changes a pack's name, description, support data or key at once, without a release. Codes: STALE_REVISION, NAME_NOT_EDITABLE, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, DESCRIPTION_TOO_LONG, SUPPORT_INFO_INVALID, KEY_INVALID, KEY_TAKEN.
    async fn update_integration_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack, and what is new of its name, description, support data and key.")]
        input: UpdateIntegrationPackInput,
    ) -> Result<UpdateIntegrationPackPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let pack = ids::pack_id(&input.pack_id)?;
        let edit = PackEdit {
            name: input.name,
            description: input.description,
            support: input.support.map(Into::into),
            key: change(input.key),
        };
        let outcome = update_pack(ctx.services(), &caller, pack, edit, input.expected_revision).await;
        let (integration_pack, errors) = answer(ctx, outcome, |()| IntegrationPack::by_id(ctx, pack)).await?;
        Ok(UpdateIntegrationPackPayload { integration_pack, errors })
    }

    /// Deletes a pack: uninstalls it everywhere and cancels its pending release. Codes: CONFIRMATION_REQUIRED, CONFIRMATION_MISMATCH, RELEASE_IN_PROGRESS.
    async fn delete_integration_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pack to delete, and how many installations the caller expects to lose by it.")]
        input: DeleteIntegrationPackInput,
    ) -> Result<DeleteIntegrationPackPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let pack = ids::pack_id(&input.pack_id)?;
        let deletion = if input.dry_run { Deletion::DryRun } else { Deletion::Confirmed(input.confirm_installations) };
        let (done, errors) = result_and_errors(ctx, delete_pack(ctx.services(), &caller, pack, deletion).await)?;
        let canceled_release = match done.and_then(|done| done.canceled) {
            Some(release) => Some(Release::must(ctx, release).await),
            None => None,
        };
        Ok(DeleteIntegrationPackPayload {
            deleted_pack_id: done.filter(|_| !input.dry_run).map(|_| input.pack_id),
            uninstalled_count: done.map(|done| int(done.installations)),
            canceled_release,
            errors,
        })
    }
}
