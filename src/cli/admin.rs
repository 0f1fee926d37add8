//! The listener for operators.

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::ServeArgs;
use crate::http::connections::{self, ConnectionOptions};
use crate::http::{AdminOptions, LogFilter, Routes};
use crate::telemetry;

use super::CliError;

/// How long the requests of operators may take when the server has ended.
const CLOSING: std::time::Duration = std::time::Duration::from_secs(1);
/// The most connections of operators.
const CONNECTIONS: u32 = 64;

/// The listener for operators, before it serves.
pub(super) struct AdminListener {
    listener: TcpListener,
    pub(super) token: Option<String>,
}

impl AdminListener {
    /// Binds the address of `--admin-listen`, if there is one.
    pub(super) async fn bind(args: &ServeArgs) -> Result<Option<Self>, CliError> {
        let token = args.admin.token().map_err(CliError::new)?;
        let Some(address) = args.admin.admin_listen else { return Ok(None) };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            CliError::new(format!("--admin-listen (PACKWRIGHT_ADMIN_LISTEN): can't listen on {address}: {error}"))
        })?;
        Ok(Some(Self { listener, token }))
    }

    /// Serves the listener in a task, until the server ends.
    pub(super) fn serve(self, routes: Routes, ending: watch::Receiver<bool>) -> JoinHandle<()> {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!("listening for operators on http://{address}");
        }
        let options = ConnectionOptions {
            max: CONNECTIONS,
            max_per_peer: CONNECTIONS as usize,
            head_limit: 16 * 1024,
            ..ConnectionOptions::default()
        };
        tokio::spawn(connections::serve(self.listener, routes, options, ending))
    }
}

/// The options of the listener for operators.
pub(super) fn admin_options(token: Option<String>, ending: watch::Receiver<bool>) -> AdminOptions {
    let log_filter = LogFilter { read: Box::new(telemetry::filter), set: Box::new(telemetry::set_filter) };
    AdminOptions { token, log_filter, shutdown: Some(ending) }
}

/// Waits for the requests of operators, for a short time.
pub(super) async fn end_of_admin(admin: Option<JoinHandle<()>>) {
    if let Some(mut admin) = admin
        && tokio::time::timeout(CLOSING, &mut admin).await.is_err()
    {
        admin.abort();
    }
}
