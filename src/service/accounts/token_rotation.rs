//! Rotation: replaces a token by a new one. The former token becomes invalid after an overlap, or at once.

use chrono::Duration;

use crate::domain::accounts::{AccountRefusal, ApiToken};
use crate::domain::id::{AccountId, TokenId};
use crate::domain::{Instant, instant};
use crate::ids;
use crate::service::accounts::tokens::{IssuedToken, Making, NewToken, command_line_journal, insert_token};
use crate::store::Tx;
use crate::store::accounts::write as accounts;

use crate::service::Services;
use crate::service::error::{Failure, Outcome};
use crate::service::journal::{Entry, Subject};

/// The options of a rotation.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// How long the former token stays valid. Zero revokes it at once.
    pub overlap: Duration,
    /// The expiry of the new token; `None` keeps the former token's.
    pub expires_at: Option<Instant>,
}

/// The result of a rotation.
pub struct Rotated {
    /// The new token.
    pub issued: IssuedToken,
    /// The expiry of the new token, if it has one.
    pub expires_at: Option<Instant>,
    /// The end of the former token's validity.
    pub former_ends_at: Instant,
}

/// Creates a token with the same account, name and role, and ends the former one, in one transaction. For the command
/// line. Over the API, administrators create a token, distribute it, and revoke the former one later.
///
/// # Errors
/// ALREADY_REVOKED, EXPIRY_NOT_IN_FUTURE, LAST_ADMINISTRATOR_TOKEN; not found; bad input for a token that has expired,
/// or that was rotated already: a second new token would inherit the end of the overlap as its expiry.
pub async fn rotate_token_of(
    cx: &Services,
    account: AccountId,
    token: TokenId,
    rotation: Rotation,
) -> Outcome<Rotated, AccountRefusal> {
    let journal = command_line_journal(cx, account).await?;
    let tx = cx.db.begin().await?;
    let account = accounts::lock(&tx, account).await?.ok_or(Failure::NotFound)?;
    let former = accounts::lock_token(&tx, account.id, token).await?.ok_or(Failure::NotFound)?;
    let mut journal = journal(cx.now(&tx));
    if former.revoked_at.is_some() {
        tx.roll_back_after_cache_expiry().await;
        return Err(AccountRefusal::AlreadyRevoked.into());
    }
    if !former.is_live(journal.now) {
        return Err(Failure::BadInput("The token has expired: make another.".into()).into());
    }
    if let Some(by) = former.replaced_by {
        tx.roll_back_after_cache_expiry().await;
        let why = format!("The token was rotated already: rotate {by}, which replaced it, or make another.");
        return Err(Failure::BadInput(why).into());
    }
    let expires_at = rotation.expires_at.or(former.expires_at);
    if expires_at.is_some_and(|end| end <= journal.now) {
        return Err(AccountRefusal::ExpiryNotInFuture.into());
    }
    if former.keeps_the_account_open() && expires_at.is_some() {
        check_others_keep_open(&tx, &former).await?;
    }
    let new = NewToken { name: &former.name, role: former.role, expires_at, secret: ids::secret("pwt_") };
    let issued = insert_token(cx, &tx, &mut journal, &account, new, Making::Another).await?;
    accounts::save_replaced_by(&tx, former.id, issued.token_id).await?;
    let entry = Entry::of("commandLine.rotateApiToken", Subject::ApiToken(former.id), former.name.clone()).refer(
        "replacedBy",
        None,
        Some(Subject::ApiToken(issued.token_id)),
    );
    let (now, text) = (journal.now, |at: Option<Instant>| at.map(instant::to_text));
    let (entry, former_ends_at) = if rotation.overlap <= Duration::zero() {
        accounts::save_revoked(&tx, former.id, now).await?;
        (entry.change("revokedAt", None, text(Some(now))), now)
    } else {
        let end = former.expires_at.map_or(now + rotation.overlap, |end| end.min(now + rotation.overlap));
        accounts::save_expires(&tx, former.id, end).await?;
        (entry.change("expiresAt", text(former.expires_at), text(Some(end))), end)
    };
    journal.append_entry(entry.concerning_managed(&account));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(Rotated { issued, expires_at, former_ends_at })
}

/// Checks that the account keeps an administrator's token without an expiry when `token` ends (R1). The caller has
/// locked the account, so concurrent revocations can't both pass.
pub(in crate::service) async fn check_others_keep_open(tx: &Tx, token: &ApiToken) -> Outcome<(), AccountRefusal> {
    let others = accounts::tokens_in(tx, token.account_id).await?;
    let keep_open = others.iter().any(|other| other.id != token.id && other.keeps_the_account_open());
    if token.keeps_the_account_open() && !keep_open {
        return Err(AccountRefusal::LastAdministratorToken.into());
    }
    Ok(())
}
