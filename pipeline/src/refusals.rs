//! The refusals of the operations on releases, as one type.

use serde::Serialize;

use crate::Failure;
use crate::operations::spelled;

/// Why a rule refuses.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) field: Option<Vec<String>>,
}

macro_rules! refusal_of {
    ($($operation:ident),*) => {
        $(impl From<crate::operations::$operation::Refusal> for Refusal {
            fn from(refusal: crate::operations::$operation::Refusal) -> Self {
                Self { code: spelled(&refusal.code), message: refusal.message, field: refusal.field }
            }
        })*
    };
}

refusal_of!(preview, release, pause, resume, roll_back_preview, roll_back);

/// The first of the refusals.
pub(crate) fn first<R: Into<Refusal>>(refusals: Vec<R>) -> Option<Refusal> {
    refusals.into_iter().next().map(Into::into)
}

impl Refusal {
    /// The refusal as the end of a command.
    pub(crate) fn into_failure(self) -> Failure {
        let more = match self.code.as_str() {
            "CONTENT_CHANGED" => {
                " The pack has changed since it was previewed: run `packwright preview` again, look at what is new, and \
                 release with the new plan."
            }
            "RELEASE_IN_PROGRESS" => " Wait for its end with `packwright watch`, and run the command again.",
            "RELEASE_ALREADY_PENDING" => " Cancel that one, or release without --on.",
            _ => "",
        };
        Failure::refused(&self.code, format!("{}{more}", self.message))
    }
}
