//! Authenticates bearer secrets, and creates and revokes API tokens (R1, R4).

use crate::domain::accounts::{Account, AccountRefusal, AccountStatus, ApiToken, Privilege, Role};
use crate::domain::id::{AccountId, TokenId};
use crate::domain::text::Name;
use crate::domain::{Instant, instant};
use crate::ids;
use crate::jwt::is_jwt;
use crate::service::accounts::enrolment::save_enrolled;
use crate::service::accounts::pipelines::NamedAccount;
use crate::service::accounts::signed_tokens::authenticate_signed;
use crate::service::accounts::token_rotation::check_others_keep_open;
use crate::service::accounts::token_uses::Used;
use crate::store::accounts::{authority, bearers, trusted, write as accounts};
use crate::store::convert::Stored as _;
use crate::store::{StoreError, Tx};

use crate::service::Services;
use crate::service::access::{Bearer, Caller, Enrolment, Viewer};
use crate::service::accounts::made_token::MadeToken;
use crate::service::error::{Failure, Outcome, text_fault};
use crate::service::journal::{Entry, Journal, Subject};
use crate::service::requests::{Repeatable, single};

/// A new API token with its secret, which is shown only once.
#[derive(Clone)]
pub struct IssuedToken {
    pub token_id: TokenId,
    pub secret: String,
}

/// The refusal of a token. It is the same for each reason, so that a caller can't find out which tokens exist.
pub(in crate::service) const REFUSED: Failure =
    Failure::Unauthenticated("The token is unknown, revoked, expired or spent; ask for another.");

/// Checks that an account may call the API.
///
/// # Errors
/// FORBIDDEN when the account is suspended.
pub(in crate::service) fn check_status(account: &Account) -> Result<(), Failure> {
    check_status_of(account.status)
}

/// Like [`check_status`], for a status.
pub(in crate::service) fn check_status_of(status: AccountStatus) -> Result<(), Failure> {
    match status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended => Err(Failure::Forbidden("The account is suspended; ask its publisher.".into())),
    }
}

/// Authenticates a bearer secret, before the document is read (R4). No secret gives an anonymous caller.
///
/// # Errors
/// [`Failure::Unauthenticated`] for an unknown, revoked, expired or spent token, [`Failure::Forbidden`]
/// for a suspended account's.
pub async fn authenticate(cx: &Services, secret: Option<&str>, request_id: Option<String>) -> Result<Caller, Failure> {
    authenticate_for(cx, secret, NamedAccount::Absent, request_id).await
}

/// [`authenticate`] for a request that names an account, which only a pipeline's JWT needs (R70).
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_for(
    cx: &Services,
    secret: Option<&str>,
    named: NamedAccount,
    request_id: Option<String>,
) -> Result<Caller, Failure> {
    let Some(secret) = secret else { return Ok(Caller::Anonymous) };
    if is_jwt(secret) && (cx.jwt.is_some() || !cx.pipelines.is_empty()) {
        // Boxed, because otherwise the future of every request would be as large as this one.
        return Box::pin(authenticate_signed(cx, secret, named, request_id)).await;
    }
    let (hash, now) = (ids::hash(secret), cx.clock.now());
    if let Some((token, account)) = bearers::by_hash(&cx.db.whole_server(), hash.clone(), now).await? {
        if !token.is_live(now) {
            return Err(REFUSED);
        }
        check_status(&account)?;
        cx.token_uses.remember(Used::Token(token.id), token.last_used_at, now);
        return Ok(Caller::Viewer(Box::new(Viewer { account, token, bearer: Bearer::Stored, request_id })));
    }
    let enrolment = Box::pin(accounts::enrolment_by_hash(&cx.db.whole_server(), &hash)).await?;
    let Some((row, account)) = enrolment else { return Err(REFUSED) };
    if row.spent_at.is_some() || row.expires_at <= now || account.enrolled_at.is_some() {
        return Err(REFUSED);
    }
    check_status(&account)?;
    Ok(Caller::Enrolment(Enrolment { account, token_id: row.id, request_id }))
}

