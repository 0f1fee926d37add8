//! Options that are given by environment variables. An empty variable is as good as none, and a message about
//! a value that came from a variable names the variable.

use std::ffi::{OsStr, OsString};

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// Reads the command line and the variables of this process; ends it when they can't be read.
pub(super) fn parse<T: CommandFactory + FromArgMatches>() -> T {
    let line: Vec<OsString> = std::env::args_os().collect();
    let command = without_empty(for_serve_alone(T::command(), &line));
    let parsed = command.clone().try_get_matches_from(&line).and_then(|matches| T::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| explained(error, &command, &line).exit())
}

fn is_empty(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// Without a command the program serves, so that the whole of it has the server's options. Where a command is
/// named they don't count, and a wrong variable of the server must not stop that command.
fn for_serve_alone(command: Command, line: &[OsString]) -> Command {
    let named = line.get(1).is_some_and(|word| command.find_subcommand(word).is_some());
    if named { command.mut_args(|arg| arg.env(Resettable::Reset)) } else { command }
}

/// The command and those below it, without the variables that are empty.
fn without_empty(command: Command) -> Command {
    let command =
        command.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_empty)
}

/// The same error with the variable that a wrong value came from, and with a right one.
fn explained(mut error: clap::Error, command: &Command, line: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let shown = shown.clone();
    let words: Vec<_> = line.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    // As a message shows it: `--option <VALUE>`.
    let Some(option) = shown.split([' ', '=']).next().and_then(|option| option.strip_prefix("--")) else {
        return error;
    };
    let Some(arg) = argument(option, command, &words) else { return error };
    let is_given = words
        .iter()
        .filter_map(|word| word.strip_prefix("--"))
        .any(|word| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')));
    if let Some(variable) = arg.get_env().filter(|name| !is_given && std::env::var_os(name).is_some()) {
        let named = format!("{} (the variable of {shown})", variable.to_string_lossy());
        error.insert(ContextKind::InvalidArg, ContextValue::String(named));
    }
    // Most messages give an example already.
    let has_example = std::error::Error::source(&error).is_some_and(|why| why.to_string().contains("such as"));
    if let ([usual, ..], clap::error::ErrorKind::ValueValidation, false) =
        (arg.get_default_values(), error.kind(), has_example)
    {
        let tip = StyledStr::from(format!("a right value is {}", usual.to_string_lossy()));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// The option of the command that is named, or of one above it.
fn argument<'a>(option: &str, command: &'a Command, words: &[std::borrow::Cow<'_, str>]) -> Option<&'a Arg> {
    let mut commands = vec![command];
    for word in words {
        if let Some(below) = commands.last().and_then(|command| command.find_subcommand(word.as_ref())) {
            commands.push(below);
        }
    }
    let is_it = |arg: &&Arg| arg.get_long() == Some(option);
    commands.iter().rev().find_map(|command| command.get_arguments().find(is_it))
}
