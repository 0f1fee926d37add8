//! Settings from a configuration file: what counts more, what is refused, and what is told about it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args as _, Command, FromArgMatches as _};
use packwright::config::{ServeArgs, example, file};

use crate::program::starts::{program, text_of};
use crate::support::{Ask, Program};

/// A folder with a configuration file.
fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("packwright.toml");
    std::fs::write(&path, text).expect("a file");
    (folder, path)
}

/// Runs `config check` with a file, options and variables.
async fn checked(text: &str, options: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let (_folder, path) = written(text);
    let path = path.to_str().expect("a name");
    let output = program(&["config", "check", "--config", path]).args(options).envs(variables.iter().copied()).output();
    let output = output.await.expect("it runs");
    (output.status.success(), text_of(&output).replace(path, "FILE"))
}

/// The value and the origin of a setting in the output of `config check`.
fn line<'a>(printed: &'a str, name: &str) -> (&'a str, &'a str) {
    let found = printed.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
    let (value, origin) = found.unwrap_or_else(|| panic!("no {name}: {printed}")).rsplit_once('#').expect("an origin");
    (value.trim(), origin.trim())
}

#[tokio::test]
async fn the_environment_counts_more_than_the_file_and_the_command_line_more_than_both() {
    let text = "max-cost = 111\nmax-depth = 11\nmax-tokens = 1111\ngraphiql = true\nslow-request = 0.5\n\
                public-host = [\"a.example\", \"b.example:81\"]\nlog-format = \"json\"\n";
    let variables =
        [("PACKWRIGHT_MAX_DEPTH", "12"), ("PACKWRIGHT_MAX_TOKENS", "1112"), ("PACKWRIGHT_MAX_ALIASES", " ")];
    let (well, printed) = checked(text, &["--max-tokens", "1113"], &variables).await;
    assert!(well, "{printed}");
    for (name, value, origin) in [
        ("max-cost", "111", "file FILE"),
        ("graphiql", "true", "file FILE"),
        ("slow-request", "0.5", "file FILE"),
        ("public-host", "a.example,b.example:81", "file FILE"),
        ("log-format", "json", "file FILE"),
        ("max-depth", "12", "variable PACKWRIGHT_MAX_DEPTH"),
        ("max-tokens", "1113", "command line"),
        ("max-aliases", "50", "default"),
        ("demo", "false", "default"),
    ] {
        assert_eq!(line(&printed, name), (value, origin), "{name}");
    }
    // A variable turns off what the file turns on.
    let (_, printed) = checked(text, &[], &[("PACKWRIGHT_GRAPHIQL", "false")]).await;
    assert_eq!(line(&printed, "graphiql"), ("false", "variable PACKWRIGHT_GRAPHIQL"));
    // The variable that hosting platforms set is a part of the environment too.
    let url = "database-url = \"sqlite://of-the-file.db\"";
    assert_eq!(line(&checked(url, &[], &[]).await.1, "database-url"), ("sqlite://of-the-file.db", "file FILE"));
    let (_, printed) = checked(url, &[], &[("DATABASE_URL", "sqlite://other.db")]).await;
    assert_eq!(line(&printed, "database-url"), ("sqlite://other.db", "variable DATABASE_URL"));
}

#[tokio::test]
async fn the_file_is_named_by_an_option_of_each_command_or_by_a_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("own.db").display());
    let (_folder, path) = written(&format!("database-url = \"{url}\"\nlisten = \"127.0.0.1:0\"\nmax-cost = 4321\n"));
    let path = path.to_str().expect("a name");
    let migrated = program(&["migrate", "up", "--config", path]).output().await.expect("it runs");
    assert!(migrated.status.success() && folder.path().join("own.db").is_file(), "{}", text_of(&migrated));
    let listed = program(&["account", "list"]).env("PACKWRIGHT_CONFIG", path).output().await.expect("it runs");
    assert!(listed.status.success(), "{}", text_of(&listed));
    let joined = format!("--config={path}");
    for arguments in [&["--config", path, "account", "list"][..], &[&joined, "account", "list"]] {
        let listed = program(arguments).output().await.expect("it runs");
        assert!(listed.status.success(), "{arguments:?}: {}", text_of(&listed));
    }
    let checked = program(&["check-config", &joined]).output().await.expect("it runs");
    assert_eq!(line(&text_of(&checked), "max-cost").0, "4321");
    let server = Program::start_with(&[], &[("PACKWRIGHT_CONFIG", path), ("PACKWRIGHT_MAX_CSOT", "1")]).await;
    assert_eq!(server.send(Ask::new("GET", "/readyz")).await.status, 200);
    server.logs(&["WARN", "PACKWRIGHT_MAX_CSOT sets nothing", "PACKWRIGHT_MAX_COST"]).await;
    // The variables of tests and examples are nobody's mistake, but those that only begin alike are.
    let others = [
        ("PACKWRIGHT_URL", "a"),
        ("PACKWRIGHT_TEST_SEED", "1"),
        ("PACKWRIGHT_URL_FILE", "b"),
        ("PACKWRIGHT_TOKENS", "c"),
    ];
    let (well, printed) = self::checked("", &[], &others).await;
    assert!(
        well && printed.contains("PACKWRIGHT_URL_FILE sets nothing") && printed.contains("PACKWRIGHT_TOKENS sets"),
        "{printed}"
    );
    assert!(!printed.contains("PACKWRIGHT_URL sets") && !printed.contains("PACKWRIGHT_TEST_SEED"), "{printed}");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_its_place_and_without_its_secrets() {
    for (text, parts) in [
        ("max-csot = 1", &["key max-csot", "nearest setting is max-cost"][..]),
        ("MAX_COST = 1000", &["key MAX_COST", "nearest setting is max-cost"]),
        ("colour = 1", &["key colour", "config example"]),
        ("config = \"other.toml\"", &["key config"]),
        ("[limits]\nmax-cost = 1000", &["section limits", "no sections"]),
        ("max-cost = 1", &["key max-cost", "at least 100"]),
        ("max-cost = \"many\"", &["key max-cost", "at least 100"]),
        ("max-cost = [1000, 2000]", &["key max-cost", "one value"]),
        ("graphiql = \"yes\"", &["key graphiql", "true or false"]),
        ("listen = \"nowhere\"", &["key listen", "127.0.0.1:8080"]),
        ("log-format = \"xml\"", &["key log-format", "text, json"]),
        ("jwt-algorithms = [\"HS256\"]", &["key jwt-algorithms", "EdDSA"]),
        ("cors-origin = [\"app.example\"]", &["key cors-origin", "https://app.example.com:8443"]),
        ("keep-events = 2027-01-31", &["key keep-events", "a text in quotes, or a number"]),
        ("max-cost = 1000\ndatabase-url = \"postgres://u:geheim@h/d\" x", &["line 2"]),
        ("max-cost = 1000\nmax-cost = 2000", &["line 2"]),
        ("database-url = \"mysql://u:geheim@h/d\"", &["sqlite://"]),
    ] {
        let (well, printed) = checked(text, &[], &[]).await;
        assert!(!well && parts.iter().all(|part| printed.contains(part)), "{text}: {printed}");
        assert!(!printed.contains("geheim"), "{text}: {printed}");
    }
    let none = program(&["serve", "--config", "/nowhere/packwright.toml"]).output().await.expect("it runs");
    let printed = text_of(&none);
    assert!(!none.status.success() && printed.contains("/nowhere/packwright.toml can't be read"), "{printed}");
    // A wrong file stops no command that needs no setting, and no help.
    for arguments in [&["schema"][..], &["config", "example"], &["--help"], &["serve", "--help"]] {
        let done = program(arguments).env("PACKWRIGHT_CONFIG", "/nowhere").output().await.expect("it runs");
        assert!(done.status.success(), "{arguments:?}: {}", text_of(&done));
    }
}

