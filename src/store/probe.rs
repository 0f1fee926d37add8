//! The first connection to a database. It finds out whether the database is usable, and its errors say what to do. A
//! pool's only error would be a timeout.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Row as _};

use super::address::{Address, AddressError};
use super::private_file;

/// A database that can't be used. The message says which one, why, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl From<AddressError> for Unusable {
    fn from(error: AddressError) -> Self {
        Self(error.to_string())
    }
}

impl Unusable {
    pub(in crate::store) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The longest wait for a database that may be starting.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_millis(50);

/// Connects once, to check the database.
pub(in crate::store) async fn probe(address: &Address) -> Result<(), Unusable> {
    match address {
        Address::Sqlite { file, create } => sqlite(file, *create).await,
        Address::Postgresql(_) => postgresql(address).await,
    }
}

/// Creates the file and switches it to a write-ahead log. SQLite refuses the switch immediately when two processes try
/// it at the same time, so it is retried.
async fn sqlite(file: &Path, create: bool) -> Result<(), Unusable> {
    check_path(file, create)?;
    if create {
        private_file::make(file).map_err(|error| why_not_made(file, &error))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BETWEEN)
        .disable_statement_logging();
    let begun = tokio::time::Instant::now();
    let opened = loop {
        match open_file(&options).await {
            Err(error) if number(&error) == Some(5) && begun.elapsed() < PATIENCE => {}
            opened => break opened,
        }
        tokio::time::sleep(BETWEEN).await;
    };
    opened.map_err(|error| Unusable::new(why_not_sqlite(file, &error)))
}

/// The error for a file that can't be created in an existing directory.
fn why_not_made(file: &Path, error: &std::io::Error) -> Unusable {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "Let this user write to its directory",
        ErrorKind::ReadOnlyFilesystem => "Its file system is read-only: make it writable",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on its disk",
        ErrorKind::InvalidFilename => {
            "Its name is too long, or has characters that the file system doesn't accept: choose another name"
        }
        // The directory exists, but its file system doesn't store files, like /proc.
        ErrorKind::NotFound => "Its directory takes no new files: choose one on a disk",
        _ => "Check its directory and its disk",
    };
    let shown = file.display();
    Unusable::new(format!(
        "The SQLite file {shown} can't be made: {error}. {advice}, or name another file with --database-url."
    ))
}

async fn open_file(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection: SqliteConnection = options.connect().await?;
    // Only a read shows whether the file is a database.
    let read = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await;
    // SQLite opens a read-only file and begins transactions, but refuses the first write.
    let writable = match &read {
        Ok(_) => {
            sqlx::raw_sql("BEGIN IMMEDIATE; CREATE TABLE probe (written integer); ROLLBACK")
                .execute(&mut connection)
                .await
        }
        Err(_) => Ok(Default::default()),
    };
    connection.close().await?;
    read?;
    match writable {
        // The file is writable, because another process is writing.
        Err(error) if number(&error) == Some(5) => Ok(()),
        tried => tried.map(|_| ()),
    }
}

/// Checks the path without opening the file, because closing it would release other connections' locks on it.
fn check_path(file: &Path, create: bool) -> Result<(), Unusable> {
    let shown = file.display();
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(Unusable::new(format!(
            "{shown} is a directory: name a file in it, as in sqlite://{shown}/packwright.db."
        ))),
        Ok(found) if !found.is_file() => {
            Err(Unusable::new(format!("{shown} is no ordinary file: name another with --database-url.")))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            match directory {
                Some(directory) if !directory.is_dir() => Err(Unusable::new(format!(
                    "The SQLite file {shown} can't be opened: there is no directory {}. Make it, or name another file \
                     with --database-url.",
                    directory.display()
                ))),
                _ if !create => Err(Unusable::new(format!(
                    "There is no SQLite file {shown}: make it with `packwright migrate up`, or name another with \
                     --database-url or DATABASE_URL."
                ))),
                _ => Ok(()),
            }
        }
        Err(error) => Err(Unusable::new(format!(
            "The SQLite file {shown} can't be looked at: {error}. Check its directory, or name another file with \
             --database-url."
        ))),
    }
}

/// The number of an SQLite error, without the extension bits.
fn number(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

fn why_not_sqlite(file: &Path, error: &sqlx::Error) -> String {
    let shown = file.display();
    match number(error) {
        Some(5 | 6) => format!(
            "The SQLite file {shown} is locked by another process for more than {} seconds: end that process, or wait for it.",
            PATIENCE.as_secs()
        ),
        // Read-only, can't be opened, no permission. The -wal and -shm files may be the cause.
        Some(3 | 8 | 14 | 23) => format!(
            "The SQLite file {shown} can't be opened for writing: let this user read and write it and make files in \
             its directory, or name another file with --database-url."
        ),
        Some(26) => format!("{shown} is no SQLite database: name another file with --database-url."),
        Some(11) => format!("The SQLite file {shown} is damaged: put a backup in its place."),
        Some(10 | 13) => format!("The SQLite file {shown} can't be written: is its disk full? ({error})"),
        _ => format!("The SQLite file {shown} can't be opened: {error}. Name another file with --database-url."),
    }
}

async fn postgresql(address: &Address) -> Result<(), Unusable> {
    let revealed = address.reveal();
    check_variables(&revealed)?;
    let options: PgConnectOptions = revealed
        .parse()
        .map_err(|_| Unusable::new(format!("The database's address {address} can't be used: check its parameters.")))?;
    // If the address has no host or user, the driver uses an empty variable as a name.
    for (variable, setting) in [("PGHOST or PGHOSTADDR", options.get_host()), ("PGUSER", options.get_username())] {
        if setting.is_empty() && options.get_socket().is_none() {
            return Err(Unusable::new(format!(
                "The variable {variable} is empty, and the database's address says nothing in its place: unset the \
                 variable, or complete the address."
            )));
        }
    }
    // Poolers refuse the setting `extra_float_digits`. It isn't needed.
    let options = options.extra_float_digits(None).disable_statement_logging();
    let server = Server::of(&options);
    let mut connection = connect(&options, &server).await?;
    let encoding =
        sqlx::raw_sql("SELECT current_setting('server_encoding'), current_database()").fetch_one(&mut connection).await;
    let found = encoding.and_then(|row| Ok((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?)));
    let closed = connection.close().await;
    let (encoding, database) = found.map_err(|error| Unusable::new(server.why_not(&error)))?;
    closed.map_err(|error| Unusable::new(server.why_not(&error)))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Unusable::new(format!(
        "The database {database} at {server} has the encoding {encoding}, in which not every name can be kept: make \
         one in UTF8, as in `createdb --encoding UTF8 --template template0 {database}`, and name that one."
    )))
}

