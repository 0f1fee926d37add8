//! Where the settings come from: the configuration file, files of secrets, environment variables, the command line.
//!
//! Values of files become defaults of the options, so that the environment and the command line count more, and so
//! that clap checks all of them alike.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::config::file::{self, Setting, nearest};
use crate::config::{COMMON_VARIABLE, otlp_endpoint, ratio_of_sampler};

/// The option for the configuration file, and its variable.
pub(super) const CONFIG: &str = "config";
const CONFIG_VARIABLE: &str = "PACKWRIGHT_CONFIG";
/// The option for the collector of traces.
const ENDPOINT: &str = "otlp-endpoint";
const PREFIX: &str = "PACKWRIGHT_";

/// Variables that builds, tests and examples read. One that ends with `_` stands for all that begin with it.
const VARIABLES_OF_OTHERS: &[&str] = &[
    "PACKWRIGHT_ADVISORIES",
    "PACKWRIGHT_FAULTS",
    "PACKWRIGHT_FAULTS_",
    // The commands for pipelines read it where they have no token.
    "PACKWRIGHT_ID_TOKEN",
    "PACKWRIGHT_PAIR",
    "PACKWRIGHT_PAIRS_",
    "PACKWRIGHT_PROGRAM",
    "PACKWRIGHT_RECORD_",
    "PACKWRIGHT_SKIP_",
    "PACKWRIGHT_TEST_",
    "PACKWRIGHT_TOKEN",
    "PACKWRIGHT_URL",
];

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    CommandLine,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// A value that a file gives to an option.
#[derive(Debug)]
struct Given {
    values: Vec<String>,
    origin: Origin,
}

/// The values from files, by the option's name, and the unknown variables of the environment.
#[derive(Debug, Default)]
pub(super) struct Sources {
    given: BTreeMap<String, Given>,
    origins: BTreeMap<String, Origin>,
    /// A sentence for each variable that sets nothing.
    pub(super) unknown: Vec<String>,
}

impl Sources {
    /// Reads the files that `target`, the command to be run, needs. The error is a sentence.
    pub(super) fn read(command: &Command, target: &Command, line: &[OsString]) -> Result<Self, String> {
        let mut sources = Self { unknown: unknown_variables(command), ..Self::default() };
        let known = file::settings();
        let is_setting = |arg: &Arg| known.get_arguments().any(|setting| same(setting, arg));
        if target.get_arguments().any(is_setting)
            && let Some(path) = config_path(line)
        {
            for setting in file::read(&path)? {
                sources.add_setting(setting, &path);
            }
        }
        if target.get_arguments().any(|arg| arg.get_long() == Some(ENDPOINT)) {
            sources.add_opentelemetry()?;
        }
        for arg in target.get_arguments().filter(|arg| arg.is_hide_env_values_set()) {
            sources.add_secret(arg)?;
        }
        Ok(sources)
    }

    fn add_setting(&mut self, setting: Setting, path: &Path) {
        // The common variable belongs to the environment, which counts more than the file.
        if setting.key != "database-url" || variable(COMMON_VARIABLE).is_none() {
            let given = Given { values: setting.values, origin: Origin::File(path.to_owned()) };
            self.given.insert(setting.key, given);
        }
    }

