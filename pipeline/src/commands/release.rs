//! `packwright release`: releases a pack, once for each run.

use std::time::Duration;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::find;
use super::following::{self, Wait};
use super::preview::{group_ids, planned, wrong_stages};
use crate::operations::{OfRun, Release, of_run, release as operation};
use crate::plan::Plan;
use crate::refusals::{Refusal, first};
use crate::request_id::{Belonging, derived};
use crate::stages::{Holds, StagesFile, Then};
use crate::surroundings::Source;
use crate::verdict::{Goal, MaxFailed};
use crate::{Api, Exit, Failure, Report, Talk};

/// The options of `packwright release`.
#[derive(Clone, Debug)]
pub struct ReleaseRequest {
    /// The key or the id of the pack.
    pub pack: String,
    /// The plan to carry out. Without it the command previews the release itself.
    pub plan: Option<Plan>,
    pub on: Option<NaiveDate>,
    /// Stages that replace those of the plan.
    pub stages: Option<StagesFile>,
    pub notes: Option<String>,
    pub allows_removals: bool,
    /// How long to wait for the end; `None` doesn't wait.
    pub wait: Option<Duration>,
    pub max_failed: MaxFailed,
    pub source: Source,
    /// The run or the commit for which the call is made.
    pub belongs_to: Option<Belonging>,
    /// A `clientRequestId` in place of the derived one.
    pub request_id: Option<String>,
}

/// Releases a pack, and waits for the end if `request.wait` says so. A run that has released the pack already gets the
/// same release.
///
/// # Errors
/// When a rule refuses, when components would be removed without permission, or a call fails.
pub async fn release(api: &mut Api, request: &ReleaseRequest, talk: &mut dyn Talk) -> Result<Report, Failure> {
    let pack = find::pack(api, &request.pack).await?;
    let plan = match &request.plan {
        Some(plan) if plan.pack.id != pack.id => {
            return Err(Failure::new(format!("The plan is for the pack {}, not for {}.", plan.pack.name, pack.name)));
        }
        Some(plan) if request.on.is_some() && request.on != plan.on => {
            return Err(Failure::new("The plan is for another date: preview with this --on, or leave --on out."));
        }
        Some(plan) => {
            // The content token doesn't cover the current version. Another version may be current by now, and then the
            // release removes other components than the plan says.
            let now = planned(api, pack, None, &StagesFile::default()).await?;
            let supersedes = now.supersedes.filter(|_| plan.on.is_none());
            let removed = if now.content_token == plan.content_token { now.removed } else { plan.removed.clone() };
            Plan { removed, supersedes, ..plan.clone() }
        }
        None => planned(api, pack, request.on, request.stages.as_ref().unwrap_or(&StagesFile::default())).await?,
    };
    if !plan.removed.is_empty() && !request.allows_removals {
        return Err(removals(&plan));
    }
    let stages = request.stages.as_ref().unwrap_or(&plan.stages);
    let input = input(api, &plan, stages, request).await?;
    if let Some(superseded) = &plan.supersedes {
        talk.say(&format!("The release at once takes the place of the release {}.", superseded.shown()));
    }
    let answer = api.ask::<Release>(operation::Variables { input }).await?.release_integration_pack;
    let id = match (answer.release, first::<operation::Refusal>(answer.errors)) {
        (Some(release), _) => release.id,
        (None, Some(refusal)) => match refusal.code.as_str() {
            "NOTHING_TO_RELEASE" => return Ok(nothing(&plan, &refusal)),
            "CLIENT_REQUEST_ID_REUSED" => released_before(api, &plan, request, refusal, talk).await?,
            _ => return Err(refusal.into_failure()),
        },
        (None, None) => return Err(Failure::new("The server made no release and didn't say why.")),
    };
    match request.wait {
        Some(limit) => {
            let wait =
                Wait { limit: Some(limit), is_known: true, goal: Goal::Released, max_failed: request.max_failed };
            following::until_the_end(api, &id, wait, talk).await
        }
        None => following::as_it_is(api, &id, request.max_failed, talk).await,
    }
}

