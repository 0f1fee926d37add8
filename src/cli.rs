//! The command line.

mod accounts;
mod admin;
mod audit;
mod backup;
mod ending;
pub mod files;
mod health;
mod jwt;
mod listing;
mod notify;
mod pipeline;
mod reloading;
mod schema;
pub mod seed;
mod serve;
mod sockets;
mod sources;
mod supervising;
mod tasks;
pub mod terminal;
mod texts;
mod time_zones;
mod traces;
mod variables;
mod welcome;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{App, AppOptions};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, LogArgs, ServeArgs, ZoneArgs};
use crate::service::clock::Reference;
use crate::service::error::Failure;
use crate::store::{Db, DbOptions};
use crate::telemetry;
use crate::zones::TimeZones;

use sources::Sources;

/// A GraphQL API server that keeps the record of integration packs: which versions of which components a pack holds,
/// and which account has which version of it, from when on.
///
/// Without a command the program serves: `packwright --listen …` does the same as `packwright serve --listen …`.
/// `packwright serve --demo` is the quickest way to try it.
#[derive(Parser, Debug)]
#[command(name = "packwright", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    // Before the options of `serve`: it would get the heading of the last of these.
    /// A TOML file with the settings. `packwright config example` prints one. The environment and the command line
    /// count more than the file
    #[arg(long, global = true, value_name = "FILE", env = "PACKWRIGHT_CONFIG")]
    config: Option<std::path::PathBuf>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the API. The program does this when no command is given
    Serve(Box<ServeArgs>),
    /// Print the GraphQL schema (SDL) to standard output, or compare it with an older one
    Schema {
        #[command(subcommand)]
        command: Option<schema::SchemaCommand>,
    },
    /// Create or update the tables of the database, or list the migrations
    Migrate {
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Create, list, suspend and reactivate accounts. Works on the database, with or without a running server
    Account {
        #[command(subcommand)]
        command: accounts::AccountCommand,
    },
    /// Create, list, replace and revoke API tokens. Works on the database, with or without a running server
    Token {
        #[command(subcommand)]
        command: accounts::TokenCommand,
    },
    /// Show which time zone data is used, or apply newer data to releases that are scheduled
    TimeZones {
        #[command(subcommand)]
        command: time_zones::TimeZonesCommand,
    },
    /// List, retry and drop tasks. A task is the work that follows from a decision, such as the rollout of a release.
    /// The server does it in batches. Works on the database, with or without a running server
    Task {
        #[command(subcommand)]
        command: tasks::TaskCommand,
    },
    /// Check the audit log against its seals. Works on the database, with or without a running server
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
    /// Copy an SQLite database into a new file, with or without a running server. The copy has one state of the whole
    /// database
    Backup(backup::BackupArgs),
    /// Ask a running server whether it is ready. The command fails with the reason when it isn't
    Health(health::HealthArgs),
    #[command(flatten)]
    Pipeline(pipeline::PipelineCommand),
    /// Fill an empty database with a large invented world, for load tests
    Seed(Box<seed::SeedArgs>),
    /// Print or check the settings of `serve`
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// The same as `config check`: check the settings of `serve`, and print them. Nothing is started, and no connection
    /// is made
    CheckConfig(Box<ServeArgs>),
    /// Print the script with which a shell completes commands and options
    Completions {
        /// The shell
        shell: texts::ShellName,
    },
    /// Print the manual page, for `man -l -`
    Man,
    /// Print the licenses of this program, and of the crates and packages that are built in
    Licenses,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Print a configuration file with every setting, its default and its explanation
    Example,
    /// Check the settings of `serve` and the files that they name, and print each setting with its value and where it
    /// came from. Secrets are left out. Nothing is started, and no connection is made, so the check doesn't find out
    /// whether the database or the address of a key set answers
    Check(Box<ServeArgs>),
}

#[derive(Subcommand, Debug)]
enum MigrateCommand {
    /// Create the tables, or bring them to the version of this program
    Up(Making),
    /// List the migrations, and say of each whether the database has it. Changes nothing
    Status(Common),
}

/// The options of commands that make the database if it isn't there.
#[derive(clap::Args, Clone, Debug)]
struct Making {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    zones: ZoneArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// The options of commands on a database that is there.
#[derive(clap::Args, Clone, Debug)]
#[command(mut_arg("database_url", crate::config::of_existing))]
struct Common {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    zones: ZoneArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// The error of a command: a sentence for its user, and the status with which the program ends.
#[derive(Debug)]
pub struct CliError {
    text: String,
    status: u8,
}

impl<E: std::error::Error> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl CliError {
    /// The command could not do its work.
    fn new(text: impl Into<String>) -> Self {
        Self::with_status(text, 1)
    }

