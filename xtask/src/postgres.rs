//! A temporary PostgreSQL server, which is removed when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{Outcome, Scratch, free_port, is_root, output, run};

/// The server's options. Its data is temporary, so nothing has to reach the disk safely.
const OPTIONS: &str = "-c max_connections=400 -c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// The folder of PostgreSQL's programs.
pub(crate) fn find() -> Option<PathBuf> {
    let described = Command::new("pg_config").arg("--bindir").output().ok();
    let described = described.filter(|output| output.status.success());
    let described = described.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
    let of_debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let usual = ["/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    let all = |folder: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file());
    described.into_iter().chain(of_debian).chain(usual).find(all)
}

pub(crate) struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    /// The address of its database `postgres`.
    pub(crate) url: String,
}

impl Postgres {
    /// Creates a server in a folder and starts it; `None` where PostgreSQL isn't installed.
    pub(crate) fn start(scratch: &Scratch) -> Outcome<Option<Self>> {
        let Some(programs) = find() else { return Ok(None) };
        let folder = scratch.join("postgres");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let mut server = Self { programs, data: folder.join("data"), url: String::new() };
        let made = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"];
        output(server.program("initdb", scratch.path()).arg("--pgdata").arg(&server.data).args(made))?;
        // Another program may take the free port before PostgreSQL does.
        for _ in 0..3 {
            let port = free_port()?;
            let options = format!("-h 127.0.0.1 -p {port} -k {} {OPTIONS}", folder.display());
            let log = folder.join("log");
            let mut start = server.program("pg_ctl", scratch.path());
            start.arg("--pgdata").arg(&server.data).arg("--log").arg(&log);
            start.args(["--wait", "--timeout=60", "--silent", "start", "--options", &options]);
            if run(&mut start).is_ok() {
                server.url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
                return Ok(Some(server));
            }
            print!("{}", fs::read_to_string(log).unwrap_or_default());
        }
        Err("PostgreSQL didn't start".into())
    }

    /// One of PostgreSQL's programs, run as another user if needed, because PostgreSQL refuses to run as root.
    fn program(&self, name: &str, folder: &Path) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(folder).env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl", Path::new("/"));
        let _ = stop.arg("--pgdata").arg(&self.data).args(["--mode=immediate", "--silent", "stop"]).status();
    }
}
