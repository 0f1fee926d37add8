//! How many files the process may have open: each connection is one, and what the operating system grants at
//! first is often a thousand.

/// What the process needs beside the connections of clients and of the database: the log, the listener, files.
const OTHERS: u32 = 64;

/// How many connections can be served.
#[derive(Debug, PartialEq, Eq)]
pub struct Granted {
    pub connections: u32,
    /// The most files, where they are too few for all connections that are wanted.
    pub short_of: Option<u64>,
}

/// What can be served of `wanted` connections, with so many files and `beside` of them for something else.
#[must_use]
pub fn granted(files: Option<u64>, wanted: u32, beside: u32) -> Granted {
    let needed = u64::from(wanted) + u64::from(beside);
    match files {
        Some(files) if files < needed => {
            let left = u32::try_from(files.saturating_sub(beside.into())).unwrap_or(wanted);
            Granted { connections: left.max(1), short_of: Some(files) }
        }
        _ => Granted { connections: wanted, short_of: None },
    }
}

/// Raises the process's limit to what is needed, as far as it may, and says how many connections that is enough for.
pub(super) fn make_room(wanted: u32, database: u32) -> u32 {
    // The database's connections, those that are told that there is no place, and a reserve.
    let beside = 2 * database + crate::http::connections::RESERVED + OTHERS;
    let granted = granted(raise(u64::from(wanted) + u64::from(beside)), wanted, beside);
    if let Some(files) = granted.short_of {
        tracing::warn!(
            "--max-connections {wanted} can't be reached: the process may have {files} files open, so that {} connections are served; raise its hard limit (LimitNOFILE of systemd, ulimit -Hn), or lower --max-connections",
            granted.connections
        );
    }
    granted.connections
}

/// How many files the process may have open now; `None` for as many as it likes.
#[cfg(unix)]
fn raise(needed: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    if current >= needed {
        return Some(current);
    }
    let raised = maximum.map_or(needed, |most| most.min(needed)).max(current);
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => Some(raised),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            Some(current)
        }
    }
}

#[cfg(not(unix))]
fn raise(_: u64) -> Option<u64> {
    None
}
