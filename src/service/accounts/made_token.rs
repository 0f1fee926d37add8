//! What making an API token gives (R1).

use crate::domain::id::TokenId;

use crate::service::accounts::tokens::IssuedToken;

/// A token that a call made: its secret is told once, a repeated call says which token it was.
pub struct MadeToken {
    pub token_id: TokenId,
    pub secret: Option<String>,
}

impl From<IssuedToken> for MadeToken {
    fn from(issued: IssuedToken) -> Self {
        Self { token_id: issued.token_id, secret: Some(issued.secret) }
    }
}
