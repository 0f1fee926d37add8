//! `packwright task`: lists, retries and drops unfinished tasks.

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::Instant;
use crate::graphql::ids::Gid;
use crate::service::error::Failure;
use crate::service::followup::{Dropped, Retried, drop_task, open_tasks, retry_task};
use crate::store::followup::read::{OpenTask, OpenTasks, Unreadable};

use super::{CliError, Common, failed, open_services, print, terminal};

#[derive(Subcommand, Debug)]
pub(super) enum TaskCommand {
    /// List the tasks that aren't done, one a line: the id, the kind, the state, how many objects the task has
    /// processed, when it runs next, and the pack, version or account that it is for. A row that can't be read is
    /// listed with the reason
    List {
        /// Print the tasks as a JSON array, with the last failure of each
        #[arg(long, env = "PACKWRIGHT_JSON", value_parser = clap::builder::BoolishValueParser::new())]
        json: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Do the next batch of a task now, whenever the server would try it again. A task whose row can't be read is given
    /// new instants first
    Retry {
        /// The id of the task, as `task list` shows it
        task: Uuid,
        #[command(flatten)]
        common: Common,
    },
    /// Drop a task that can't be done. Its work stays undone. If the task is a rollout, the release ends, and the
    /// installations that the rollout hasn't reached count as failed
    Drop {
        /// The id of the task, as `task list` shows it
        task: Uuid,
        /// The reason. The publisher's audit log keeps it
        #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_TASK_DROP_REASON")]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
}

pub(super) async fn task(command: TaskCommand) -> Result<(), CliError> {
    match command {
        TaskCommand::List { json, common } => {
            let app = open_services(&common).await?;
            let OpenTasks { tasks, unreadable } = open_tasks(&app.services).await.map_err(failed)?;
            if json {
                let unreadable = unreadable.iter().map(|row| json!({ "id": row.id, "unreadable": row.why }));
                print(&terminal::json(&tasks.iter().map(as_json).chain(unreadable).collect()));
            } else {
                let now = app.services.clock.now();
                tasks.iter().for_each(|task| print(&terminal::line(&describe(task, now))));
                unreadable.iter().for_each(|row| print(&terminal::line(&describe_unreadable(row))));
            }
        }
        TaskCommand::Retry { task, common } => {
            let app = open_services(&common).await?;
            let retried = retry_task(&app.services, task).await.map_err(|failure| not_retried(failure, task))?;
            print(match retried {
                Retried::Done => "It is done.\n",
                Retried::GoesOn => "A batch of the task is done; the server continues with the next.\n",
                Retried::Due => {
                    "This version of the program doesn't know the task's kind. A server that knows it does the task now.\n"
                }
            });
        }
        TaskCommand::Drop { task, reason, common } => {
            let app = open_services(&common).await?;
            let dropped = drop_task(&app.services, task, &reason).await.map_err(|failure| unknown(failure, task))?;
            print(match dropped {
                Dropped::Gone => "The task is dropped.\n",
                Dropped::GivesUp => {
                    "The rollout is given up. The installations that it hasn't reached are marked as failed, and the release ends; retryFailedUpdates tries them again.\n"
                }
            });
        }
    }
    Ok(())
}

fn not_retried(failure: Failure, task: Uuid) -> CliError {
    match failure {
        Failure::Unavailable(_) | Failure::Timeout(_) | Failure::OutcomeUnknown(_) | Failure::Fault(_) => {
            CliError::new(format!("The batch has failed: {}", failure.for_operators()))
        }
        other => unknown(other, task),
    }
}

fn unknown(failure: Failure, task: Uuid) -> CliError {
    match failure {
        Failure::NotFound => CliError::new(format!("There is no task {task}: see `packwright task list`.")),
        other => failed(other),
    }
}

fn describe(task: &OpenTask, now: Instant) -> String {
    let state = match (task.work, task.failures) {
        (None, _) => "of another version".to_owned(),
        (Some(_), 0) if task.resume_after.is_some() => "begun".into(),
        (Some(_), 0) => "waits".into(),
        (Some(_), 1) => "failed once".into(),
        (Some(_), times) => format!("failed {times} times"),
    };
    let next = match task.not_before {
        at if at <= now => "due".to_owned(),
        at => format!("due {}", at.format("%Y-%m-%dT%H:%M:%SZ")),
    };
    let pack = task.pack.as_ref().map(|(_, name)| format!("pack {name}"));
    let version = task.version.map(|number| format!("version {number}"));
    let account = task.account.as_ref().map(|(_, name)| format!("account {name}"));
    let publisher = Some(format!("publisher {}", task.publisher.1));
    let names: Vec<_> = [pack, version, account, publisher].into_iter().flatten().collect();
    format!("{}  {:<17}  {:<18}  {:>9} done  {next:<24}  {}", task.id, task.kind, state, task.done, names.join(", "))
}

/// The line for a row that can't be read.
fn describe_unreadable(row: &Unreadable) -> String {
    let id = row.id.map_or_else(|| format!("{:<36}", "(no id)"), |id| id.to_string());
    format!("{id}  can't be read: {}", row.why)
}

fn as_json(task: &OpenTask) -> Value {
    let named = |id: Gid, name: &str| json!({ "id": id.encode().to_string(), "name": name });
    json!({
        "id": task.id,
        "kind": task.kind,
        "unreadable": null,
        "known": task.work.is_some(),
        "publisher": named(Gid::PublisherAccount(task.publisher.0), &task.publisher.1),
        "pack": task.pack.as_ref().map(|(id, name)| named(Gid::IntegrationPack(*id), name)),
        "release": task.release.map(|id| json!({ "id": Gid::Release(id).encode().to_string(), "versionNumber": task.version })),
        "account": task.account.as_ref().map(|(id, name)| named(Gid::ManagedAccount(*id), name)),
        "holdsReleasesUp": task.moves_installations,
        "done": task.done,
        "doneTo": task.resume_after,
        "failures": task.failures,
        "lastFailure": task.last_failure,
        "nextTry": task.not_before,
        "createdAt": task.created_at,
    })
}
