//! The settings: what each command can be told, by option or by environment variable.

mod jwt;
mod limits;
mod transport;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::service;
use crate::zones::Place;

pub use jwt::{JwtAlgorithm, JwtArgs};
pub use limits::LimitArgs;
pub use transport::TransportArgs;

/// The database of a server that isn't told another.
pub const DEFAULT_DATABASE_URL: &str = "sqlite://packwright.db?mode=rwc";

/// Which database.
#[derive(Args, Clone, Debug, Default)]
pub struct DatabaseArgs {
    /// `sqlite://FILE?mode=rwc` or `postgres://USER:PASSWORD@HOST/DATABASE`; also DATABASE_URL.
    /// An SQLite file packwright.db in the working directory when it is not given
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The most connections to the database at a time
    #[arg(long, value_name = "N", env = "PACKWRIGHT_DATABASE_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
}

impl DatabaseArgs {
    /// The option, or `PACKWRIGHT_DATABASE_URL`, or `DATABASE_URL`, or the file in the working directory.
    #[must_use]
    pub fn url(&self) -> String {
        let given = self.database_url.clone().or_else(|| std::env::var("DATABASE_URL").ok());
        match given.filter(|url| !url.is_empty()) {
            // A file that isn't there yet is made, as the default one is.
            Some(url) if url.starts_with("sqlite:") && !url.contains('?') => format!("{url}?mode=rwc"),
            Some(url) => url,
            None => DEFAULT_DATABASE_URL.into(),
        }
    }

    /// The same for a command that only looks: a file that isn't there is an error, and isn't made.
    #[must_use]
    pub fn existing_url(&self) -> String {
        let url = self.url();
        match url.strip_suffix("?mode=rwc") {
            Some(file) if file.starts_with("sqlite:") => format!("{file}?mode=rw"),
            _ => url,
        }
    }
}

/// Which time zone data.
#[derive(Args, Clone, Debug, Default)]
pub struct ZoneArgs {
    /// A directory of time zone data in TZif files, with its version in a file +VERSION, version or tzdata.zi.
    /// The operating system's when it is not given. The built-in data is used where it is newer
    #[arg(long, value_name = "DIR", env = "PACKWRIGHT_TIME_ZONE_DATA")]
    pub time_zone_data: Option<PathBuf>,
}

impl ZoneArgs {
    /// Where data is looked for.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.time_zone_data {
            Some(directory) if !directory.as_os_str().is_empty() => Place::Directory(directory.clone()),
            _ => Place::Usual,
        }
    }
}

/// How the log is written.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What is logged; the log goes to standard error.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// How the log is written
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACKWRIGHT_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: a level, or filters such as `info,packwright::http=debug`
    #[arg(long, value_name = "FILTER", env = "PACKWRIGHT_LOG", default_value = "info,sqlx=warn")]
    pub log: String,
}