/// Checks that a viewer's token is still valid, for subscriptions, which outlive their request. A JWT stays valid until
/// it expires, even if its key was withdrawn.
///
/// # Errors
/// [`Failure::Unauthenticated`] if it was revoked or has expired, [`Failure::Forbidden`] if its account was suspended
/// (R4).
pub async fn check_token_valid(cx: &Services, viewer: &Viewer) -> Result<(), Failure> {
    let now = cx.clock.now();
    let (live, status) = match viewer.bearer {
        Bearer::Stored => {
            let found = bearers::by_token(&cx.db.whole_server(), viewer.token.id, now).await?;
            let (token, account) = found.ok_or(REFUSED)?;
            (token.is_live(now), account.status)
        }
        Bearer::Signed { until } => {
            let account = authority::account(&cx.db.whole_server(), viewer.account.id).await?.ok_or(REFUSED)?;
            (now < until, account.status)
        }
        Bearer::Pipeline { publisher, until } => {
            let found = trusted::statuses(&cx.db.whole_server(), &[publisher]).await?.remove(&publisher);
            let status = found.filter(|_| now < until).ok_or(REFUSED)??;
            return check_status_of(status);
        }
    };
    if live { check_status_of(status) } else { Err(REFUSED) }
}

/// Creates a token for the caller's own account. An enrolment token creates the account's first token, which always has
/// the role ADMINISTRATOR, and is spent by that (R1).
///
/// # Errors
/// CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, EXPIRY_NOT_ALLOWED, EXPIRY_NOT_IN_FUTURE.
pub(crate) async fn create_token(
    cx: &Services,
    caller: &Caller,
    name: &str,
    role: Role,
    expires_at: Option<Instant>,
    client_request_id: Option<&str>,
) -> Outcome<MadeToken, AccountRefusal> {
    let input = (name, role.stored(), expires_at);
    let call = |account| Repeatable::call(account, "createApiToken", client_request_id, &input);
    match caller {
        Caller::Enrolment(enrolment) => {
            let call = call(enrolment.account.id)?;
            Ok(enrol(cx, enrolment, name, expires_at, &call).await?.into())
        }
        Caller::Anonymous | Caller::Viewer(_) => {
            let viewer = caller.viewer()?;
            viewer.require(Privilege::AccountAdministration)?;
            let new = NewToken { name, role, expires_at, secret: ids::secret("pwt_") };
            make_token(cx, viewer.account.id, |now| Journal::of_viewer(cx, viewer, now), new, &call(viewer.account.id)?)
                .await
        }
    }
}

