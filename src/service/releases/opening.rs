//! Starts releases: new immediate ones, promoted ones, and dated ones whose window has opened (R23, R25, R27, R30).

use crate::domain::Instant;
use crate::domain::id::{AccountId, PackId, ReleaseId};
use crate::domain::log::{EventData, EventKind, Progress};
use crate::domain::packs::{Pack, PendingRelease};
use crate::domain::releases::{Command, Release, ReleaseState, Stage, lateness, transition};
use crate::service::releases::add_task;
use crate::service::releases::stages::open_due_stages;
use crate::store::followup::tasks;
use crate::store::followup::tasks::Work;
use crate::store::packs::write as packs;
use crate::store::releases::stages;
use crate::store::releases::windows::{self, Publishers};
use crate::store::releases::write as releases;
use crate::store::{StoreError, Tx};

use crate::service::Services;
use crate::service::ending::commit;
use crate::service::error::Failure;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject};

/// The most due packs that are read at once. A publisher has fewer packs whose windows open in one night.
const PAGE: u64 = 10_000;

/// Why a release starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Start {
    /// The release is new and immediate, and has no row yet.
    New,
    /// The publisher promoted the release.
    Promoted,
    /// The release's window has opened.
    Due,
}

/// Starts a pack's pending release, in its own transaction, if the release's window has opened by `now` (R30). Opens
/// its early stages whose windows have opened, the oldest first (R55). Every command that touches a pack does this
/// first ([`Services::after_due_windows`]), and `of` is the publisher of its packs, because a publisher must not start
/// the release of another one. The scheduler does it for any pack. Returns the release if anything was opened.
pub async fn open_if_due(
    cx: &Services,
    of: Publishers,
    pack: PackId,
    now: Instant,
) -> Result<Option<ReleaseId>, Failure> {
    if !windows::any_due(&cx.db.whole_server(), of, &[pack], now).await? {
        return Ok(None);
    }
    if !cx.clock.is_trusted() {
        return Err(Failure::Unavailable(
            "a window is due, and the distance to the database's clock isn't known".into(),
        ));
    }
    let tx = cx.db.begin().await?;
    let Some(mut pack) = packs::lock_any(&tx, pack).await? else { return Ok(None) };
    // Reads the clock again after the wait for the lock, because the lateness is measured up to here (R39).
    let now = cx.now(&tx);
    let Some(due) = pack.standing.pending.filter(|_| pack.standing.has_due(now)) else { return Ok(None) };
    let mut release = releases::lock(&tx, pack.id, due.release_id)
        .await?
        .ok_or_else(|| Failure::bug("a pack's pending release has no row"))?;
    let mut journal = Journal::of_scheduler(cx, pack.publisher_id, now);
    if release.has_stages {
        open_due_stages(cx, &tx, &mut journal, &mut pack, &release).await?;
    }
    if due.starts_at <= now {
        start(cx, &tx, &mut journal, &mut pack, &mut release, Start::Due).await?;
    } else if pack.standing.has_due(now) {
        // Neither the window nor a stage is due, so the stored due time is wrong. Without a correction, the scheduler
        // would try to open this pack again and again.
        let stages = if release.has_stages { stages::of(&tx, &release).await? } else { Vec::new() };
        let due_at = Stage::next_due_at(&stages, due.starts_at);
        tracing::error!(pack = %pack.id, kept = %due.due_at, %due_at, "the stored time at which a window is due was wrong and was corrected");
        pack.standing.pending = Some(PendingRelease { due_at, ..due });
        packs::save_standing(&tx, pack.id, &pack.standing).await?;
        commit(tx, journal).await?;
        return Ok(None);
    }
    packs::save_standing(&tx, pack.id, &pack.standing).await?;
    commit(tx, journal).await?;
    cx.metrics.windows_opened.add((), 1);
    cx.metrics.window_lags.took((), (now - due.due_at).to_std().unwrap_or_default());
    Ok(Some(due.release_id))
}

