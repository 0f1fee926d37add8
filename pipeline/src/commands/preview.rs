//! `packwright preview`: shows what a release would do.

use chrono::NaiveDate;

use super::find;
use crate::operations::{Preview, preview as operation, spelled};
use crate::plan::{Change, Item, Named, Plan, Remark, Skipped, StageOutlook, Superseded};
use crate::stages::{Holds, StagesFile};
use crate::{Api, Exit, Failure, Report};

/// The options of `packwright preview`.
#[derive(Clone, Debug)]
pub struct PreviewRequest {
    /// The key or the id of the pack.
    pub pack: String,
    pub on: Option<NaiveDate>,
    pub stages: StagesFile,
}

/// Previews a release. Returns the report, and the plan that `packwright release --plan` can carry out.
///
/// # Errors
/// When there is no such pack, or a call fails.
pub async fn preview(api: &mut Api, request: &PreviewRequest) -> Result<(Report, Plan), Failure> {
    let pack = find::pack(api, &request.pack).await?;
    let plan = planned(api, pack, request.on, &request.stages).await?;
    let exit = plan.exit();
    let words = match exit {
        Exit::Done => format!("{} has nothing to release.", plan.pack.name),
        Exit::Refused => {
            let refusals: Vec<_> =
                plan.refusals.iter().map(|refusal| format!("{}: {}", refusal.code, refusal.message)).collect();
            format!("A release would be refused. {}", refusals.join(" "))
        }
        _ => {
            let superseding = plan.superseding().map(|sentence| format!(" {sentence}")).unwrap_or_default();
            format!(
                "Version {} of {} would move {} installations.{superseding}",
                plan.next_number, plan.pack.name, plan.will_move_count
            )
        }
    };
    let data = serde_json::to_value(&plan).unwrap_or_default();
    Ok((Report { data, lines: plan.lines(), words: Some(words), exit }, plan))
}

/// Asks the server what a release would do, as a plan.
pub(super) async fn planned(
    api: &mut Api,
    pack: Named,
    on: Option<NaiveDate>,
    stages: &StagesFile,
) -> Result<Plan, Failure> {
    let inputs = stage_inputs(api, on, stages).await?;
    let schedule = match on {
        Some(date) => operation::ReleaseScheduleInput::OnDate(date.to_string()),
        None => operation::ReleaseScheduleInput::Immediately(true),
    };
    let variables = operation::Variables {
        pack_id: pack.id.clone(),
        schedule: Some(schedule),
        stages: inputs,
        cohort_of: stages.cohort_of.clone(),
    };
    let found = api.ask::<Preview>(variables).await?.release_preview;
    let found = found.ok_or_else(|| Failure::coded("NOT_FOUND", format!("The pack {} is gone.", pack.name)))?;
    Ok(plan(api.server().to_string(), pack, on, stages, found))
}

/// The stages of a file as the server takes them, with the ids of their groups.
async fn stage_inputs(
    api: &mut Api,
    on: Option<NaiveDate>,
    stages: &StagesFile,
) -> Result<Vec<operation::ReleaseStageInput>, Failure> {
    let mut inputs = Vec::new();
    for stage in &stages.stages {
        let holds = match stage.holds().map_err(wrong_stages)? {
            Holds::Groups(groups) => operation::StageSelectorInput::GroupIds(group_ids(api, &groups).await?),
            Holds::Percent(percent) => operation::StageSelectorInput::Percent(percent),
        };
        let on_date = stage.date(on).map_err(wrong_stages)?.to_string();
        inputs.push(operation::ReleaseStageInput { name: stage.name.clone(), on_date, holds });
    }
    Ok(inputs)
}

/// The plan of the release that the server has previewed.
fn plan(
    server: String,
    pack: Named,
    on: Option<NaiveDate>,
    stages: &StagesFile,
    found: operation::PreviewReleasePreview,
) -> Plan {
    let content = found.components.iter().filter(|row| !row.marked_for_removal).filter_map(|row| {
        let next = row.next.as_ref()?;
        Some(Item { name: row.component.name.clone(), version: next.version.clone() })
    });
    let changed = found.diff.changed.into_iter().map(|change| Change {
        name: change.from.name,
        from: change.from.version,
        to: change.to.version,
        is_downgrade: change.is_downgrade,
    });
    let skipped = found
        .will_skip
        .into_iter()
        .map(|skip| Skipped { reason: spelled(&skip.reason), installation_count: skip.installation_count });
    let outlooks = found.stages.into_iter().map(|stage| StageOutlook {
        name: stage.name,
        date: stage.window.date,
        will_move_count: stage.will_move_count,
    });
    let supersedes = found.supersedes.map(|release| {
        let (date, time_zone) = release.window.map(|window| (window.date, window.time_zone)).unzip();
        Superseded { id: release.id, number: release.version.number, date, time_zone }
    });
    let warnings =
        found.warnings.into_iter().map(|found| Remark { code: spelled(&found.code), message: found.message });
    let refusals =
        found.refusals.into_iter().map(|found| Remark { code: spelled(&found.code), message: found.message });
    Plan {
        format: Plan::format(),
        server,
        pack,
        content_token: found.content_token,
        next_number: found.next_number,
        from_number: found.diff.from_number,
        on,
        stages: stages.clone(),
        content: content.collect(),
        added: found.diff.added.into_iter().map(|item| Item { name: item.name, version: item.version }).collect(),
        removed: found.diff.removed.into_iter().map(|item| Item { name: item.name, version: item.version }).collect(),
        changed: changed.collect(),
        unchanged_count: found.diff.unchanged_count,
        will_move_count: found.will_move_count,
        will_skip: skipped.collect(),
        stage_outlooks: outlooks.collect(),
        supersedes,
        warnings: warnings.collect(),
        refusals: refusals.collect(),
    }
}

/// The ids of account groups, from their keys or ids.
pub(super) async fn group_ids(api: &mut Api, groups: &[String]) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for group in groups {
        ids.push(find::group(api, group).await?.id);
    }
    Ok(ids)
}

/// The failure for stages that can't be used. `why` is a part of a sentence.
pub(super) fn wrong_stages(why: String) -> Failure {
    Failure::new(format!("The stages are wrong: {why}."))
}
