//! The settings of each command, from options and environment variables.

mod admin;
mod database;
pub mod example;
pub mod file;
mod hosts;
mod jwt;
mod limits;
mod log;
mod numbers;
mod seals;
mod traces;
mod transport;
mod trusted;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::service;
use crate::zones::DataLocation;

pub use admin::AdminArgs;
pub use database::{COMMON_VARIABLE, DatabaseArgs, of_existing};
pub use hosts::listener;
pub use jwt::{JwtAlgorithm, JwtArgs};
pub use limits::LimitArgs;
pub use log::{LogArgs, LogFormat, filter as log_filter};
pub use numbers::number;
pub use seals::SealsDestination;
pub use traces::{TraceArgs, endpoint as otlp_endpoint, ratio_of_sampler};
pub use transport::TransportArgs;
pub use trusted::{AUDIENCE_OF_DEMO, TrustedArgs};
pub use webhooks::WebhookArgs;

/// The settings of the time zone data.
#[derive(Args, Clone, Debug, Default)]
pub struct ZoneArgs {
    /// A directory with time zone data in TZif files, and its version in a file named +VERSION, version or tzdata.zi.
    /// Without this option the data of the operating system is used. If the data in this program is newer, it is used
    /// in any case
    #[arg(long, value_name = "DIR", env = "PACKWRIGHT_TIME_ZONE_DATA")]
    pub time_zone_data: Option<PathBuf>,
}

impl ZoneArgs {
    /// Where to look for time zone data beside the built-in data.
    #[must_use]
    pub fn location(&self) -> DataLocation {
        match &self.time_zone_data {
            Some(directory) if !directory.as_os_str().is_empty() => DataLocation::Directory(directory.clone()),
            _ => DataLocation::Usual,
        }
    }
}

/// The farthest release date in the demo's story, in days from its present.
const DEMO_DAYS_AHEAD: u16 = 14;

/// The settings of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The IP address and port to listen on. Port 0 takes any free port; the program prints which one
    #[arg(long, value_name = "ADDRESS:PORT", env = "PACKWRIGHT_LISTEN", default_value = "127.0.0.1:8080", value_parser = hosts::listener)]
    pub listen: SocketAddr,

    /// A host name that clients use for this server, with or without a port, such as packs.example.com. Requests for
    /// other host names are refused. Needed unless the server listens on this computer alone. May be given several
    /// times; the variable takes a list with commas
    #[arg(long, value_name = "HOST", env = "PACKWRIGHT_PUBLIC_HOST", value_delimiter = ',', value_parser = hosts::public_host)]
    pub public_host: Vec<String>,

    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Don't change the tables of the database at the start. If they are older than this program, the server doesn't
    /// start
    #[arg(long, env = "PACKWRIGHT_NO_MIGRATE", value_parser = BoolishValueParser::new())]
    pub no_migrate: bool,

    /// Serve an invented world from a temporary database: two months of a publisher and three of its customers, with
    /// tokens that everybody knows and a clock that can be moved. All of it is thrown away at the end. Listens on this
    /// computer alone, unless --demo-tokens-are-public is given too
    #[arg(long, env = "PACKWRIGHT_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,

    /// Let --demo listen where others can reach it, as in a container. The demo's tokens are public, and have all
    /// rights: anybody who reaches the server can change its world and move its clock
    #[arg(long, env = "PACKWRIGHT_DEMO_TOKENS_ARE_PUBLIC", value_parser = BoolishValueParser::new())]
    pub demo_tokens_are_public: bool,

    /// Serve GraphiQL, an editor for GraphQL in the browser, at /graphiql. The demo always does
    #[arg(long, env = "PACKWRIGHT_GRAPHIQL", value_parser = BoolishValueParser::new())]
    pub graphiql: bool,

    /// How many days ahead the date of a release may be
    #[arg(long, value_name = "DAYS", env = "PACKWRIGHT_RELEASE_DAYS_AHEAD", default_value_t = 365, value_parser = number::<u16>(1..=65_535, 365))]
    pub release_days_ahead: u16,

    /// How many days the event log keeps an event. A client with an older cursor gets the error CURSOR_EXPIRED, and
    /// reads the state again
    #[arg(long, value_name = "DAYS", env = "PACKWRIGHT_KEEP_EVENTS", default_value_t = 90, value_parser = number::<u16>(1..=65_535, 90))]
    pub keep_events: u16,

    /// How many days the audit log keeps an entry, at least as many as events are kept. Without this option entries are
    /// kept for good
    #[arg(long, value_name = "DAYS", env = "PACKWRIGHT_KEEP_AUDIT", value_parser = number::<u16>(1..=65_535, 3_650))]
    pub keep_audit: Option<u16>,

    /// Where the server sends the seals of the audit log, so that a copy is kept elsewhere: `log` for the server's log,
    /// or the path of a file to which lines are added. `packwright audit verify --seals FILE` compares the database
    /// with them
    #[arg(long, value_name = "log|FILE", env = "PACKWRIGHT_AUDIT_SEALS", value_parser = seals::destination)]
    pub audit_seals: Option<SealsDestination>,

    /// How many installations a release moves in one transaction at most. Each transaction is made so large that it
    /// takes about a quarter of a second, up to this number. With a smaller number other writes wait for a shorter time
    #[arg(long, value_name = "N", env = "PACKWRIGHT_BATCH_SIZE", default_value_t = service::BATCH_SIZE, value_parser = number::<u64>(1..=10_000, service::BATCH_SIZE))]
    pub batch_size: u64,

    #[command(flatten)]
    pub zones: ZoneArgs,

    #[command(flatten)]
    pub log: LogArgs,

    #[command(flatten)]
    pub admin: AdminArgs,

    #[command(flatten)]
    pub jwt: JwtArgs,

    #[command(flatten)]
    pub trusted: TrustedArgs,

    #[command(flatten)]
    pub transport: TransportArgs,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub webhooks: WebhookArgs,

    #[command(flatten)]
    pub traces: TraceArgs,
}