/// [`open_if_due`] for all packs of a publisher, before a command that touches several of them.
pub(in crate::service) async fn open_all_due(cx: &Services, publisher: AccountId, now: Instant) -> Result<(), Failure> {
    let of = Publishers::Only(publisher);
    for pack in windows::due(&cx.db.whole_server(), of, now, PAGE).await? {
        open_if_due(cx, of, pack, now).await?;
    }
    Ok(())
}

/// Starts a release: its version becomes the current one, and a task is added for its follow-ups. A first release
/// succeeds at once, because it moves no installations (R23). The caller must save the changed `pack.standing`. Returns
/// the tasks.
pub(in crate::service) async fn start(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    why: Start,
) -> Result<Vec<uuid::Uuid>, StoreError> {
    let now = journal.now;
    begin(journal, release, why)?;
    let is_first = release.previous_version_id.is_none();
    pack.standing.current_version = Some(release.version_id);
    pack.standing.pending = None;
    pack.standing.running_release = (!is_first).then_some(release.id);
    pack.standing.end_pause();
    record_start(journal, pack, release, why);
    if is_first {
        succeed_at_once(journal, pack, release);
    }
    if why == Start::New {
        releases::insert(tx, release).await?;
    } else {
        releases::save(tx, release).await?;
    }
    // If early stages are open, their task finishes them first, and then becomes the rollout.
    if release.has_stages
        && let Some(task) = tasks::wake_stages(tx, pack.id, release.id, now).await?
    {
        return Ok(vec![task]);
    }
    let work = if is_first { Work::GrantsOfPack(pack.id) } else { Work::RollOut(pack.id, release.id) };
    Ok(vec![add_task(cx, tx, pack, work, !is_first, now).await?])
}

/// Changes a release that starts: its state, its start, and how late a window opens (R39).
fn begin(journal: &mut Journal<'_>, release: &mut Release, why: Start) -> Result<(), StoreError> {
    let now = journal.now;
    let command = if why == Start::Promoted { Command::Promote } else { Command::Open };
    release.state = transition(release.state, command)
        .map_err(|fault| StoreError::Fault(format!("a release can't start: {fault:?}")))?;
    release.started_at = Some(now);
    if why == Start::Promoted {
        release.promoted_at = Some(now);
    }
    if why == Start::Due {
        release.lateness_seconds = release.window.as_ref().and_then(|w| lateness(w.ends_at, now));
        journal.late_seconds = release.lateness_seconds;
    }
    Ok(())
}

/// Appends the start of a release to both logs. The call that makes an immediate release has appended an entry already.
fn record_start(journal: &mut Journal<'_>, pack: &Pack, release: &Release, why: Start) {
    let action = match why {
        Start::New => None,
        Start::Promoted => Some("promoteRelease"),
        Start::Due => Some("scheduler.startRelease"),
    };
    if let Some(action) = action {
        journal.append_entry(
            Entry::of(action, Subject::Release(release.id), pack.name.clone())
                .change("state", Some("SCHEDULED".into()), Some("IN_PROGRESS".into()))
                .change("latenessSeconds", None, release.lateness_seconds.map(|s| s.to_string())),
        );
    }
    journal.append_event(JournalEvent::release(EventKind::ReleaseStarted, pack, release.id));
}

/// Completes a first release (R23).
fn succeed_at_once(journal: &mut Journal<'_>, pack: &Pack, release: &mut Release) {
    release.state = ReleaseState::Succeeded;
    release.ended_at = Some(journal.now);
    journal.append_entry_by_scheduler(
        Entry::of("scheduler.completeRelease", Subject::Release(release.id), pack.name.clone()).change(
            "state",
            Some("IN_PROGRESS".into()),
            Some("SUCCEEDED".into()),
        ),
    );
    journal.append_event(JournalEvent {
        data: EventData { progress: Some(Progress::default()), ..EventData::default() },
        ..JournalEvent::release(EventKind::ReleaseCompleted, pack, release.id)
    });
}
