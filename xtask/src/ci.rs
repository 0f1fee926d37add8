//! The checks that every change must pass, as a list of steps. With `CI=true` a missing PostgreSQL, npm, Chromium,
//! promtool, curl, jq, nginx, PgBouncer or cargo-deny is a failure; otherwise the step is skipped with a message.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use crate::machine::{Outcome, Scratch, command, find, find_promtool, free_port};
use crate::machine::{install_missing, is_root};
use crate::machine::{output, program, run, run_in};
use crate::postgres::Postgres;
use crate::task::{TEST_DATABASE, cargo, test, test_on};
use clients::{browser, clients, editor, generate, packages, python, rust, with_npm};

mod clients;

const CLIENTS: &str = "tests/clients";
/// A folder with a design of the API that is ahead of the program: a schema, and operations that must work or be to
/// come. Where it isn't beside the checkout, these two comparisons are left out.
const DESIGN: &str = "../shared/design";

/// A step: its name, a description, and its function.
type Step = (&'static str, &'static str, fn(&Scratch) -> Outcome);

const STEPS: &[Step] = &[
    ("format", "cargo fmt", |_| run(&mut cargo(&["fmt", "--all", "--check"]))),
    ("clippy", "clippy, with warnings as errors", clippy),
    ("sqlite", "the tests on SQLite", |_| test(&[])),
    ("fuzz", "random texts instead of clients' requests", fuzz),
    ("postgres", "the tests on a PostgreSQL of their own", on_postgres),
    ("schema", "schema.graphql is what the program prints", schema),
    ("breaking", "what in the schema breaks clients since the last release", breaking),
    ("tour", "the tours, on the demo", tour),
    ("alerts", "the dashboard, the alerts and the metrics, with promtool", alerts),
    ("dependencies", "licenses, versions and advisories of crates and packages", dependencies),
    ("licenses", "docs/third-party-licenses.txt and the list of components are what is built in", licenses),
    ("image", "the file system of the image has all that the program needs", image),
    ("chart", "the chart's templates, and the service of systemd", chart),
    ("locks", "lock files name no registry", locks),
    ("editor", "types of the editor", editor),
    ("packages", "packages of the clients", packages),
    ("audits", "audits of GraphQL over HTTP; the grades of changes, by graphql-inspector", |_| clients("test:audits")),
    ("generate", "types and artifacts of clients from schema.graphql", generate),
    ("rust", "graphql_client and cynic: types of all examples, on the demo", rust),
    ("python", "ariadne-codegen: types of all examples, on the demo", python),
    ("clients", "Apollo Client, urql, Relay, graphql-ws and graphql-sse on the demo", |_| clients("test")),
    ("browser", "GraphiQL in a browser; pictures are left in target/ci", browser),
    ("subscribers", "the example subscribers, over servers that are killed", subscribers),
    ("webhooks", "the example receivers, with servers and receivers that are killed", webhooks),
    ("pipeline", "the workflows of examples/ci, checked, and run on the demo", pipeline),
    ("rules", "each rule of docs/lifecycle.md has a test", rules),
];

pub(crate) fn list() {
    for (name, about, _) in STEPS {
        println!("{name:<13} {about}");
    }
}

/// Runs the named steps, or all, in order.
pub(crate) fn run_ci(chosen: &[&str]) -> Outcome {
    if let Some(unknown) = chosen.iter().find(|name| !STEPS.iter().any(|(step_name, ..)| step_name == *name)) {
        return Err(format!("there is no step {unknown}; cargo xtask steps lists them"));
    }
    let scratch = Scratch::new()?;
    let began = Instant::now();
    install_missing(&scratch)?;
    for (name, about, step) in STEPS.iter().filter(|(name, ..)| chosen.is_empty() || chosen.contains(name)) {
        println!("\n== {name}: {about} ({} s)", began.elapsed().as_secs());
        step(&scratch).map_err(|error| format!("{name}: {error}"))?;
    }
    println!("\n== all is well ({} s)", began.elapsed().as_secs());
    Ok(())
}

/// Reports a missing program: a failure with `CI=true`, otherwise a message.
fn missing(what: &str) -> Outcome {
    if env::var_os("CI").is_some_and(|ci| ci == "true") {
        return Err(format!("{what} is needed, and isn't on this machine"));
    }
    println!("SKIPPED: there is no {what} here");
    Ok(())
}

