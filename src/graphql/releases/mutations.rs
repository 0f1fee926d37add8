//! Releasing, and changing a pending release (R21–R30).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::connection::int;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::releases::halting::HaltRuleInput;
use crate::graphql::releases::refusal::ReleaseError;
use crate::graphql::releases::release::Release;
use crate::graphql::releases::release_schedule::ReleaseScheduleInput;
use crate::graphql::releases::release_stage::{ReleaseStageInput, StageDateInput};
use crate::graphql::scalars::{Date, Markdown};
use crate::graphql::source::SourceInput;
use crate::service::releases::{
    ReleaseRequest, RollBackRequest, cancel_release, open_next_stage, pause_release, promote_release,
    reschedule_release, resume_release, retry_failed_updates, roll_back_release, set_halt_rule,
};

use crate::graphql::mutations::{PayloadField, answer, count, publisher};

/// Input of `releaseIntegrationPack`.
#[derive(InputObject)]
struct ReleaseIntegrationPackInput {
    /// The ID of an IntegrationPack.
    pack_id: ID,
    /// When to release: at once or on a date.
    schedule: ReleaseScheduleInput,
    /// The release notes for managed accounts, 1 to 20,000 characters.
    notes: Markdown,
    /// The `contentToken` of the preview that the caller saw; when a release would now take anything else, CONTENT_CHANGED. Not checked when left out.
    expected_content: Option<String>,
    /// The revision that the caller read; when the pack has another now, STALE_REVISION. Not checked when left out.
    expected_revision: Option<i32>,
    /// Where its content comes from; fixed at creation. Managed accounts don't see it.
    source: Option<SourceInput>,
    /// When it stops by itself; never when left out.
    halt_when: Option<HaltRuleInput>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
    /// Its early stages, oldest first; at most nine, for a dated re-release.
    #[graphql(default)]
    stages: Vec<ReleaseStageInput>,
    /// A former release of the pack whose buckets are used again: the ID of a Release.
    cohort_of: Option<ID>,
}

/// Answer of `releaseIntegrationPack`.
#[derive(SimpleObject)]
struct ReleaseIntegrationPackPayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `rescheduleRelease`.
#[derive(InputObject)]
struct RescheduleReleaseInput {
    /// The ID of a Release.
    release_id: ID,
    /// The new date, in the zone that the release keeps.
    on_date: Date,
    /// New dates of stages that haven't opened; others keep theirs.
    #[graphql(default)]
    stages: Vec<StageDateInput>,
}

