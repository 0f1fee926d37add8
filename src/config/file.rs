//! The configuration file: a TOML file whose keys are the names of `serve`'s options.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Args as _, Command};

use super::ServeArgs;

/// A setting in the file, with one value or the values of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option's name, without dashes before it.
    pub key: String,
    /// At least one value.
    pub values: Vec<String>,
}

/// The command whose options the file can set.
#[must_use]
pub fn settings() -> Command {
    ServeArgs::augment_args(Command::new("settings").no_binary_name(true).disable_help_flag(true))
}

/// Reads a configuration file. The error is a sentence that begins with the file's name.
pub fn read(path: &Path) -> Result<Vec<Setting>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("The configuration file {shown} can't be read: {error}."))?;
    parse(&text).map_err(|why| format!("The configuration file {shown}, {why}"))
}

/// Parses a configuration file, and checks each setting for itself. An empty text and an empty list set nothing. The
/// error begins with the place, and holds no value of a secret.
pub fn parse(text: &str) -> Result<Vec<Setting>, String> {
    // The error's own text shows the line, which can hold a password.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        format!("line {line}: {}.", error.message().replace('\n', ", "))
    })?;
    let known = settings();
    let mut read = Vec::new();
    for (key, value) in table {
        let Some(arg) = known.get_arguments().find(|arg| arg.get_long() == Some(&key)) else {
            return Err(unknown(&key, &value, &known));
        };
        let values = values(arg, &value).map_err(|why| format!("key {key}: {why}."))?;
        if !values.is_empty() {
            check(arg, &values).map_err(|why| format!("key {key}: {why}."))?;
            read.push(Setting { key, values });
        }
    }
    Ok(read)
}

fn unknown(key: &str, value: &toml::Value, known: &Command) -> String {
    if value.is_table() {
        return format!(
            "section {key}: the file has no sections. Its keys are the names of options, such as max-cost."
        );
    }
    let names: Vec<_> = known.get_arguments().filter_map(Arg::get_long).collect();
    let near = nearest(&key.replace('_', "-").to_lowercase(), &names);
    let advice = near.map_or_else(
        || "`packwright config example` prints all settings".to_owned(),
        |name| format!("the nearest setting is {name}"),
    );
    format!("key {key}: there is no such setting; {advice}.")
}

/// The name that differs least from a word; `None` if all differ by more than a third of the word.
#[must_use]
pub fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    let near = names.iter().copied().min_by_key(|name| distance(name))?;
    (distance(near) <= word.chars().count().div_ceil(3)).then_some(near)
}

/// The values as the command line would have them.
fn values(arg: &Arg, value: &toml::Value) -> Result<Vec<String>, String> {
    if is_switch(arg) {
        return match value {
            toml::Value::Boolean(on) => Ok(vec![on.to_string()]),
            _ => Err("write true or false, without quotes".into()),
        };
    }
    let texts = match value {
        toml::Value::Array(values) if is_list(arg) => values.iter().map(scalar).collect::<Option<Vec<_>>>(),
        toml::Value::Array(_) => return Err("this setting has one value, and no list of them".into()),
        single => scalar(single).map(|text| vec![text]),
    };
    let mut texts = texts.ok_or("write a text in quotes, or a number")?;
    texts.retain(|text| !text.trim().is_empty());
    Ok(texts)
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Lets the option's own parser judge the values.
fn check(arg: &Arg, values: &[String]) -> Result<(), String> {
    if is_switch(arg) {
        return Ok(());
    }
    let name = arg.get_long().unwrap_or_default();
    let alone = arg.clone().env(Resettable::Reset).default_values(Vec::<OsStr>::new());
    let command = Command::new("setting").no_binary_name(true).disable_help_flag(true).arg(alone);
    let line = values.iter().map(|value| OsString::from(format!("--{name}={value}")));
    let Err(error) = command.try_get_matches_from(line) else { return Ok(()) };
    if let Some(why) = std::error::Error::source(&error) {
        return Err(why.to_string());
    }
    Err(match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => format!("write one of {}", valid.join(", ")),
        _ => "this value can't be used".into(),
    })
}

/// Whether an option is on or off, and takes no value on the command line.
#[must_use]
pub fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// Whether an option can have several values.
#[must_use]
pub fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}