fn clippy(_: &Scratch) -> Outcome {
    run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn fuzz(_: &Scratch) -> Outcome {
    let mut tests = cargo(&["test", "--locked", "--test", "main", "--", "fuzz_"]);
    run(tests.env_remove(TEST_DATABASE).env("PROPTEST_CASES", "60000"))
}

fn on_postgres(scratch: &Scratch) -> Outcome {
    // tests/store/pooler.rs starts PgBouncer, and passes without a test where it is missing.
    if find(&["pgbouncer"]).is_none() {
        missing("PgBouncer")?;
    }
    match Postgres::start(scratch)? {
        Some(postgres) => test_on(&postgres, &[]),
        None => missing("PostgreSQL"),
    }
}

/// Builds the program, and returns its path.
fn built() -> Outcome<std::path::PathBuf> {
    run(&mut cargo(&["build", "--locked", "--quiet"]))?;
    program()
}

fn schema(_: &Scratch) -> Outcome {
    let printed = output(Command::new(built()?).arg("schema"))?;
    let kept = fs::read_to_string("schema.graphql").map_err(|error| format!("schema.graphql: {error}"))?;
    if printed.trim_end() != kept.trim_end() {
        return Err("schema.graphql is not what the program prints: cargo xtask schema".into());
    }
    let design = Path::new(DESIGN).join("schema.graphql");
    if design.is_file() {
        run(Command::new("python3").arg(".ci/schema_gap.py").arg(design).arg("schema.graphql"))?;
    }
    Ok(())
}

fn breaking(scratch: &Scratch) -> Outcome {
    let program = built()?;
    let folder = scratch.join("breaking");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    run(Command::new("python3").arg(".ci/breaking_test.py").arg(&program).arg(&folder))?;
    run(Command::new("python3").arg(".ci/breaking.py").arg(&program))
}

/// A demo server, which ends with its step.
struct Demo {
    server: Child,
    url: String,
}

impl Demo {
    fn start(scratch: &Scratch) -> Outcome<Self> {
        let port = free_port()?;
        let log = |name| fs::File::create(scratch.join(name)).map_err(|error| error.to_string());
        let server = Command::new(built()?)
            .args(["serve", "--demo", "--listen", &format!("127.0.0.1:{port}")])
            .stdout(log("demo.out")?)
            .stderr(log("demo.err")?)
            .spawn()
            .map_err(|error| format!("the demo: {error}"))?;
        Ok(Self { server, url: format!("http://127.0.0.1:{port}") })
    }

    /// Ends the server with a signal, and checks its exit status.
    fn end(mut self) -> Outcome {
        run(Command::new("kill").args(["-TERM", &self.server.id().to_string()]))?;
        let status = self.server.wait().map_err(|error| format!("the demo: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the demo was asked to end, and ended with {status}")) }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn tour(scratch: &Scratch) -> Outcome {
    let demo = Demo::start(scratch)?;
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command.args([script, &demo.url]);
        command
    };
    let mut gone = run(python(".ci/tour.py").args(["graphiql", "README.md"]));
    let design = Path::new(DESIGN).join("operations.graphql");
    if gone.is_ok() && design.is_file() {
        gone = run(python(".ci/operations.py").arg(design));
    }
    if gone.is_err() {
        for log in ["demo.out", "demo.err"] {
            eprint!("{}", fs::read_to_string(scratch.join(log)).unwrap_or_default());
        }
        return gone;
    }
    demo.end()
}

fn alerts(scratch: &Scratch) -> Outcome {
    let Some(promtool) = find_promtool(scratch) else { return missing("promtool") };
    let demo = Demo::start(scratch)?;
    run(Command::new("python3").arg(".ci/alerts.py").arg(promtool).arg(&demo.url))?;
    demo.end()
}

fn dependencies(scratch: &Scratch) -> Outcome {
    let status = Command::new(".ci/dependencies").arg(scratch.join("dependencies")).status();
    match status.map_err(|error| format!(".ci/dependencies: {error}"))?.code() {
        Some(0) => Ok(()),
        Some(3) => missing("cargo-deny"),
        _ => Err("a dependency may not be here: deny.toml".into()),
    }
}

fn licenses(_: &Scratch) -> Outcome {
    run(Command::new("python3").args([".ci/inventory.py", "check"]))?;
    output(Command::new("python3").args([".ci/inventory.py", "sbom"])).map(drop)
}

/// Runs the program in the file system that `Containerfile` makes, as the image's user.
fn image(scratch: &Scratch) -> Outcome {
    let root = scratch.join("rootfs");
    run(Command::new("deploy/container/rootfs").arg(built()?).arg(&root))?;
    if !is_root() && find(&["sudo"]).is_none() {
        return missing("right to call chroot");
    }
    let as_root: &[&str] = if is_root() { &["chroot"] } else { &["sudo", "-n", "chroot"] };
    let inside = |words: &[&str]| {
        let mut command = command(as_root);
        command.arg("--userspec=10001:10001").arg(&root).arg("/usr/bin/packwright").args(words);
        command
    };
    run(Command::new("install").args(["-d", "-o", "10001", "-g", "10001", "-m", "700"]).arg(root.join("data")))?;
    run(&mut inside(&["--version"]))?;
    run(&mut inside(&["migrate", "up", "--log", "error", "--database-url", "sqlite:///data/packwright.db"]))?;
    let health = inside(&["health", "--listen", "127.0.0.1:1"]).output().map_err(|error| error.to_string())?;
    match String::from_utf8_lossy(&health.stderr) {
        told if told.contains("No server answers") => Ok(()),
        told => Err(format!("the program doesn't work in the image: {told}")),
    }
}

fn chart(_: &Scratch) -> Outcome {
    let status = Command::new("python3").arg(".ci/chart/check.py").arg(built()?).status();
    match status.map_err(|error| format!("python3: {error}"))?.code() {
        Some(0) => {}
        Some(3) => missing("Go or PyYAML")?,
        _ => return Err("the chart is wrong".into()),
    }
    let Some(analyze) = find(&["systemd-analyze"]) else { return missing("systemd-analyze") };
    let security = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    output(Command::new(analyze).args(security).arg("deploy/systemd/packwright.service")).map(drop)
}

fn locks(_: &Scratch) -> Outcome {
    let tracked = output(Command::new("git").args(["ls-files", "*package-lock.json"]))?;
    for path in tracked.lines() {
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        if text.contains("\"resolved\"") {
            return Err(format!("{path} has addresses: omit-lockfile-registry-resolved=true is in its .npmrc"));
        }
    }
    Ok(())
}

fn subscribers(_: &Scratch) -> Outcome {
    let program = built()?;
    with_npm(|| {
        if find(&["curl"]).is_none() || find(&["jq"]).is_none() {
            return missing("curl or jq");
        }
        let example = Path::new("examples/subscriber-typescript");
        run_in(example, &["npm", "ci", "--ignore-scripts", "--silent"])?;
        output(Command::new("npm").args(["run", "build", "--silent"]).current_dir(example))?;
        run(Command::new("python3").arg(".ci/subscribers.py").arg(program).arg("examples"))
    })
}

fn webhooks(scratch: &Scratch) -> Outcome {
    let program = built()?;
    with_npm(|| {
        let javascript = Path::new("examples/webhook-javascript");
        run_in(javascript, &["npm", "ci", "--ignore-scripts", "--silent"])?;
        let packages = scratch.join("python");
        let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--target"];
        let mut pip = Command::new("python3");
        pip.args(install).arg(&packages).args(["--requirement", "examples/webhook-python/requirements.txt"]);
        if run(&mut pip).is_err() {
            return missing("pip, or the package standardwebhooks");
        }
        let mut script = Command::new("python3");
        script.arg(".ci/webhooks.py").arg(program).arg("examples").env("PYTHONPATH", packages);
        run(&mut script)
    })
}

fn pipeline(scratch: &Scratch) -> Outcome {
    let program = built()?;
    let workflow = "examples/ci/github/workflow.yml";
    with_npm(|| {
        run_in(Path::new(".ci/pipeline"), &["npm", "ci", "--ignore-scripts", "--silent"])?;
        run(Command::new("node").args([".ci/pipeline/lint.mjs", workflow]))
    })?;
    let packages = scratch.join("check-jsonschema");
    let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--target"];
    let mut pip = Command::new("python3");
    pip.args(install).arg(&packages).args(["--requirement", ".ci/pipeline/requirements.txt"]);
    if run(&mut pip).is_err() {
        missing("pip, or the package check-jsonschema")?;
    } else {
        let gitlab = ["examples/ci/gitlab/packwright.yml", "examples/ci/gitlab/gitlab-ci.yml"];
        for (schema, files) in [
            ("vendor.github-actions", &["examples/ci/github/action.yml"][..]),
            ("vendor.github-workflows", &[workflow]),
            ("vendor.gitlab-ci", &gitlab),
        ] {
            let mut check = Command::new("python3");
            check.args(["-m", "check_jsonschema", "--builtin-schema", schema]).args(files);
            output(check.env("PYTHONPATH", &packages))?;
        }
    }
    let status = Command::new("python3").arg(".ci/pipeline/steps.py").arg(program).arg("examples/ci").status();
    match status.map_err(|error| format!("python3: {error}"))?.code() {
        Some(0) => Ok(()),
        Some(3) => missing("PyYAML"),
        _ => Err("a pipeline doesn't do what it should".into()),
    }
}

fn rules(scratch: &Scratch) -> Outcome {
    let names = output(&mut cargo(&["test", "--locked", "--quiet", "--test", "main", "--", "--list"]))?;
    let list = scratch.join("tests");
    fs::write(&list, names).map_err(|error| error.to_string())?;
    let list = fs::File::open(&list).map_err(|error| error.to_string())?;
    run(Command::new("python3").args([".ci/rules.py", "docs/lifecycle.md"]).stdin(list))
}
