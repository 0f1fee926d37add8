//! The settings of pipelines whose JWTs are accepted.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::JwtArgs;
use crate::domain::webhooks::Destination;

/// The issuers that the demo allows, unless the operator names others.
const OF_DEMO: [&str; 2] = ["https://token.actions.githubusercontent.com", "https://gitlab.com"];
/// The audience of the demo, unless the operator names another.
pub const AUDIENCE_OF_DEMO: &str = "packwright-demo";
/// The most issuers.
const ISSUERS_MAX: usize = 20;

/// The settings of pipelines that accounts may trust.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "JWTs of pipelines")]
pub struct TrustedArgs {
    /// An issuer of JWTs of pipelines that accounts may trust, as the JWTs spell it, such as
    /// https://token.actions.githubusercontent.com. Its keys are read where its discovery document says, at global
    /// addresses alone unless --webhook-allow names others. May be given several times; the variable takes a list with
    /// commas. Without this option no account can trust a pipeline
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_TRUSTED_ISSUER", value_delimiter = ',', value_parser = issuer)]
    pub trusted_issuer: Vec<String>,

    /// The audience that a pipeline's JWT must name in its claim `aud`. Without this option it is the first
    /// --public-host
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_TRUSTED_AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    pub trusted_audience: Option<String>,
}

impl TrustedArgs {
    /// Checks that the settings go together, and with others.
    pub(super) fn check(&self, demo: bool, public_hosts: &[String], jwt: &JwtArgs) -> Result<(), String> {
        if self.trusted_issuer.len() > ISSUERS_MAX {
            return Err(format!("--trusted-issuer (PACKWRIGHT_TRUSTED_ISSUER) takes at most {ISSUERS_MAX} issuers."));
        }
        if self.trusted_issuer.is_empty() && self.trusted_audience.is_some() && !demo {
            return Err("--trusted-audience (PACKWRIGHT_TRUSTED_AUDIENCE) needs --trusted-issuer \
                        (PACKWRIGHT_TRUSTED_ISSUER): say whose JWTs are for this audience, or leave both out."
                .into());
        }
        if !self.trusted_issuer.is_empty() && self.audience(demo, public_hosts).is_none() {
            return Err("--trusted-issuer (PACKWRIGHT_TRUSTED_ISSUER) needs --trusted-audience \
                        (PACKWRIGHT_TRUSTED_AUDIENCE) or --public-host (PACKWRIGHT_PUBLIC_HOST): say for whom the \
                        JWTs are."
                .into());
        }
        match &jwt.jwt_issuer {
            Some(issuer) if self.trusted_issuer.contains(issuer) => Err(format!(
                "{issuer} can't be both --jwt-issuer (PACKWRIGHT_JWT_ISSUER), whose JWTs name an account themselves, \
                 and --trusted-issuer (PACKWRIGHT_TRUSTED_ISSUER), whose JWTs an account must trust: leave one out."
            )),
            _ => Ok(()),
        }
    }

    /// The issuers that accounts may trust, each once.
    #[must_use]
    pub fn issuers(&self, demo: bool) -> Vec<String> {
        let mut issuers = self.trusted_issuer.clone();
        if demo && issuers.is_empty() {
            issuers.extend(OF_DEMO.map(str::to_owned));
        }
        let mut seen = std::collections::BTreeSet::new();
        issuers.retain(|issuer| seen.insert(issuer.clone()));
        issuers
    }

    /// The audience of the JWTs.
    #[must_use]
    pub fn audience(&self, demo: bool, public_hosts: &[String]) -> Option<String> {
        let given = self.trusted_audience.as_ref().or(public_hosts.first()).cloned();
        given.or_else(|| demo.then(|| AUDIENCE_OF_DEMO.to_owned()))
    }

    pub(super) fn describe(&self, demo: bool, public_hosts: &[String]) -> [(&'static str, String); 2] {
        let issuers = self.issuers(demo);
        let audience = self.audience(demo, public_hosts).filter(|_| !issuers.is_empty());
        [("trusted-issuer", issuers.join(",")), ("trusted-audience", audience.unwrap_or_default())]
    }
}

/// Parses an issuer: an address without a query. The text stays unchanged, because JWTs must name exactly the same.
fn issuer(text: &str) -> Result<String, String> {
    let text = text.trim();
    match Destination::parse(text) {
        Some(address) if address.url().query().is_none() => Ok(text.to_owned()),
        _ => Err("write it as the JWTs name it, such as https://token.actions.githubusercontent.com".into()),
    }
}