    /// Takes the settings of traces from OpenTelemetry's variables, which count less than this program's own.
    fn add_opentelemetry(&mut self) -> Result<(), String> {
        let is = |name: &str, value: &str| variable(name).is_some_and(|set| set.trim().eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(());
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| Some((name.to_owned(), variable(name)?)));
        if let Some((name, value)) = first(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]) {
            otlp_endpoint(&value).map_err(|why| format!("{name}: {why}."))?;
            self.add(ENDPOINT, value, name);
            if let Some((name, value)) = first(["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]) {
                self.add("otlp-headers", value, name);
            }
            if let Some((name, value)) =
                first(["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
            {
                self.add("otlp-ca", value, name);
            }
            if let Some((name, value)) = first(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"])
                && value.trim() == "grpc"
            {
                self.unknown.push(format!(
                    "{name} is grpc, but traces are sent as JSON over HTTP: let the endpoint be the collector's HTTP \
                     port, which usually is 4318."
                ));
            }
        }
        if let Some(sampler) = variable("OTEL_TRACES_SAMPLER") {
            let ratio = ratio_of_sampler(&sampler, variable("OTEL_TRACES_SAMPLER_ARG").as_deref())
                .map_err(|why| format!("OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG: {why}."))?;
            self.add("trace-ratio", ratio, "OTEL_TRACES_SAMPLER".to_owned());
        }
        Ok(())
    }

    fn add(&mut self, option: &str, value: String, name: String) {
        self.given.insert(option.to_owned(), Given { values: vec![value], origin: Origin::Variable(name) });
    }

    /// Reads the file that `…_FILE` names, for a setting whose value is a secret.
    fn add_secret(&mut self, arg: &Arg) -> Result<(), String> {
        let (Some(own), Some(option)) = (arg.get_env(), arg.get_long()) else { return Ok(()) };
        let own = own.to_string_lossy();
        let name = format!("{own}_FILE");
        let Some(path) = variable(&name) else { return Ok(()) };
        if variable(&own).is_some() {
            return Err(format!("{own} and {name} are both set: leave one of them out."));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{name}: the file {path} can't be read: {error}."))?;
        let value = text.trim_end_matches(['\r', '\n']);
        if value.is_empty() || value.contains(['\r', '\n', '\0']) {
            return Err(format!("{name}: the file {path} must hold the value in one line, and nothing else."));
        }
        let given = Given { values: vec![value.to_owned()], origin: Origin::Variable(name) };
        self.given.insert(option.to_owned(), given);
        Ok(())
    }

    /// Makes the values of files the defaults of the options, in the command and its subcommands.
    pub(super) fn apply(&self, command: Command) -> Command {
        let command = command.mut_args(|arg| match arg.get_long().and_then(|name| self.given.get(name)) {
            // The help shows defaults, and would show the secret.
            Some(given) if arg.is_hide_env_values_set() => {
                arg.default_values(given.values.clone()).hide_default_value(true)
            }
            Some(given) if is_known(&arg) => arg.default_values(given.values.clone()),
            _ => arg,
        });
        command.mut_subcommands(|below| self.apply(below))
    }

    /// Keeps where the values of the executed command came from.
    pub(super) fn keep_origins(&mut self, command: &Command, matches: &ArgMatches) {
        let (mut command, mut matches) = (command, matches);
        while let Some((name, below)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, below);
        }
        for arg in command.get_arguments() {
            let Some(option) = arg.get_long() else { continue };
            let origin = match (matches.value_source(arg.get_id().as_str()), arg.get_env()) {
                (Some(ValueSource::CommandLine), _) => Origin::CommandLine,
                (Some(ValueSource::EnvVariable), Some(name)) => Origin::Variable(name.to_string_lossy().into_owned()),
                _ => match self.given.get(option) {
                    Some(given) => given.origin.clone(),
                    None if option == "database-url" && variable(COMMON_VARIABLE).is_some() => {
                        Origin::Variable(COMMON_VARIABLE.into())
                    }
                    None => Origin::Default,
                },
            };
            self.origins.insert(option.to_owned(), origin);
        }
    }

    /// Adds to each line `name = value` where the value came from.
    pub(super) fn annotated(&self, described: &str) -> String {
        let line = |line: &str| {
            let name = line.split(" =").next().unwrap_or_default();
            let origin = self.origins.get(name).unwrap_or(&Origin::Default);
            format!("{:<50} # {origin}\n", line.trim_end())
        };
        described.lines().map(line).collect()
    }
}

/// A variable that isn't empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Whether an option of any command is a setting of the file: other commands have options of the same name.
fn is_known(arg: &Arg) -> bool {
    file::settings().get_arguments().any(|setting| same(setting, arg))
}

fn same(setting: &Arg, arg: &Arg) -> bool {
    setting.get_long() == arg.get_long() && setting.get_env() == arg.get_env()
}

/// The configuration file that the command line names, else the variable. A value of another option can't begin with
/// dashes.
fn config_path(line: &[OsString]) -> Option<PathBuf> {
    let flag = format!("--{CONFIG}");
    let mut words = line.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if *word == *flag {
            return words.next().map(PathBuf::from);
        }
        if let Some(value) = word.to_str().and_then(|word| word.strip_prefix(&flag)?.strip_prefix('=')) {
            return Some(PathBuf::from(value));
        }
    }
    variable(CONFIG_VARIABLE).map(PathBuf::from)
}

/// A sentence for each variable with our prefix that no command reads.
fn unknown_variables(command: &Command) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect_variables(command, &mut known);
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> = set
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .filter(|name| !VARIABLES_OF_OTHERS.iter().any(|other| is_named(other, name)))
        .map(|name| match nearest(&name, &names) {
            Some(near) => format!("The variable {name} sets nothing; the nearest setting is {near}."),
            None => format!("The variable {name} sets nothing: there is no such setting."),
        })
        .collect();
    unknown.sort();
    unknown
}

fn is_named(other: &str, name: &str) -> bool {
    name == other || other.ends_with('_') && name.starts_with(other)
}

fn collect_variables(command: &Command, into: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env() else { continue };
        let name = name.to_string_lossy();
        if arg.is_hide_env_values_set() {
            into.insert(format!("{name}_FILE"));
        }
        into.insert(name.into_owned());
    }
    command.get_subcommands().for_each(|below| collect_variables(below, into));
}
