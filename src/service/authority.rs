//! Checks a caller's rights again at the end of a transaction (R4). The request was authenticated before it waited for
//! locks; meanwhile the token may have been revoked or have expired, or the account been suspended.

use crate::domain::id::{AccountId, TokenId};
use crate::store::Tx;
use crate::store::accounts::{authority, write_trusted as trusted};

use super::Services;
use super::access::{Bearer, Viewer};
use super::error::Failure;
use crate::service::accounts::{REFUSED, check_status};

/// The account and token that a viewer's rights depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority {
    account: AccountId,
    token: TokenId,
    bearer: Bearer,
}

impl Authority {
    pub(super) fn of(viewer: &Viewer) -> Self {
        Self { account: viewer.account.id, token: viewer.token.id, bearer: viewer.bearer }
    }

    /// Whether the rights depend on this API token.
    pub(super) fn is_token(&self, token: TokenId) -> bool {
        self.bearer == Bearer::Stored && self.token == token
    }

    /// Whether the rights depend on a JWT of the identity provider.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self.bearer, Bearer::Signed { .. })
    }

    /// Checks the token again, in a transaction that is about to commit. It locks the token or the trusted publisher, so
    /// that a call that revokes or deletes it waits for the commit.
    pub(super) async fn check_token(&self, services: &Services, tx: &Tx) -> Result<(), Failure> {
        let live = match self.bearer {
            Bearer::Stored => {
                let token = authority::token(tx, self.token).await?;
                token.is_some_and(|token| token.is_live(services.now(tx)))
            }
            Bearer::Signed { until } => services.now(tx) < until,
            Bearer::Pipeline { publisher, until } => trusted::hold(tx, publisher).await? && services.now(tx) < until,
        };
        if live { Ok(()) } else { Err(REFUSED) }
    }

    /// Checks the account again, in a transaction that has written to the logs. Its account isn't locked, but a
    /// suspension writes to the logs too: it comes before this transaction in them, and is seen here, or it comes after.
    pub(super) async fn check_account(&self, tx: &Tx) -> Result<(), Failure> {
        check_status(&authority::account(tx, self.account).await?.ok_or(REFUSED)?)
    }
}
