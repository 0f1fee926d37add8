//! Parses and checks the address of a database before the driver sees it. Errors don't show any part of the address,
//! because in an address that can't be parsed the password may be anywhere.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// An address that can't be used. The message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl AddressError {
    /// An error with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Adds the name of the setting that has the address.
    #[must_use]
    pub fn of(self, setting: &str) -> Self {
        if setting.is_empty() { self } else { Self(format!("{setting}: {self}")) }
    }
}

const FORMS: &str =
    "The database's address must look like sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE.";
const ENCODE: &str = "The database's address can't be read: percent-encode what is neither a letter nor a digit in \
                      its user, its password and its other parts (? is %3F, # is %23, @ is %40, / is %2F, % is %25, \
                      & is %26), and check its host and its port. The address isn't shown, because it may hold a \
                      password.";
const SEMICOLON: &str = "The database's address has a semicolon: parameters begin with ?, with & between them, as in \
                         postgres://HOST/DATABASE?sslmode=require. A semicolon in a name is written %3B. The address \
                         isn't shown, because it may hold a password.";
const OUTLIVE: &str = "Data must outlive a connection: name a file, as in sqlite://packwright.db, or try \
                       `packwright serve --demo`.";

/// The parameters that the PostgreSQL driver knows, in all accepted spellings.
const KNOWN: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
/// The parameters whose values `check-config` may show.
const SHOWN: &[&str] =
    &["sslmode", "ssl-mode", "statement-cache-capacity", "host", "hostaddr", "port", "dbname", "user"];
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// Parameters that other programs accept. The driver would ignore them silently.
const FOREIGN: &[&str] = &[
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "currentschema",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "passfile",
    "pgbouncer",
    "pool_timeout",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "schema",
    "search_path",
    "service",
    "servicefile",
    "socket_timeout",
    "sslaccept",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslidentity",
    "sslkeylogfile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "statement_timeout",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// The address of a database.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    Sqlite {
        file: PathBuf,
        /// Whether to create the file if it doesn't exist.
        create: bool,
    },
    Postgresql(Url),
}

impl Address {
    /// Parses an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // Secrets from files often end with a line break.
        let text = text.trim();
        let scheme_ends = text.find(':').ok_or_else(|| wrong(FORMS))?;
        let (scheme, rest) = text.split_at(scheme_ends);
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite(&rest[1..]),
            "postgres" | "postgresql" => {
                let rest = rest.strip_prefix("://").ok_or_else(|| wrong(FORMS))?;
                postgresql(rest).map(Self::Postgresql)
            }
            _ => Err(wrong(FORMS)),
        }
    }

    /// Makes the address one for a command that only reads: it doesn't create a file.
    #[must_use]
    pub fn existing(self) -> Self {
        match self {
            Self::Sqlite { file, .. } => Self::Sqlite { file, create: false },
            postgresql @ Self::Postgresql(_) => postgresql,
        }
    }

    /// The same address with a password from elsewhere.
    ///
    /// # Errors
    /// [`AddressError`] for an SQLite file, and for an address that has a password already.
    pub fn with_password(self, password: &str) -> Result<Self, AddressError> {
        let Self::Postgresql(mut url) = self else {
            return Err(wrong("An SQLite file has no password: leave the password file out."));
        };
        if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
            return Err(wrong("The address holds a password beside the password file: leave one of them out."));
        }
        // A parameter takes every character, and works for an address without a host, too.
        url.query_pairs_mut().append_pair("password", password);
        Ok(Self::Postgresql(url))
    }

    /// The address in the form that the driver parses. It may contain a password.
    #[must_use]
    pub fn reveal(&self) -> String {
        match self {
            Self::Sqlite { file, create } => {
                let mode = if *create { "rwc" } else { "rw" };
                format!("sqlite://{}?mode={mode}", encoded(file))
            }
            Self::Postgresql(url) => url.to_string(),
        }
    }

    /// The file of an SQLite database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { file, .. } => Some(file),
            Self::Postgresql(_) => None,
        }
    }
}

/// Hides passwords, and the values of parameters that may contain one.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { file, .. } => write!(f, "sqlite://{}", file.display()),
            Self::Postgresql(url) => {
                let mut shown = url.clone();
                if shown.password().is_some() {
                    // Fails only for an address without a host. Such an address has no password.
                    let _ = shown.set_password(Some("***"));
                }
                let pairs: Vec<(String, String)> = url
                    .query_pairs()
                    // The password may come from the password file, and isn't a part of the configured address then.
                    .filter(|(key, _)| key != "password")
                    .map(|(key, value)| {
                        let shown = if SHOWN.contains(&&*key) { value.into_owned() } else { "***".to_owned() };
                        (key.into_owned(), shown)
                    })
                    .collect();
                shown.set_query(None);
                write!(f, "{shown}")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}={value}", if index == 0 { '?' } else { '&' })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn wrong(text: impl Into<String>) -> AddressError {
    AddressError(text.into())
}

