//! JWTs of an identity provider, used instead of API tokens (R1, R4). They aren't stored: until a JWT expires, the
//! caller may do what its role allows. An administrator's JWT enrols its account.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::domain::accounts::{Account, AccountKind, Actor, ActorKind, ApiToken, Privilege, Role};
use crate::domain::id::TokenId;
use crate::domain::text;
use crate::jwt::{Identity, Jwt};
use crate::store::accounts::{authority, write as accounts};
use crate::store::convert::Stored as _;

use crate::service::Services;
use crate::service::access::{Bearer, Caller, Viewer};
use crate::service::accounts::enrolment::save_enrolled;
use crate::service::accounts::pipelines::{NamedAccount, authenticate_pipeline};
use crate::service::accounts::tokens::{REFUSED, check_status};
use crate::service::error::Failure;
use crate::service::journal::{Entry, Journal, Subject};

/// The most characters of a token name that is derived from a JWT's subject.
const NAME_MAX: usize = 255;

/// The refusal of a JWT on a server that accepts JWTs of pipelines. It doesn't depend on the reason, so that nobody can
/// find out which trusted publishers exist.
const JWT_REFUSED: Failure = Failure::Unauthenticated(
    "The token is unknown, revoked, expired or spent; ask for another. A pipeline's JWT must be for this server's \
     audience and have all claims of a trusted publisher; if several accounts trust the pipeline, name one in \
     X-Packwright-Account.",
);

/// Refuses a JWT. Only the server's log says why.
pub(super) fn refused(cx: &Services, why: &dyn std::fmt::Display) -> Failure {
    tracing::debug!(%why, "a JWT was refused");
    if cx.pipelines.is_empty() { REFUSED } else { JWT_REFUSED }
}

/// Authenticates a JWT. If it claims an issuer of pipelines, it is a pipeline's (R70), else the identity provider's.
pub(super) async fn authenticate_signed(
    cx: &Services,
    token: &str,
    named: NamedAccount,
    request_id: Option<String>,
) -> Result<Caller, Failure> {
    match &cx.jwt {
        Some(jwt) if !cx.pipelines.claim(token) => authenticate_identity(cx, jwt, token, request_id).await,
        _ => authenticate_pipeline(cx, token, named, request_id).await,
    }
}

/// Authenticates a JWT of the identity provider. Its account must exist and be active, and its role must be valid.
async fn authenticate_identity(
    cx: &Services,
    jwt: &Jwt,
    token: &str,
    request_id: Option<String>,
) -> Result<Caller, Failure> {
    let refused = |why: &dyn std::fmt::Display| refused(cx, why);
    let identity = jwt.identify(token, cx.clock.now()).await.map_err(|why| refused(&why))?;
    let role = Role::read(&identity.role).map_err(|_| refused(&"its role is unknown"))?;
    let account = authority::account(&cx.db.whole_server(), identity.account).await?;
    let account = account.ok_or_else(|| refused(&"its account doesn't exist"))?;
    check_status(&account)?;
    let bearer = Bearer::Signed { until: identity.until };
    let token = shown(&account, role, identity, cx.clock.now());
    let mut viewer = Viewer { account: Arc::new(account), token: Arc::new(token), bearer, request_id };
    if should_enrol(&viewer) {
        viewer.account = Arc::new(enrol_signed(cx, &viewer).await?);
    }
    Ok(Caller::Viewer(Box::new(viewer)))
}

/// Whether this request enrols the viewer's account. The first request with an administrator's JWT enrols a managed
/// account; afterwards the enrolment token from its publisher must not work any more (R1).
fn should_enrol(viewer: &Viewer) -> bool {
    let account = &viewer.account;
    account.kind == AccountKind::Managed
        && account.enrolled_at.is_none()
        && viewer.may(Privilege::AccountAdministration)
}

async fn enrol_signed(cx: &Services, viewer: &Viewer) -> Result<Account, Failure> {
    let tx = cx.db.begin().await?;
    let mut account = accounts::lock(&tx, viewer.account.id).await?.ok_or(REFUSED)?;
    let mut journal = Journal::of_viewer(cx, viewer, cx.now(&tx));
    if account.enrolled_at.is_some() {
        // A concurrent request has enrolled it.
        return Ok(account);
    }
    save_enrolled(&tx, &mut journal, &mut account).await?;
    let entry = Entry::of("enrolManagedAccount", Subject::account(&account), account.name.clone());
    journal.append_entry(entry.set("role", viewer.token.role.stored()).concerning_managed(&account));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(account)
}

/// Represents a JWT as an API token. The id is derived from account, issuer and subject, so that all JWTs of one
/// subject share a rate limit, and so that clients that cache objects by id see one token.
fn shown(account: &Account, role: Role, identity: Identity, now: crate::domain::Instant) -> ApiToken {
    let name: String =
        identity.subject.chars().filter(|c| text::fits_a_line(c.encode_utf8(&mut [0; 4]))).take(NAME_MAX).collect();
    ApiToken {
        id: id_of(account, &identity),
        account_id: account.id,
        name,
        role,
        created_at: identity.issued_at.unwrap_or(now),
        created_by: Actor { kind: ActorKind::ApiToken, name: identity.issuer, token_id: None, account_id: None },
        last_used_at: None,
        expires_at: Some(identity.expires_at),
        revoked_at: None,
        replaced_by: None,
    }
}

fn id_of(account: &Account, identity: &Identity) -> TokenId {
    let mut hash = Sha256::new();
    for part in [account.id.0.as_bytes().as_slice(), identity.issuer.as_bytes(), identity.subject.as_bytes()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
    TokenId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
