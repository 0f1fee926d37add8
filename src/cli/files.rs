//! The process's limit of open files. Each connection needs one, and the default limit is often about a thousand.

/// The files that are needed besides the connections of clients and of the database: the log, the listener and others.
const OTHERS: u32 = 64;

/// The number of connections that can be served.
#[derive(Debug, PartialEq, Eq)]
pub struct Granted {
    pub connections: u32,
    /// The limit of open files, if it is too low for the configured connections.
    pub short_of: Option<u64>,
}

/// The number of connections, at most `requested`, that fit into a limit of `files` open files, of which `beside` are
/// needed for other purposes. `files` is `None` if there is no limit.
#[must_use]
pub fn granted(files: Option<u64>, requested: u32, beside: u32) -> Granted {
    let needed = u64::from(requested) + u64::from(beside);
    match files {
        Some(files) if files < needed => {
            let left = u32::try_from(files.saturating_sub(beside.into())).unwrap_or(requested);
            Granted { connections: left.max(1), short_of: Some(files) }
        }
        _ => Granted { connections: requested, short_of: None },
    }
}

/// Raises the process's limit as far as it is needed and allowed. Returns how many connections can be served.
/// `database` is the number of connections to the database.
pub fn raise_file_limit(requested: u32, database: u32) -> u32 {
    // The database's connections, the reserve for refused connections, and others.
    let beside = 2 * database + crate::http::connections::RESERVED + OTHERS;
    let granted = granted(raise(u64::from(requested) + u64::from(beside)), requested, beside);
    if let Some(files) = granted.short_of {
        tracing::warn!(
            "--max-connections {requested} can't be reached: the process may have {files} files open, so that {} connections are served; raise its hard limit (LimitNOFILE of systemd, ulimit -Hn), or lower --max-connections",
            granted.connections
        );
    }
    granted.connections
}

/// Raises the limit. Returns the new one; `None` if there is none.
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