/// Parses the part after `sqlite:`.
fn sqlite(rest: &str) -> Result<Address, AddressError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (file, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut create = true;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("mode", "rwc") => create = true,
            ("mode", "rw") => create = false,
            ("mode", "memory") => return Err(wrong(OUTLIVE)),
            ("mode", "ro") => {
                return Err(wrong("Packwright writes to its database: leave mode=ro out of the address."));
            }
            ("vfs", _) if value.contains("mem") => return Err(wrong(OUTLIVE)),
            _ => {
                return Err(wrong(
                    "The address of an SQLite file takes the parameters mode=rwc (a file that isn't there is made) and \
                     mode=rw (it must be there), and no other. A question mark in the file's name is written %3F.",
                ));
            }
        }
    }
    let file = decoded(file).ok_or_else(|| {
        wrong("The name of the SQLite file can't be read: write % as %25, ? as %3F, and the name in UTF-8.")
    })?;
    // SQLite itself treats such a name as an address, which may mean a database in memory.
    if file.is_empty() || file == ":memory:" || file.starts_with("file:") {
        return Err(wrong(OUTLIVE));
    }
    Ok(Address::Sqlite { file: file.into(), create })
}

/// Parses the part after `postgres://`.
fn postgresql(rest: &str) -> Result<Url, AddressError> {
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#' || c == '\\') || decoded(rest).is_none()
    {
        return Err(wrong(ENCODE));
    }
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // Only one `@` may appear, before the host. A second one belongs to a password, or the host does.
    if authority.matches('@').count() > 1 || after.contains('@') {
        return Err(wrong(ENCODE));
    }
    if authority.rsplit('@').next().is_some_and(|host| host.contains(',')) {
        return Err(wrong("The database's address names several hosts: name one."));
    }
    // Other drivers accept parameters after a semicolon, including passwords. This driver would treat them as a part of
    // a name.
    if after.contains(';') || authority.rsplit('@').next().is_some_and(|host| host.contains(';')) {
        return Err(wrong(SEMICOLON));
    }
    let path = after.split('?').next().unwrap_or_default();
    if path.matches('/').count() > 1 || path.contains("%00") {
        return Err(wrong(ENCODE));
    }
    let url = Url::parse(&format!("postgres://{rest}")).map_err(|_| wrong(ENCODE))?;
    // A socket's directory is percent-encoded and may have dots, so it isn't checked.
    let name = url.host_str().filter(|host| !host.is_empty() && !host.contains('%'));
    if name.is_some_and(|name| name.strip_suffix('.').unwrap_or(name).split('.').any(str::is_empty)) {
        return Err(wrong(ENCODE));
    }
    let pairs: Vec<(String, String)> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    // A later parameter may be the rest of the password, if an `&` in it wasn't encoded.
    let holds_secret = pairs.iter().any(|(key, _)| matches!(key.as_str(), "password" | "sslpassword"));
    for (key, value) in &pairs {
        check_parameter(key, value, holds_secret)?;
    }
    Ok(url)
}

fn check_parameter(key: &str, value: &str, holds_secret: bool) -> Result<(), AddressError> {
    let number = |most: u32| value.parse::<u32>().is_ok_and(|n| n <= most);
    let fits = match key {
        "sslmode" | "ssl-mode" => SSL_MODES.contains(&value),
        "port" => number(u16::MAX.into()),
        "statement-cache-capacity" => number(1_000_000),
        "hostaddr" => value.parse::<std::net::IpAddr>().is_ok(),
        _ => true,
    };
    if !fits {
        let takes = match key {
            "sslmode" | "ssl-mode" => SSL_MODES.join(", "),
            "hostaddr" => "an IP address".into(),
            _ => "a number".into(),
        };
        return Err(wrong(format!("The parameter {key} of the database's address takes {takes}.")));
    }
    if KNOWN.contains(&key) || key.starts_with("options[") && key.ends_with(']') {
        return Ok(());
    }
    let plain = key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if FOREIGN.contains(&key.to_ascii_lowercase().as_str()) || plain && !key.is_empty() && !holds_secret {
        return Err(wrong(format!(
            "The database's address has the parameter {key}, which Packwright doesn't know: leave it out. \
             It knows {}.",
            KNOWN
                .iter()
                .filter(|parameter| !parameter.contains('-') || parameter.starts_with("statement"))
                .copied()
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    Err(wrong(ENCODE))
}

/// Decodes `%XX`; `None` for invalid sequences, for invalid UTF-8, and for NUL.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// A file's name in the encoding that the driver expects.
fn encoded(file: &Path) -> String {
    let mut text = String::new();
    for byte in file.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            text.push(byte.into());
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}
