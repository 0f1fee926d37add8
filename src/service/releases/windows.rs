//! Newer time zone data and the windows of pending releases (R42).

use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::event::{EventData, EventKind};
use crate::domain::releases::window::{Window, moved};
use crate::domain::{Instant, instant};
use crate::store::packs::write as packs;
use crate::store::releases::windows::{PendingWindow, keep_window, of_older_data};
use crate::store::releases::write as releases;

use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::{Entry, Happening, Journal, Subject, window_facts};

/// How many pending releases are read at a time.
const PAGE: u64 = 500;

/// Who had the windows computed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    Scheduler,
    CommandLine,
}

impl AskedBy {
    fn action(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler.moveWindow",
            Self::CommandLine => "commandLine.moveWindow",
        }
    }
}

/// What came of computing the pending windows anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recomputed {
    /// How many windows came from older data.
    pub seen: u64,
    /// How many of them moved.
    pub moved: u64,
}

/// Reads the time zone data again, then computes each pending window anew that comes from older data. A
/// directory that can't be read is logged, and the data at hand stays in use.
///
/// # Errors
/// [`Failure`]; the windows that were moved before stay moved, and the others are tried by the next call.
pub async fn look_at_time_zones(cx: &Services, by: AskedBy) -> Result<Recomputed, Failure> {
    let (zones, before) = (cx.zones.clone(), cx.zones.version());
    // A directory can lie on a disk that doesn't answer.
    match tokio::task::spawn_blocking(move || zones.reload()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "time zone data was not read again; the data at hand stays in use")
        }
        Err(error) => return Err(Failure::bug(format!("reading time zone data did not end: {error}"))),
    }
    let now = cx.zones.version();
    if now != before {
        tracing::info!(%before, version = %now, "the time zone data is another");
    }
    compute_windows_anew(cx, by).await
}

/// Computes each pending window anew that comes from older data: also those of releases that a server with older
/// data has made since.
///
/// # Errors
/// [`Failure`]; the windows that were moved before stay moved, and the others are tried by the next call.
pub async fn compute_windows_anew(cx: &Services, by: AskedBy) -> Result<Recomputed, Failure> {
    let version = cx.zones.version();
    let (mut done, mut after, mut failed) = (Recomputed::default(), None, None);
    loop {
        let page = of_older_data(&cx.db, &version, after, PAGE).await?;
        let last = page.last().map(|pending| pending.release);
        let full = page.len() as u64 == PAGE;
        let (move_these, keep_these) = sort_out(cx, page);
        done.seen += (move_these.len() + keep_these.len()) as u64;
        if !keep_these.is_empty() {
            let tx = cx.db.begin().await?;
            for (pending, anew) in &keep_these {
                keep_window(&tx, pending, anew).await?;
            }
            tx.commit().await?;
        }
        for pending in move_these {
            match move_window(cx, pending.pack, pending.release, by).await {
                Ok(moved) => done.moved += u64::from(moved),
                // One that can't be moved now must not keep the others where they are.
                Err(failure) => {
                    tracing::error!(pack = %pending.pack.0, ?failure, "a window was not moved; it is tried again");
                    failed.get_or_insert(failure);
                }
            }
        }
        if !full {
            return failed.map_or(Ok(done), Err);
        }
        after = last;
    }
}

/// Which windows are to be moved, and which ones stay as they are by newer data, with the version of it.
fn sort_out(cx: &Services, page: Vec<PendingWindow>) -> (Vec<PendingWindow>, Vec<(PendingWindow, String)>) {
    let (mut move_these, mut keep_these) = (Vec::new(), Vec::new());
    for pending in page {
        // A zone that newer data has no longer leaves its windows as they are.
        let Some(zone) = cx.zone(Some(&pending.window.time_zone)) else { continue };
        if moved(&pending.window, &zone).is_some() {
            move_these.push(pending);
        } else if zone.version > pending.window.data_version {
            keep_these.push((pending, zone.version.to_string()));
        }
    }
    (move_these, keep_these)
}

/// Moves one pending window, once its pack is locked. A window that has opened by then is left to open: what
/// everybody has read since its start must not be undone (R30).
async fn move_window(cx: &Services, pack: PackId, release: ReleaseId, by: AskedBy) -> Result<bool, Failure> {
    let tx = cx.db.begin().await?;
    let Some(mut pack) = packs::lock_any(&tx, pack).await? else { return Ok(false) };
    let now = cx.now(&tx);
    let Some(pending) = pack.standing.pending.filter(|p| p.release_id == release && p.starts_at > now) else {
        return Ok(false);
    };
    let mut release = releases::lock(&tx, pack.id, release)
        .await?
        .ok_or_else(|| Failure::bug("a pack's pending release has no row"))?;
    let Some(before) = release.window.clone() else { return Ok(false) };
    let Some(after) = cx.zone(Some(&before.time_zone)).and_then(|zone| moved(&before, &zone)) else {
        return Ok(false);
    };
    release.window = Some(after.clone());
    releases::save(&tx, &release).await?;
    pack.standing.pending = Some(crate::domain::packs::PendingRelease { starts_at: after.starts_at, ..pending });
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    let mut journal = match by {
        AskedBy::Scheduler => Journal::of_scheduler(cx, pack.publisher_id, now),
        AskedBy::CommandLine => Journal::of_command_line(cx, pack.publisher_id, now),
    };
    journal.note(entry(by, release.id, &pack.name, &before, &after));
    journal.tell(Happening {
        data: EventData {
            previous_window: Some(window_facts(&before)),
            window: Some(window_facts(&after)),
            ..EventData::default()
        },
        ..Happening::release(EventKind::WindowMoved, &pack, release.id)
    });
    journal.write(&tx).await?;
    tx.commit().await?;
    tracing::info!(
        pack = %pack.name, zone = after.time_zone, data = %after.data_version,
        before = %before.starts_at, after = %after.starts_at, "newer time zone data moved a window"
    );
    Ok(true)
}

fn entry(by: AskedBy, release: ReleaseId, pack: &str, before: &Window, after: &Window) -> Entry {
    let text = |at: Instant| Some(instant::spelled(at));
    Entry::of(by.action(), Subject::Release(release), pack.to_owned())
        .change("date", Some(before.date.to_string()), Some(after.date.to_string()))
        .change("startsAt", text(before.starts_at), text(after.starts_at))
        .change("endsAt", text(before.ends_at), text(after.ends_at))
        .change("timeZoneDataVersion", Some(before.data_version.to_string()), Some(after.data_version.to_string()))
}
