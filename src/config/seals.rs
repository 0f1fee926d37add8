//! Where the seals of the audit log are sent.

use std::fmt::{Display, Formatter, Result as Written};
use std::path::PathBuf;

/// A destination of seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealsDestination {
    /// The server's log.
    Log,
    /// A file that lines are added to.
    File(PathBuf),
}

impl Display for SealsDestination {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self {
            Self::Log => f.write_str("log"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

pub(super) fn destination(text: &str) -> Result<SealsDestination, String> {
    match text.trim() {
        path if path.is_empty() || path.contains(char::is_control) => {
            Err("write log, or the path of a file such as /var/lib/packwright-seals/seals.jsonl".into())
        }
        "log" => Ok(SealsDestination::Log),
        path => Ok(SealsDestination::File(path.into())),
    }
}
