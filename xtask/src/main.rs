//! `cargo xtask TASK`: the common tasks of Packwright's engineers. `.ci/run` runs `cargo xtask ci`.
//!
//! The package has no dependencies, so it is built in two seconds.

mod ci;
mod machine;
mod postgres;
mod task;

use std::process::ExitCode;

use machine::Outcome;

const HELP: &str = "\
cargo xtask TASK

Tasks:
  test [FILTER...]            Run the tests on SQLite. A FILTER is a part of a test's name.
  test-postgres [FILTER...]   Run the tests on a PostgreSQL that is started for them and removed again.
  with-postgres COMMAND...    Run a command with a PostgreSQL of its own. Its address is in
                              PACKWRIGHT_TEST_DATABASE_URL and in DATABASE_URL.
  lint                        Check formatting, and clippy with warnings as errors.
  micro [FILTER...]           Measure single decisions: the window, the states of releases, the gate, cursors.
  instructions [--record]     Count the instructions of a page and compare them with the recorded number.
  schema                      Write schema.graphql anew from the program.
  licenses [--packages DIR]   Write docs/third-party-licenses.txt anew. The folder node_modules of the editor is needed
                              when its packages have changed.
  sbom                        Print what is built in as a CycloneDX document.
  ci [STEP...]                Run all that a change must pass, or these steps of it.
  steps                       List the steps of ci.

PostgreSQL is looked for in the usual places; `pg_config` of the one to be used may be put first into PATH.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Outcome {
    machine::enter_repository()?;
    match arguments {
        ["test", filters @ ..] => task::test(filters),
        ["test-postgres", filters @ ..] => task::test_postgres(filters),
        ["with-postgres", command @ ..] => task::with_postgres(command),
        ["lint"] => task::lint(),
        ["micro", filters @ ..] => task::micro(filters),
        ["instructions", options @ ..] => task::instructions(options),
        ["schema"] => task::schema(),
        ["licenses", options @ ..] => task::inventory("licenses", options),
        ["sbom"] => task::inventory("sbom", &[]),
        ["ci", steps @ ..] => ci::run_ci(steps),
        ["steps"] => {
            ci::list();
            Ok(())
        }
        [] | ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("there is no such task: {}\n\n{HELP}", arguments.join(" "))),
    }
}
