//! Listeners that a supervisor has opened: systemd's socket activation (LISTEN_FDS, LISTEN_PID).

#[cfg(unix)]
use std::net::TcpListener as Opened;

use tokio::net::TcpListener;

use crate::config::ServeArgs;

use super::CliError;

/// The listener for clients that the supervisor has opened; `None` if it has opened none for this process. The address
/// of `args` is then that of the listener.
#[cfg(unix)]
pub(super) fn given(args: &mut ServeArgs) -> Result<Option<TcpListener>, CliError> {
    let mut sockets = listenfd::ListenFd::from_env();
    if sockets.len() == 0 {
        return Ok(None);
    }
    if sockets.len() > 1 {
        return Err(CliError::new(
            "The supervisor passes more than one socket (LISTEN_FDS): give one, on which clients are served. \
             --admin-listen names the address for operators.",
        ));
    }
    let wrong = |why: &dyn std::fmt::Display| {
        CliError::new(format!("The supervisor's socket (LISTEN_FDS) can't be listened on: {why}."))
    };
    let opened: Option<Opened> = sockets.take_tcp_listener(0).map_err(|error| wrong(&error))?;
    let opened = opened.ok_or_else(|| wrong(&"there is none"))?;
    opened.set_nonblocking(true)?;
    args.listen = opened.local_addr().map_err(|error| wrong(&error))?;
    Ok(Some(TcpListener::from_std(opened)?))
}

/// Systems other than Unix have no such sockets.
#[cfg(not(unix))]
pub(super) fn given(_: &mut ServeArgs) -> Result<Option<TcpListener>, CliError> {
    Ok(None)
}
