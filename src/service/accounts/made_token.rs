//! The result of creating an API token (R1).

use crate::domain::id::TokenId;

use crate::service::accounts::tokens::IssuedToken;

/// A token that a call created. `secret` is `None` when the call was repeated, because a secret is shown only once.
pub(crate) struct MadeToken {
    pub token_id: TokenId,
    pub secret: Option<String>,
}

impl From<IssuedToken> for MadeToken {
    fn from(issued: IssuedToken) -> Self {
        Self { token_id: issued.token_id, secret: Some(issued.secret) }
    }
}
