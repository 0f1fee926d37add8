//! Options given by environment variables, tested with the real program, because its environment can be controlled.

use std::collections::BTreeMap;

use clap::{Args as _, Command};
use packwright::config::ServeArgs;

use crate::program::starts::{program, run, text_of};

/// The options of `serve`, by environment variable.
fn variables() -> BTreeMap<String, String> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let found = command.get_arguments().filter_map(|argument| {
        Some((argument.get_env()?.to_string_lossy().into_owned(), argument.get_long()?.to_owned()))
    });
    found.collect()
}

/// Whether a command succeeds with these variables, and what it prints.
async fn with(arguments: &[&str], variables: impl IntoIterator<Item = (String, String)>) -> (bool, String) {
    let output = program(arguments).envs(variables).output().await.expect("it runs");
    (output.status.success(), text_of(&output))
}

#[tokio::test]
async fn an_empty_variable_is_as_good_as_none() {
    let usual = run(&["check-config"]).await;
    assert!(usual.status.success(), "{}", text_of(&usual));
    let names: Vec<String> = variables().into_keys().chain(["DATABASE_URL".into()]).collect();
    assert!(names.len() > 40, "{names:?}");
    for empty in ["", "  "] {
        let set: Vec<_> = names.iter().map(|name| (name.clone(), empty.to_owned())).collect();
        let (well, printed) = with(&["check-config"], set.clone()).await;
        assert!(well && printed == text_of(&usual), "{printed}");
        let (well, printed) = with(&["serve", "--help"], set).await;
        assert!(well, "{printed}");
        for name in &names {
            let (well, printed) = with(&["check-config"], [(name.clone(), empty.to_owned())]).await;
            assert!(well && printed == text_of(&usual), "{name}: {printed}");
        }
    }
    // Variables of other commands.
    for name in ["PACKWRIGHT_TIME_ZONE", "PACKWRIGHT_ACCOUNT", "PACKWRIGHT_TOKEN_ROLE", "PACKWRIGHT_TOKEN_EXPIRES_AT"] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("new.db").display());
        assert!(run(&["migrate", "up", "--database-url", &url]).await.status.success());
        let set = || [(name.to_owned(), String::new())];
        let (well, printed) = with(&["account", "create", "Mine", "--database-url", &url], set()).await;
        assert!(well, "{name}: {printed}");
        let (well, printed) = with(&["token", "create", "--account", "Mine", "--database-url", &url], set()).await;
        assert!(well, "{name}: {printed}");
    }
}

#[tokio::test]
async fn the_other_variable_of_the_database_is_read_when_the_first_is_empty() {
    let set = |first: &str| {
        [("PACKWRIGHT_DATABASE_URL", first), ("DATABASE_URL", "postgres://u:geheim@h/d")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let (well, printed) = with(&["check-config"], set("")).await;
    assert!(well && printed.contains("database-url = postgres://u:***@h/d "), "{printed}");
    let (well, printed) = with(&["check-config"], set("sqlite://own.db")).await;
    assert!(well && printed.contains("database-url = sqlite://own.db "), "{printed}");
    let (well, printed) = with(&["check-config"], [("DATABASE_URL".into(), "mysql://u:geheim@h/d".into())]).await;
    assert!(!well && printed.contains("DATABASE_URL:") && !printed.contains("geheim"), "{printed}");
    let wrong = [("PACKWRIGHT_DATABASE_URL".into(), "postgres://u:ge?heim@h/d".into())];
    let (well, printed) = with(&["check-config"], wrong).await;
    assert!(!well && printed.contains("PACKWRIGHT_DATABASE_URL:") && printed.contains("percent-encode"), "{printed}");
    assert!(!printed.contains("heim"), "{printed}");
}

#[tokio::test]
async fn an_open_listener_needs_a_name_that_is_none_of_nothing() {
    let set = |host: &str| {
        [("PACKWRIGHT_LISTEN".into(), "0.0.0.0:0".into()), ("PACKWRIGHT_PUBLIC_HOST".into(), host.to_owned())]
    };
    for host in ["", " ", ",", "*", "http://h", "h/prefix"] {
        for command in ["check-config", "serve"] {
            let (well, printed) = with(&[command], set(host)).await;
            assert!(
                !well && printed.contains("PACKWRIGHT_PUBLIC_HOST") && printed.contains("packs.example.com"),
                "{host}: {printed}"
            );
        }
    }
    assert!(with(&["check-config"], set("packs.example.com")).await.0);
}

#[tokio::test]
async fn a_wrong_value_is_reported_with_its_variable() {
    // Options that accept any text; a wrong file is noticed only when it is read.
    let free = [
        "PACKWRIGHT_DATABASE_PASSWORD_FILE",
        "PACKWRIGHT_JWT_ISSUER",
        "PACKWRIGHT_JWT_AUDIENCE",
        "PACKWRIGHT_JWKS",
        "PACKWRIGHT_OTLP_HEADERS",
    ];
    for (name, option) in variables() {
        let wrong = "\u{1}wrong,,";
        let (well, printed) = with(&["check-config"], [(name.clone(), wrong.to_owned())]).await;
        if name.ends_with("_CLAIM") {
            continue;
        }
        assert!(!well && printed.contains(&name), "{name}: {printed}");
        assert!(printed.contains(&format!("--{option}")) || name.ends_with("DATABASE_URL"), "{name}: {printed}");
        if free.contains(&name.as_str()) {
            continue;
        }
        // The error names the option when the value comes from the command line, even if the variable is set too.
        let given = format!("--{option}={wrong}");
        let (well, printed) = with(&["check-config", &given], [(name.clone(), "1".into())]).await;
        assert!(!well && !printed.contains(&format!("{name} (the variable")), "{name}: {printed}");
    }
}

#[tokio::test]
async fn an_unusable_number_is_refused_with_a_usable_one() {
    for (option, wrong, right) in
        [("release-days-ahead", "0", "365"), ("max-cost", "x", "40000"), ("batch-size", "0", "5000")]
    {
        let name = format!("PACKWRIGHT_{}", option.replace('-', "_").to_uppercase());
        for command in ["check-config", "serve"] {
            let (well, printed) = with(&[command], [(name.clone(), wrong.to_owned())]).await;
            assert!(!well && printed.contains(&name) && printed.contains(right), "{printed}");
            let (well, printed) = with(&[command, &format!("--{option}"), wrong], []).await;
            assert!(!well && printed.contains(&format!("--{option}")) && printed.contains(right), "{printed}");
        }
    }
}

#[tokio::test]
async fn a_wrong_variable_of_the_server_stops_no_other_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("new.db").display());
    let wrong =
        || [("PACKWRIGHT_MAX_TOKENS".to_owned(), "wrong".to_owned()), ("PACKWRIGHT_LISTEN".into(), "wrong".into())];
    for arguments in
        [&["migrate", "up", "--database-url", &url][..], &["account", "list", "--database-url", &url], &["schema"]]
    {
        let (well, printed) = with(arguments, wrong()).await;
        assert!(well, "{arguments:?}: {printed}");
    }
    for arguments in [&["serve"][..], &["check-config"], &[]] {
        let (well, printed) = with(arguments, wrong()).await;
        assert!(!well && printed.contains("PACKWRIGHT_"), "{arguments:?}: {printed}");
    }
}
