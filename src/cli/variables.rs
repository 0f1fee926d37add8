//! Options that are given by environment variables. An empty variable is as good as none, and a message about
//! a value that came from a variable names the variable.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// Reads the command line and the variables of this process; ends it when they can't be read.
pub(super) fn parse<T: CommandFactory + FromArgMatches>() -> T {
    let line: Vec<OsString> = std::env::args_os().collect();
    let command = without_empty(T::command());
    let parsed = command.clone().try_get_matches_from(&line).and_then(|matches| T::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| name_variable(error, &command, &line).exit())
}

fn is_empty(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// The command and those below it, without the variables that are empty.
fn without_empty(command: Command) -> Command {
    let command =
        command.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_empty)
}

/// The same error with the variable that the value came from.
fn name_variable(mut error: clap::Error, command: &Command, line: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let shown = shown.clone();
    let Some(variable) = variable_of(&shown, command, line) else { return error };
    error.insert(ContextKind::InvalidArg, ContextValue::String(format!("{variable} (the variable of {shown})")));
    error
}

/// The variable of an option, when the option isn't on the command line.
fn variable_of(shown: &str, command: &Command, line: &[OsString]) -> Option<String> {
    let words: Vec<_> = line.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    let mut commands = vec![command];
    for word in &words {
        if let Some(below) = commands.last().and_then(|command| command.find_subcommand(word.as_ref())) {
            commands.push(below);
        }
    }
    // As a message shows it: `--option <VALUE>`.
    let option = shown.split([' ', '=']).next()?;
    let meant = |arg: &&Arg| arg.get_long().is_some_and(|long| option.strip_prefix("--") == Some(long));
    let arg = commands.iter().rev().find_map(|command| command.get_arguments().find(meant))?;
    let is_given = words.iter().any(|word| *word == option || word.starts_with(&format!("{option}=")));
    let variable = arg.get_env().filter(|name| !is_given && std::env::var_os(name).is_some());
    variable.map(|name| name.to_string_lossy().into_owned())
}
