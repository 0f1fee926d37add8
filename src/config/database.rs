//! The settings of the database.

use std::path::{Path, PathBuf};

use clap::{Arg, Args};

use super::numbers::number;
use crate::store::address::{Address, AddressError};

/// The database of a server that isn't given an address.
const DEFAULT_FILE: &str = "sqlite://packwright.db";
const VARIABLE: &str = "PACKWRIGHT_DATABASE_URL";
/// A common variable, which many hosting platforms set.
pub const COMMON_VARIABLE: &str = "DATABASE_URL";

/// The last sentence of the help for the address.
const CREATES: &str = "A file that isn't there is created, unless the address ends with `?mode=rw`";

/// The option for the address in a command that creates no file.
#[must_use]
pub fn of_existing(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(help.replace(CREATES, "The file must be there"))
}

/// The settings of the database.
#[derive(Args, Clone, Debug, Default)]
pub struct DatabaseArgs {
    /// The address of the database: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`. Characters that have a
    /// meaning in an address are percent-encoded, in the password too. The variable DATABASE_URL works as well, and
    /// PACKWRIGHT_DATABASE_URL_FILE names a file that holds the address. Without any of them, the SQLite file
    /// packwright.db in the working directory is used. A file that isn't there is created, unless the address ends with
    /// `?mode=rw`
    #[arg(long, value_name = "URL", env = VARIABLE, hide_env_values = true)]
    pub database_url: Option<String>,

    /// A file that holds the password of PostgreSQL's user, as it is and not percent-encoded; line breaks at its end
    /// don't count. The address has no password then. The server reads the file once, when it starts
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_DATABASE_PASSWORD_FILE")]
    pub database_password_file: Option<PathBuf>,

    /// How many connections to the database may be open at a time. In PostgreSQL half of them are for writing, the
    /// others for reading; in SQLite one is for writing. The calls of one account use all but one of those for writing
    /// at most
    #[arg(long, value_name = "N", env = "PACKWRIGHT_DATABASE_CONNECTIONS", default_value_t = 10, value_parser = number::<u32>(2..=1000, 10))]
    pub database_connections: u32,
}

impl DatabaseArgs {
    /// The address from the option, else from `PACKWRIGHT_DATABASE_URL`, else from `DATABASE_URL`, else the file in the
    /// working directory; with the password of the password file, if there is one. An error's message begins with the
    /// source of the address.
    pub fn address(&self) -> Result<Address, AddressError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let (name, address) = match &self.database_url {
            Some(given) if variable(VARIABLE).as_ref() == Some(given) => (VARIABLE, given.clone()),
            Some(given) => ("--database-url", given.clone()),
            None => match variable(COMMON_VARIABLE) {
                Some(given) => (COMMON_VARIABLE, given),
                None => ("", DEFAULT_FILE.to_owned()),
            },
        };
        let address = Address::parse(&address).map_err(|error| error.of(name))?;
        match &self.database_password_file {
            Some(file) => address.with_password(&password(file)?),
            None => Ok(address),
        }
    }

    /// [`Self::address`] for a command that only reads: a missing file is an error, and isn't created.
    pub fn existing_address(&self) -> Result<Address, AddressError> {
        Ok(self.address()?.existing())
    }
}

/// The password in a file.
fn password(file: &Path) -> Result<String, AddressError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        AddressError::new(format!(
            "The password file {shown} can't be read: {error}. Check --database-password-file \
             (PACKWRIGHT_DATABASE_PASSWORD_FILE)."
        ))
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(['\r', '\n', '\0']) {
        return Err(AddressError::new(format!(
            "The password file {shown} must hold the password in one line, and nothing else."
        )));
    }
    Ok(password.to_owned())
}
