//! The smaller tasks.

use std::process::Command;

use crate::machine::{Outcome, Scratch, command, output, program, run, target};
use crate::postgres::Postgres;

/// The variable with the address of the PostgreSQL server for tests.
pub(crate) const TEST_DATABASE: &str = "PACKWRIGHT_TEST_DATABASE_URL";

pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments);
    cargo
}

/// Runs the test binary, with filters if there are any.
fn tests(filters: &[&str]) -> Command {
    if filters.is_empty() {
        return cargo(&["test", "--locked"]);
    }
    let mut command = cargo(&["test", "--locked", "--test", "main", "--"]);
    command.args(filters);
    command
}

pub(crate) fn test(filters: &[&str]) -> Outcome {
    run(tests(filters).env_remove(TEST_DATABASE))
}

pub(crate) fn test_on(postgres: &Postgres, filters: &[&str]) -> Outcome {
    run(tests(filters).env(TEST_DATABASE, &postgres.url))
}

fn postgres(scratch: &Scratch) -> Outcome<Postgres> {
    Postgres::start(scratch)?.ok_or_else(|| "there is no PostgreSQL here; Debian's package is postgresql".into())
}

pub(crate) fn test_postgres(filters: &[&str]) -> Outcome {
    let scratch = Scratch::new()?;
    test_on(&postgres(&scratch)?, filters)
}

pub(crate) fn with_postgres(words: &[&str]) -> Outcome {
    if words.is_empty() {
        return Err("say which command: cargo xtask with-postgres COMMAND...".into());
    }
    let scratch = Scratch::new()?;
    let postgres = postgres(&scratch)?;
    run(command(words).env(TEST_DATABASE, &postgres.url).env("DATABASE_URL", &postgres.url))
}

pub(crate) fn lint() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub(crate) fn micro(filters: &[&str]) -> Outcome {
    let mut command =
        cargo(&["run", "--locked", "--quiet", "--release", "--package", "packwright-micro", "--", "--bench"]);
    run(command.args(filters))
}

pub(crate) fn instructions(options: &[&str]) -> Outcome {
    run(&mut cargo(&["build", "--locked", "--release"]))?;
    let program = target().join("release/packwright");
    run(Command::new("bench/instructions/run").arg("--program").arg(program).args(options))
}

pub(crate) fn schema() -> Outcome {
    run(&mut cargo(&["build", "--locked"]))?;
    let schema = output(Command::new(program()?).arg("schema"))?;
    std::fs::write("schema.graphql", schema + "\n").map_err(|error| format!("schema.graphql: {error}"))
}

/// Runs a task of `.ci/inventory.py`.
pub(crate) fn inventory(task: &str, options: &[&str]) -> Outcome {
    run(Command::new("python3").arg(".ci/inventory.py").arg(task).args(options))
}
