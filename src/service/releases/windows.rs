//! Recomputes the windows of pending releases after the time zone data has changed (R42).

use crate::domain::id::{PackId, ReleaseId};
use crate::domain::log::{Audience, EventData, EventKind};
use crate::domain::packs::{Pack, PendingRelease};
use crate::domain::releases::{Release, Stage, Window, Zone, computed_anew, pending_due_at};
use crate::domain::{Instant, instant};
use crate::store::Tx;
use crate::store::packs::write as packs;
use crate::store::releases::stages;
use crate::store::releases::windows::{PendingWindow, keep_window, of_older_data};
use crate::store::releases::write as releases;

use crate::service::Services;
use crate::service::error::Failure;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject, window_facts};

/// How many pending releases are read at once.
const PAGE: u64 = 500;

/// The initiator of a recomputation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    Scheduler,
    CommandLine,
}

impl Initiator {
    fn action(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler.moveWindow",
            Self::CommandLine => "commandLine.moveWindow",
        }
    }
}

/// The result of a recomputation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recomputed {
    /// The number of windows that were computed with older data.
    pub seen: u64,
    /// The number of them that moved.
    pub moved: u64,
}

/// Reloads the time zone data, and then recomputes the pending windows that were computed with older data. If the
/// directory can't be read, this is logged and the loaded data stays in use. After a failure the windows already moved
/// stay moved, and the next call tries the others.
pub async fn reload_time_zones(cx: &Services, by: Initiator) -> Result<Recomputed, Failure> {
    let (zones, before) = (cx.zones.clone(), cx.zones.version());
    // Reading may block: the directory can be on a disk that doesn't respond.
    match tokio::task::spawn_blocking(move || zones.reload()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            tracing::warn!(%fault, "time zone data could not be reloaded; the former data stays in use")
        }
        Err(error) => return Err(Failure::bug(format!("reading time zone data did not end: {error}"))),
    }
    let now = cx.zones.version();
    if now != before {
        tracing::info!(%before, version = %now, "the time zone data has changed");
    }
    recompute_windows(cx, by).await
}

/// Recomputes the pending windows that were computed with older data, including windows of releases that a server with
/// older data made since. After a failure the windows already moved stay moved, and the next call tries the others.
pub(crate) async fn recompute_windows(cx: &Services, by: Initiator) -> Result<Recomputed, Failure> {
    let version = cx.zones.version();
    let (mut done, mut after, mut failed) = (Recomputed::default(), None, None);
    loop {
        let (page, more_after) = of_older_data(&cx.db.whole_server(), &version, after, PAGE).await?;
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
                // A window that can't be moved now must not prevent the others from being moved.
                Err(failure) => {
                    tracing::error!(pack = %pending.pack, failure = %failure.for_operators(), "a window was not moved; it is tried again");
                    failed.get_or_insert(failure);
                }
            }
        }
        if more_after.is_none() {
            return failed.map_or(Ok(done), Err);
        }
        after = more_after;
    }
}

/// Splits the windows into those that newer data moves and those that it leaves unchanged, with the version of the
/// data.
fn sort_out(cx: &Services, page: Vec<PendingWindow>) -> (Vec<PendingWindow>, Vec<(PendingWindow, String)>) {
    let (mut move_these, mut keep_these) = (Vec::new(), Vec::new());
    for pending in page {
        // If the newer data doesn't have the zone any more, its windows stay unchanged.
        let Some(zone) = cx.zone(Some(&pending.window.time_zone)) else { continue };
        let anew = computed_anew(&pending.window, &zone);
        // The stages of a release have windows of their own, which `move_window` recomputes under the pack's lock.
        if pending.has_stages || anew.as_ref().is_some_and(|anew| !anew.is_same_time(&pending.window)) {
            move_these.push(pending);
        } else if let Some(anew) = anew {
            keep_these.push((pending, anew.data_version.to_string()));
        }
    }
    (move_these, keep_these)
}