/// The settings of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen: an address and a port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "PACKWRIGHT_LISTEN", default_value = "127.0.0.1:8080", value_parser = listener)]
    pub listen: SocketAddr,

    /// A host name by which clients reach the server, with or without a port; may be repeated, in the
    /// variable separated by commas. Needed for any listener but loopback
    #[arg(long, value_name = "HOST", env = "PACKWRIGHT_PUBLIC_HOST", value_delimiter = ',')]
    pub public_host: Vec<String>,

    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Leave the database as it is; a server whose database lacks a migration then refuses to start
    #[arg(long, env = "PACKWRIGHT_NO_MIGRATE", value_parser = BoolishValueParser::new(), conflicts_with = "demo")]
    pub no_migrate: bool,

    /// A throw-away database with a realistic world, fixed tokens and a clock that can be moved; loopback only
    #[arg(long, env = "PACKWRIGHT_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,

    /// Serve GraphiQL at /graphiql; the demo always does
    #[arg(long, env = "PACKWRIGHT_GRAPHIQL", value_parser = BoolishValueParser::new())]
    pub graphiql: bool,

    /// How many days ahead a release's date may be
    #[arg(long, value_name = "DAYS", env = "PACKWRIGHT_RELEASE_DAYS_AHEAD", default_value_t = 365)]
    pub release_days_ahead: u16,

    /// How many days an event is kept in the log; a cursor that is older gets CURSOR_EXPIRED
    #[arg(long, value_name = "DAYS", env = "PACKWRIGHT_KEEP_EVENTS", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub keep_events: u16,

    /// How many installations one batch of a rollout comes to
    #[arg(long, value_name = "N", env = "PACKWRIGHT_BATCH_SIZE", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub batch_size: u64,

    #[command(flatten)]
    pub zones: ZoneArgs,

    #[command(flatten)]
    pub log: LogArgs,

    #[command(flatten)]
    pub jwt: JwtArgs,

    #[command(flatten)]
    pub transport: TransportArgs,

    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ServeArgs {
    /// What the settings say about the rules.
    #[must_use]
    pub fn rules(&self) -> service::Settings {
        service::Settings {
            release_days_ahead: self.release_days_ahead,
            batch_size: self.batch_size,
            keep_events_days: self.keep_events,
        }
    }

    /// Whether these settings can be served with.
    ///
    /// # Errors
    /// A sentence that says what to change.
    pub fn check(&self) -> Result<(), String> {
        let loopback = self.listen.ip().is_loopback();
        if self.demo && !loopback {
            return Err("The demo's tokens are known to everybody: --demo listens on loopback alone.".into());
        }
        if !loopback && self.public_host.is_empty() {
            return Err(
                "A listener that others can reach needs the host name that they use: give --public-host.".into()
            );
        }
        match self.database.database_url.as_deref() {
            Some("") => Err("--database-url is empty: give an address, or leave it out.".into()),
            _ if self.demo && self.jwt.jwks.is_some() => {
                Err("The demo has tokens of its own: leave --jwks out.".into())
            }
            Some(_) if self.demo => Err("The demo has a database of its own: leave --database-url out.".into()),
            _ => Ok(()),
        }
    }

    /// The resolved settings, one a line, with the database's password blanked.
    #[must_use]
    pub fn describe(&self) -> String {
        let format = match self.log.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let database = if self.demo { "a throw-away SQLite file".to_owned() } else { blank(&self.database.url()) };
        let zones = match self.zones.place() {
            Place::Directory(directory) => directory.display().to_string(),
            Place::Usual | Place::BuiltIn => "the operating system's, or the built-in where that is newer".to_owned(),
        };
        let settings = [
            ("listen", self.listen.to_string()),
            ("public-host", self.public_host.join(",")),
            ("database-url", database),
            ("database-connections", self.database.database_connections.to_string()),
            ("no-migrate", self.no_migrate.to_string()),
            ("demo", self.demo.to_string()),
            ("graphiql", (self.graphiql || self.demo).to_string()),
            ("release-days-ahead", self.release_days_ahead.to_string()),
            ("batch-size", self.batch_size.to_string()),
            ("keep-events", self.keep_events.to_string()),
            ("time-zone-data", zones),
            ("log-format", format.to_owned()),
            ("log", self.log.log.clone()),
        ];
        let settings = settings
            .into_iter()
            .chain(self.jwt.describe())
            .chain(self.transport.describe())
            .chain(self.limits.describe());
        settings.map(|(name, value)| format!("{name} = {value}\n")).collect()
    }
}

/// `ADDRESS:PORT`, with `localhost` for 127.0.0.1.
fn listener(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| format!("{port} is no port"))?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
}

/// The address of a database without what is secret in it: a password in its authority, and every
/// value of its query, where PostgreSQL's driver takes a password too.
#[must_use]
pub fn blank(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        // Not understood, so nothing of it is known to be harmless.
        return url.split_once(':').map_or("…".to_owned(), |(scheme, _)| format!("{scheme}:…"));
    };
    if parsed.password().is_some() {
        // Fails only for an address that can't have a password.
        let _ = parsed.set_password(Some("***"));
    }
    let names: Vec<String> = parsed.query_pairs().map(|(name, _)| name.into_owned()).collect();
    if !names.is_empty() && parsed.scheme() != "sqlite" {
        parsed.query_pairs_mut().clear().extend_pairs(names.iter().map(|name| (name, "***")));
    }
    parsed.to_string()
}
