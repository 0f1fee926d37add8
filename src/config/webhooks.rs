//! The settings of webhooks.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::domain::webhooks::AllowedNetworks;

/// Where events may be sent.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookArgs {
    /// An address or a network inside to which webhooks may be sent, over http too, such as 10.0.0.0/8. Keys of
    /// --trusted-issuer may be there too. Without this option both are at global addresses alone, over https. May be
    /// given several times; the variable takes a list with commas
    #[arg(long, value_name = "NETWORK", env = "PACKWRIGHT_WEBHOOK_ALLOW", value_delimiter = ',', value_parser = network)]
    pub webhook_allow: Vec<IpNet>,

    /// A file with the certificates of authorities (PEM) that webhooks trust beside the public ones. The keys
    /// of --trusted-issuer are read with them too: whoever holds such an authority can vouch for those keys
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

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network: Result<IpNet, _> = text.parse().or_else(|_| address());
    Ok(network.map_err(|_| "write an address or a network, such as 10.0.0.0/8".to_owned())?.trunc())
}
