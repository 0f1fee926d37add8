//! The log, on standard error, as text or JSON.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogArgs, LogFormat};

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether the log is JSON. Then other output on standard error must be JSON too.
#[must_use]
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Starts the log of this process. Later calls change nothing. The error is a sentence about an invalid filter.
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
