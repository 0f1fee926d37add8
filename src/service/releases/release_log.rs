//! Logs releases for operators: when one was scheduled, started or ended, with its counts and duration.

use crate::domain::Instant;
use crate::domain::log::{EventKind, NewEvent};

use crate::service::journal::Journal;

/// The log lines of one transaction. They are collected before the journal is written, and logged after the commit.
#[must_use]
pub(in crate::service) struct ReleaseLog {
    events: Vec<NewEvent>,
    /// When the completed release began.
    began: Option<Instant>,
    /// By how many seconds the started release has missed its window.
    late_seconds: Option<i64>,
}

impl ReleaseLog {
    /// Collects the lines for a journal's events.
    pub(in crate::service) fn of(journal: &Journal<'_>) -> Self {
        let events = journal.events().filter(|event| message(event.kind).is_some()).cloned().collect();
        Self { events, began: journal.began, late_seconds: journal.late_seconds }
    }

    /// Writes the lines to the program's log.
    pub(in crate::service) fn write(self) {
        for event in self.events {
            let Some(message) = message(event.kind) else { continue };
            let progress = event.data.progress.as_ref();
            let late_seconds = self.late_seconds.filter(|_| event.kind == EventKind::ReleaseStarted);
            // The level of a line can't be chosen at run time.
            macro_rules! log_at {
                ($level:ident) => {
                    tracing::$level!(
                        pack = event.pack_name,
                        release = event.release_id.map(tracing::field::display),
                        by = event.actor.name,
                        starts_at = event.data.window.as_ref().map(|window| tracing::field::display(window.starts_at)),
                        late_seconds,
                        applied = progress.map(|it| it.applied),
                        skipped = progress.map(|it| it.skipped),
                        failed = progress.map(|it| it.failed),
                        took_seconds = self.began.map(|began| (event.occurred_at - began).num_seconds()),
                        "{message}"
                    )
                };
            }
            if late_seconds.is_some() { log_at!(warn) } else { log_at!(info) }
        }
    }
}

/// The log message for an event. Progress isn't logged: the API has it.
fn message(kind: EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::ReleaseScheduled => "a release was scheduled",
        EventKind::ReleaseRescheduled => "a release was moved to another date",
        EventKind::ReleaseCanceled => "a release was canceled",
        EventKind::ReleaseSuperseded => "a release was superseded",
        EventKind::ReleaseStarted => "a release has started",
        EventKind::ReleaseCompleted => "a release has ended",
        EventKind::ReleasePaused => "a release was paused",
        EventKind::ReleaseResumed => "a release was resumed",
        EventKind::ReleaseRollingBack => "a release is being rolled back",
        EventKind::ReleaseRolledBack => "a release was rolled back",
        EventKind::ReleaseHalted => "a release was halted by its rule",
        EventKind::ReleaseStageOpened => "an early stage of a release has opened",
        EventKind::ReleaseStageCompleted => "an early stage of a release is done",
        _ => return None,
    })
}
