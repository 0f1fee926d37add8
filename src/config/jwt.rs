//! The settings of JWTs in the place of API tokens.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// The JWTs of an identity provider that are taken in the place of API tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "JWTs of an identity provider")]
pub struct JwtArgs {
    /// Take JWTs, too, that are signed with a key of this set: an https address, or a file. The issuer is
    /// trusted with every account. None are taken when it is not given
    #[arg(long, value_name = "URL|FILE", env = "PACKWRIGHT_JWKS", requires_all = ["jwt_issuer", "jwt_audience"])]
    pub jwks: Option<String>,

    /// What the claim `iss` of a JWT must be
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_JWT_ISSUER", requires = "jwks")]
    pub jwt_issuer: Option<String>,

    /// What the claim `aud` of a JWT must be, or hold
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_JWT_AUDIENCE", requires = "jwks")]
    pub jwt_audience: Option<String>,

    /// The algorithms that a JWT may be signed by; may be repeated, in the variable separated by commas
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        env = "PACKWRIGHT_JWT_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,PS256,ES256,ES384,EdDSA"
    )]
    pub jwt_algorithms: Vec<JwtAlgorithm>,

    /// The claim of a JWT that holds the account's id, as `packwright account list` shows it
    #[arg(long, value_name = "NAME", env = "PACKWRIGHT_JWT_ACCOUNT_CLAIM", default_value = "packwright_account")]
    pub jwt_account_claim: String,

    /// The claim of a JWT that holds its role: ADMINISTRATOR, STANDARD_USER, PRODUCTION_SUPPORT or SUPPORT,
    /// as a text or as a list of one
    #[arg(long, value_name = "NAME", env = "PACKWRIGHT_JWT_ROLE_CLAIM", default_value = "packwright_role")]
    pub jwt_role_claim: String,

    /// How many seconds the clock of a JWT's issuer may be from the server's
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_JWT_LEEWAY", default_value_t = 30, value_parser = clap::value_parser!(u16).range(..=300))]
    pub jwt_leeway: u16,

    /// After how many seconds the keys are read again; an unknown key is looked for at once, at most every
    /// 30 seconds. When they can't be read the former ones stay
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_JWKS_REFRESH", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub jwks_refresh: u32,
}

/// Asymmetric alone: a server that knows a shared secret could make tokens with it.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "verbatim")]
#[expect(missing_docs, reason = "RFC 7518 and RFC 8037 say what they are")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtAlgorithm {
    /// Its name in a JWT.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl JwtArgs {
    /// After how long the keys are read again.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh.into())
    }

    /// The resolved settings, by name.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let algorithms: Vec<_> = self.jwt_algorithms.iter().map(|algorithm| algorithm.name()).collect();
        vec![
            ("jwks", self.jwks.as_deref().map(shown).unwrap_or_default()),
            ("jwt-issuer", self.jwt_issuer.clone().unwrap_or_default()),
            ("jwt-audience", self.jwt_audience.clone().unwrap_or_default()),
            ("jwt-algorithms", algorithms.join(",")),
            ("jwt-account-claim", self.jwt_account_claim.clone()),
            ("jwt-role-claim", self.jwt_role_claim.clone()),
            ("jwt-leeway", self.jwt_leeway.to_string()),
            ("jwks-refresh", self.jwks_refresh.to_string()),
        ]
    }
}

/// The name of a file as it is, an address without what may be secret in it.
fn shown(jwks: &str) -> String {
    if jwks.contains("://") { super::blank(jwks) } else { jwks.to_owned() }
}