impl ServeArgs {
    /// The settings that the rules use.
    #[must_use]
    pub fn rules(&self) -> service::Settings {
        service::Settings {
            release_days_ahead: self.release_days_ahead,
            batch_size: self.batch_size,
            batch_time: Some(service::BATCH_TIME),
            keep_events_days: self.keep_events,
            keep_audit_days: self.keep_audit,
            ..service::Settings::default()
        }
    }

    /// Checks that the settings go together. Each single value was checked when it was parsed. The error is a sentence
    /// that says what to change.
    pub fn check(&self) -> Result<(), String> {
        let loopback = self.listen.ip().is_loopback();
        if self.demo {
            self.check_demo()?;
        } else {
            self.database.address().map_err(|error| error.to_string())?;
        }
        if !loopback && self.public_host.is_empty() {
            return Err("A listener that others can reach needs the host name that they use: give --public-host \
                        (PACKWRIGHT_PUBLIC_HOST), such as packs.example.com."
                .into());
        }
        if self.keep_audit.is_some_and(|days| days < self.keep_events) {
            return Err("Events and audit entries share their records: give --keep-audit (PACKWRIGHT_KEEP_AUDIT) at \
                        least the days of --keep-events (PACKWRIGHT_KEEP_EVENTS)."
                .into());
        }
        self.admin.check(self.listen)?;
        self.limits.check()?;
        self.traces.check()?;
        self.jwt.check()?;
        self.trusted.check(self.demo, &self.public_host, &self.jwt)
    }

    fn check_demo(&self) -> Result<(), String> {
        let refused = |why: &str| Err(why.to_owned());
        if !self.listen.ip().is_loopback() && !self.demo_tokens_are_public {
            return refused(
                "The demo's tokens are known to everybody: --demo listens on loopback alone, unless \
                 --demo-tokens-are-public (PACKWRIGHT_DEMO_TOKENS_ARE_PUBLIC) says that whoever reaches the server may \
                 use them.",
            );
        }
        if self.database.database_url.is_some() {
            return refused("The demo has a database of its own: leave --database-url (PACKWRIGHT_DATABASE_URL) out.");
        }
        if self.database.database_password_file.is_some() {
            return refused(
                "The demo's database has no password: leave --database-password-file \
                 (PACKWRIGHT_DATABASE_PASSWORD_FILE) out.",
            );
        }
        if self.no_migrate {
            return refused("The demo makes its database: leave --no-migrate (PACKWRIGHT_NO_MIGRATE) out.");
        }
        if self.jwt.jwks.is_some() {
            return refused("The demo has tokens of its own: leave --jwks (PACKWRIGHT_JWKS) out.");
        }
        if self.release_days_ahead < DEMO_DAYS_AHEAD {
            return Err(format!(
                "The demo's story releases up to {DEMO_DAYS_AHEAD} days ahead: leave --release-days-ahead \
                 (PACKWRIGHT_RELEASE_DAYS_AHEAD) out, or give {DEMO_DAYS_AHEAD} or more."
            ));
        }
        Ok(())
    }

    /// The settings in force, one a line, without passwords.
    #[must_use]
    pub fn describe(&self) -> String {
        let format = match self.log.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let database = match self.database.address() {
            _ if self.demo => "a throw-away SQLite file".to_owned(),
            Ok(address) => address.to_string(),
            Err(_) => "not to be read".to_owned(),
        };
        let password_file = self.database.database_password_file.as_ref();
        let password_file = password_file.map_or_else(String::new, |file| file.display().to_string());
        let zones = match self.zones.location() {
            DataLocation::Directory(directory) => directory.display().to_string(),
            DataLocation::Usual | DataLocation::BuiltIn => {
                "the operating system's, or the built-in where that is newer".to_owned()
            }
        };
        let settings = [
            ("listen", self.listen.to_string()),
            ("public-host", self.public_host.join(",")),
            ("database-url", database),
            ("database-password-file", password_file),
            ("database-connections", self.database.database_connections.to_string()),
            ("no-migrate", self.no_migrate.to_string()),
            ("demo", self.demo.to_string()),
            ("demo-tokens-are-public", self.demo_tokens_are_public.to_string()),
            ("graphiql", (self.graphiql || self.demo).to_string()),
            ("release-days-ahead", self.release_days_ahead.to_string()),
            ("batch-size", self.batch_size.to_string()),
            ("keep-events", self.keep_events.to_string()),
            ("keep-audit", self.keep_audit.map_or_else(|| "for good".to_owned(), |days| days.to_string())),
            ("audit-seals", self.audit_seals.as_ref().map_or_else(String::new, ToString::to_string)),
            ("time-zone-data", zones),
            ("log-format", format.to_owned()),
            ("log", self.log.log.clone()),
        ];
        let settings = settings
            .into_iter()
            .chain(self.admin.describe())
            .chain(self.jwt.describe())
            .chain(self.trusted.describe(self.demo, &self.public_host))
            .chain(self.transport.describe())
            .chain(self.limits.describe())
            .chain(self.webhooks.describe())
            .chain(self.traces.describe());
        settings.map(|(name, value)| format!("{name} = {value}\n")).collect()
    }
}