    /// The command did its work, and its result is one that a script must tell from success. 1 is a failure, and 2 is
    /// a wrong command line.
    fn with_status(text: impl Into<String>, status: u8) -> Self {
        Self { text: text.into(), status }
    }
}

/// The stack size of a worker thread. A document of the greatest allowed depth is resolved by as many nested polls, and
/// these are large in unoptimized builds.
const STACK_BYTES: usize = 16 << 20;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let (cli, sources): (Cli, Sources) = variables::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli, &sources));
    // Remaining threads only read files, so there is nothing to wait for.
    runtime.shutdown_background();
    match ended {
        Ok(status) => status,
        Err(CliError { text, status }) => {
            print_error(&text);
            status.into()
        }
    }
}

async fn run(cli: Cli, sources: &Sources) -> Result<ExitCode, CliError> {
    ending::let_large_writes_fail()?;
    match cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => serve::run(*args, &sources.unknown).await,
        Command::Schema { command } => schema::run(command).await,
        Command::Migrate { command } => migrate(command).await,
        Command::Account { command } => accounts::account(command).await,
        Command::Token { command } => accounts::token(command).await,
        Command::TimeZones { command } => time_zones::run(command).await,
        Command::Task { command } => tasks::task(command).await,
        Command::Audit { command } => audit::audit(command).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Health(args) => health::run(args).await,
        Command::Pipeline(command) => return Ok(pipeline::run(command).await),
        Command::Seed(args) => seed::run(*args).await,
        Command::Completions { shell } => {
            texts::completions(shell);
            Ok(())
        }
        Command::Man => texts::man(),
        Command::Licenses => {
            texts::licenses();
            Ok(())
        }
        Command::Config { command: ConfigCommand::Example } => {
            print(&crate::config::example::text());
            Ok(())
        }
        Command::Config { command: ConfigCommand::Check(args) } | Command::CheckConfig(args) => {
            serve::check(&args).await?;
            print(&terminal::lines(&sources.annotated(&args.describe())));
            sources.unknown.iter().for_each(|sentence| print_note(&format!("{sentence}\n")));
            print_note(
                "The settings are valid. They were checked without a connection to the database or to another host.\n",
            );
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(command: MigrateCommand) -> Result<(), CliError> {
    let (log, database) = match &command {
        MigrateCommand::Up(common) => (&common.log, &common.database),
        MigrateCommand::Status(common) => (&common.log, &common.database),
    };
    telemetry::start(log).map_err(CliError::new)?;
    let up = matches!(command, MigrateCommand::Up(_));
    let address = if up { database.address()? } else { database.existing_address()? };
    let db = Db::connect(&address.reveal(), DbOptions::default()).await?;
    if up {
        let mut signals = ending::Signals::caught()?;
        tokio::select! {
            migrated = db.migrate() => migrated?,
            _ = signals.next() => return Err(CliError::new(
                "Stopped before the end: the database is as it was. Run the command again.",
            )),
        }
    }
    for (name, applied) in db.migrations().await? {
        print(&terminal::line(&format!("{name} {}", if applied { "applied" } else { "pending" })));
    }
    Ok(db.close().await?)
}

/// The server's services on a fully migrated database, without the background loops.
async fn open_services(common: &Common) -> Result<App, CliError> {
    telemetry::start(&common.log).map_err(CliError::new)?;
    let mut options = AppOptions::new(common.database.existing_address()?.reveal(), Clock::system());
    // A command beside a running server must not change the schema under it.
    options.migrate = false;
    options.reference = Reference::Database;
    options.zones = TimeZones::open(common.zones.location())?;
    options.db.max_connections = common.database.database_connections;
    Ok(App::build(options).await?)
}

/// Parses an instant in any form of RFC 3339.
fn instant(text: &str) -> Result<crate::domain::Instant, String> {
    let expected = "write an instant such as 2027-01-31T00:00:00Z or 2027-01-31T01:00:00+01:00";
    crate::domain::instant::parse(text).ok_or_else(|| expected.to_owned())
}

/// A failure with its cause, because users of the command line may see the log too.
fn failed(failure: Failure) -> CliError {
    match &failure {
        Failure::Unavailable(_) | Failure::Timeout(_) | Failure::OutcomeUnknown(_) | Failure::Fault(_) => {
            CliError::new(format!("The command has failed: {}", failure.for_operators()))
        }
        _ => CliError::new(failure.to_string()),
    }
}

/// Prints to standard output. A closed output is ignored. Stored text must be escaped by [`terminal`].
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
}

/// Prints a remark to standard error.
fn print_note(text: &str) {
    let _ = std::io::stderr().write_all(terminal::lines(text).as_bytes());
}

/// Prints the error of a command, independently of the log's level. It is JSON if the log is.
fn print_error(text: &str) {
    let line = if telemetry::is_json() {
        let now = crate::domain::instant::to_text(Clock::system().now());
        let message = serde_json::Value::from(text);
        format!(r#"{{"timestamp":"{now}","level":"ERROR","message":{message},"target":"packwright"}}"#)
    } else {
        format!("packwright: {}", terminal::lines(text))
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}