async fn enrol(
    cx: &Services,
    enrolment: &Enrolment,
    name: &str,
    expires_at: Option<Instant>,
    call: &Repeatable,
) -> Outcome<IssuedToken, AccountRefusal> {
    let tx = cx.db.begin().await?;
    // A spent enrolment token isn't accepted any more, so only an administrator's token can repeat the call.
    if call.made_before(&tx, cx.now(&tx), AccountRefusal::ClientRequestIdReused).await?.is_some() {
        return Err(REFUSED.into());
    }
    let mut account = accounts::lock(&tx, enrolment.account.id).await?.ok_or(Failure::NotFound)?;
    check_status(&account)?;
    let row = accounts::lock_enrolment(&tx, enrolment.token_id).await?;
    let now = cx.now(&tx);
    let mut journal = Journal::of_enrolment(cx, &enrolment.account, enrolment.request_id.clone(), now);
    // Of two concurrent enrolments, the second finds the token spent or replaced.
    if account.enrolled_at.is_some() || !row.is_some_and(|row| row.spent_at.is_none() && row.expires_at > now) {
        return Err(REFUSED.into());
    }
    let name = token_name(name)?;
    if expires_at.is_some() {
        return Err(AccountRefusal::ExpiryNotAllowed.into());
    }
    accounts::save_spent(&tx, enrolment.token_id, now).await?;
    save_enrolled(&tx, &mut journal, &mut account).await?;
    let new =
        NewToken { name: name.as_str(), role: Role::Administrator, expires_at: None, secret: ids::secret("pwt_") };
    let issued = insert_token(cx, &tx, &mut journal, &account, new, Making::Enrolment).await?;
    call.remember(&tx, &[issued.token_id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(issued)
}

async fn make_token<'a>(
    cx: &'a Services,
    account: AccountId,
    journal: impl FnOnce(Instant) -> Journal<'a>,
    new: NewToken<'_>,
    call: &Repeatable,
) -> Outcome<MadeToken, AccountRefusal> {
    let tx = cx.db.begin().await?;
    if let Some(made) = call.made_before(&tx, cx.now(&tx), AccountRefusal::ClientRequestIdReused).await? {
        return Ok(MadeToken { token_id: single(&made)?, secret: None });
    }
    let mut account = accounts::lock(&tx, account).await?.ok_or(Failure::NotFound)?;
    let mut journal = journal(cx.now(&tx));
    let name = token_name(new.name)?;
    // An account that was enrolled by a JWT has no API token yet.
    let first = account.enrolled_at.is_none()
        || journal.authority.is_some_and(|caller| caller.is_signed())
            && accounts::tokens_in(&tx, account.id).await?.is_empty();
    match new.expires_at {
        Some(_) if first => return Err(AccountRefusal::ExpiryNotAllowed.into()),
        Some(end) if end <= journal.now => return Err(AccountRefusal::ExpiryNotInFuture.into()),
        _ => {}
    }
    if first && new.role != Role::Administrator {
        let why = "The first token of an account must have the role ADMINISTRATOR: nobody could make another.";
        return Err(Failure::BadInput(why.into()).into());
    }
    if first {
        save_enrolled(&tx, &mut journal, &mut account).await?;
    }
    let new = NewToken { name: name.as_str(), ..new };
    let issued = insert_token(cx, &tx, &mut journal, &account, new, Making::Another).await?;
    call.remember(&tx, &[issued.token_id.0]).await?;
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(issued.into())
}

/// Creates an API token of an account, with its event or entry. The caller has checked its name and its limits.
pub(in crate::service) async fn insert_token(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    account: &Account,
    new: NewToken<'_>,
    making: Making,
) -> Result<IssuedToken, StoreError> {
    let token = ApiToken {
        id: cx.ids.next(),
        account_id: account.id,
        name: new.name.to_owned(),
        role: new.role,
        created_at: journal.now,
        created_by: journal.actor().clone(),
        last_used_at: None,
        expires_at: new.expires_at,
        revoked_at: None,
        replaced_by: None,
    };
    accounts::insert_token(tx, &token, ids::hash(&new.secret)).await?;
    let entry = match making {
        Making::Another => Entry::of("createApiToken", Subject::ApiToken(token.id), token.name.clone()),
        // The publisher doesn't see the token's name, so the entry is about the account.
        Making::Enrolment => Entry::of("enrolManagedAccount", Subject::account(account), account.name.clone()),
    };
    journal.append_entry(entry.set("role", token.role.stored()).concerning_managed(account));
    Ok(IssuedToken { token_id: token.id, secret: new.secret })
}

/// Revokes a token of the caller's own account. Its open subscriptions end.
///
/// # Errors
/// ALREADY_REVOKED, LAST_ADMINISTRATOR_TOKEN; not found.
pub(crate) async fn revoke_token(cx: &Services, caller: &Viewer, token: TokenId) -> Outcome<(), AccountRefusal> {
    caller.require(Privilege::AccountAdministration)?;
    revoke(cx, caller.account.id, token, |now| Journal::of_viewer(cx, caller, now)).await
}

async fn revoke<'a>(
    cx: &'a Services,
    account: AccountId,
    token: TokenId,
    journal: impl FnOnce(Instant) -> Journal<'a>,
) -> Outcome<(), AccountRefusal> {
    let tx = cx.db.begin().await?;
    // The account's lock serializes revocations, so that the check of the remaining tokens is right.
    let account = accounts::lock(&tx, account).await?.ok_or(Failure::NotFound)?;
    let token = accounts::lock_token(&tx, account.id, token).await?.ok_or(Failure::NotFound)?;
    let mut journal = journal(cx.now(&tx));
    if token.revoked_at.is_some() {
        tx.roll_back_after_cache_expiry().await;
        return Err(AccountRefusal::AlreadyRevoked.into());
    }
    check_others_keep_open(&tx, &token).await?;
    // A caller may revoke its own token, so the journal must not check at the commit whether that is still valid.
    journal.authority = journal.authority.filter(|caller| !caller.is_token(token.id));
    accounts::save_revoked(&tx, token.id, journal.now).await?;
    let entry = Entry::of("revokeApiToken", Subject::ApiToken(token.id), token.name).change(
        "revokedAt",
        None,
        Some(instant::to_text(journal.now)),
    );
    journal.append_entry(entry.concerning_managed(&account));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Creates a token for any account. For the command line.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG, EXPIRY_NOT_ALLOWED, EXPIRY_NOT_IN_FUTURE; not found.
pub async fn create_token_for(
    cx: &Services,
    account: AccountId,
    name: &str,
    role: Role,
    expires_at: Option<Instant>,
) -> Outcome<IssuedToken, AccountRefusal> {
    let journal = command_line_journal(cx, account).await?;
    let secret = ids::secret("pwt_");
    let new = NewToken { name, role, expires_at, secret: secret.clone() };
    let made = make_token(cx, account, journal, new, &Repeatable::never()).await?;
    Ok(IssuedToken { token_id: made.token_id, secret })
}

/// Creates a token with a given secret, for the demo's fixed tokens.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG; not found.
pub async fn create_token_with_secret(
    cx: &Services,
    account: AccountId,
    name: &str,
    role: Role,
    secret: &str,
) -> Outcome<TokenId, AccountRefusal> {
    let journal = command_line_journal(cx, account).await?;
    let new = NewToken { name, role, expires_at: None, secret: secret.to_owned() };
    Ok(make_token(cx, account, journal, new, &Repeatable::never()).await?.token_id)
}

/// The tokens of any account, newest first. For the command line.
pub async fn tokens_of(cx: &Services, account: AccountId) -> Result<Vec<ApiToken>, Failure> {
    Ok(accounts::tokens_of(&cx.db.whole_server(), account).await?)
}

/// Revokes a token of any account, under the same rules (R1). For the command line.
///
/// # Errors
/// ALREADY_REVOKED, LAST_ADMINISTRATOR_TOKEN; not found.
pub(crate) async fn revoke_token_of(cx: &Services, account: AccountId, token: TokenId) -> Outcome<(), AccountRefusal> {
    let journal = command_line_journal(cx, account).await?;
    revoke(cx, account, token, journal).await
}

/// Returns a function that takes the transaction's time, and opens the command line's journal for an account.
pub(in crate::service) async fn command_line_journal<'a>(
    cx: &'a Services,
    account: AccountId,
) -> Result<impl FnOnce(Instant) -> Journal<'a> + use<'a>, Failure> {
    let account = authority::account(&cx.db.whole_server(), account).await?.ok_or(Failure::NotFound)?;
    Ok(move |now| Journal::of_command_line(cx, account.publisher_id, now))
}

/// How a token is created.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) enum Making {
    /// By an enrolment token: a managed account's first token (R1).
    Enrolment,
    Another,
}

/// A token to be created.
pub(in crate::service) struct NewToken<'a> {
    pub(in crate::service) name: &'a str,
    pub(in crate::service) role: Role,
    pub(in crate::service) expires_at: Option<Instant>,
    pub(in crate::service) secret: String,
}

/// Reads the name of a token.
///
/// # Errors
/// NAME_REQUIRED, NAME_TOO_LONG.
pub(in crate::service) fn token_name(raw: &str) -> Outcome<Name, AccountRefusal> {
    Name::parse(raw).map_err(|fault| text_fault(fault, AccountRefusal::NameRequired, AccountRefusal::NameTooLong))
}
