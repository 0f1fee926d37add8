//! A PostgreSQL server of a test's own. The test can stop and restart it, and fill its disk.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database as SeaDatabase};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The user `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// The server's options. Its data needn't survive a power failure.
const OPTIONS: [&str; 4] = ["max_connections=200", "fsync=off", "full_page_writes=off", "shared_buffers=16MB"];

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let told = Blocking::new("pg_config").arg("--bindir").output().ok().filter(|output| output.status.success());
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let of_debian = of_debian.map(|entry| entry.path().join("bin"));
    let usual = ["/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    let found = told.into_iter().chain(of_debian).chain(usual);
    found.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file()))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A running server. It is killed when it is dropped, and its data are removed.
pub(crate) struct Postgres {
    child: Child,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    /// Whether the folder is a file system of its own.
    is_mounted: bool,
}

impl Postgres {
    /// Starts a server; `None` where PostgreSQL isn't installed, or where the tests run on SQLite.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_in(None).await
    }

    /// Starts a server on a file system of its own with this size, in megabytes; `None` also where none can be mounted.
    pub(crate) async fn start_on_a_small_disk(megabytes: u32) -> Option<Self> {
        Self::start_in(Some(megabytes)).await
    }

    async fn start_in(megabytes: Option<u32>) -> Option<Self> {
        if !std::env::var("PACKWRIGHT_TEST_DATABASE_URL").is_ok_and(|server| !server.is_empty()) {
            return None;
        }
        let Some(programs) = programs() else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "PostgreSQL's initdb is needed and is not here");
            eprintln!("SKIPPED: there is no initdb here, so PostgreSQL isn't stopped and restarted");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let is_mounted = match megabytes {
            Some(megabytes) if mount(folder.path(), megabytes) => true,
            Some(_) => {
                eprintln!("SKIPPED: no file system can be mounted here, so PostgreSQL's disk isn't filled");
                return None;
            }
            None => false,
        };
        give_to_nobody(folder.path(), 0o755);
        let made = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        let mut command = as_nobody(&programs.join("initdb"), folder.path());
        command.args(made).arg("--wal-segsize=1").arg("--pgdata").arg(folder.path().join("data"));
        let output = command.output().await.expect("initdb runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = free_port();
        let child = spawn(&programs, folder.path(), port);
        let mut server = Self { child, programs, folder, port, is_mounted };
        server.answers().await;
        Some(server)
    }

    /// The address of its database `postgres`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The folder with its data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a statement as an operator.
    pub(crate) async fn run(&self, statement: &str) {
        let connection = connect(&self.url()).await.expect("a connection");
        connection.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.expect("closed");
    }

    /// Ends the server with a signal (`INT` ends its sessions, `QUIT` is like a crash), and starts it again.
    pub(crate) async fn restart(&mut self, signal: &str) {
        let pid = self.pid();
        send(&[pid], signal);
        tokio::time::timeout(TIME_LIMIT, self.child.wait()).await.expect("it ends").expect("its status");
        self.spawn_again().await;
    }

    /// Starts the server again if it has ended by itself: PostgreSQL does when it finds no room for its own log.
    pub(crate) async fn start_if_ended(&mut self) {
        if self.child.try_wait().expect("its state").is_some() {
            self.spawn_again().await;
        }
    }

    /// Starts the ended server again.
    async fn spawn_again(&mut self) {
        // Some of its processes may have the port for a moment longer.
        let begun = Instant::now();
        loop {
            self.child = spawn(&self.programs, self.folder.path(), self.port);
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.child.try_wait().expect("its state").is_none() {
                break;
            }
            assert!(begun.elapsed() < TIME_LIMIT, "it doesn't start again");
        }
        self.answers().await;
    }

    /// Makes a standby: a server that has each commit before a client hears of it.
    pub(crate) async fn standby(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_nobody(folder.path(), 0o755);
        let mut copy = as_nobody(&self.programs.join("pg_basebackup"), folder.path());
        copy.args(["--host=127.0.0.1", "--username=postgres", "--checkpoint=fast", "--no-sync"]);
        copy.arg(format!("--port={}", self.port)).arg("--write-recovery-conf");
        let output = copy.arg("--pgdata").arg(folder.path().join("data")).output().await.expect("pg_basebackup runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (programs, port) = (self.programs.clone(), free_port());
        let child = spawn(&programs, folder.path(), port);
        let mut standby = Self { child, programs, folder, port, is_mounted: false };
        standby.answers().await;
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        self.run("SELECT pg_reload_conf()").await;
        standby
    }

    /// Ends this server like a machine that is lost. Its standby takes over its address.
    pub(crate) async fn fail_over_to(&mut self, standby: Self) {
        let mut lost = std::mem::replace(self, standby);
        let mut all = lost.others();
        all.push(lost.pid());
        send(&all, "KILL");
        tokio::time::timeout(TIME_LIMIT, lost.child.wait()).await.expect("it ends").expect("its status");
        send(&[self.pid()], "INT");
        tokio::time::timeout(TIME_LIMIT, self.child.wait()).await.expect("it ends").expect("its status");
        self.port = lost.port;
        self.spawn_again().await;
        self.run("SELECT pg_promote()").await;
    }

    /// Replaces the rules for connections (`pg_hba.conf`).
    pub(crate) async fn admit(&self, rules: &str) {
        std::fs::write(self.folder().join("data/pg_hba.conf"), rules).expect("the rules");
        self.run("SELECT pg_reload_conf()").await;
    }

    /// Stops all its processes, as a machine that stands still does.
    pub(crate) fn stand_still(&self) {
        // The first one makes no more once it is stopped.
        send(&[self.pid()], "STOP");
        send(&self.others(), "STOP");
    }

    /// Lets all its processes go on.
    pub(crate) fn go_on(&self) {
        send(&self.others(), "CONT");
        send(&[self.pid()], "CONT");
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it lives")
    }

    /// The processes that the first one has made.
    fn others(&self) -> Vec<u32> {
        let own = self.pid().to_string();
        let parent = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(1).map(ToOwned::to_owned)
        };
        let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| parent(*pid).as_ref() == Some(&own)).collect()
    }

    async fn answers(&mut self) {
        let begun = Instant::now();
        while connect(&self.url()).await.is_err() {
            assert!(self.child.try_wait().expect("its state").is_none(), "PostgreSQL ended");
            assert!(begun.elapsed() < TIME_LIMIT, "PostgreSQL doesn't answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = self.child.id() {
            let mut all = self.others();
            all.push(pid);
            send(&all, "KILL");
        }
        if self.is_mounted {
            let _ = Blocking::new("umount").arg("--lazy").arg(self.folder.path()).status();
        }
    }
}

/// Makes a file or folder the server's, when the tests run as root. The server runs as another user then.
pub(crate) fn give_to_nobody(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    if is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("an owner");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

/// Mounts a file system in memory.
pub(crate) fn mount(folder: &Path, megabytes: u32) -> bool {
    let mut mount = Blocking::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(folder).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

fn as_nobody(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn spawn(programs: &Path, folder: &Path, port: u16) -> Child {
    let mut command = as_nobody(&programs.join("postgres"), folder);
    command.arg("-D").arg(folder.join("data")).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
    for option in OPTIONS {
        command.args(["-c", option]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("PostgreSQL starts")
}

fn send(pids: &[u32], signal: &str) {
    let pids = pids.iter().map(ToString::to_string);
    // A process may have ended meanwhile.
    let _ = Blocking::new("kill").arg("-s").arg(signal).args(pids).stderr(Stdio::null()).status();
}

async fn connect(url: &str) -> Result<sea_orm::DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(Duration::from_secs(2)).sqlx_logging(false);
    SeaDatabase::connect(options).await
}
