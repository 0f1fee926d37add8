use async_graphql::{Enum, Object};

use crate::domain::refusal::Refusal as _;
use crate::domain::webhooks::WebhookRefusal;

/// The error of a refused change of webhook endpoints.
#[derive(Clone, Debug)]
pub struct WebhookError(WebhookRefusal);

impl From<WebhookRefusal> for WebhookError {
    fn from(refusal: WebhookRefusal) -> Self {
        Self(refusal)
    }
}

/// The error of a refused change of webhook endpoints.
#[Object]
impl WebhookError {
    /// The rule that refused.
    pub async fn code(&self) -> WebhookErrorCode {
        WebhookErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }
}

/// The reasons to refuse a change of webhook endpoints.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookErrorCode {
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// Another endpoint of the account has the name.
    NameTaken,
    /// The account has 20 endpoints.
    TooManyEndpoints,
    /// The address is no https address of up to 2,000 characters without user and fragment, or isn't allowed.
    UrlNotAllowed,
    /// The document isn't one subscription of `events` alone that the server accepts.
    DocumentNotAllowed,
    /// The endpoint is paused or disabled already.
    AlreadyPaused,
    /// The endpoint is neither paused nor disabled.
    NotPaused,
    /// The events after the cursor are no longer kept.
    CursorExpired,
    /// The overlap lies outside 0 to 604,800 seconds.
    OverlapOutOfBounds,
    /// The same ID came with another input.
    ClientRequestIdReused,
}

impl From<&WebhookRefusal> for WebhookErrorCode {
    fn from(refusal: &WebhookRefusal) -> Self {
        use WebhookRefusal as R;
        match refusal {
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::NameTaken => Self::NameTaken,
            R::TooManyEndpoints => Self::TooManyEndpoints,
            R::UrlNotAllowed => Self::UrlNotAllowed,
            R::DocumentNotAllowed(_) => Self::DocumentNotAllowed,
            R::AlreadyPaused => Self::AlreadyPaused,
            R::NotPaused => Self::NotPaused,
            R::CursorExpired => Self::CursorExpired,
            R::OverlapOutOfBounds => Self::OverlapOutOfBounds,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
        }
    }
}