/// Moves one pending window, after locking its pack. A window that has opened meanwhile isn't moved: readers already
/// see its release as started, and this must not be undone (R30).
async fn move_window(cx: &Services, pack: PackId, release: ReleaseId, by: Initiator) -> Result<bool, Failure> {
    let tx = cx.db.begin().await?;
    let Some(mut pack) = packs::lock_any(&tx, pack).await? else { return Ok(false) };
    let now = cx.now(&tx);
    let is_due = pack.standing.has_due(now);
    let Some(pending) = pack.standing.at(now).pending.filter(|p| p.release_id == release && !is_due) else {
        return Ok(false);
    };
    let mut release = releases::lock(&tx, pack.id, release)
        .await?
        .ok_or_else(|| Failure::bug("a pack's pending release has no row"))?;
    let Some(before) = release.window.clone() else { return Ok(false) };
    let Some(zone) = cx.zone(Some(&before.time_zone)) else { return Ok(false) };
    let after = computed_anew(&before, &zone);
    if after.is_none() && !release.has_stages {
        return Ok(false);
    }
    // A server with older data may have moved a stage, while the release's own window is of the newest data.
    let after = after.unwrap_or_else(|| before.clone());
    release.window = Some(after.clone());
    releases::save(&tx, &release).await?;
    let mut journal = match by {
        Initiator::Scheduler => Journal::of_scheduler(cx, pack.publisher_id, now),
        Initiator::CommandLine => Journal::of_command_line(cx, pack.publisher_id, now),
    };
    let (stages, mut moves) = move_stages(&tx, &release, &zone).await?;
    if !after.is_same_time(&before) {
        moves.push(Moved { before, after: after.clone(), stage: None });
    }
    pack.standing.pending =
        Some(PendingRelease { starts_at: after.starts_at, due_at: pending_due_at(&stages, &after), ..pending });
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    for moved in &moves {
        moved.record(&mut journal, by, &pack, release.id, &stages);
    }
    journal.write(&tx).await?;
    tx.commit().await?;
    for Moved { before, after, .. } in &moves {
        tracing::info!(
            pack = pack.name, zone = after.time_zone, data = %after.data_version,
            before = %before.starts_at, after = %after.starts_at, "newer time zone data moved a window"
        );
    }
    Ok(!moves.is_empty())
}

/// Computes the windows of the waiting stages of a release anew, and saves those that were computed with older data.
/// Returns all stages of the release, and the windows that have moved.
async fn move_stages(tx: &Tx, release: &Release, zone: &Zone) -> Result<(Vec<Stage>, Vec<Moved>), Failure> {
    let mut stages = stages::of(tx, release).await?;
    let mut moves = Vec::new();
    for (index, stage) in stages.iter_mut().enumerate().filter(|(_, stage)| stage.waits()) {
        let Some(window) = computed_anew(&stage.window, zone) else { continue };
        stages::save_window(tx, release.id, index, &window).await?;
        let before = std::mem::replace(&mut stage.window, window.clone());
        if !window.is_same_time(&before) {
            moves.push(Moved { before, after: window, stage: Some(index) });
        }
    }
    Ok((stages, moves))
}

/// A window that newer data has moved.
struct Moved {
    before: Window,
    after: Window,
    /// The index of the early stage whose window it is; `None` for the release's own window.
    stage: Option<usize>,
}

impl Moved {
    /// Appends the move to both logs.
    fn record(&self, journal: &mut Journal<'_>, by: Initiator, pack: &Pack, release: ReleaseId, stages: &[Stage]) {
        let stage_name = self.stage.and_then(|index| stages.get(index)).map(|stage| stage.name.clone());
        let entry = entry(by, release, &pack.name, &self.before, &self.after);
        journal.append_entry(entry.change("stage.name", None, stage_name));
        let data = EventData {
            previous_window: Some(window_facts(&self.before)),
            window: Some(window_facts(&self.after)),
            stage: self.stage,
            ..EventData::default()
        };
        let event = JournalEvent { data, ..JournalEvent::release(EventKind::WindowMoved, pack, release) };
        // Managed accounts don't see stages.
        let audience = if self.stage.is_some() { Audience::Publisher } else { event.audience };
        journal.append_event(JournalEvent { audience, ..event });
    }
}

fn entry(by: Initiator, release: ReleaseId, pack: &str, before: &Window, after: &Window) -> Entry {
    let text = |at: Instant| Some(instant::to_text(at));
    Entry::of(by.action(), Subject::Release(release), pack.to_owned())
        .change("date", Some(before.date.to_string()), Some(after.date.to_string()))
        .change("startsAt", text(before.starts_at), text(after.starts_at))
        .change("endsAt", text(before.ends_at), text(after.ends_at))
        .change("timeZoneDataVersion", Some(before.data_version.to_string()), Some(after.data_version.to_string()))
}
