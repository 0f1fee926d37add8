//! `packwright account` and `packwright token`: manage accounts and tokens without a server.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand, ValueEnum};

use crate::app::App;
use crate::config::number;
use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountStatus, Role};
use crate::domain::id::{AccountId, TokenId};
use crate::domain::refusal::Refusal;
use crate::service::accounts::{
    Rotated, Rotation, all_accounts, create_publisher, create_token_for, revoke_token_of, rotate_token_of,
    set_account_status, tokens_of,
};
use crate::service::error::{Error, Failure};

use super::{CliError, Common, failed, listing, open_services, print, print_note};

#[derive(Subcommand, Debug)]
pub(super) enum AccountCommand {
    /// Create a publisher account, and print its id. Publishers create their managed accounts themselves, over the API
    Create {
        /// The name of the publisher
        name: String,
        /// The time zone of the publisher, such as Europe/Berlin. Releases on a date start at midnight there. It can be
        /// set later over the API
        #[arg(long, value_name = "ZONE", env = "PACKWRIGHT_TIME_ZONE")]
        time_zone: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the publishers, and the accounts that each of them manages
    List {
        /// Print a JSON array
        #[arg(long, env = "PACKWRIGHT_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Suspend an account. Its tokens are refused, and releases skip its installations until it is reactivated
    Suspend(One),
    /// Reactivate a suspended account. Its installations catch up with the current versions
    Reactivate(One),
}

#[derive(Subcommand, Debug)]
pub(super) enum TokenCommand {
    /// Create an API token for an account, and print its secret. The secret can't be shown again
    Create {
        #[command(flatten)]
        account: One,
        /// A name by which you recognise the token later
        #[arg(long, env = "PACKWRIGHT_TOKEN_NAME", default_value = "command line")]
        name: String,
        /// What the token may do. An administrator may do everything; support may only read
        #[arg(long, value_enum, ignore_case = true, env = "PACKWRIGHT_TOKEN_ROLE", default_value = "administrator")]
        role: RoleName,
        /// When the token ends, such as 2027-01-31T00:00:00Z. Without this option it doesn't end
        #[arg(long, value_name = "INSTANT", env = "PACKWRIGHT_TOKEN_EXPIRES_AT", value_parser = super::instant)]
        expires_at: Option<Instant>,
    },
    /// List the tokens of an account, without their secrets
    List {
        /// Print a JSON array
        #[arg(long, env = "PACKWRIGHT_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
        #[command(flatten)]
        account: One,
    },
    /// Replace a token by a new one with the same name and role, and print the new secret. The secret can't be shown
    /// again
    Rotate {
        /// The id of the former token, as `token list` or the API shows it
        #[arg(value_parser = token_id)]
        token: TokenId,
        #[command(flatten)]
        account: One,
        /// How many hours the former token still works, so that there is time to hand out the new one. With 0 it is
        /// revoked at once
        #[arg(long, value_name = "HOURS", env = "PACKWRIGHT_TOKEN_OVERLAP", default_value_t = 24, value_parser = number::<u16>(0..=8760, 24))]
        overlap: u16,
        /// When the new token ends, such as 2027-01-31T00:00:00Z. Without this option it ends when the former token
        /// would have ended
        #[arg(long, value_name = "INSTANT", env = "PACKWRIGHT_TOKEN_ROTATED_EXPIRES_AT", value_parser = super::instant)]
        expires_at: Option<Instant>,
    },
    /// Revoke a token at once. Subscriptions that are open with it end
    Revoke {
        /// Its id, as `token list` or the API shows it
        #[arg(value_parser = token_id)]
        token: TokenId,
        #[command(flatten)]
        account: One,
    },
}

/// An option that selects one account.
#[derive(Args, Debug)]
pub(super) struct One {
    /// The account: its id, as `account list` or the API shows it, or its name if no other account has the same name
    #[arg(long, value_name = "ACCOUNT", env = "PACKWRIGHT_ACCOUNT")]
    account: String,
    #[command(flatten)]
    common: Common,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(super) enum RoleName {
    Administrator,
    #[value(alias = "standard_user", alias = "standarduser")]
    StandardUser,
    #[value(alias = "production_support", alias = "productionsupport")]
    ProductionSupport,
    Support,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Administrator => Self::Administrator,
            RoleName::StandardUser => Self::StandardUser,
            RoleName::ProductionSupport => Self::ProductionSupport,
            RoleName::Support => Self::Support,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Administrator => Self::Administrator,
            Role::StandardUser => Self::StandardUser,
            Role::ProductionSupport => Self::ProductionSupport,
            Role::Support => Self::Support,
        }
    }
}

pub(super) async fn account(command: AccountCommand) -> Result<(), CliError> {
    match command {
        AccountCommand::Create { name, time_zone, common } => {
            let app = open_services(&common).await?;
            let id = create_publisher(&app.services, &name, time_zone).await.map_err(refused)?;
            print(&format!("{}\n", id.shown_as_publisher()));
        }
        AccountCommand::List { json, common } => {
            let app = open_services(&common).await?;
            print(&listing::accounts(&all_accounts(&app.services).await.map_err(failed)?, json));
        }
        AccountCommand::Suspend(one) => {
            let (app, account) = one.find().await?;
            set_account_status(&app.services, account, AccountStatus::Suspended).await.map_err(refused)?;
        }
        AccountCommand::Reactivate(one) => {
            let (app, account) = one.find().await?;
            set_account_status(&app.services, account, AccountStatus::Active).await.map_err(refused)?;
        }
    }
    Ok(())
}

pub(super) async fn token(command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Create { account, name, role, expires_at } => {
            let (app, account) = account.find().await?;
            let issued =
                create_token_for(&app.services, account, &name, role.into(), expires_at).await.map_err(refused)?;
            print(&format!("{}\n", issued.secret));
        }
        TokenCommand::List { json, account } => {
            let (app, account) = account.find().await?;
            let tokens = tokens_of(&app.services, account).await.map_err(failed)?;
            print(&listing::tokens(&tokens, app.services.clock.now(), json));
        }
        TokenCommand::Rotate { token, account, overlap, expires_at } => {
            let given = account.account.clone();
            let (app, account) = account.find().await?;
            let rotation = Rotation { overlap: chrono::Duration::hours(overlap.into()), expires_at };
            let rotated = rotate_token_of(&app.services, account, token, rotation).await;
            let rotated = rotated.map_err(|error| refused_token(error, &given, token))?;
            // The secret is the only output on standard output, for scripts.
            print(&format!("{}\n", rotated.issued.secret));
            print_note(&describe_rotation(token, &rotated));
        }
        TokenCommand::Revoke { token, account } => {
            let given = account.account.clone();
            let (app, account) = account.find().await?;
            let revoked = revoke_token_of(&app.services, account, token).await;
            revoked.map_err(|error| refused_token(error, &given, token))?;
        }
    }
    Ok(())
}

