//! The log: to standard error, as text or as JSON.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogArgs, LogFormat};

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether this process writes its log as JSON: then nothing else may stand between the lines.
#[must_use]
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

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
        LogFormat::Json => {
            IS_JSON.store(true, Ordering::Relaxed);
            let started = log.json().flatten_event(true).try_init();
            std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
            started
        }
    };
    Ok(())
}
