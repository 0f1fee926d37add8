//! Derives the `clientRequestId` of a call. The same call of the same run gets the same id, so that the server
//! recognizes it when a run is repeated.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The run or the commit for which a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// A run of a pipeline. It makes each call once.
    Run(String),
    /// A commit, where no run is known. It can be released again when the pack's content has changed.
    Commit(String),
}

impl Belonging {
    fn text(&self) -> String {
        match self {
            Self::Run(run) => format!("run {run}"),
            Self::Commit(commit) => format!("commit {commit}"),
        }
    }
}

/// The id of a call: a hash of the run or commit, the command and its arguments. It has at most 64 characters, the most
/// that the server accepts.
#[must_use]
pub fn derived(belongs_to: &Belonging, command: &str, arguments: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [belongs_to.text().as_str(), command].into_iter().chain(arguments.iter().copied()) {
        // The length keeps `ab`, `c` and `a`, `bc` apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("{command}-{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
}
