//! A disk that is full for a while, under load: calls are refused with a code, what was acknowledged is there, and the
//! servers go on when there is room again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::faults::client::{self, PATIENCE, mutation, until};
use crate::faults::field::Field;
use crate::faults::load::Load;
use crate::support::rows::code_of;
use crate::support::{Database, Dice, Postgres, mount, short_or_long};

/// How long the servers may need until they work again.
const RECOVERY: Duration = Duration::from_secs(30);

/// Whether a write is done, and the code of its error.
async fn write(field: &Field) -> Option<String> {
    let input = json!({ "name": "Made meanwhile", "type": "PROCESS" });
    let ask = mutation(&field.app.publisher, "createComponent", &input, "component { id }");
    code_of(&client::ask(field.address(0), ask).await.expect("the server lives").body)
}

/// Fills the file system of a folder. Returns the file that does it.
fn fill(folder: &Path) -> PathBuf {
    let ballast = folder.join("ballast");
    let mut file = std::fs::File::create(&ballast).expect("a file");
    let zeros = vec![0; 1 << 16];
    // Down to the last bytes.
    for size in [1 << 16, 1 << 12, 1] {
        while std::io::Write::write(&mut file, &zeros[..size]).is_ok_and(|written| written == size) {}
    }
    ballast
}

/// Fills the disk again and again while clients work. When there is room again, `operate` does an operator's work.
async fn is_full_now_and_then(field: Arc<Field>, folder: &Path, dice: &mut Dice, mut operate: impl AsyncFnMut()) {
    let load = Load::start(&field, dice);
    for _ in 0..short_or_long(2, 20) {
        field.acknowledges(3).await;
        tokio::time::sleep(dice.within(Duration::from_millis(500))).await;
        let ballast = fill(folder);
        let refused = async || write(&field).await.is_some_and(|code| code == "UNAVAILABLE");
        until("a refusal", PATIENCE, refused).await;
        tokio::time::sleep(dice.within(Duration::from_secs(1))).await;
        // A file that is in the way may be filled meanwhile by what the database writes.
        std::fs::remove_file(ballast).expect("room");
        operate().await;
        let took = until("a write", RECOVERY, async || write(&field).await.is_none()).await;
        eprintln!("there was room, and writes were taken after {took:?}");
    }
    // What was acknowledged is there after a kill.
    field.kill(0).await;
    field.start(0).await;
    field.come_to_an_end(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_sqlite_loses_and_doubles_nothing() {
    let database = Database::create().await;
    if !database.url().starts_with("sqlite:") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    if !mount(folder.path(), 24) {
        // Without the right to mount a file system, `tests/store/database_failures.rs` limits the size of files.
        eprintln!("SKIPPED: no file system can be mounted here, so SQLite's disk isn't filled");
        return;
    }
    let _mounted = Mounted(folder.path().to_owned());
    let database = Database::in_folder(folder.path()).await;
    let mut dice = Dice::new("SQLite's disk");
    let field = Field::new(1, database).await;
    is_full_now_and_then(field, folder.path(), &mut dice, async || {}).await;
}

/// A file system that is unmounted when this is dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_loses_and_doubles_nothing() {
    let Some(mut postgres) = Postgres::start_on_a_small_disk(160).await else { return };
    let mut dice = Dice::new("PostgreSQL's disk");
    let field = Field::new(1, Database::on_own(&postgres.url()).await).await;
    let folder = postgres.folder().to_owned();
    is_full_now_and_then(field, &folder, &mut dice, async || postgres.start_if_ended().await).await;
}
