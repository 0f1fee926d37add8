//! The `clientRequestId` of a command: the same for the same call of the same run, so that a run that is tried again
//! changes nothing twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// To what a call belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// A run of a pipeline: it does each thing once.
    Run(String),
    /// A commit, where no run is known. It can be released again when something else has changed.
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

/// Makes the id of a call from what it belongs to, its command and arguments. The
/// server takes ids of up to 64 characters.
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
