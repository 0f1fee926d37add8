//! The log, on standard error, as text or JSON.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogArgs, LogFormat, log_filter};

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The filter of this process's log.
static FILTER: OnceLock<Filter> = OnceLock::new();

/// The filter of the start and the present one.
struct Filter {
    first: String,
    present: Mutex<String>,
    replace: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

/// Whether the log is JSON. Then other output on standard error must be JSON too.
#[must_use]
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Starts the log of this process. Later calls change nothing. The error is a sentence about an invalid filter.
pub fn start(args: &LogArgs) -> Result<(), String> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("--log {}: {error}", args.log))?;
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A macro and not a function, because the loggers for text and for JSON have different types.
    macro_rules! start {
        ($log:expr) => {{
            let log = $log.with_filter_reloading();
            let handle = log.reload_handle();
            let replace = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            (log.try_init().is_ok(), Box::new(replace) as Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>)
        }};
    }
    let (is_first, replace) = match args.log_format {
        LogFormat::Text => start!(log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))),
        LogFormat::Json => {
            IS_JSON.store(true, Ordering::Relaxed);
            let started = start!(log.json().flatten_event(true));
            std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
            started
        }
    };
    // Only in tests a log may have been started before.
    if is_first {
        let _ = FILTER.set(Filter { first: args.log.clone(), present: Mutex::new(args.log.clone()), replace });
    }
    Ok(())
}

/// The present filter; empty if the process has no log.
#[must_use]
pub fn filter() -> String {
    FILTER
        .get()
        .map_or_else(String::new, |filter| filter.present.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Sets another filter; `None` sets the filter of the start again. The error says what is wrong with the filter, and
/// then nothing has changed.
pub fn set_filter(text: Option<&str>) -> Result<(), String> {
    let filter = FILTER.get().ok_or("this process has no log")?;
    let text = log_filter(text.unwrap_or(&filter.first))?;
    let parsed = EnvFilter::try_new(&text).map_err(|error| error.to_string())?;
    let mut present = filter.present.lock().unwrap_or_else(PoisonError::into_inner);
    (filter.replace)(parsed)?;
    let before = std::mem::replace(&mut *present, text);
    tracing::info!(before, now = *present, "another log filter is in force");
    Ok(())
}

/// The detailed filter.
const DETAILED: &str = "debug,sqlx=warn,hyper=info";

/// Switches between the filter of the start and a detailed one.
pub fn toggle_detail() {
    let is_detailed = filter() == DETAILED;
    if let Err(why) = set_filter(if is_detailed { None } else { Some(DETAILED) }) {
        tracing::warn!(why, "the log filter stays as it is");
    }
}
