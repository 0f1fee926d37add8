//! The settings of the listener for operators, and of the metrics.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::hosts;

/// The settings of the listener for operators, and of the metrics.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Operation")]
pub struct AdminArgs {
    /// A second IP address and port, for operators alone: /metrics, /livez, /readyz and /log-level. Without this option
    /// /metrics is on the address of --listen, for the tokens of a publisher's administrators and for programs on this
    /// computer. An address that others can reach needs --admin-token-file
    #[arg(long, value_name = "ADDRESS:PORT", env = "PACKWRIGHT_ADMIN_LISTEN", value_parser = hosts::listener)]
    pub admin_listen: Option<SocketAddr>,

    /// A file with a secret of 16 characters or more, which every request to the address of --admin-listen must bring
    /// as `Authorization: Bearer SECRET`. Only /livez and /readyz need none
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Count nothing for /metrics, and don't serve it
    #[arg(long, env = "PACKWRIGHT_NO_METRICS", value_parser = BoolishValueParser::new())]
    pub no_metrics: bool,
}

/// The least characters of the secret.
const TOKEN_MIN: usize = 16;

impl AdminArgs {
    /// Checks that the settings go together, with the address of the server's own listener.
    pub(super) fn check(&self, listen: SocketAddr) -> Result<(), String> {
        let Some(admin) = self.admin_listen else {
            return match self.admin_token_file {
                Some(_) => Err("The secret is for the address of operators: give --admin-listen \
                                (PACKWRIGHT_ADMIN_LISTEN) with it, or leave --admin-token-file \
                                (PACKWRIGHT_ADMIN_TOKEN_FILE) out."
                    .into()),
                None => Ok(()),
            };
        };
        let is_everywhere = admin.ip().is_unspecified() || listen.ip().is_unspecified();
        if admin.port() == listen.port() && admin.port() != 0 && (admin.ip() == listen.ip() || is_everywhere) {
            return Err(format!(
                "Clients and operators can't share {listen}: give --admin-listen (PACKWRIGHT_ADMIN_LISTEN) another \
                 port than --listen."
            ));
        }
        if !admin.ip().is_loopback() && self.admin_token_file.is_none() {
            return Err(format!(
                "Others can reach {admin}: give --admin-token-file (PACKWRIGHT_ADMIN_TOKEN_FILE), a file with a secret \
                 that Prometheus sends, or let --admin-listen be an address of this computer alone, such as \
                 127.0.0.1:{}.",
                admin.port()
            ));
        }
        Ok(())
    }

    /// Reads the secret. The error is a sentence that says what to change.
    pub fn token(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.admin_token_file else { return Ok(None) };
        let wrong =
            |why: String| format!("--admin-token-file (PACKWRIGHT_ADMIN_TOKEN_FILE) {}: {why}.", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let token = text.trim();
        if token.len() < TOKEN_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(format!(
                "write a secret of {TOKEN_MIN} or more ASCII characters without a space into it"
            )));
        }
        Ok(Some(token.to_owned()))
    }

    /// The settings in force: names and values.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let file = self.admin_token_file.as_ref();
        vec![
            ("admin-listen", self.admin_listen.map_or_else(String::new, |address| address.to_string())),
            ("admin-token-file", file.map_or_else(String::new, |file| file.display().to_string())),
            ("no-metrics", self.no_metrics.to_string()),
        ]
    }
}
