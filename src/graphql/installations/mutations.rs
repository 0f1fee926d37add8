//! Installing, and updating early (R26, R31, R43, R44).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::UpdateOutcome;
use crate::graphql::ids;
use crate::graphql::installations::installation::Installation;
use crate::graphql::installations::installation_update::InstallationUpdate;
use crate::graphql::installations::outcome::UpdateOutcomeReport;
use crate::graphql::installations::refusal::InstallationError;
use crate::graphql::scalars::Markdown;
use crate::service::installations::{
    InstallRequest, InstallationEdit, OutcomeRequest, apply_early, install, rename_installation, report_outcome,
    uninstall,
};

use crate::graphql::mutations::{PayloadField, answer, change, managed, result_and_errors};

/// Input of `installPack`.
#[derive(InputObject)]
struct InstallPackInput {
    /// The ID of an AvailablePack.
    pack_id: ID,
    /// The installation's name, 1 to 255 characters, unique in the account; for MULTI alone. The pack's name when left out.
    override_name: Option<String>,
    /// A key of your own, which the publisher doesn't see: 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`, unique among your installations; case matters.
    key: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `installPack`.
#[derive(SimpleObject)]
struct InstallPackPayload {
    /// The installation; null when refused.
    installation: PayloadField<Installation>,
    /// Why it was refused; empty when it was done.
    errors: Vec<InstallationError>,
}

/// Input of `renameInstallation`.
#[derive(InputObject)]
struct RenameInstallationInput {
    /// The ID of an Installation.
    installation_id: ID,
    /// The new name, 1 to 255 characters, unique in the account; for MULTI alone. Unchanged when left out or null.
    override_name: Option<String>,
    /// A key of your own, as in `installPack`; unchanged when left out, null takes it away.
    key: MaybeUndefined<String>,
}

/// Answer of `renameInstallation`.
#[derive(SimpleObject)]
struct RenameInstallationPayload {
    /// The installation; null when refused.
    installation: PayloadField<Installation>,
    /// Why it was refused; empty when it was done.
    errors: Vec<InstallationError>,
}

/// Input of `uninstallPack`.
#[derive(InputObject)]
struct UninstallPackInput {
    /// The ID of an Installation.
    installation_id: ID,
}

/// Answer of `uninstallPack`.
#[derive(SimpleObject)]
struct UninstallPackPayload {
    /// The ID that the installation had; null when refused.
    uninstalled_id: Option<ID>,
    /// Why it was refused; empty when it was done.
    errors: Vec<InstallationError>,
}

/// Input of `applyPendingUpdate`.
#[derive(InputObject)]
struct ApplyPendingUpdateInput {
    /// The ID of an InstallationUpdate. Exactly this update is applied, or none.
    update_id: ID,
}

/// Answer of `applyPendingUpdate`.
#[derive(SimpleObject)]
struct ApplyPendingUpdatePayload {
    /// The update, applied; null when refused.
    update: PayloadField<InstallationUpdate>,
    /// Whether it had been applied before this call, which then changed nothing; null when refused.
    already_applied: Option<bool>,
    /// Why it was refused; empty when it was done.
    errors: Vec<InstallationError>,
}

/// Input of `reportUpdateOutcome`.
#[derive(InputObject)]
struct ReportUpdateOutcomeInput {
    /// The ID of an InstallationUpdate.
    update_id: ID,
    /// How it went.
    outcome: UpdateOutcome,
    /// Up to 2,000 characters.
    #[graphql(default_with = "Markdown(String::new())")]
    comment: Markdown,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `reportUpdateOutcome`.
#[derive(SimpleObject)]
struct ReportUpdateOutcomePayload {
    /// The update; null when refused.
    update: PayloadField<InstallationUpdate>,
    /// The report; null when refused.
    report: PayloadField<UpdateOutcomeReport>,
    /// Why it was refused; empty when it was done.
    errors: Vec<InstallationError>,
}

/// Installations and early updates.
#[derive(Default)]
pub(in crate::graphql) struct Installations;

#[Object]
impl Installations {
    /// Managed account: installs a pack's current version. Codes: CLIENT_REQUEST_ID_REUSED, NOT_ENTITLED, ALREADY_INSTALLED, OVERRIDE_NAME_NOT_ALLOWED, OVERRIDE_NAME_INVALID, OVERRIDE_NAME_TAKEN, KEY_INVALID, KEY_TAKEN.
    async fn install_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The pack to install, the name of the installation where an account may have several, and its key."
        )]
        input: InstallPackInput,
    ) -> Result<InstallPackPayload> {
        let caller = managed(ctx, Privilege::IntegrationPack)?;
        let pack = ids::available_pack_id(&input.pack_id)?;
        let request = InstallRequest { pack, override_name: input.override_name, key: input.key };
        let outcome = install(ctx.services(), &caller, request, input.client_request_id).await;
        let (installation, errors) = answer(ctx, outcome, |id| Installation::by_id(ctx, id)).await?;
        Ok(InstallPackPayload { installation, errors })
    }

    /// Managed account: gives an installation of a MULTI pack another name, or any installation a key. Codes: OVERRIDE_NAME_NOT_ALLOWED, OVERRIDE_NAME_INVALID, OVERRIDE_NAME_TAKEN, KEY_INVALID, KEY_TAKEN.
    async fn rename_installation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The installation, and its new name or key.")] input: RenameInstallationInput,
    ) -> Result<RenameInstallationPayload> {
        let caller = managed(ctx, Privilege::IntegrationPack)?;
        let id = ids::installation_id(&input.installation_id)?;
        let edit = InstallationEdit { name: input.override_name, key: change(input.key) };
        let outcome = rename_installation(ctx.services(), &caller, id, edit).await;
        let (installation, errors) = answer(ctx, outcome, |()| Installation::by_id(ctx, id)).await?;
        Ok(RenameInstallationPayload { installation, errors })
    }

    /// Managed account: removes an installation; an open offer is withdrawn.
    async fn uninstall_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The installation to remove.")] input: UninstallPackInput,
    ) -> Result<UninstallPackPayload> {
        let caller = managed(ctx, Privilege::IntegrationPack)?;
        let id = ids::installation_id(&input.installation_id)?;
        let (done, errors) = result_and_errors(ctx, uninstall(ctx.services(), &caller, id).await)?;
        Ok(UninstallPackPayload { uninstalled_id: done.map(|()| input.installation_id), errors })
    }

    /// Managed account: applies an offered update early. Doing it twice, or when the window has moved it meanwhile, succeeds and says so. Codes: NOT_ENTITLED, UPDATE_WITHDRAWN, RELEASE_IN_PROGRESS, RELEASE_PAUSED.
    async fn apply_pending_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The offered update to apply now.")] input: ApplyPendingUpdateInput,
    ) -> Result<ApplyPendingUpdatePayload> {
        let caller = managed(ctx, Privilege::ApplyUpdates)?;
        let id = ids::update_id(&input.update_id)?;
        let outcome = apply_early(ctx.services(), &caller, id).await;
        let already_applied = outcome.as_ref().ok().copied();
        let (update, errors) = answer(ctx, outcome, |_| InstallationUpdate::by_id(ctx, id)).await?;
        Ok(ApplyPendingUpdatePayload { update, already_applied, errors })
    }

    /// Managed account: reports how an applied update went. Codes: CLIENT_REQUEST_ID_REUSED, OUTCOME_NOT_ALLOWED, COMMENT_TOO_LONG.
    async fn report_update_outcome(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The applied update, and how it went.")] input: ReportUpdateOutcomeInput,
    ) -> Result<ReportUpdateOutcomePayload> {
        let caller = managed(ctx, Privilege::ApplyUpdates)?;
        let id = ids::update_id(&input.update_id)?;
        let request = OutcomeRequest {
            update: id,
            outcome: input.outcome.into(),
            comment: input.comment.0,
            client_request_id: input.client_request_id,
        };
        let outcome = report_outcome(ctx.services(), &caller, request).await;
        let (report, errors) = answer(ctx, outcome, |id| UpdateOutcomeReport::by_id(ctx, id)).await?;
        let update = match report {
            Some(_) => InstallationUpdate::by_id(ctx, id).await.transpose(),
            None => None,
        };
        Ok(ReportUpdateOutcomePayload { update, report, errors })
    }
}
