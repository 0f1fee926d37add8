//! `packwright schema`: prints the schema, or compares it with an older one.

use std::io::{IsTerminal as _, Read as _};

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use url::Url;

use crate::comparison::{Change, Comparable, Criticality, compare};
use crate::graphql;
use crate::outbound::download;

use super::{CliError, print, print_note, terminal};

/// The exit status of a check that has found a change of the grade of `--fail-on`, or a worse one.
const BROKEN: u8 = 3;

#[derive(Subcommand, Debug)]
pub(super) enum SchemaCommand {
    /// List the changes since an older schema, and say which of them break clients of that schema. The program's own
    /// schema is the new one
    #[command(after_help = "Ends with status 0 if no change breaks clients, 3 if one does, 1 if the schemas can't be \
                            compared, and 2 for a wrong command line.\n\nAfter a breaking change a server may refuse a \
                            document that was valid, or an answer lacks a field that a client reads. After a dangerous \
                            change every document is still valid, but a client may get something unexpected, such as a \
                            new value of an enum. The grades are those of graphql-inspector.")]
    Check {
        /// The older schema: a file, the address of a server, whose /schema.graphql is read, or - for standard input
        old: String,
        /// The newer schema, given like the older one. Without this option it is the program's own schema
        #[arg(long, value_name = "NEW")]
        new: Option<String>,
        /// The mildest grade at which the check fails
        #[arg(long, value_name = "GRADE", value_enum, default_value_t = FailOn::Breaking)]
        fail_on: FailOn,
        /// List harmless changes, too
        #[arg(long)]
        all: bool,
        /// Print all changes as JSON
        #[arg(long, env = "PACKWRIGHT_JSON", value_parser = clap::builder::BoolishValueParser::new())]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FailOn {
    Breaking,
    Dangerous,
}

impl FailOn {
    fn grade(self) -> Criticality {
        match self {
            Self::Breaking => Criticality::Breaking,
            Self::Dangerous => Criticality::Dangerous,
        }
    }
}

pub(super) async fn run(command: Option<SchemaCommand>) -> Result<(), CliError> {
    let Some(SchemaCommand::Check { old, new, fail_on, all, json }) = command else {
        print(&graphql::sdl());
        return Ok(());
    };
    let own = "the program's own schema".to_owned();
    let before = comparable(&old, &text_of(&old).await?)?;
    let now = match &new {
        Some(new) => comparable(new, &text_of(new).await?)?,
        None => comparable(&own, &graphql::sdl())?,
    };
    let changes = compare(&before, &now);
    let count = |grade| changes.iter().filter(|change| change.criticality == grade).count();
    let [breaking, dangerous, harmless] =
        [Criticality::Breaking, Criticality::Dangerous, Criticality::NonBreaking].map(count);
    if json {
        print(&terminal::json(&json!({
            "breaking": breaking, "dangerous": dangerous, "nonBreaking": harmless, "changes": changes,
        })));
    } else {
        let mut shown: Vec<_> =
            changes.iter().filter(|change| all || change.criticality > Criticality::NonBreaking).collect();
        shown.sort_by_key(|change| std::cmp::Reverse(change.criticality));
        shown.iter().for_each(|change| print(&terminal::line(&described(change))));
    }
    let new = new.unwrap_or(own);
    let sums =
        format!("From {old} to {new}: {breaking} breaking, {dangerous} dangerous and {harmless} harmless changes.");
    if changes.iter().any(|change| change.criticality >= fail_on.grade()) {
        return Err(CliError::with_status(sums, BROKEN));
    }
    print_note(&format!("{sums}\n"));
    Ok(())
}

fn described(change: &Change) -> String {
    let grade = match change.criticality {
        Criticality::Breaking => "BREAKING",
        Criticality::Dangerous => "DANGEROUS",
        Criticality::NonBreaking => "harmless",
    };
    match &change.path {
        Some(path) => format!("{grade:<9}  {path}: {}", change.message),
        None => format!("{grade:<9}  {}", change.message),
    }
}

fn comparable(place: &str, sdl: &str) -> Result<Comparable, CliError> {
    Comparable::read(sdl).map_err(|why| CliError::new(format!("{place} isn't a schema of GraphQL: {}", excerpt(&why))))
}

/// The beginning of the parser's explanation: a text that isn't a schema at all can have thousands of faults.
fn excerpt(why: &crate::comparison::NotASchema) -> String {
    const LINES: usize = 12;
    const WIDTH: usize = 160;
    let text = why.to_string();
    let mut lines = text.lines();
    let short = |line: &str| line.chars().take(WIDTH).collect::<String>();
    let mut shown = lines.by_ref().take(LINES).map(short).collect::<Vec<_>>().join("\n");
    if lines.next().is_some() {
        shown.push_str("\n…");
    }
    shown
}

/// Reads a schema's text from a file, a server or standard input.
async fn text_of(place: &str) -> Result<String, CliError> {
    let bytes = if place == "-" {
        if std::io::stdin().is_terminal() {
            print_note("Reading a schema from standard input.\n");
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
    } else if let Some(address) = server(place)? {
        download(&address, "*/*").await.map_err(|why| format!("{why} (asked for {address})"))
    } else {
        std::fs::read(place).map_err(|error| error.to_string())
    };
    let bytes = bytes.map_err(|why| CliError::new(format!("{place} can't be read: {why}")))?;
    String::from_utf8(bytes).map_err(|_| CliError::new(format!("{place} isn't a text in UTF-8.")))
}

/// The address of a server's schema, for `http:` and `https:` addresses; `None` for any other text.
fn server(place: &str) -> Result<Option<Url>, CliError> {
    if !place.starts_with("http://") && !place.starts_with("https://") {
        return Ok(None);
    }
    let wrong = |why: &str| CliError::new(format!("{place} isn't the address of a server: {why}."));
    let mut address = Url::parse(place).map_err(|error| wrong(&error.to_string()))?;
    if !address.username().is_empty() || address.password().is_some() {
        return Err(CliError::new(
            "The address of a server takes neither a user nor a password: its schema is public.",
        ));
    }
    if !address.path().ends_with(".graphql") {
        let base = address.path().trim_end_matches('/');
        let base = base.strip_suffix("/graphql").unwrap_or(base).to_owned();
        address.set_path(&format!("{base}/schema.graphql"));
        address.set_query(None);
    }
    address.set_fragment(None);
    Ok(Some(address))
}
