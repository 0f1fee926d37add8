//! Creates a release that was decided: its version, its row and its stages (R21–R24, R29, R54, R56).

use uuid::Uuid;

use crate::domain::accounts::Actor;
use crate::domain::id::{PackVersionId, ReleaseId};
use crate::domain::log::{EventData, EventKind};
use crate::domain::packs::{Pack, PackVersion, PendingRelease};
use crate::domain::releases::{
    Decision, HaltRule, Release, ReleaseSchedule, ReleaseState, Stage, Window, pending_due_at,
};
use crate::domain::source::Source;
use crate::service::Services;
use crate::service::journal::{Entry, Journal, JournalEvent, Subject, window_facts};
use crate::service::packs::reassess;
use crate::store::followup::tasks::Work;
use crate::store::packs::{write as packs, write_drafts as drafts};
use crate::store::releases::stages as stage_rows;
use crate::store::releases::write as releases;
use crate::store::{StoreError, Tx};

use super::opening::{Start, start};
use super::pending::{Ending, end_pending};
use super::{add_task, halting};

/// A release that was decided and isn't saved yet.
pub(super) struct NewRelease<'a> {
    pub decision: Decision,
    /// The early stages, by increasing date (R54).
    pub stages: &'a [Stage],
    /// The normalized notes.
    pub notes: String,
    /// The origin of the content (R68).
    pub source: Option<Source>,
    /// The release's halt rule (R58).
    pub halt: Option<HaltRule>,
}

/// Saves a decided release of a locked pack, and starts an immediate one. Returns its id and its follow-up tasks.
///
/// # Errors
/// [`StoreError::Conflict`] when the pack has another release that waits or is in progress.
pub(super) async fn create(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    mut pack: Pack,
    new: NewRelease<'_>,
) -> Result<(ReleaseId, Vec<Uuid>), StoreError> {
    let now = journal.now;
    let (id, version_id): (ReleaseId, PackVersionId) = (cx.ids.next(), cx.ids.next());
    let version = PackVersion {
        id: version_id,
        pack_id: pack.id,
        publisher_id: pack.publisher_id,
        number: pack.last_number.saturating_add(1),
        notes: new.notes.clone(),
        release_id: id,
        created_at: now,
    };
    releases::insert_version(tx, &version, &new.decision.content).await?;
    let mut release = new.release(&pack, &version, journal.actor());
    journal.append_entry(new.entry(&pack, &version));
    let follow = match &new.decision.window {
        Some(window) => {
            releases::insert(tx, &release).await?;
            stage_rows::insert(tx, id, new.stages).await?;
            new.wait_for(window, journal, &mut pack, &release);
            match release.previous_version_id {
                Some(_) => vec![add_task(cx, tx, &pack, Work::Offer(pack.id, id), false, now).await?],
                None => Vec::new(),
            }
        }
        None => start_at_once(cx, tx, journal, &mut pack, &mut release, new.decision.supersedes).await?,
    };
    drafts::drop_marked_rows(tx, pack.id).await?;
    packs::save_standing(tx, pack.id, &pack.standing).await?;
    packs::count_revision(tx, pack.id, pack.revision.saturating_add(1)).await?;
    reassess(cx, tx, &pack).await?;
    Ok((id, follow))
}

impl NewRelease<'_> {
    /// The release as it is before it starts.
    fn release(&self, pack: &Pack, version: &PackVersion, created_by: &Actor) -> Release {
        let is_dated = self.decision.window.is_some();
        Release {
            id: version.release_id,
            pack_id: pack.id,
            publisher_id: pack.publisher_id,
            version_id: version.id,
            previous_version_id: pack.standing.current_version,
            has_stages: !self.stages.is_empty(),
            state: ReleaseState::Scheduled,
            schedule: if is_dated { ReleaseSchedule::OnSpecifiedDate } else { ReleaseSchedule::Immediately },
            window: self.decision.window.clone(),
            lateness_seconds: None,
            superseded_by: None,
            created_at: version.created_at,
            created_by: created_by.clone(),
            promoted_at: None,
            started_at: None,
            ended_at: None,
            pause: None,
            resumed_at: None,
            reason: None,
            roll_back: None,
            halt: self.halt,
            halted_at: None,
            source: self.source.clone(),
        }
    }

    /// The audit entry of the call.
    fn entry(&self, pack: &Pack, version: &PackVersion) -> Entry {
        let window = self.decision.window.as_ref();
        let mut entry = Entry::of("releaseIntegrationPack", Subject::Release(version.release_id), pack.name.clone())
            .set("version", version.number)
            .change("date", None, window.map(|window| window.date.to_string()))
            .change("timeZone", None, window.map(|window| window.time_zone.clone()))
            .change("commit", None, self.source.as_ref().and_then(|source| source.commit.clone()));
        for (name, field) in halting::FIELDS {
            entry = entry.change(name, None, self.halt.as_ref().map(field));
        }
        for stage in self.stages {
            entry = entry.set(&format!("stages.{}.date", stage.name), stage.window.date);
        }
        entry
    }

    /// Makes a dated release the pending one of its pack. The caller must save `pack.standing`.
    fn wait_for(&self, window: &Window, journal: &mut Journal<'_>, pack: &mut Pack, release: &Release) {
        pack.standing.pending = Some(PendingRelease {
            release_id: release.id,
            version_id: release.version_id,
            starts_at: window.starts_at,
            due_at: pending_due_at(self.stages, window),
        });
        journal.append_event(JournalEvent {
            data: EventData { window: Some(window_facts(window)), ..EventData::default() },
            ..JournalEvent::release(EventKind::ReleaseScheduled, pack, release.id)
        });
    }
}

/// Starts an immediate release, after it has ended the release that it supersedes (R29, R56). The caller must save
/// `pack.standing`. Returns the tasks.
async fn start_at_once(
    cx: &Services,
    tx: &Tx,
    journal: &mut Journal<'_>,
    pack: &mut Pack,
    release: &mut Release,
    superseded: Option<ReleaseId>,
) -> Result<Vec<Uuid>, StoreError> {
    if let Some(old) = superseded
        && let Some(mut old) = releases::lock(tx, pack.id, old).await?
    {
        if old.state == ReleaseState::InProgress {
            // No installation may move to the version whose paused rollout this release replaces, not even back to it.
            // So a roll back of this release goes to the version before both.
            release.previous_version_id = old.previous_version_id;
        }
        end_pending(tx, journal, pack, &mut old, Ending::SupersededBy(release.id)).await?;
    }
    let mut follow = start(cx, tx, journal, pack, release, Start::New).await?;
    if let Some(old) = superseded {
        releases::save_superseded_by(tx, old, release.id).await?;
        follow.insert(0, add_task(cx, tx, pack, Work::Withdraw(pack.id, old), false, journal.now).await?);
    }
    Ok(follow)
}