async fn input(
    api: &mut Api,
    plan: &Plan,
    stages: &StagesFile,
    request: &ReleaseRequest,
) -> Result<operation::ReleaseIntegrationPackInput, Failure> {
    let mut inputs = Vec::new();
    for stage in &stages.stages {
        let holds = match stage.holds().map_err(wrong_stages)? {
            Holds::Groups(groups) => operation::StageSelectorInput::GroupIds(group_ids(api, &groups).await?),
            Holds::Percent(percent) => operation::StageSelectorInput::Percent(percent),
        };
        let on_date = stage.date(plan.on).map_err(wrong_stages)?.to_string();
        inputs.push(operation::ReleaseStageInput { name: stage.name.clone(), on_date, holds });
    }
    let source = &request.source;
    Ok(operation::ReleaseIntegrationPackInput {
        pack_id: plan.pack.id.clone(),
        schedule: match plan.on {
            Some(date) => operation::ReleaseScheduleInput::OnDate(date.to_string()),
            None => operation::ReleaseScheduleInput::Immediately(true),
        },
        notes: request.notes.clone().unwrap_or_else(|| plan.usual_notes()),
        expected_content: Some(plan.content_token.clone()),
        expected_revision: None,
        source: (!source.is_empty()).then(|| operation::SourceInput {
            commit: source.commit.clone(),
            ref_: source.reference.clone(),
            repository_url: source.repository_url.clone(),
            commit_url: source.commit_url.clone(),
            pull_request_url: source.pull_request_url.clone(),
            build_url: source.build_url.clone(),
        }),
        halt_when: stages.halt.as_ref().map(|halt| operation::HaltRuleInput {
            percent: halt.percent,
            at_least: halt.at_least,
            then: match halt.then {
                Then::Pause => operation::HaltAction::PAUSE,
                Then::RollBack => operation::HaltAction::ROLL_BACK,
            },
            watch_hours: halt.watch_hours,
        }),
        client_request_id: request_id(plan, request),
        stages: inputs,
        cohort_of: stages.cohort_of.clone(),
    })
}

/// The `clientRequestId`. A run makes one release of a pack for each date; a commit makes one for each date and
/// content.
fn request_id(plan: &Plan, request: &ReleaseRequest) -> Option<String> {
    let on = plan.on.map(|date| date.to_string()).unwrap_or_default();
    let content = |to: &Belonging| match to {
        Belonging::Run(_) => String::new(),
        Belonging::Commit(_) => plan.content_token.clone(),
    };
    let made = || {
        let to = request.belongs_to.as_ref()?;
        Some(derived(to, "release", &[&plan.pack.id, &on, &content(to)]))
    };
    request.request_id.clone().or_else(made)
}

fn removals(plan: &Plan) -> Failure {
    let names: Vec<_> = plan.removed.iter().map(|item| item.name.as_str()).collect();
    let sentence = format!(
        "Version {} of {} would remove {}. Give --allow-removals if you mean that; otherwise restore the components in the \
         pack's draft.",
        plan.next_number,
        plan.pack.name,
        names.join(", ")
    );
    Failure::refused("REMOVALS_NOT_ALLOWED", sentence)
}

fn nothing(plan: &Plan, refusal: &Refusal) -> Report {
    Report {
        data: json!({ "release": Value::Null, "pack": plan.pack, "refusal": refusal }),
        lines: Vec::new(),
        words: Some(format!("{} has nothing to release: its content is that of the last release.", plan.pack.name)),
        exit: Exit::Done,
    }
}

/// The id of the release that this run has made before the pack changed. It is found by the address of the run. Fails
/// with `refusal` if there is none.
async fn released_before(
    api: &mut Api,
    plan: &Plan,
    request: &ReleaseRequest,
    refusal: Refusal,
    talk: &mut dyn Talk,
) -> Result<String, Failure> {
    let found = api.ask::<OfRun>(of_run::Variables { pack_id: plan.pack.id.clone() }).await?;
    let releases = found.integration_pack.into_iter().flat_map(|pack| pack.releases.edges).map(|edge| edge.node);
    let mut same = releases.filter(|release| {
        let of = release.source.as_ref();
        let build = of.and_then(|source| source.build_url.as_ref());
        let commit = of.and_then(|source| source.commit.as_ref());
        build.is_some() && build == request.source.build_url.as_ref() && commit == request.source.commit.as_ref()
    });
    let release = same.next().ok_or_else(|| refusal.into_failure())?;
    talk.say("This run has released the pack already. What has changed since is left to the next run.");
    Ok(release.id)
}