/// Connects to PostgreSQL. Tries again for a while if it may be starting.
async fn connect(options: &PgConnectOptions, server: &Server) -> Result<PgConnection, Unusable> {
    let begun = tokio::time::Instant::now();
    let mut is_told = false;
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed()).max(BETWEEN);
        let failed = match tokio::time::timeout(left, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(Unusable::new(format!(
                    "PostgreSQL at {server} doesn't answer within {} seconds: check the host and the port, and that no \
                     firewall is between.",
                    PATIENCE.as_secs()
                )));
            }
        };
        if !may_be_starting(&failed) || begun.elapsed() >= PATIENCE {
            return Err(Unusable::new(server.why_not(&failed)));
        }
        if !std::mem::replace(&mut is_told, true) {
            let seconds = PATIENCE.as_secs();
            tracing::warn!(
                "{} Trying again for {seconds} seconds, because it may be starting.",
                server.why_not(&failed)
            );
        }
        tokio::time::sleep(BETWEEN * 4).await;
    }
}

/// The driver ignores PostgreSQL's own variables when it can't parse them, so they are checked here.
fn check_variables(revealed: &str) -> Result<(), Unusable> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let says = |parameter: &str| revealed.contains(&format!("{parameter}="));
    if let Some(mode) = variable("PGSSLMODE").filter(|_| !says("sslmode") && !says("ssl-mode"))
        && mode.parse::<sqlx::postgres::PgSslMode>().is_err()
    {
        return Err(Unusable::new("The variable PGSSLMODE holds no mode: write one such as require or verify-full."));
    }
    if variable("PGPORT").is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(Unusable::new("The variable PGPORT holds no port: write a number such as 5432."));
    }
    Ok(())
}

fn may_be_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether another program answered, and the driver treated its bytes as a message of PostgreSQL or TLS.
fn is_foreign(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Io(error) => error.kind() == ErrorKind::InvalidData && !is_about_certificates(error),
        sqlx::Error::Tls(error) => error.to_string().contains("SSLRequest"),
        _ => false,
    }
}

/// Whether TLS refuses a certificate. The driver's error has no type for it.
fn is_about_certificates(error: &std::io::Error) -> bool {
    error.to_string().contains("certificate")
}

/// The server that the driver connects to, by the address and PostgreSQL's variables.
struct Server {
    endpoint: String,
    user: String,
    database: String,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.endpoint)
    }
}

impl Server {
    fn of(options: &PgConnectOptions) -> Self {
        let host = options.get_host();
        let endpoint = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{host}:{}", options.get_port()),
        };
        let user = options.get_username().to_owned();
        let database = options.get_database().unwrap_or(&user).to_owned();
        Self { endpoint, user, database }
    }

    fn why_not(&self, error: &sqlx::Error) -> String {
        let Self { endpoint, user, database } = self;
        match error {
            sqlx::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => format!(
                "Nothing answers at {endpoint}: check the host and the port of the database's address, and that PostgreSQL \
                 runs there."
            ),
            _ if is_foreign(error) => format!(
                "Something else than PostgreSQL answers at {endpoint}: check the host and the port of the database's address."
            ),
            sqlx::Error::Io(error) if is_about_certificates(error) => format!(
                "No encrypted connection to PostgreSQL at {endpoint}: {error}. Check sslmode and sslrootcert in the \
                 database's address."
            ),
            sqlx::Error::Io(error) => format!(
                "PostgreSQL at {endpoint} can't be reached: {error}. Check the host and the port of the database's address."
            ),
            sqlx::Error::Tls(error) => format!(
                "No encrypted connection to PostgreSQL at {endpoint}: {error}. Check sslmode and sslrootcert in the \
                 database's address."
            ),
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("28P01") => format!(
                    "PostgreSQL at {endpoint} refuses the password of the user {user}: check both in the database's address; \
                     in it, percent-encode what is neither a letter nor a digit."
                ),
                Some("28000") => {
                    format!("PostgreSQL at {endpoint} doesn't let the user {user} in: {}.", error.message())
                }
                Some("3D000") => format!(
                    "PostgreSQL at {endpoint} has no database {database}: make it, as in `createdb --encoding UTF8 \
                     --template template0 {database}`, or name another."
                ),
                Some("42501") => {
                    format!("The user {user} may not connect to the database {database} at {endpoint}: grant it that.")
                }
                Some("53300") => format!(
                    "PostgreSQL at {endpoint} has no connection left: raise max_connections there, or lower \
                     --database-connections."
                ),
                _ => format!("PostgreSQL at {endpoint} refuses the connection: {}.", error.message()),
            },
            other => format!("PostgreSQL at {endpoint} can't be used: {other}."),
        }
    }
}
