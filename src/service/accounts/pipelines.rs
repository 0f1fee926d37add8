//! JWTs of pipelines, used instead of API tokens (R70). They aren't stored. Until a JWT ends, its pipeline has the role
//! of the trusted publisher that the JWT matches.

use std::sync::Arc;

use crate::domain::Instant;
use crate::domain::accounts::{ApiToken, NoneTrusts, TrustedPublisher, choose};
use crate::domain::id::{AccountId, TokenId};
use crate::domain::text;
use crate::jwt::Proof;
use crate::store::accounts::trusted;

use crate::service::Services;
use crate::service::access::{Bearer, Caller, Viewer};
use crate::service::accounts::signed_tokens::refused;
use crate::service::accounts::token_uses::Used;
use crate::service::accounts::tokens::check_status;
use crate::service::error::Failure;

/// The most characters of a JWT's subject in the name of an actor.
const SUBJECT_MAX: usize = 255;

/// The account that a request names, for a JWT that trusted publishers of several accounts match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedAccount {
    #[default]
    Absent,
    Named(AccountId),
    /// A text that names no account. No JWT matches it.
    Unreadable,
}

impl NamedAccount {
    /// Reads an id as the API shows it, or a UUID.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        AccountId::parse(text).map_or(Self::Unreadable, Self::Named)
    }
}

/// Authenticates a JWT of an issuer of pipelines.
pub(super) async fn authenticate_pipeline(
    cx: &Services,
    token: &str,
    named: NamedAccount,
    request_id: Option<String>,
) -> Result<Caller, Failure> {
    let now = cx.clock.now();
    let proof = cx.pipelines.prove(token, now).await.map_err(|why| refused(cx, &why))?;
    let named = match named {
        NamedAccount::Absent => None,
        NamedAccount::Named(account) => Some(account),
        NamedAccount::Unreadable => return Err(refused(cx, &"the request names an account by a text that is no id")),
    };
    let matching = trusted::matching(&cx.db.whole_server(), &proof.issuer, &proof.claims, named).await?;
    let matching = matching.ok_or_else(|| refused(cx, &NoneTrusts::SeveralAccounts))?;
    let (publisher, account) = choose(matching, named).map_err(|why| refused(cx, &why))?;
    check_status(&account)?;
    cx.token_uses.remember(Used::TrustedPublisher(publisher.id), publisher.last_used_at, now);
    let bearer = Bearer::Pipeline { publisher: publisher.id, until: proof.until };
    let (account, token) = (Arc::new(account), Arc::new(shown(publisher, &proof, now)));
    Ok(Caller::Viewer(Box::new(Viewer { account, token, bearer, request_id })))
}

/// Represents a JWT as an API token. Its id is the trusted publisher's, so that all JWTs of a pipeline share a rate
/// limit, and so that log entries can be found by it.
fn shown(publisher: TrustedPublisher, proof: &Proof, now: Instant) -> ApiToken {
    let subject: String = proof.subject.chars().filter(|c| text::char_fits_a_line(*c)).take(SUBJECT_MAX).collect();
    ApiToken {
        id: TokenId(publisher.id.0),
        account_id: publisher.account_id,
        name: format!("{} ({subject})", publisher.name),
        role: publisher.role,
        created_at: proof.issued_at,
        created_by: publisher.created_by,
        last_used_at: Some(publisher.last_used_at.unwrap_or(now)),
        expires_at: Some(proof.expires_at),
        revoked_at: None,
        replaced_by: None,
    }
}
