//! The settings of JWTs that are accepted beside API tokens.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::numbers::number;
use crate::domain::host::has_host;

/// The options of JWTs, which are accepted in addition to API tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "JWTs of an identity provider")]
pub struct JwtArgs {
    /// Accept JWTs of an identity provider beside API tokens, if they are signed with a key of this key set (JWKS): an
    /// https address, or a file. The provider can then act for every account. Without this option no JWT is accepted.
    /// The variable PACKWRIGHT_JWKS_FILE names a file that holds the address
    #[arg(long, value_name = "URL|FILE", env = "PACKWRIGHT_JWKS", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub jwks: Option<String>,

    /// The issuer that a JWT must name in its claim `iss`
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_JWT_ISSUER", value_parser = party)]
    pub jwt_issuer: Option<String>,

    /// The audience that a JWT must name in its claim `aud`
    #[arg(long, value_name = "TEXT", env = "PACKWRIGHT_JWT_AUDIENCE", value_parser = party)]
    pub jwt_audience: Option<String>,

    /// A type that a JWT may name in its header `typ`, in any case: the types of access tokens. `none` accepts a JWT
    /// without a type. May be given several times; the variable takes a list with commas
    #[arg(
        long,
        value_name = "TYPE",
        env = "PACKWRIGHT_JWT_TYPES",
        value_delimiter = ',',
        default_value = "at+jwt,JWT",
        value_parser = jwt_type
    )]
    pub jwt_types: Vec<String>,

    /// An algorithm by which a JWT may be signed. May be given several times; the variable takes a list with commas
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        env = "PACKWRIGHT_JWT_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,PS256,ES256,ES384,EdDSA"
    )]
    pub jwt_algorithms: Vec<JwtAlgorithm>,

    /// The claim of a JWT that says which account it is for: an id as `packwright account list` or the API shows it
    #[arg(long, value_name = "NAME", env = "PACKWRIGHT_JWT_ACCOUNT_CLAIM", default_value = "packwright_account", value_parser = account_claim)]
    pub jwt_account_claim: String,

    /// The claim of a JWT that says which role it has: ADMINISTRATOR, STANDARD_USER, PRODUCTION_SUPPORT or SUPPORT, as
    /// a text or as a list of one text
    #[arg(long, value_name = "NAME", env = "PACKWRIGHT_JWT_ROLE_CLAIM", default_value = "packwright_role", value_parser = role_claim)]
    pub jwt_role_claim: String,

    /// By how many seconds the provider's clock may differ from this server's
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_JWT_LEEWAY", default_value_t = 30, value_parser = number::<u16>(0..=300, 30))]
    pub jwt_leeway: u16,

    /// The time between two reads of the key set, in seconds. A JWT with an unknown key makes the server read it at
    /// once, at most every 30 seconds. If the key set can't be read, the keys that were read last stay in use
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_JWKS_REFRESH", default_value_t = 300, value_parser = number::<u32>(10..=86_400, 300))]
    pub jwks_refresh: u32,
}

/// The algorithms that can be allowed. All are asymmetric: with a shared secret the server could make tokens itself.
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
    /// The algorithm's name in a JWT.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl JwtArgs {
    /// Checks that the settings go together.
    pub(super) fn check(&self) -> Result<(), String> {
        let (issuer, audience) = (self.jwt_issuer.is_some(), self.jwt_audience.is_some());
        if self.jwks.is_some() && !(issuer && audience) {
            return Err("--jwks (PACKWRIGHT_JWKS) needs --jwt-issuer (PACKWRIGHT_JWT_ISSUER) and --jwt-audience \
                        (PACKWRIGHT_JWT_AUDIENCE): say whose JWTs are taken, and for whom they are."
                .into());
        }
        if self.jwks.is_none() && (issuer || audience) {
            return Err("--jwt-issuer (PACKWRIGHT_JWT_ISSUER) and --jwt-audience (PACKWRIGHT_JWT_AUDIENCE) need \
                        --jwks (PACKWRIGHT_JWKS): say where the keys are, or leave both out."
                .into());
        }
        if self.jwt_account_claim == self.jwt_role_claim {
            return Err(format!(
                "One claim can't hold the account and the role: name another than {} in --jwt-account-claim \
                 (PACKWRIGHT_JWT_ACCOUNT_CLAIM) or --jwt-role-claim (PACKWRIGHT_JWT_ROLE_CLAIM).",
                self.jwt_role_claim
            ));
        }
        Ok(())
    }

    /// The time between two reads of the key set.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh.into())
    }

    /// The settings in force: names and values.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let algorithms: Vec<_> = self.jwt_algorithms.iter().map(|algorithm| algorithm.name()).collect();
        vec![
            ("jwks", self.jwks.as_deref().map(shown).unwrap_or_default()),
            ("jwt-issuer", self.jwt_issuer.clone().unwrap_or_default()),
            ("jwt-audience", self.jwt_audience.clone().unwrap_or_default()),
            ("jwt-types", self.jwt_types.join(",")),
            ("jwt-algorithms", algorithms.join(",")),
            ("jwt-account-claim", self.jwt_account_claim.clone()),
            ("jwt-role-claim", self.jwt_role_claim.clone()),
            ("jwt-leeway", self.jwt_leeway.to_string()),
            ("jwks-refresh", self.jwks_refresh.to_string()),
        ]
    }
}

/// The key set's setting for display: a file name whole, an address without its path and query, which may hold a
/// secret.
fn shown(jwks: &str) -> String {
    if !jwks.contains("://") {
        return jwks.to_owned();
    }
    let url = url::Url::parse(jwks).ok();
    let host = url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?)));
    host.map_or_else(|| "not to be read".to_owned(), |(scheme, host)| format!("{scheme}://{host}/…"))
}

/// Parses an issuer or an audience: any text, but a web address must have a valid host. The text stays unchanged,
/// because tokens must contain exactly the same.
fn party(text: &str) -> Result<String, String> {
    let leads_nowhere = |address: &str| !url::Url::parse(address).is_ok_and(|url| has_host(&url));
    let is_web = ["https:", "http:"].iter().any(|scheme| text.trim().to_ascii_lowercase().starts_with(scheme));
    if text.trim().is_empty() || is_web && leads_nowhere(text) {
        return Err("write it as the tokens name it, such as https://login.example.com".into());
    }
    Ok(text.to_owned())
}

/// The claims whose meaning RFC 7519 defines; they can't hold the account or the role.
const TAKEN: &[&str] = &["iss", "aud", "exp", "nbf", "iat", "jti", "typ"];

/// Parses the name of the account claim. It may be `sub`.
fn account_claim(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || TAKEN.contains(&name) {
        return Err("write the name of a claim that the issuer adds, such as packwright_account".into());
    }
    Ok(name.to_owned())
}

fn role_claim(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name == "sub" || TAKEN.contains(&name) {
        return Err("write the name of a claim that the issuer adds, such as packwright_role".into());
    }
    Ok(name.to_owned())
}

/// Parses a JWT type. `ID` is refused: an ID token informs a client about its user, and grants nothing.
fn jwt_type(text: &str) -> Result<String, String> {
    let name = text.trim();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._/".contains(c));
    if !plain || name.eq_ignore_ascii_case("id") {
        return Err("write a type of access tokens, such as at+jwt".into());
    }
    Ok(name.to_owned())
}
