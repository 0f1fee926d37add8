//! Numbers on the command line: the error for an invalid one contains the valid ones.

use clap::Args as _;
use packwright::config::ServeArgs;

use crate::program::settings::parse;
use crate::program::starts::{run, text_of};

#[test]
fn a_number_out_of_bounds_is_refused_with_the_bounds_and_an_example() {
    for (option, wrong, says) in [
        ("--release-days-ahead", "0", "write a whole number from 1 to 65535, such as 365"),
        ("--release-days-ahead", "65536", "write a whole number from 1 to 65535, such as 365"),
        ("--release-days-ahead", "soon", "write a whole number from 1 to 65535, such as 365"),
        ("--keep-events", "-1", "write a whole number from 1 to 65535, such as 90"),
        ("--max-cost", "99", "write a whole number of at least 100, such as 40000"),
        ("--max-errors", "101", "write a whole number from 1 to 100, such as 20"),
        ("--max-errors", "300", "write a whole number from 1 to 100, such as 20"),
        ("--database-connections", "1", "write a whole number from 2 to 1000, such as 10"),
        ("--jwt-leeway", "301", "write a whole number from 0 to 300, such as 30"),
        ("--document-cache", "5", "write a whole number of at least 1048576, such as 33554432"),
        ("--slow-request", "0", "write between 0.1 and 86400 seconds, such as 15"),
    ] {
        let error = parse(&[&format!("{option}={wrong}")]).expect_err("out of bounds").to_string();
        assert!(error.contains(says) && error.contains(option) && error.contains(wrong), "{error}");
    }
    for (option, right) in [
        ("--release-days-ahead", "1"),
        ("--release-days-ahead", "65535"),
        ("--max-errors", "100"),
        ("--max-cost", "18446744073709551615"),
        ("--jwt-leeway", "0"),
    ] {
        assert!(parse(&[option, right]).is_ok(), "{option} {right}");
    }
}

#[test]
fn every_option_that_takes_a_number_gives_an_example() {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let mut seen = 0;
    for argument in command.get_arguments() {
        let Some([name]) = argument.get_value_names() else { continue };
        if !["N", "DAYS", "SECONDS", "BYTES", "COST"].contains(&name.as_str()) {
            continue;
        }
        let option = format!("--{}", argument.get_long().expect("a long name"));
        let error = parse(&[&format!("{option}=x")]).expect_err("no number").to_string();
        assert!(error.contains("such as"), "{error}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn the_program_prints_a_range_once_and_with_the_variable_of_the_number() {
    let output = run(&["check-config", "--release-days-ahead", "0"]).await;
    let text = text_of(&output);
    assert!(!output.status.success() && text.contains("from 1 to 65535, such as 365"), "{text}");
    assert!(!text.contains("tip:") && !text.contains("1..="), "{text}");
    let mut command = crate::program::starts::program(&["check-config"]);
    let text = text_of(&command.env("PACKWRIGHT_KEEP_EVENTS", "0").output().await.expect("it runs"));
    assert!(text.contains("PACKWRIGHT_KEEP_EVENTS") && text.contains("from 1 to 65535, such as 90"), "{text}");
    let text =
        text_of(&run(&["token", "rotate", "tok_AZqzIBPlcACVXvHtSkt2Qw", "--account", "a", "--overlap", "9000"]).await);
    assert!(text.contains("from 0 to 8760, such as 24"), "{text}");
    let text = text_of(&run(&["seed", "--accounts", "0"]).await);
    assert!(text.contains("from 1 to 1000000, such as"), "{text}");
}

#[tokio::test]
async fn check_config_says_that_it_connects_to_nothing() {
    // No server listens at this address, and the key set doesn't exist.
    let output = run(&[
        "check-config",
        "--database-url",
        "postgres://u:geheim@127.0.0.1:1/d",
        "--jwks",
        "https://keys.invalid/jwks",
        "--jwt-issuer",
        "https://keys.invalid",
        "--jwt-audience",
        "packwright",
    ])
    .await;
    assert!(output.status.success(), "{}", text_of(&output));
    let (printed, beside) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("database-url = postgres://u:***@127.0.0.1:1/d "), "{printed}");
    assert!(printed.lines().all(|line| line.contains(" =")), "settings alone, for scripts: {printed}");
    assert!(beside.contains("without a connection to the database"), "{beside}");
    let help = text_of(&run(&["check-config", "--help"]).await);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("no connection is made"), "{help}");
}