/// The sentences of `token rotate` for standard error. They don't contain the secret.
fn describe_rotation(former: TokenId, rotated: &Rotated) -> String {
    let ends = rotated
        .expires_at
        .map_or("has no end".to_owned(), |at| format!("ends {}", crate::domain::instant::to_text(at)));
    let new = rotated.issued.token_id;
    format!(
        "The new token {new} {ends}.\nThe former one {former} works until {}.\n",
        crate::domain::instant::to_text(rotated.former_ends_at)
    )
}

impl One {
    /// The selected account, with the services.
    async fn find(&self) -> Result<(App, AccountId), CliError> {
        let app = open_services(&self.common).await?;
        let accounts = all_accounts(&app.services).await.map_err(failed)?;
        let given = self.account.trim();
        let by_id = AccountId::parse(given);
        let key = crate::domain::text::key(given);
        let is_meant = |account: &&Account| match by_id {
            Some(id) => account.id == id,
            None => crate::domain::text::key(&account.name) == key,
        };
        let found: Vec<_> = accounts.iter().filter(is_meant).map(|account| account.id).collect();
        match found[..] {
            [account] => Ok((app, account)),
            [] => Err(CliError::new(format!("There is no account {given}: see `packwright account list`."))),
            _ => Err(CliError::new(format!(
                "Several accounts are called {given}: give the id, from `packwright account list`."
            ))),
        }
    }
}

/// The message of a refusal, as the API has it.
fn refused<R: Refusal>(error: Error<R>) -> CliError {
    match error {
        Error::Refused(refusals) => CliError::new(refusals.iter().map(Refusal::message).collect::<Vec<_>>().join(" ")),
        Error::Failed(failure) => failed(failure),
    }
}

/// The message for a token of the account that the command line calls `account`.
fn refused_token<R: Refusal>(error: Error<R>, account: &str, token: TokenId) -> CliError {
    match error {
        Error::Failed(Failure::NotFound) => CliError::new(format!(
            "The account {account} has no token {token}: see `packwright token list --account {account:?}`."
        )),
        other => refused(other),
    }
}

fn token_id(text: &str) -> Result<TokenId, String> {
    TokenId::parse(text).ok_or_else(|| "write the id of a token, such as tok_AZqzIBPlcACVXvHtSkt2Qw".into())
}
