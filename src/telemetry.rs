//! The log: to standard error, as text or as JSON.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogArgs, LogFormat};

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// A sentence that says what is wrong with the filter.
pub fn start(args: &LogArgs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("--log {}: {error}", args.log))?;
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a log has been started before, as in a test.
    let _ = match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
