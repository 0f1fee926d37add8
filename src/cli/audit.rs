//! `packwright audit`: checks the audit log against its seals (R51).

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::config::SealsDestination;
use crate::domain::Instant;
use crate::domain::instant::to_text;
use crate::domain::log::{Broken, Verified};
use crate::graphql::ids::Gid;
use crate::service::log::{SealsTo, SentSeals, VerifiedLog, verify_audit};

use super::{CliError, Common, failed, open_services, print, print_note, terminal};

/// The exit status of a check that has found a log that differs from its seals.
const BROKEN: u8 = 3;

#[derive(Subcommand, Debug)]
pub(super) enum AuditCommand {
    /// Check that no sealed entry was changed, removed or inserted. Prints for each publisher the part of the log that
    /// is intact, and the first place where it isn't. The status is 0 if all logs are intact, and 3 if one isn't. It is
    /// 1 if the check couldn't be made: the database or a file can't be read, a line of a file is damaged, or nothing
    /// is sealed yet
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
        sent.push((file, sent_seals(file)?));
    }
    let app = open_services(&common).await?;
    let all: Vec<_> = sent.iter().flat_map(|(_, sent)| sent.seals.iter().copied()).collect();
    let logs = verify_audit(&app.services, &all).await.map_err(failed)?;
    sent.iter().for_each(|(file, sent)| print_note(&compared(file, sent)));
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
        return Err(CliError::with_status(broken.join("\n"), BROKEN));
    }
    if let Some((file, sent)) = sent.iter().find(|(_, sent)| !sent.damaged.is_empty()) {
        let lines: Vec<_> = sent.damaged.iter().take(10).map(ToString::to_string).collect();
        let more = if sent.damaged.len() > lines.len() { " and others" } else { "" };
        return Err(CliError::new(format!(
            "The log holds as far as it could be compared, but {} has lines that are no whole seals: line {}{more}. The \
             file was damaged: compare with another copy of it.",
            file.display(),
            lines.join(", ")
        )));
    }
    if !logs.iter().any(|log| log.verified.chain.end.number > 0) {
        return Err(CliError::new(
            "Nothing is sealed yet. A server seals entries within about a second: start one with `packwright serve`.",
        ));
    }
    Ok(())
}

/// The destination of a server's seals. A file is opened, and created if it isn't there.
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
    let add_to = |path| std::fs::File::options().append(true).open(path).map(drop);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let checked = if path.exists() { add_to(path) } else { std::fs::read_dir(folder).map(drop) };
    checked.map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("--audit-seals (PACKWRIGHT_AUDIT_SEALS) {}: {error}", path.display()))
}

/// The line about a file of seals, for standard error.
fn compared(file: &Path, sent: &SentSeals) -> String {
    let damaged = match (sent.damaged.len(), sent.is_torn) {
        (0, false) => String::new(),
        (0, true) => "; its last line is incomplete, and was left out".into(),
        (lines, _) => format!("; {} not understood", counted(lines, "line", "lines")),
    };
    format!("{} compared with {}{damaged}.\n", counted(sent.seals.len(), "seal", "seals"), file.display())
}

fn counted(number: impl Display, one: &str, several: &str) -> String {
    let number = number.to_string();
    format!("{number} {}", if number == "1" { one } else { several })
}

fn sent_seals(file: &Path) -> Result<SentSeals, CliError> {
    let wrong = |why: String| CliError::new(format!("--seals (PACKWRIGHT_SEALS) {}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let sent = SentSeals::read(&String::from_utf8_lossy(&bytes));
    if sent.seals.is_empty() {
        return Err(wrong("it has no seals. Name a file that `serve --audit-seals` has written.".into()));
    }
    Ok(sent)
}

fn name(log: &VerifiedLog) -> String {
    let id = log.verified.chain.publisher_id;
    log.account
        .as_ref()
        .map_or_else(|| format!("an unknown publisher ({})", id.shown_as_publisher()), |account| account.name.clone())
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
        Some(_) => format!(
            "holds from {} to {}: {} in {}",
            place(*from),
            place(*to),
            counted(*entries, "entry", "entries"),
            counted(*seals, "seal", "seals")
        ),
        None => "holds nowhere".into(),
    };
    let cut =
        if chain.cut.number > 0 { format!(", after the cut behind seal {}", chain.cut.number) } else { String::new() };
    let rest = match broken {
        Some(broken) => format!("; BROKEN behind that: {}", explain(*broken)),
        None if *unsealed == 1 => "; 1 newer entry is not sealed yet".to_owned(),
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
        Broken::Sent { seal } => format!("seal {seal} in the database differs from its copy in --seals."),
        Broken::Lacks { seal, last: 0 } => {
            format!("seal {seal} is in --seals and isn't in the database, which has none of this log.")
        }
        Broken::Lacks { seal, last } => {
            format!("seal {seal} is in --seals and isn't in the database, whose last seal is {last}.")
        }
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
