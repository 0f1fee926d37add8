//! `packwright pause`, `resume` and `rollback`.

use std::time::Duration;

use serde_json::json;

use super::following::{self, Wait};
use crate::operations::{
    Pause, Resume, RollBack, RollBackPreview, pause as pausing, resume as resuming, roll_back as rolling_back,
    roll_back_preview as previewing,
};
use crate::refusals::first;
use crate::request_id::{Belonging, derived};
use crate::verdict::{Goal, MaxFailed};
use crate::{Api, Failure, Report, Talk};

/// Pauses a release. It is no error if the release is paused already; `wasSo` in the data says so.
///
/// # Errors
/// When a rule refuses, or a call fails.
pub async fn pause(api: &mut Api, release: &str, reason: &str, talk: &mut dyn Talk) -> Result<Report, Failure> {
    let variables = pausing::Variables { release_id: release.to_owned(), reason: reason.to_owned() };
    let answer = api.ask::<Pause>(variables).await?.pause_release;
    match first::<pausing::Refusal>(answer.errors) {
        Some(refusal) if refusal.code == "ALREADY_PAUSED" => {
            following::with_words(api, release, "It was paused already.", json!({ "wasSo": true }), talk).await
        }
        Some(refusal) => Err(refusal.into_failure()),
        None => following::with_words(api, release, "It is paused.", json!({ "wasSo": false }), talk).await,
    }
}

/// Resumes a release. It is no error if the release isn't paused; `wasSo` in the data says so.
///
/// # Errors
/// When a rule refuses, or a call fails.
pub async fn resume(api: &mut Api, release: &str, talk: &mut dyn Talk) -> Result<Report, Failure> {
    let variables = resuming::Variables { release_id: release.to_owned() };
    let answer = api.ask::<Resume>(variables).await?.resume_release;
    match first::<resuming::Refusal>(answer.errors) {
        Some(refusal) if refusal.code == "NOT_PAUSED" => {
            following::with_words(api, release, "It wasn't paused.", json!({ "wasSo": true }), talk).await
        }
        Some(refusal) => Err(refusal.into_failure()),
        None => following::with_words(api, release, "It goes on.", json!({ "wasSo": false }), talk).await,
    }
}

/// The options of `packwright rollback`.
#[derive(Clone, Debug)]
pub struct RollBackRequest {
    pub release: String,
    pub reason: String,
    /// How many installations may be moved. Without it nothing is done, and the failure says how many it would be.
    pub at_most: Option<i64>,
    pub wait: Option<Duration>,
    pub request_id: Option<String>,
}

/// Rolls a release back, and waits for the end if `request.wait` says so.
///
/// # Errors
/// When a rule refuses, when `at_most` is missing, or a call fails.
pub async fn roll_back(api: &mut Api, request: &RollBackRequest, talk: &mut dyn Talk) -> Result<Report, Failure> {
    let Some(at_most) = request.at_most else { return Err(bound(api, &request.release).await?) };
    // Derived from the release alone: it is rolled back once, whichever run asks for it.
    let made = || derived(&Belonging::Run(request.release.clone()), "rollback", &[]);
    let variables = rolling_back::Variables {
        release_id: request.release.clone(),
        reason: request.reason.clone(),
        at_most,
        request_id: request.request_id.clone().unwrap_or_else(made),
    };
    let answer = api.ask::<RollBack>(variables).await?.roll_back_release;
    if let Some(refusal) = first::<rolling_back::Refusal>(answer.errors) {
        return Err(refusal.into_failure());
    }
    match request.wait {
        Some(limit) => {
            let wait =
                Wait { limit: Some(limit), is_known: true, goal: Goal::RolledBack, max_failed: MaxFailed::default() };
            following::until_the_end(api, &request.release, wait, talk).await
        }
        None => {
            let more = json!({ "installationCount": answer.installation_count });
            following::with_words(api, &request.release, "The roll back has begun.", more, talk).await
        }
    }
}

/// The failure of a roll back without `at_most`. It says how many installations would be moved.
async fn bound(api: &mut Api, release: &str) -> Result<Failure, Failure> {
    let variables = previewing::Variables { release_id: release.to_owned() };
    let preview = api.ask::<RollBackPreview>(variables).await?.roll_back_preview;
    if let Some(refusal) = first::<previewing::Refusal>(preview.refusals) {
        return Ok(refusal.into_failure());
    }
    let back_to = preview.back_to.map(|version| format!(" to version {}", version.number)).unwrap_or_default();
    let sentence = format!(
        "Rolling back{back_to} would move {0} installations: give --at-most {0} if you mean that.",
        preview.will_move_count
    );
    Ok(Failure::refused("MORE_INSTALLATIONS", sentence))
}
