//! The options that several commands have, and their values.

use std::path::PathBuf;

use clap::Args;
use pipeline::surroundings::Source;
use pipeline::{Api, Credentials, Failure, ServerAddress, connector};

use crate::cli::print_note;

pub(super) type Duration = std::time::Duration;
pub(super) type Calendar = chrono::NaiveDate;
pub(super) type FileOf = PathBuf;

/// The most bytes of a file that is read.
const FILE_MAX: u64 = 8 << 20;

#[derive(Args, Debug)]
#[command(next_help_heading = "The server")]
pub(in crate::cli) struct ServerArgs {
    /// The address at which Packwright is served, such as https://packs.example.com
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_SERVER", value_parser = ServerAddress::parse)]
    pub(super) server: ServerAddress,
    /// The API token. PACKWRIGHT_TOKEN_FILE names a file with it. Without a token the command uses the pipeline's own
    /// JWT: that of GitHub Actions in a job with the permission `id-token: write`, or the one in PACKWRIGHT_ID_TOKEN,
    /// which GitLab's `id_tokens` can set
    #[arg(long, value_name = "TOKEN", env = "PACKWRIGHT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The audience of the JWT that is asked of GitHub Actions. It must be the server's --trusted-audience. Without
    /// this option it is the host of --server
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_AUDIENCE")]
    audience: Option<String>,
    /// The id of the account for which the pipeline acts. Always give it: without it, the pipeline would act for
    /// another account that trusts the same claims, or be refused because of it
    #[arg(long, value_name = "ID", env = "PACKWRIGHT_ACCOUNT")]
    account: Option<String>,
    /// A PEM file with certificates of authorities that are trusted in addition to Mozilla's list
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Print the data as JSON
    #[arg(long, env = "PACKWRIGHT_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) json: bool,
}

impl ServerArgs {
    /// The client of the server.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        if self.server.is_open() {
            print_note("The token is sent without TLS: others in the network can read it.\n");
        }
        let audience = self.audience.as_deref().unwrap_or(self.server.audience());
        let credentials = Credentials::find(self.token.clone(), audience, variable)?;
        Ok(Api::new(self.server.clone(), credentials, self.account.clone(), connector(self.ca_file.as_deref())?))
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Where it comes from")]
pub(super) struct SourceArgs {
    /// The commit. In GitHub Actions, GitLab, Azure Pipelines, Jenkins and Bitbucket Pipelines the command reads it
    /// from the pipeline's variables, and the values of the following options too
    #[arg(long, value_name = "HASH", env = "PACKWRIGHT_COMMIT")]
    commit: Option<String>,
    /// The branch or the tag
    #[arg(long = "ref", value_name = "NAME", env = "PACKWRIGHT_REF")]
    reference: Option<String>,
    /// The https address of the repository
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_REPOSITORY_URL")]
    repository_url: Option<String>,
    /// The https address of the commit. That of another commit than --commit is left out
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_COMMIT_URL")]
    commit_url: Option<String>,
    /// The https address of the pull request
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_PULL_REQUEST_URL")]
    pull_request_url: Option<String>,
    /// The https address of the run
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_BUILD_URL")]
    build_url: Option<String>,
    /// The run of the pipeline. A call that the run has made before isn't made again. Where no run is known, the commit
    /// takes its place
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_RUN")]
    pub(super) run: Option<String>,
    /// An id for the call, instead of one that is derived from the run and the arguments. A call with the same id
    /// within 24 hours changes nothing again
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_REQUEST_ID")]
    pub(super) request_id: Option<String>,
}

impl SourceArgs {
    pub(super) fn source(&self) -> Source {
        Source {
            commit: self.commit.clone(),
            reference: self.reference.clone(),
            repository_url: self.repository_url.clone(),
            commit_url: self.commit_url.clone(),
            pull_request_url: self.pull_request_url.clone(),
            build_url: self.build_url.clone(),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct NotesArgs {
    /// The notes. The accounts that have the pack read the notes of a release; the publisher alone reads those of a
    /// package
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_NOTES", conflicts_with = "notes_file")]
    notes: Option<String>,
    /// A file with the notes, in place of --notes. Notes of a release are Markdown
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_NOTES_FILE")]
    notes_file: Option<PathBuf>,
}

impl NotesArgs {
    pub(super) fn read(&self) -> Result<Option<String>, Failure> {
        match &self.notes_file {
            Some(file) => parsed(file, |text| Ok(text.to_owned())).map(Some),
            None => Ok(self.notes.clone()),
        }
    }
}

/// An environment variable that isn't empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Reads a file, and parses its text.
pub(super) fn parsed<T>(file: &FileOf, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Failure> {
    let unreadable = |why: String| Failure::new(format!("The file {} can't be used: {why}.", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_MAX {
        return Err(unreadable("it is too large".into()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    parse(&text).map_err(|why| unreadable(why.trim_end_matches(['.', '\n']).to_owned()))
}

/// Parses a date.
pub(super) fn date(text: &str) -> Result<Calendar, String> {
    Calendar::parse_from_str(text.trim(), "%Y-%m-%d").map_err(|_| "write a date such as 2027-01-31".to_owned())
}

/// Parses a time such as `90s`, `30m` or `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time of at most 30 days, such as 90s, 30m or 2h".to_owned();
    let text = text.trim();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= 30 * 86_400).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}
