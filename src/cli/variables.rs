//! Options from environment variables. An empty variable counts as unset. An error about a variable's value names the
//! variable.

use std::ffi::{OsStr, OsString};

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::sources::{CONFIG, Sources};

/// Parses the command line, the environment variables and the configuration file. Ends the process if they are invalid.
pub(super) fn parse<T: CommandFactory + FromArgMatches>() -> (T, Sources) {
    let mut command = T::command();
    let line = config_after_command(std::env::args_os().collect(), &command);
    let mut sources = Sources::default();
    if !asks_for_help(&line) {
        let read = Sources::read(&command, target(&command, &line), &line);
        sources = read.unwrap_or_else(|why| exit(&command.error(clap::error::ErrorKind::ValueValidation, why), &line));
    }
    let command = without_empty(for_serve_alone(sources.apply(command), &line));
    let parsed = command.clone().try_get_matches_from(&line).and_then(|matches| {
        sources.keep_origins(&command, &matches);
        T::from_arg_matches(&matches)
    });
    (parsed.unwrap_or_else(|error| exit(&explained(error, &command, &line), &line)), sources)
}

/// Prints an error or the help, and ends the process. A wrong command line usually has the exit status 2. For the
/// commands for pipelines it is 1, because their status 2 has another meaning.
fn exit(error: &clap::Error, line: &[OsString]) -> ! {
    if error.use_stderr() && super::pipeline::is_command(line.get(1)) {
        // If this fails, the error can't be shown anywhere else.
        let _ = error.print();
        std::process::exit(pipeline::Exit::Failed.status().into());
    }
    error.exit()
}

/// Moves `--config FILE` from before a command to after it: no other option may stand there.
fn config_after_command(mut line: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let words = match line.get(1).and_then(|word| word.to_str()?.strip_prefix("--")?.strip_prefix(CONFIG)) {
        Some("") => 2,
        Some(value) if value.starts_with('=') => 1,
        _ => return line,
    };
    if line.get(1 + words).is_some_and(|word| command.find_subcommand(word).is_some()) {
        line[1..2 + words].rotate_left(words);
    }
    line
}

/// Whether the line asks for a text about the program, which no setting may stop.
fn asks_for_help(line: &[OsString]) -> bool {
    let is_help = |word: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|help| word == help);
    line.get(1).is_some_and(|word| word == "help") || line.iter().skip(1).take_while(|word| *word != "--").any(is_help)
}

/// The command that a line names.
fn target<'a>(command: &'a Command, line: &[OsString]) -> &'a Command {
    line.iter().skip(1).fold(command, |found, word| found.find_subcommand(word).unwrap_or(found))
}

fn is_empty(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// Without a subcommand the program serves, so the top-level command has the options of `serve`. With a subcommand
/// their variables are ignored, so that a wrong one doesn't stop the subcommand.
fn for_serve_alone(command: Command, line: &[OsString]) -> Command {
    let named = line.get(1).is_some_and(|word| command.find_subcommand(word).is_some());
    let without = |arg: Arg| if arg.get_id() == CONFIG { arg } else { arg.env(Resettable::Reset) };
    if named { command.mut_args(without) } else { command }
}

/// Removes empty variables from a command and its subcommands.
fn without_empty(command: Command) -> Command {
    let command =
        command.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_empty)
}

/// Adds to an error the variable that the wrong value came from, and a valid value.
fn explained(mut error: clap::Error, command: &Command, line: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let shown = shown.clone();
    let words: Vec<_> = line.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    // The message contains it as `--option <VALUE>`.
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
    // Most messages contain an example already.
    let has_example = std::error::Error::source(&error).is_some_and(|why| why.to_string().contains("such as"));
    if let ([usual, ..], clap::error::ErrorKind::ValueValidation, false) =
        (arg.get_default_values(), error.kind(), has_example)
    {
        let tip = StyledStr::from(format!("a right value is {}", usual.to_string_lossy()));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// Finds an option in the named subcommand or its parents.
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
