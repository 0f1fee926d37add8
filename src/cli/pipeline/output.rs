//! Prints the results and the progress of the commands.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use pipeline::plan::Plan;
use pipeline::{Failure, Report, Talk};
use serde_json::json;

use super::arguments::FileOf;
use crate::cli::{print, terminal};

/// The width of the progress bar, in characters.
const BAR: usize = 24;
/// The most characters of the words beside the bar.
const WORDS: usize = 90;

/// Prints a report or a failure, and returns the exit status.
pub(super) fn finish(done: Result<Report, Failure>, json: bool) -> ExitCode {
    match done {
        Ok(report) => {
            if json {
                print(&terminal::json(&report.data));
            } else {
                report.lines.iter().for_each(|line| print(&terminal::line(line)));
            }
            if let Some(words) = report.words {
                say(&words);
            }
            ExitCode::from(report.exit.status())
        }
        Err(failure) => {
            if json {
                print(&terminal::json(&json!({ "error": { "code": failure.code, "message": failure.message } })));
            }
            let code = failure.code.map(|code| format!(" ({code})")).unwrap_or_default();
            say(&format!("packwright: {}{code}", failure.message));
            ExitCode::from(failure.exit.status())
        }
    }
}

/// Prints a sentence to standard error.
fn say(sentence: &str) {
    let _ = std::io::stderr().write_all(terminal::line(sentence).as_bytes());
}

/// Writes a plan into a file.
pub(super) fn write_plan(file: &FileOf, plan: &Plan) -> Result<(), Failure> {
    let wrong = |why: String| Failure::new(format!("The plan can't be written to {}: {why}.", file.display()));
    let text = serde_json::to_string_pretty(plan).map_err(|error| wrong(error.to_string()))?;
    std::fs::write(file, text + "\n").map_err(|error| wrong(error.to_string()))
}

/// Shows the progress of a command on standard error: a bar on a terminal, and sentences in any case.
pub(super) struct Terminal {
    is_terminal: bool,
    has_bar: bool,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), has_bar: false }
    }
}

impl Terminal {
    fn remove_bar(&mut self) {
        if std::mem::take(&mut self.has_bar) {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

impl Talk for Terminal {
    fn say(&mut self, sentence: &str) {
        self.remove_bar();
        say(sentence);
    }

    fn progress(&mut self, percent: f64, words: &str) {
        if !self.is_terminal {
            return;
        }
        let full = (percent.clamp(0.0, 100.0) / 100.0 * BAR as f64) as usize;
        let bar: String = (0..BAR).map(|at| if at < full { '#' } else { '.' }).collect();
        let words: String = words.chars().take(WORDS).collect();
        let line = format!("[{bar}] {percent:3.0} %  {words}");
        let _ = std::io::stderr().write_all(format!("\r\x1b[K{}", terminal::line(&line).trim_end()).as_bytes());
        self.has_bar = true;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.remove_bar();
    }
}
