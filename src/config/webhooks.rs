//! The settings of webhooks.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::domain::webhooks::AllowedNetworks;

use super::hosts;

/// The settings of webhooks.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookArgs {
    /// A private address or network to which webhooks may be sent, over http as well as https, such as 10.0.0.0/8. Keys
    /// of --trusted-issuer may be read there, too. Without this option webhooks go to global addresses alone, over
    /// https, and keys are read there. May be given several times; the variable takes a list with commas
    #[arg(long, value_name = "NETWORK", env = "PACKWRIGHT_WEBHOOK_ALLOW", value_delimiter = ',', value_parser = hosts::network)]
    pub webhook_allow: Vec<IpNet>,

    /// A PEM file with certificates of authorities that webhooks trust in addition to the public ones. They are trusted
    /// for reading the keys of --trusted-issuer, too, so such an authority can vouch for wrong keys
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_WEBHOOK_CA")]
    pub webhook_ca: Option<PathBuf>,
}

impl WebhookArgs {
    /// The networks to which webhooks may be sent. The demo sends to its own computer, too.
    #[must_use]
    pub fn allowed(&self, demo: bool) -> AllowedNetworks {
        let networks = AllowedNetworks::new(self.webhook_allow.clone());
        if demo { networks.with_loopback() } else { networks }
    }

    pub(super) fn describe(&self) -> [(&'static str, String); 2] {
        let networks: Vec<_> = self.webhook_allow.iter().map(ToString::to_string).collect();
        let file = self.webhook_ca.as_ref().map_or_else(String::new, |file| file.display().to_string());
        [("webhook-allow", networks.join(",")), ("webhook-ca", file)]
    }
}