#[tokio::test]
async fn a_secret_comes_from_a_file_that_a_variable_names_and_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("url");
    std::fs::write(&secret, "postgres://u:geheim@h/d\n").expect("a file");
    let secret = secret.to_str().expect("a name");
    let by_file = ("PACKWRIGHT_DATABASE_URL_FILE", secret);
    let (well, printed) =
        checked("database-url = \"sqlite://a.db\"", &[], &[by_file, ("DATABASE_URL", "sqlite://b.db")]).await;
    assert!(well, "{printed}");
    assert_eq!(line(&printed, "database-url"), ("postgres://u:***@h/d", "variable PACKWRIGHT_DATABASE_URL_FILE"));
    let (_, printed) = checked("", &["--database-url", "sqlite://c.db"], &[by_file]).await;
    assert_eq!(line(&printed, "database-url"), ("sqlite://c.db", "command line"));
    let (well, printed) = checked("", &[], &[by_file, ("PACKWRIGHT_DATABASE_URL", "sqlite://d.db")]).await;
    assert!(!well && printed.contains("both set"), "{printed}");
    for (content, part) in [("", "one line"), ("a\nb", "one line")] {
        std::fs::write(secret, content).expect("a file");
        let (well, printed) = checked("", &[], &[by_file]).await;
        assert!(!well && printed.contains(part) && printed.contains(by_file.0), "{printed}");
    }
    let (well, printed) = checked("", &[], &[(by_file.0, "/nowhere/url")]).await;
    assert!(!well && printed.contains("/nowhere/url can't be read"), "{printed}");
    let (well, printed) = checked("database-url = \"postgres://u:geheim@h/d\"", &[], &[]).await;
    assert!(
        well && line(&printed, "database-url").0 == "postgres://u:***@h/d" && !printed.contains("geheim"),
        "{printed}"
    );
}

#[test]
fn the_example_has_every_setting_with_its_default_and_its_explanation() {
    let example = example::text();
    assert_eq!(file::parse(&example), Ok(Vec::new()), "as it is printed it sets nothing");
    let keys = example.lines().filter(|line| line.starts_with('#') && !line.starts_with("# "));
    let all: String = keys.map(|line| format!("{}\n", &line[1..])).collect();
    let command = || ServeArgs::augment_args(Command::new("serve"));
    let usual = ServeArgs::from_arg_matches(&command().get_matches_from(["serve"])).expect("settings").describe();
    // Each default is given as the file's value, so that it must be one that the option takes.
    let given: BTreeMap<_, _> =
        file::parse(&all).expect("valid").into_iter().map(|setting| (setting.key, setting.values)).collect();
    let filled = command().mut_args(|arg| match arg.get_long().and_then(|name| given.get(name)) {
        Some(values) => arg.default_values(values.clone()),
        None => arg,
    });
    let filled = ServeArgs::from_arg_matches(&filled.get_matches_from(["serve"])).expect("settings").describe();
    assert_eq!(filled, usual);
    for argument in command().get_arguments() {
        let name = argument.get_long().expect("a long name");
        assert!(all.contains(&format!("{name} = ")), "{name}");
        let variable = argument.get_env().expect("a variable").to_string_lossy();
        assert!(example.contains(&format!("# Variable: {variable}")), "{variable}");
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let words = |text: &str| text.split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ");
        assert!(words(&example).contains(&words(&help)), "{name} isn't explained");
    }
    assert!(example.lines().all(|line| line.chars().count() <= 120), "{example}");
}
