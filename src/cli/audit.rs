//! `packwright audit`: checks the audit log against its seals (R51).

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::config::SealsDestination;
use crate::domain::Instant;
use crate::domain::instant::to_text;
use crate::domain::log::{Broken, Verified};
use crate::graphql::ids::Gid;
use crate::service::log::{SealsTo, SentSeal, VerifiedLog, verify_audit};

use super::{CliError, Common, failed, open_services, print, terminal};

#[derive(Subcommand, Debug)]
pub(super) enum AuditCommand {
    /// Check that no sealed entry was changed, removed or inserted. Prints for each publisher from where to where the
    /// log holds. Ends with an error at the first broken place, or if nothing is sealed
    Verify {
        /// A file with seals that a server has sent (`serve --audit-seals FILE`), or a server's log in JSON. Each seal
        /// in it is compared with the database. May be given several times
        #[arg(long, value_name = "FILE", env = "PACKWRIGHT_SEALS", value_delimiter = ',')]
        seals: Vec<PathBuf>,
        /// Print a JSON array
        #[arg(long, env = "PACKWRIGHT_JSON", value_parser = clap::builder::BoolishValueParser::new())]
        json: bool,
        #[command(flatten)]
        common: Common,
    },
}

pub(super) async fn audit(command: AuditCommand) -> Result<(), CliError> {
    let AuditCommand::Verify { seals, json, common } = command;
    let mut sent = Vec::new();
    for file in &seals {
        sent.extend(sent_seals(file)?);
    }
    let app = open_services(&common).await?;
    let logs = verify_audit(&app.services, &sent).await.map_err(failed)?;
    if json {
        print(&terminal::json(&logs.iter().map(as_json).collect()));
    } else {
        logs.iter().for_each(|log| print(&terminal::line(&describe(log))));
    }
    let broken = logs
        .iter()
        .filter_map(|log| Some((name(log), log.verified.broken?)))
        .map(|(name, broken)| format!("The audit log of {name} is not what was sealed: {}", explain(broken)));
    let broken: Vec<_> = broken.collect();
    if !broken.is_empty() {
        return Err(CliError::new(broken.join("\n")));
    }
    if !logs.iter().any(|log| log.verified.chain.end.number > 0) {
        return Err(CliError::new(
            "Nothing is sealed yet. A server seals entries within about a second: start one with `packwright serve`.",
        ));
    }
    Ok(())
}

/// Where a server sends its seals. A file is opened, and created if it isn't there.
pub(super) fn seals_to(destination: Option<&SealsDestination>) -> Result<SealsTo, CliError> {
    match destination {
        None => Ok(SealsTo::Nowhere),
        Some(SealsDestination::Log) => Ok(SealsTo::Log),
        Some(SealsDestination::File(path)) => SealsTo::file(path).map_err(|error| unusable(path, &error)),
    }
}

/// Checks that seals can be sent, without creating the file.
pub(super) fn check_seals(destination: Option<&SealsDestination>) -> Result<(), CliError> {
    let Some(SealsDestination::File(path)) = destination else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let checked = if path.exists() { SealsTo::file(path).map(drop) } else { std::fs::read_dir(folder).map(drop) };
    checked.map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("--audit-seals (PACKWRIGHT_AUDIT_SEALS) {}: {error}", path.display()))
}

fn sent_seals(file: &Path) -> Result<Vec<SentSeal>, CliError> {
    let wrong = |why: String| CliError::new(format!("--seals (PACKWRIGHT_SEALS) {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let sent: Vec<_> = text.lines().filter_map(SentSeal::read).collect();
    if sent.is_empty() {
        return Err(wrong("it has no seals. Name a file that `serve --audit-seals` has written.".into()));
    }
    Ok(sent)
}

fn name(log: &VerifiedLog) -> String {
    let id = log.verified.chain.publisher_id;
    log.account.as_ref().map_or_else(|| format!("an unknown publisher ({})", id.0), |account| account.name.clone())
}

fn place(at: Option<(i64, Option<Instant>)>) -> String {
    match at {
        Some((position, Some(at))) => format!("{} (position {position})", to_text(at)),
        Some((position, None)) => format!("position {position}"),
        None => "nowhere".into(),
    }
}

fn describe(log: &VerifiedLog) -> String {
    let Verified { chain, seals, entries, from, to, unsealed, broken } = &log.verified;
    let name = name(log);
    let holds = match to {
        Some(_) => format!("holds from {} to {}: {entries} entries in {seals} seals", place(*from), place(*to)),
        None => "holds nowhere".into(),
    };
    let cut =
        if chain.cut.number > 0 { format!(", after the cut behind seal {}", chain.cut.number) } else { String::new() };
    let rest = match broken {
        Some(_) => "; BROKEN behind that".to_owned(),
        None => format!("; {unsealed} newer entries are not sealed yet"),
    };
    format!("{name}  {holds}{cut}{rest}")
}

fn explain(broken: Broken) -> String {
    match broken {
        Broken::Entries { seal, first_position, last_position } => format!(
            "an entry of seal {seal} was changed, removed or inserted, at a position from {first_position} to {last_position}."
        ),
        Broken::NotSealed { position } => {
            format!("the entry at position {position} was inserted after the positions around it had been sealed.")
        }
        Broken::Seal { seal } => {
            format!("seal {seal} doesn't continue the seal before it: one of them was changed, removed or inserted.")
        }
        Broken::End { seal } => format!("entries after seal {seal} are gone with their seals."),
        Broken::Sent { seal } => format!("seal {seal} is not the one that was sent away."),
    }
}

fn as_json(log: &VerifiedLog) -> Value {
    let Verified { chain, seals, entries, from, to, unsealed, broken } = &log.verified;
    let place = |at: &Option<(i64, Option<Instant>)>| {
        at.map(|(position, at)| json!({ "position": position, "occurredAt": at.map(to_text) }))
    };
    json!({
        "publisher": {
            "id": Gid::PublisherAccount(chain.publisher_id).encode().to_string(),
            "name": log.account.as_ref().map(|account| account.name.as_str()),
        },
        "holds": broken.is_none(),
        "broken": broken.map(explain),
        "from": place(from),
        "to": place(to),
        "entries": entries,
        "seals": seals,
        "unsealed": unsealed,
        "cutBehindSeal": Some(chain.cut.number).filter(|number| *number > 0),
        "lastSeal": chain.end.number,
        "hash": chain.end.hash.to_string(),
    })
}
