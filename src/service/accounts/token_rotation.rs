//! Another secret in the place of a token's: the former one ends after an overlap, or at once.

use crate::service::accounts::tokens::{command_line_journal, insert_token};
use chrono::Duration;

use crate::domain::accounts::ApiToken;
use crate::domain::accounts::refusal::AccountRefusal;
use crate::domain::id::{AccountId, TokenId};
use crate::domain::{Instant, instant};
use crate::ids;
use crate::store::Tx;
use crate::store::accounts::write as accounts;

use crate::service::Services;
use crate::service::accounts::tokens::{IssuedToken, Making, NewToken};
use crate::service::error::{Failure, Outcome};
use crate::service::journal::{Entry, Subject};

/// How a token is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// How long the former token still opens the door; with none it is revoked at once.
    pub overlap: Duration,
    /// When the new token ends; when the former one would have, if it isn't given.
    pub expires_at: Option<Instant>,
}

/// What became of a rotation.
pub struct Rotated {
    /// The new token.
    pub issued: IssuedToken,
    /// When the new token ends, if it does.
    pub expires_at: Option<Instant>,
    /// Until when the former token works.
    pub former_ends_at: Instant,
}

/// Makes a token of the same account, name and role, and ends the former one, in one transaction: for the
/// command line. Over the API an administrator makes the new token, hands it out, and revokes the former
/// one when it likes.
///
/// # Errors
/// ALREADY_REVOKED, EXPIRY_NOT_IN_FUTURE, LAST_ADMINISTRATOR_TOKEN; not found, and bad input for a token
/// that has expired or was rotated already: a second new token would have the end of the overlap.
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
        tx.leave_once_known().await;
        return Err(AccountRefusal::AlreadyRevoked.into());
    }
    if !former.is_live(journal.now) {
        return Err(Failure::BadInput("The token has expired: make another.".into()).into());
    }
    if let Some(by) = former.replaced_by {
        tx.leave_once_known().await;
        let by = by.shown();
        let why = format!("The token was rotated already: rotate {by}, which took its place, or make another.");
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
    let (now, text) = (journal.now, |at: Option<Instant>| at.map(instant::spelled));
    let (entry, former_ends_at) = if rotation.overlap <= Duration::zero() {
        accounts::save_revoked(&tx, former.id, now).await?;
        (entry.change("revokedAt", None, text(Some(now))), now)
    } else {
        let end = former.expires_at.map_or(now + rotation.overlap, |end| end.min(now + rotation.overlap));
        accounts::save_expires(&tx, former.id, end).await?;
        (entry.change("expiresAt", text(former.expires_at), text(Some(end))), end)
    };
    journal.note(entry.concerning_managed(&account));
    journal.write(&tx).await?;
    tx.commit().await?;
    Ok(Rotated { issued, expires_at, former_ends_at })
}

/// Whether the account stays open without a token (R1). Its lock lets one call after the other count.
pub(in crate::service) async fn check_others_keep_open(tx: &Tx, token: &ApiToken) -> Outcome<(), AccountRefusal> {
    let others = accounts::tokens_in(tx, token.account_id).await?;
    let keep_open = others.iter().any(|other| other.id != token.id && other.keeps_the_account_open());
    if token.keeps_the_account_open() && !keep_open {
        return Err(AccountRefusal::LastAdministratorToken.into());
    }
    Ok(())
}
