use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why a mutation of webhook endpoints was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookRefusal {
    NameRequired,
    NameTooLong,
    NameTaken,
    TooManyEndpoints,
    /// The host can't be found, or its address isn't allowed. The refusal doesn't say which, because that would reveal
    /// the operator's network (R65).
    UrlNotAllowed,
    /// Carries a sentence that says what is wrong with the document.
    DocumentNotAllowed(String),
    AlreadyPaused,
    NotPaused,
    CursorExpired,
    OverlapOutOfBounds,
    ClientRequestIdReused,
}

impl Refusal for WebhookRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give a name.",
            Self::NameTooLong => "Shorten the name to 255 characters.",
            Self::NameTaken => "Another endpoint has this name, whatever the case; choose another.",
            Self::TooManyEndpoints => "The account has 20 endpoints; delete one of them first.",
            Self::UrlNotAllowed => {
                "Give an https address of a host on the internet, of up to 2,000 characters, without a user and a fragment."
            }
            Self::DocumentNotAllowed(why) => return format!("Give one subscription of `events` alone. {why}"),
            Self::AlreadyPaused => "The endpoint is paused or disabled already.",
            Self::NotPaused => "The endpoint is active already; there is nothing to resume.",
            Self::CursorExpired => {
                "The events after this cursor are no longer kept; give a newer one, such as viewer.eventCursor."
            }
            Self::OverlapOutOfBounds => "Let the former secret sign for 0 to 604,800 seconds.",
            Self::ClientRequestIdReused => REUSED,
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken => path(&["name"]),
            Self::TooManyEndpoints => None,
            Self::UrlNotAllowed => path(&["url"]),
            Self::DocumentNotAllowed(_) => path(&["document"]),
            Self::AlreadyPaused | Self::NotPaused => path(&["endpointId"]),
            Self::CursorExpired => path(&["after"]),
            Self::OverlapOutOfBounds => path(&["overlapSeconds"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}
