//! The commands for pipelines: `whoami`, `package`, `preview`, `release`, `watch`, `pause`, `resume`, `rollback`. They
//! print data to standard output, and sentences to standard error.

mod arguments;
mod output;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use pipeline::request_id::Belonging;
use pipeline::stages::StagesFile;
use pipeline::surroundings::{Source, read};
use pipeline::verdict::MaxFailed;
use pipeline::{Api, Artifact, Failure, Report};

use arguments::{Calendar, Duration, FileOf, NotesArgs, ServerArgs, SourceArgs};
use output::{Terminal, finish, write_plan};

/// The part of each command's help that explains its exit status.
const STATUS: &str = "Exit status:\n  0  done; `preview`: there is nothing to release; a wait: the release has succeeded\n  1  the \
                      command line, a file, the connection or the token is wrong\n  2  `preview`: there is something to \
                      release\n  3  a rule of the server refuses, or the release would remove components without \
                      --allow-removals\n  4  the release has ended without success, or more installations have failed \
                      than --max-failed allows\n  5  the time of the wait is over, while the release goes on\n  6  the \
                      halt rule has paused the release";

#[derive(Subcommand, Debug)]
pub(super) enum PipelineCommand {
    /// Show the account and the role of the token. For pipelines: calls a server, and needs no database
    #[command(after_help = STATUS)]
    Whoami {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Package a component under a label. It is safe to run again: a package of the same commit with the same label is
    /// found, and nothing changes. For pipelines: calls a server, and needs no database
    #[command(after_help = STATUS)]
    Package(Box<PackageArgs>),
    /// Show what a release of a pack would change, how many installations it would move, and why it would be refused.
    /// For pipelines: calls a server, and needs no database
    #[command(after_help = STATUS)]
    Preview(Box<PreviewArgs>),
    /// Release a pack, at once or on a date. It is safe to run again: a run of a pipeline makes one release, and a pack
    /// without changes isn't released. For pipelines: calls a server, and needs no database
    #[command(after_help = STATUS)]
    Release(Box<ReleaseArgs>),
    /// Wait for the end of a release. A connection that is lost is made again. For pipelines: calls a server, and needs
    /// no database
    #[command(after_help = STATUS)]
    Watch {
        /// The id of the release
        release: String,
        /// How long to wait, such as 30m. Without this option the command waits until the release has ended
        #[arg(long, value_name = "TIME", env = "PACKWRIGHT_WAIT", value_parser = arguments::duration)]
        wait: Option<Duration>,
        #[command(flatten)]
        limit: LimitArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Pause a release: no installation is moved to its version until it is resumed. For pipelines: calls a server, and
    /// needs no database
    #[command(after_help = STATUS)]
    Pause {
        /// The id of the release
        release: String,
        /// The reason, which the publisher reads
        #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_REASON")]
        reason: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Resume a release that is paused. For pipelines: calls a server, and needs no database
    #[command(after_help = STATUS)]
    Resume {
        /// The id of the release
        release: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Roll a release back: its installations are moved to the former version. For pipelines: calls a server, and needs
    /// no database
    #[command(after_help = STATUS)]
    Rollback {
        /// The id of the release
        release: String,
        /// The reason, which the publisher reads
        #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_REASON")]
        reason: String,
        /// How many installations may be moved. Without this option nothing is moved, and the command says how many it
        /// would be
        #[arg(long, value_name = "N", env = "PACKWRIGHT_AT_MOST", value_parser = clap::value_parser!(i64).range(0..=i64::from(i32::MAX)))]
        at_most: Option<i64>,
        /// Wait until it is rolled back, but not longer than this, such as 30m
        #[arg(long, value_name = "TIME", env = "PACKWRIGHT_WAIT", value_parser = arguments::duration)]
        wait: Option<Duration>,
        /// An id for the call, instead of one that is derived from the release. A call with the same id changes nothing
        /// again
        #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_REQUEST_ID")]
        request_id: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Args, Debug)]
pub(super) struct LimitArgs {
    /// The part of the installations that may fail in a release that counts as successful, such as 0.5%. Without this
    /// option none may
    #[arg(long, value_name = "PERCENT", env = "PACKWRIGHT_MAX_FAILED", default_value = "0%", value_parser = MaxFailed::parse)]
    max_failed: MaxFailed,
}

#[derive(Args, Debug)]
pub(super) struct PackageArgs {
    /// The component: its key, or its id
    #[arg(long, value_name = "KEY", env = "PACKWRIGHT_COMPONENT")]
    component: String,
    /// The label of the package, such as 1.4.0. Each package of a component has a label of its own, which can't be
    /// changed or used again
    #[arg(long, value_name = "LABEL", env = "PACKWRIGHT_LABEL")]
    label: String,
    /// Let packs hold the package. This can't be changed later
    #[arg(long, env = "PACKWRIGHT_SHAREABLE", value_parser = clap::builder::BoolishValueParser::new())]
    shareable: bool,
    /// A file that the package stands for: its address, and the SHA-256 of its bytes. May be given up to 20 times
    #[arg(long, value_name = "URI=DIGEST", value_parser = Artifact::parse)]
    artifact: Vec<Artifact>,
    #[command(flatten)]
    notes: NotesArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
pub(super) struct PreviewArgs {
    /// The pack: its key, or its id
    pack: String,
    /// Preview a release on this date, such as 2027-01-31. Without this option the release is at once
    #[arg(long, value_name = "DATE", env = "PACKWRIGHT_ON", value_parser = arguments::date)]
    on: Option<Calendar>,
    /// A TOML file with early stages and the rule by which the release stops
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_STAGES")]
    stages: Option<FileOf>,
    /// Write the plan into this file, for `packwright release --plan`. It names exactly what was previewed
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_OUT")]
    out: Option<FileOf>,
    /// Print Markdown for the comment of a pull request
    #[arg(long, env = "PACKWRIGHT_MARKDOWN", value_parser = clap::builder::BoolishValueParser::new())]
    markdown: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
pub(super) struct ReleaseArgs {
    /// The pack: its key, or its id
    pack: String,
    /// The plan that `packwright preview --out` has written. The release is refused if it would take anything else.
    /// Without this option the pack is released as it is now
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_PLAN")]
    plan: Option<FileOf>,
    /// Release on this date, such as 2027-01-31. Without this option the date is the plan's; without a plan the release
    /// is at once
    #[arg(long, value_name = "DATE", env = "PACKWRIGHT_ON", value_parser = arguments::date)]
    on: Option<Calendar>,
    /// A TOML file with early stages and the rule by which the release stops. Without this option they are the plan's
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_STAGES")]
    stages: Option<FileOf>,
    /// Let the release remove components from the pack
    #[arg(long, env = "PACKWRIGHT_ALLOW_REMOVALS", value_parser = clap::builder::BoolishValueParser::new())]
    allow_removals: bool,
    /// Wait until the release has ended, but not longer than this, such as 30m
    #[arg(long, value_name = "TIME", env = "PACKWRIGHT_WAIT", value_parser = arguments::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    notes: NotesArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Whether a word of the command line is one of these commands. Their exit status 2 has a meaning of its own.
pub(super) fn is_command(word: Option<&std::ffi::OsString>) -> bool {
    word.and_then(|word| word.to_str()).is_some_and(PipelineCommand::has_subcommand)
}

pub(super) async fn run(command: PipelineCommand) -> ExitCode {
    let json = server_of(&command).json;
    let done = execute(command).await;
    finish(done, json)
}

fn server_of(command: &PipelineCommand) -> &ServerArgs {
    match command {
        PipelineCommand::Package(args) => &args.server,
        PipelineCommand::Preview(args) => &args.server,
        PipelineCommand::Release(args) => &args.server,
        PipelineCommand::Whoami { server }
        | PipelineCommand::Watch { server, .. }
        | PipelineCommand::Pause { server, .. }
        | PipelineCommand::Resume { server, .. }
        | PipelineCommand::Rollback { server, .. } => server,
    }
}

async fn execute(command: PipelineCommand) -> Result<Report, Failure> {
    let mut api = server_of(&command).api()?;
    let mut talk = Terminal::default();
    match command {
        PipelineCommand::Whoami { .. } => pipeline::whoami(&mut api).await,
        PipelineCommand::Package(args) => package(&mut api, *args).await,
        PipelineCommand::Preview(args) => preview(&mut api, *args).await,
        PipelineCommand::Release(args) => release(&mut api, *args, &mut talk).await,
        PipelineCommand::Watch { release, wait, limit, .. } => {
            let request = pipeline::WatchRequest { release, wait, max_failed: limit.max_failed };
            pipeline::watch(&mut api, &request, &mut talk).await
        }
        PipelineCommand::Pause { release, reason, .. } => pipeline::pause(&mut api, &release, &reason, &mut talk).await,
        PipelineCommand::Resume { release, .. } => pipeline::resume(&mut api, &release, &mut talk).await,
        PipelineCommand::Rollback { release, reason, at_most, wait, request_id, .. } => {
            let request = pipeline::RollBackRequest { release, reason, at_most, wait, request_id };
            pipeline::roll_back(&mut api, &request, &mut talk).await
        }
    }
}

async fn package(api: &mut Api, args: PackageArgs) -> Result<Report, Failure> {
    let (source, belongs_to) = origin(&args.source)?;
    let request = pipeline::PackageRequest {
        component: args.component,
        label: args.label,
        is_shareable: args.shareable,
        notes: args.notes.read()?,
        artifacts: args.artifact,
        source,
        belongs_to: Some(belongs_to),
        request_id: args.source.request_id,
    };
    pipeline::package(api, &request).await
}

async fn preview(api: &mut Api, args: PreviewArgs) -> Result<Report, Failure> {
    let request = pipeline::PreviewRequest {
        pack: args.pack,
        on: args.on,
        stages: stages(args.stages.as_ref())?.unwrap_or_default(),
    };
    let (mut report, plan) = pipeline::preview(api, &request).await?;
    if let Some(file) = &args.out {
        write_plan(file, &plan)?;
    }
    if args.markdown {
        report.lines = pipeline::markdown::of_plan(&plan).lines().map(str::to_owned).collect();
    }
    Ok(report)
}

async fn release(api: &mut Api, args: ReleaseArgs, talk: &mut Terminal) -> Result<Report, Failure> {
    let (source, belongs_to) = origin(&args.source)?;
    let plan = args.plan.as_ref().map(|file| arguments::parsed(file, pipeline::plan::Plan::parse)).transpose()?;
    let request = pipeline::ReleaseRequest {
        pack: args.pack,
        plan,
        on: args.on,
        stages: stages(args.stages.as_ref())?,
        notes: args.notes.read()?,
        allows_removals: args.allow_removals,
        wait: args.wait,
        max_failed: args.limit.max_failed,
        source,
        belongs_to: Some(belongs_to),
        request_id: args.source.request_id,
    };
    pipeline::release(api, &request, talk).await
}

fn stages(file: Option<&FileOf>) -> Result<Option<StagesFile>, Failure> {
    file.map(|file| arguments::parsed(file, StagesFile::parse)).transpose()
}

/// The origin of the content, and the run or commit for which the call is made. Without either, the call counts as a
/// run of its own, and a repeated call isn't recognized.
fn origin(args: &SourceArgs) -> Result<(Source, Belonging), Failure> {
    let run = read(arguments::variable);
    let source = run.source.overridden(args.source());
    let belongs_to = match (args.run.clone().or(run.id), &source.commit) {
        (Some(run), _) => Belonging::Run(run),
        (None, Some(commit)) => Belonging::Commit(commit.clone()),
        (None, None) => {
            let mut random = [0; 16];
            getrandom::fill(&mut random)
                .map_err(|error| Failure::new(format!("The system has no random numbers: {error}.")))?;
            Belonging::Run(format!("{random:?}"))
        }
    };
    Ok((source, belongs_to))
}