/// Answer of `rescheduleRelease`.
#[derive(SimpleObject)]
struct RescheduleReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `openNextStage`.
#[derive(InputObject)]
struct OpenNextStageInput {
    /// The ID of a Release.
    release_id: ID,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `openNextStage`.
#[derive(SimpleObject)]
struct OpenNextStagePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `promoteRelease`.
#[derive(InputObject)]
struct PromoteReleaseInput {
    /// The ID of a Release.
    release_id: ID,
}

/// Answer of `promoteRelease`.
#[derive(SimpleObject)]
struct PromoteReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `cancelRelease`.
#[derive(InputObject)]
struct CancelReleaseInput {
    /// The ID of a Release.
    release_id: ID,
}

/// Answer of `cancelRelease`.
#[derive(SimpleObject)]
struct CancelReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `pauseRelease`.
#[derive(InputObject)]
struct PauseReleaseInput {
    /// The ID of a Release.
    release_id: ID,
    /// Why, 1 to 2,000 characters.
    reason: String,
}

/// Answer of `pauseRelease`.
#[derive(SimpleObject)]
struct PauseReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `resumeRelease`.
#[derive(InputObject)]
struct ResumeReleaseInput {
    /// The ID of a Release.
    release_id: ID,
}

/// Answer of `resumeRelease`.
#[derive(SimpleObject)]
struct ResumeReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `setHaltRule`.
#[derive(InputObject)]
struct SetHaltRuleInput {
    /// The ID of a Release.
    release_id: ID,
    /// The rule from now on; null takes it away.
    halt_when: Option<HaltRuleInput>,
}

/// Answer of `setHaltRule`.
#[derive(SimpleObject)]
struct SetHaltRulePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `retryFailedUpdates`.
#[derive(InputObject)]
struct RetryFailedUpdatesInput {
    /// The ID of a Release that has ended PARTIALLY_SUCCEEDED or FAILED.
    release_id: ID,
}

/// Answer of `retryFailedUpdates`.
#[derive(SimpleObject)]
struct RetryFailedUpdatesPayload {
    /// The release, in progress again; null when refused.
    release: PayloadField<Release>,
    /// How many updates are tried again; null when refused.
    retried_count: Option<i32>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Input of `rollBackRelease`.
#[derive(InputObject)]
struct RollBackReleaseInput {
    /// The ID of a Release.
    release_id: ID,
    /// Why: 1 to 2,000 characters.
    reason: String,
    /// How many installations it may move; when it would move more, MORE_INSTALLATIONS.
    at_most: i32,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `rollBackRelease`.
#[derive(SimpleObject)]
struct RollBackReleasePayload {
    /// The release; null when refused.
    release: PayloadField<Release>,
    /// How many installations it would move; null when refused for another reason than their number.
    installation_count: Option<i32>,
    /// Why it was refused; empty when it was done.
    errors: Vec<ReleaseError>,
}

/// Releasing.
#[derive(Default)]
pub(in crate::graphql) struct Releases;

#[Object]
impl Releases {
    /// Releases the draft at once or on a date. Codes: CLIENT_REQUEST_ID_REUSED, STALE_REVISION, CONTENT_CHANGED, INVALID_SCHEDULE, NOTES_REQUIRED, NOTES_TOO_LONG, SOURCE_INVALID, EMPTY_PACK, NOTHING_TO_RELEASE, NO_SHAREABLE_VERSION, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING, TIME_ZONE_REQUIRED, DATE_DOES_NOT_EXIST, RELEASE_DATE_NOT_IN_FUTURE, RELEASE_DATE_TOO_FAR, INVALID_HALT_RULE, STAGES_NOT_ALLOWED, INVALID_STAGES, STAGE_NAME, STAGE_PERCENTS, STAGE_DATES.
    async fn release_integration_pack(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The pack, when its draft is released, the release notes, and what must not have changed since the caller looked."
        )]
        input: ReleaseIntegrationPackInput,
    ) -> Result<ReleaseIntegrationPackPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let request = ReleaseRequest {
            pack_id: ids::pack_id(&input.pack_id)?,
            schedule: input.schedule.into(),
            notes: input.notes.0,
            expected_content: input.expected_content,
            expected_revision: input.expected_revision,
            source: input.source.map(Into::into),
            halt_when: input.halt_when.map(Into::into),
            client_request_id: input.client_request_id,
            stages: ReleaseStageInput::read(input.stages),
            cohort_of: input.cohort_of.as_ref().map(ids::release_id).transpose()?,
        };
        let outcome = crate::service::releases::release(ctx.services(), &caller, request).await;
        let (release, errors) = answer(ctx, outcome, |id| Release::by_id(ctx, id)).await?;
        let errors = errors.into_iter().map(ReleaseError::in_schedule).collect();
        Ok(ReleaseIntegrationPackPayload { release, errors })
    }

