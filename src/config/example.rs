//! `packwright config example`: the configuration file with all settings, made from the options' definitions.

use clap::Arg;

use super::file::{is_list, is_switch, settings};

/// The longest line of an explanation.
const WIDTH: usize = 100;

const HEAD: &str = "\
# The settings of Packwright. Each line that begins with `#` and a key has the default: take the `#` away to change it.
# `packwright serve --config FILE` reads the file, or the variable PACKWRIGHT_CONFIG names it. The environment counts
# more than this file, and the command line more than the environment. `packwright config check` says where each value
# came from. An empty text and an empty list set nothing.
";

/// The text of the file. It sets nothing, because all its lines are comments.
#[must_use]
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    let command = settings();
    let mut heading = None;
    for arg in command.get_arguments() {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            let title = heading.unwrap_or("General");
            text += &format!("\n# ---- {title} {}\n", "-".repeat(WIDTH.saturating_sub(title.len() + 8)));
        }
        text.push('\n');
        let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        for line in wrapped(&help) {
            text += &format!("# {line}\n");
        }
        let variable = arg.get_env().unwrap_or_default().to_string_lossy();
        text += &format!("# Variable: {variable}{}\n", choices(arg));
        text += &format!("#{} = {}\n", arg.get_long().unwrap_or_default(), default(arg));
    }
    text
}

/// The possible values of an option that has a fixed set of them.
fn choices(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    if is_switch(arg) || values.is_empty() {
        return String::new();
    }
    let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    format!(". Values: {}", names.join(", "))
}

/// The default as TOML.
fn default(arg: &Arg) -> String {
    let texts: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if is_switch(arg) {
        return texts.first().cloned().unwrap_or_else(|| "false".into());
    }
    if is_list(arg) {
        let values: Vec<_> = texts.iter().flat_map(|text| text.split(',')).map(quoted).collect();
        return format!("[{}]", values.join(", "));
    }
    match texts.first() {
        Some(text) if text.parse::<f64>().is_ok() => text.clone(),
        Some(text) => quoted(text),
        None => "\"\"".into(),
    }
}

/// A text in quotes. JSON's notation of texts is valid TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text in lines of at most `WIDTH` characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH - 2 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
