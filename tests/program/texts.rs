//! Texts that the program makes from its own definition.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::program::starts::{run, text_of};

/// Lets a program read a text; `None` where the program isn't installed.
fn read_by(program: &[&str], text: &str) -> Option<String> {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn shells_can_read_the_completions() {
    for (shell, checks) in [("bash", &["bash", "-n"][..]), ("zsh", &["zsh", "-n"]), ("fish", &["fish", "--no-execute"])]
    {
        let output = run(&["completions", shell]).await;
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", text_of(&output));
        for part in ["max-cost", "check-config", "rotate", "packwright", "allow-removals", "rollback"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
        read_by(checks, &script);
    }
    assert!(!run(&["completions", "sh"]).await.status.success());
}

#[tokio::test]
async fn the_manual_has_every_command_and_every_option_of_serve() {
    let output = run(&["man"]).await;
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && page.contains(".TH packwright 1"), "{page}");
    for command in [
        "SERVE",
        "TOKEN CREATE",
        "TASK DROP",
        "BACKUP",
        "HEALTH",
        "CONFIG EXAMPLE",
        "WHOAMI",
        "PACKAGE",
        "RELEASE",
        "ROLLBACK",
    ] {
        assert!(page.contains(&format!(".SH \"PACKWRIGHT {command}\"\n")), "{command}: {page}");
    }
    let plain = page.replace("\\-", "-");
    for option in [
        "--max-cost",
        "--database-url",
        "--jwks",
        "--overlap",
        "--reason",
        "--config",
        "--allow-removals",
        "--max-failed",
    ] {
        assert!(plain.contains(option), "{option}");
    }
    // Where there is a reader of such pages, it has nothing to object.
    if let Some(objections) = read_by(&["groff", "-man", "-Tutf8", "-ww", "-z"], &page) {
        assert_eq!(objections, "");
    }
}

#[tokio::test]
async fn the_help_of_each_command_says_what_is_so_for_it() {
    let help = async |words: &[&str]| {
        let output = run(&[words, &["--help"]].concat()).await;
        assert!(output.status.success(), "{words:?}: {}", text_of(&output));
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let creates = "A file that isn't there is created";
    for words in [&["serve"][..], &["migrate", "up"], &["seed"]] {
        assert!(help(words).await.contains(creates), "{words:?}");
    }
    for words in [
        &["account", "list"][..],
        &["account", "create"],
        &["token", "create"],
        &["task", "list"],
        &["audit", "verify"],
        &["backup"],
        &["time-zones", "reload"],
        &["migrate", "status"],
    ] {
        let help = help(words).await;
        assert!(!help.contains(creates) && help.contains("The file must be there"), "{words:?}: {help}");
        assert!(!help.contains("Webhooks:"), "{words:?}: {help}");
    }
    let serve = help(&["serve"]).await;
    let (_, last) = serve.split_once("Webhooks:").expect("a heading");
    assert!(!last.contains("--config") && serve.contains("--config <FILE>"), "{last}");
    assert!(serve.contains("three of its customers"), "{serve}");
}

#[tokio::test]
async fn the_licenses_name_what_is_built_in() {
    let output = run(&["licenses"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["Apache License", "\naxum 0.", "\nring 0.", "\nsea-orm 2.", "Permission is hereby granted"] {
        assert!(text.contains(part), "{part}");
    }
}
