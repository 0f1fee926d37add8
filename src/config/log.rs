//! The settings of the log.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text for each message, for people
    #[default]
    Text,
    /// One JSON object for each message, for programs
    Json,
}

/// The settings of the log.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// How the log is written. It goes to standard error
    #[arg(long, value_enum, value_name = "FORMAT", env = "PACKWRIGHT_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: `error`, `warn`, `info`, `debug` or `trace`. One part of the program can have another level:
    /// `info,packwright::http=debug`
    #[arg(long, value_name = "FILTER", env = "PACKWRIGHT_LOG", default_value = "info,sqlx=warn", value_parser = filter)]
    pub log: String,
}

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Checks a log filter. The logging library takes an unknown word for a module's name, and would then log that module
/// alone; this function refuses it. The error says what to write instead.
pub fn filter(text: &str) -> Result<String, String> {
    let example = "write a level (off, error, warn, info, debug or trace), or filters such as \
                   info,packwright=debug";
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word.trim()));
    let mut says_of_us = false;
    for part in text.split(',') {
        let (target, level) = match part.trim().rsplit_once('=') {
            Some((target, level)) => (target, level),
            None => ("", part),
        };
        if !is_level(level) && !part.contains('[') {
            return Err(format!("`{}` is no level: {example}", level.trim()));
        }
        says_of_us |= target.is_empty() || target.starts_with("packwright") || target.starts_with('[');
    }
    if !says_of_us {
        return Err(format!("nothing of Packwright itself would be logged: {example}"));
    }
    EnvFilter::try_new(text).map_err(|error| format!("{error}: {example}"))?;
    Ok(text.to_owned())
}