    /// Moves a pending release, and stages of it that haven't opened, to other dates, in the zone that the release keeps. Codes: RELEASE_IN_PROGRESS, NOT_PENDING, DATE_DOES_NOT_EXIST, RELEASE_DATE_NOT_IN_FUTURE, RELEASE_DATE_TOO_FAR, STAGE_NAME, STAGE_DATES.
    async fn reschedule_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pending release, its new date, and new dates of its stages.")]
        input: RescheduleReleaseInput,
    ) -> Result<RescheduleReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let stages: Vec<_> = input.stages.into_iter().map(Into::into).collect();
        let outcome = reschedule_release(ctx.services(), &caller, id, input.on_date.0, &stages).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(RescheduleReleasePayload { release, errors })
    }

    /// Opens the next early stage of a release now. Codes: CLIENT_REQUEST_ID_REUSED, NO_STAGE_LEFT, RELEASE_IN_PROGRESS, NOT_PENDING, RELEASE_PAUSED.
    async fn open_next_stage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pending release whose next stage opens.")] input: OpenNextStageInput,
    ) -> Result<OpenNextStagePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = open_next_stage(ctx.services(), &caller, id, input.client_request_id).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(OpenNextStagePayload { release, errors })
    }

    /// Starts a pending release now instead of in its window. Codes: RELEASE_IN_PROGRESS, NOT_PENDING, RELEASE_PAUSED.
    async fn promote_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pending release that starts now.")] input: PromoteReleaseInput,
    ) -> Result<PromoteReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = promote_release(ctx.services(), &caller, id).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(PromoteReleasePayload { release, errors })
    }

    /// Cancels a pending release, and moves installations that were updated early or by a stage back to the current version. Codes: RELEASE_IN_PROGRESS, NOT_PENDING.
    async fn cancel_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The pending release to cancel.")] input: CancelReleaseInput,
    ) -> Result<CancelReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = cancel_release(ctx.services(), &caller, id).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(CancelReleasePayload { release, errors })
    }

    /// Keeps everybody from being moved to a release's version, until it is resumed. Codes: REASON_REQUIRED, ALREADY_PAUSED, NOT_PAUSABLE.
    async fn pause_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The release to pause, and the reason.")] input: PauseReleaseInput,
    ) -> Result<PauseReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = pause_release(ctx.services(), &caller, id, &input.reason).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(PauseReleasePayload { release, errors })
    }

    /// Goes on with a paused release. A window that has passed meanwhile opens at once. Codes: NOT_PAUSED.
    async fn resume_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The paused release.")] input: ResumeReleaseInput,
    ) -> Result<ResumeReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = resume_release(ctx.services(), &caller, id).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(ResumeReleasePayload { release, errors })
    }

    /// Changes or takes away a release's halt rule. The new rule is judged by the figures so far, and may halt the release in this call. Codes: INVALID_HALT_RULE, WATCH_IS_OVER.
    async fn set_halt_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The release, and the rule.")] input: SetHaltRuleInput,
    ) -> Result<SetHaltRulePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let rule = input.halt_when.map(Into::into);
        let outcome = set_halt_rule(ctx.services(), &caller, id, rule).await;
        let (release, errors) = answer(ctx, outcome, |()| Release::by_id(ctx, id)).await?;
        Ok(SetHaltRulePayload { release, errors })
    }

    /// Tries the failed updates of a release again, now. Codes: NOT_STARTED, SUPERSEDED, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING, NOTHING_TO_RETRY.
    async fn retry_failed_updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The release whose failed updates are tried again.")] input: RetryFailedUpdatesInput,
    ) -> Result<RetryFailedUpdatesPayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let outcome = retry_failed_updates(ctx.services(), &caller, id).await;
        let retried_count = outcome.as_ref().ok().map(|retried| count(*retried));
        let (release, errors) = answer(ctx, outcome, |_| Release::by_id(ctx, id)).await?;
        Ok(RetryFailedUpdatesPayload { release, retried_count, errors })
    }

    /// Puts the former version in a release's place again, and moves every installation that has the release's version back to it. Codes: CLIENT_REQUEST_ID_REUSED, REASON_REQUIRED, NOT_ROLLABLE_BACK, RELEASE_IN_PROGRESS, RELEASE_ALREADY_PENDING, MORE_INSTALLATIONS.
    async fn roll_back_release(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which release, why, and how many installations it may move.")] input: RollBackReleaseInput,
    ) -> Result<RollBackReleasePayload> {
        let caller = publisher(ctx, Privilege::IntegrationPack)?;
        let id = ids::release_id(&input.release_id)?;
        let request = RollBackRequest {
            release_id: id,
            reason: input.reason,
            at_most: input.at_most,
            client_request_id: input.client_request_id,
        };
        let outcome = roll_back_release(ctx.services(), &caller, request).await;
        let moved = outcome.as_ref().ok().map(|installations| int(*installations));
        let (release, errors) = answer(ctx, outcome, |_| Release::by_id(ctx, id)).await?;
        let installation_count = moved.or(errors.iter().find_map(ReleaseError::installations));
        Ok(RollBackReleasePayload { release, installation_count, errors })
    }
}
