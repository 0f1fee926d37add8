//! The exit statuses and the failures of commands.

/// The exit status of a command. Pipelines decide by it, so its numbers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command has done its work. After a preview: there is nothing to release. After a wait: the release has
    /// succeeded.
    Done = 0,
    /// The command line, a file, the connection or the token is wrong.
    Failed = 1,
    /// After a preview: there is something to release.
    Changes = 2,
    /// A rule of the server refuses, or a release would remove components without `--allow-removals`.
    Refused = 3,
    /// The release has ended without success, or more installations have failed than `--max-failed` allows.
    NotSucceeded = 4,
    /// The time of the wait is over, while the release goes on.
    StillRunning = 5,
    /// The release was halted by its rule.
    Halted = 6,
}

impl Exit {
    /// The number of the exit status.
    #[must_use]
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// The server's code, if it gave one.
    pub code: Option<String>,
    /// A sentence that says what to do.
    pub message: String,
    /// Whether the same call can succeed later by itself.
    pub(crate) is_passing: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, code: None, message: message.into(), is_passing: false }
    }

    /// A failure with a code of the server.
    pub(crate) fn coded(code: &str, message: impl Into<String>) -> Self {
        Self { code: Some(code.to_owned()), ..Self::new(message) }
    }

    /// A refusal by a rule, with its code.
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, ..Self::coded(code, message) }
    }

    /// A failure that may pass, so that the call is worth repeating.
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { is_passing: true, ..Self::new(message) }
    }

    /// Whether the failure has this code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}
