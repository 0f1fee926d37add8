//! One database for each test: a copy of a template that each process migrates once.
//!
//! By default a SQLite file in its own directory. If `PACKWRIGHT_TEST_DATABASE_URL` names a PostgreSQL server (with any
//! database to connect to), a database there, created from the template. When that server can't be reached, the tests
//! fail and don't use SQLite instead.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use packwright::app::{App, AppOptions};
use packwright::clock::Clock;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database as SeaDatabase};
use tokio::sync::OnceCell;

use super::{START, instant};

/// The variable that names a PostgreSQL server.
const SERVER: &str = "PACKWRIGHT_TEST_DATABASE_URL";

/// A database that is deleted when this is dropped.
pub(crate) struct Database {
    url: String,
    /// The directory of the SQLite file.
    _directory: Option<tempfile::TempDir>,
    /// The PostgreSQL server and the database's name.
    made: Option<(String, String)>,
}

impl Database {
    /// A migrated database without accounts.
    pub(crate) async fn create() -> Self {
        match std::env::var(SERVER) {
            Ok(server) if !server.is_empty() => Self::on_server(server).await,
            _ => Self::in_file().await,
        }
    }

    /// An empty, unmigrated database. `how` are options of CREATE DATABASE on PostgreSQL.
    pub(crate) async fn untouched(how: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let Some(server) = std::env::var(SERVER).ok().filter(|server| !server.is_empty()) else {
            let directory = tempfile::tempdir().expect("a directory");
            let url = sqlite_url(&directory.path().join("test.db"));
            return Self { url, _directory: Some(directory), made: None };
        };
        let name = format!("{}_untouched_{}", prefix(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let made = on(&server, &[drop, format!("CREATE DATABASE {name} TEMPLATE template0 {how}")]).await;
        made.unwrap_or_else(|why| panic!("{why}"));
        Self { url: with_database(&server, &name), _directory: None, made: Some((server, name)) }
    }

    /// A migrated database without accounts on a server of the test's own. It goes with the server.
    pub(crate) async fn on_own(server: &str) -> Self {
        on(server, &["CREATE DATABASE own".to_owned()]).await.unwrap_or_else(|why| panic!("{why}"));
        let url = with_database(server, "own");
        migrate(&url).await;
        Self { url, _directory: None, made: None }
    }

    /// A migrated database without accounts in a file of an existing folder.
    pub(crate) async fn in_folder(folder: &std::path::Path) -> Self {
        let url = sqlite_url(&folder.join("test.db"));
        migrate(&url).await;
        Self { url, _directory: None, made: None }
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    async fn in_file() -> Self {
        /// The bytes of a migrated file, kept in memory so that no file is left behind.
        static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
        let template = TEMPLATE
            .get_or_init(async || {
                let directory = tempfile::tempdir().expect("a directory");
                let file = directory.path().join("template.db");
                migrate(&sqlite_url(&file)).await;
                std::fs::read(file).expect("the template's file")
            })
            .await;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("test.db");
        std::fs::write(&file, template).expect("the test's file");
        Self { url: sqlite_url(&file), _directory: Some(directory), made: None }
    }

    async fn on_server(server: String) -> Self {
        /// The error for an unreachable server is found once, and not for each test.
        static TEMPLATE: OnceCell<Result<String, String>> = OnceCell::const_new();
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let template = TEMPLATE
            .get_or_init(async || {
                let name = format!("{}_template", prefix());
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                on(&server, &[drop, format!("CREATE DATABASE {name}")]).await?;
                migrate(&with_database(&server, &name)).await;
                Ok(name)
            })
            .await;
        let template = template.as_ref().unwrap_or_else(|why| panic!("{why}"));
        let name = format!("{}_{}", prefix(), COUNTER.fetch_add(1, Ordering::Relaxed));
        // A killed run may have left a database with this name.
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // Creating a database locks its template, so only one is created at a time.
        static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let guard = ONE_AT_A_TIME.lock().await;
        let made = on(&server, &[drop, format!("CREATE DATABASE {name} TEMPLATE {template}")]).await;
        made.unwrap_or_else(|why| panic!("{why}"));
        std::mem::drop(guard);
        Self { url: with_database(&server, &name), _directory: None, made: Some((server, name)) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.made.take() else { return };
        // The test's runtime may be shutting down, so this uses its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let dropped = runtime.block_on(on(&server, &[format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")]));
            dropped.unwrap_or_else(|why| panic!("{why}"));
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}

/// A prefix that no other work tree uses on the same server. It is the same in each run, so that a run drops what a
/// killed run left behind.
fn prefix() -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    format!("packwright_test_{:08x}", hasher.finish() & 0xffff_ffff)
}

fn sqlite_url(file: &std::path::Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

fn with_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap_or_else(|e| panic!("{SERVER} is no address: {e}"));
    url.set_path(name);
    url.into()
}

/// Runs the app's migrations, and closes all connections.
async fn migrate(url: &str) {
    let app = App::build(AppOptions::new(url, Clock::still(instant(START)))).await.expect("the template is migrated");
    app.services.db.clone().close().await.expect("the template is closed");
}

/// Runs statements that Packwright itself never runs, such as CREATE DATABASE.
async fn on(server: &str, statements: &[String]) -> Result<(), String> {
    let mut options = ConnectOptions::new(server);
    options.max_connections(1).acquire_timeout(Duration::from_secs(5)).sqlx_logging(false);
    let connection = SeaDatabase::connect(options).await;
    let connection = connection.map_err(|e| format!("{SERVER} is set, and its server can't be reached: {e}"))?;
    for statement in statements {
        connection.execute_unprepared(statement).await.map_err(|e| format!("{statement}: {e}"))?;
    }
    connection.close().await.map_err(|e| format!("the connection to make databases can't be closed: {e}"))
}
