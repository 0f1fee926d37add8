//! The steps with clients: the editor, types and libraries in other languages, and a browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{CLIENTS, Demo, built, missing};
use crate::machine::{Outcome, Scratch, find, find_chromium, find_npm, output, program, run, run_in, target};
use crate::task::cargo;

/// Runs a step that needs npm.
pub(super) fn with_npm(step: impl FnOnce() -> Outcome) -> Outcome {
    if find_npm().is_some() { step() } else { missing("npm with Node.js 20.19 or later") }
}

pub(super) fn editor(scratch: &Scratch) -> Outcome {
    with_npm(|| {
        let copy = scratch.join("graphiql");
        run(Command::new("cp").arg("-r").arg("graphiql").arg(&copy))?;
        run_in(&copy, &["npm", "ci", "--ignore-scripts", "--silent"])?;
        run_in(&copy, &["npm", "run", "check", "--silent"])
    })
}

pub(super) fn packages(_: &Scratch) -> Outcome {
    with_npm(|| run_in(Path::new(CLIENTS), &["npm", "ci", "--ignore-scripts", "--silent"]))
}

/// Runs a script of the clients' package.
pub(super) fn clients(script: &str) -> Outcome {
    built()?;
    with_npm(|| run_in(Path::new(CLIENTS), &["npm", "run", "--silent", script]))
}

pub(super) fn generate(_: &Scratch) -> Outcome {
    for made in ["build", "generated"] {
        let _ = fs::remove_dir_all(Path::new(CLIENTS).join(made));
    }
    clients("generate")?;
    clients("build")
}

/// Writes the schema of a demo into a file. The examples need that schema, because two of them move the demo's clock.
fn demo_schema(demo: &Demo, path: &Path) -> Outcome {
    let program = program()?;
    // The demo has only just been started.
    let mut asked = Command::new("curl");
    asked.args(["-sSf", "--retry", "120", "--retry-delay", "1", "--retry-connrefused", "--retry-all-errors"]);
    fs::write(path, output(asked.arg(format!("{}/schema.graphql", demo.url)))?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    // It is the program's own schema with a few fields more.
    run(Command::new(program).args(["schema", "check"]).arg("schema.graphql").arg("--new").arg(path))
}

pub(super) fn rust(scratch: &Scratch) -> Outcome {
    let demo = Demo::start(scratch)?;
    let schema = scratch.join("demo-for-rust.graphql");
    demo_schema(&demo, &schema)?;
    let manifest = ["--manifest-path", "examples/clients/rust/Cargo.toml"];
    run(cargo(&["fmt", "--check"]).args(manifest))?;
    // The folder is kept, because the crates take minutes the first time.
    let mut client = cargo(&["run", "--locked", "--quiet"]);
    client.args(manifest).arg("--target-dir").arg(target().join("clients")).args(["--", &demo.url]);
    run(client.env("PACKWRIGHT_SCHEMA", &schema))?;
    demo.end()
}

pub(super) fn python(scratch: &Scratch) -> Outcome {
    let demo = Demo::start(scratch)?;
    let folder = scratch.join("client-python");
    run(Command::new("cp").arg("-r").arg("examples/clients/python").arg(&folder))?;
    demo_schema(&demo, &folder.join("demo.graphql"))?;
    let operations = fs::canonicalize("examples/operations").map_err(|error| error.to_string())?;
    let config = folder.join("pyproject.toml");
    let text = fs::read_to_string(&config).map_err(|error| error.to_string())?;
    fs::write(&config, text.replace("../../operations", &operations.to_string_lossy()))
        .map_err(|error| error.to_string())?;
    let packages = scratch.join("client-packages");
    let install =
        ["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", "requirements.txt", "--target"];
    if run(Command::new("python3").args(install).arg(&packages).current_dir(&folder)).is_err() {
        return missing("pip, or the package ariadne-codegen");
    }
    let python = |words: &[&str]| {
        let mut python = Command::new("python3");
        python.args(words).current_dir(&folder).env("PYTHONPATH", &packages);
        python
    };
    output(&mut python(&["-m", "ariadne_codegen"]))?;
    run(&mut python(&["ask.py", &demo.url]))?;
    demo.end()
}

pub(super) fn browser(_: &Scratch) -> Outcome {
    let Some(chromium) = find_chromium() else { return missing("Chromium") };
    if find(&["nginx"]).is_none() || find(&["openssl"]).is_none() {
        missing("nginx or openssl")?;
    }
    built()?;
    with_npm(|| {
        run(Command::new("npm")
            .args(["run", "--silent", "test:browser"])
            .current_dir(CLIENTS)
            .env("CHROMIUM", chromium))
    })
}
