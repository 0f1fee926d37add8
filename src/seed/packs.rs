//! Generates the histories of packs: their drafts, their releases, and their state at the end.

use chrono::{Days, TimeDelta};

use super::catalogue::{GeneratedComponent, LATELY, PACKAGED_BY};
use super::directory::{DAYS, Directory};
use super::history::{Course, Edit, GeneratedRelease, History};
use super::rng::{For, Rng};
use super::{Options, words};
use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::components::{ComponentType, VersionKind};
use crate::domain::id::{ComponentId, PackVersionId};
use crate::domain::packs::{
    Content, DeploymentModel, DraftRow, Guide, InstallationType, Pack, PackStanding, PackVersion, PendingRelease,
    SupportInfo, assess, ids,
};
use crate::domain::releases::{Release, ReleaseSchedule, ReleaseState, Window, release_window};
use crate::zones::TimeZones;

/// The state of a pack at the end of its history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    NeverReleased,
    FirstReleaseScheduled,
    Testing,
    Current,
    Deleted,
}

/// A history while it is generated.
struct HistoryBuilder<'a> {
    options: &'a Options,
    catalogue: &'a [GeneratedComponent],
    rng: Rng,
    actor: Actor,
    history: History,
    /// The indexes of the draft's components in the catalogue.
    draft: Vec<usize>,
    current: Content,
    pending: Option<Content>,
    numbers: i32,
}

/// The history of the pack number `index`.
pub(super) fn history(
    options: &Options,
    directory: &Directory,
    catalogue: &[GeneratedComponent],
    index: usize,
) -> History {
    let mut rng = Rng::new(options.seed, For::Pack, index);
    let began = options.at - TimeDelta::days(DAYS);
    let created = rng.days_after(began, PACKAGED_BY + 1, DAYS - 100);
    let installation_type = if rng.percent(22) { InstallationType::Multi } else { InstallationType::Single };
    let ending = match rng.below(100) {
        // The first two packs can always be installed.
        _ if index == 0 => Ending::Testing,
        _ if index == 1 => Ending::Current,
        _ if index % 40 == 17 => Ending::Deleted,
        0..4 => Ending::NeverReleased,
        4..7 => Ending::FirstReleaseScheduled,
        7..27 => Ending::Testing,
        _ => Ending::Current,
    };
    // The first packs get the most installations, and are never legacy packs.
    let legacy = index > 1 && rng.percent(8);
    let name = words::pack(index);
    let pack = Pack {
        id: rng.id(created),
        publisher_id: directory.publisher.id,
        description: format!("{name}, with everything that belongs to it."),
        support: support(&name, &mut rng),
        name,
        installation_type,
        deployment_model: if legacy { DeploymentModel::Legacy } else { DeploymentModel::Packaged },
        revision: 1,
        assessment: crate::domain::packs::Assessment::default(),
        draft_revision: 0,
        last_number: 0,
        standing: PackStanding::default(),
        created_at: created,
        created_by: directory.actor(),
        updated_at: created,
        deleted_at: None,
        key: None,
    };
    let history = History { pack, rows: Vec::new(), edits: Vec::new(), keys: Vec::new(), issues: Vec::new() };
    let maker = HistoryBuilder {
        options,
        catalogue,
        rng,
        actor: directory.actor(),
        history,
        draft: Vec::new(),
        current: Content::new(),
        pending: None,
        numbers: 0,
    };
    maker.live(ending)
}

fn support(name: &str, rng: &mut Rng) -> SupportInfo {
    SupportInfo {
        contact: rng.percent(90).then(|| "Integration desk".to_owned()),
        url: rng.percent(60).then(|| "https://support.example.com/integrations".to_owned()),
        installation_guide: rng
            .percent(60)
            .then(|| Guide::Text(format!("# {name}\n\nSet the endpoint, then run once."))),
        user_guide: rng.percent(40).then(|| Guide::Url("https://docs.example.com/integrations".to_owned())),
        prerequisites: None,
    }
}

impl HistoryBuilder<'_> {
    fn live(mut self, ending: Ending) -> History {
        let created = self.history.pack.created_at;
        let target = self.rng.range(3, 12);
        let mut edited = created + TimeDelta::minutes(self.rng.range(1, 60));
        let added = (0..target).filter_map(|_| self.add()).collect();
        self.edit(edited, Edit::Added(added));
        if matches!(ending, Ending::Testing | Ending::Current | Ending::Deleted) {
            edited = self.release_over_the_years(edited);
        }
        let pending_from = self.rng.days_after(self.options.at, -5, -2);
        match ending {
            Ending::FirstReleaseScheduled => self.schedule(pending_from),
            Ending::Testing => {
                self.change(pending_from - TimeDelta::hours(1));
                self.schedule(pending_from);
            }
            Ending::Deleted => self.history.pack.deleted_at = Some(self.rng.days_after(self.options.at, -20, -8)),
            Ending::NeverReleased | Ending::Current => {}
        }
        self.leave_something_open(edited);
        self.finish()
    }

    /// Adds the releases that have ended. Returns the time of the last edit.
    fn release_over_the_years(&mut self, mut edited: Instant) -> Instant {
        let target = self.rng.range(1, 5);
        let mut at = self.rng.days_after(edited, 1, 12);
        while i64::from(self.numbers) < target && at < self.options.at - TimeDelta::days(35) {
            if self.numbers > 0 && (self.rng.percent(25) || self.content(at) == self.current) {
                edited = at - TimeDelta::hours(2);
                self.change(edited);
            }
            let course = match self.rng.below(100) {
                _ if self.numbers == 0 => Course::First,
                0..35 => Course::Immediate,
                35..85 => Course::Dated,
                85..93 => Course::Promoted,
                _ => Course::Canceled,
            };
            if self.content(at) != self.current {
                self.issue(at, course);
            }
            at = self.rng.days_after(at, 30, 130);
        }
        let last = self.history.issues.last().map_or(edited, |issue| issue.release.created_at);
        let at = self.rng.days_after(self.options.at, -LATELY, -37);
        if self.rng.percent(65) && at > last + TimeDelta::days(25) && self.content(at) != self.current {
            self.issue(at, Course::Dated);
        }
        edited
    }

    /// The kind of versions in the pack (R52).
    fn kind(&self) -> VersionKind {
        self.history.pack.deployment_model.holds()
    }

    /// The index of a random component that the pack may hold (R11, R12) and doesn't have yet; `None` when none was
    /// found.
    fn candidate(&mut self) -> Option<usize> {
        let multi = self.history.pack.installation_type == InstallationType::Multi;
        (0..50).find_map(|_| {
            let nth = self.rng.nth(self.catalogue.len());
            let built = self.catalogue.get(nth)?;
            let component_type = built.component.component_type;
            let fits = component_type.can_be_shared() && !(multi && component_type == ComponentType::ApiService);
            let made = built.latest(self.kind(), self.history.pack.created_at).is_some();
            (fits && made && !self.draft.contains(&nth)).then_some(nth)
        })
    }

    fn add(&mut self) -> Option<ComponentId> {
        let nth = self.candidate()?;
        let component = self.catalogue[nth].component.id;
        self.draft.push(nth);
        if !self.history.keys.iter().any(|(is_chosen, _)| *is_chosen == component) {
            let key = self.rng.key();
            self.history.keys.push((component, key));
        }
        Some(component)
    }

    /// Adds a component, or removes one.
    fn change(&mut self, at: Instant) {
        if self.draft.len() > 3 && (self.draft.len() >= 12 || self.rng.percent(25)) {
            let nth = self.rng.nth(self.draft.len());
            let component = self.catalogue[self.draft.remove(nth)].component.id;
            let marked = self.current.contains_key(&component);
            self.edit(at, Edit::Removed { component, marked });
        } else if let Some(component) = self.add() {
            self.edit(at, Edit::Added(vec![component]));
        }
    }

    fn edit(&mut self, at: Instant, edit: Edit) {
        self.history.pack.revision += 1;
        self.history.pack.updated_at = at;
        self.history.edits.push((at, edit));
    }

    /// The content of a release made at an instant.
    fn content(&self, at: Instant) -> Content {
        let built = self.draft.iter().map(|nth| &self.catalogue[*nth]);
        built.filter_map(|built| Some((built.component.id, built.latest(self.kind(), at)?))).collect()
    }

    fn window(&mut self, at: Instant, from: i64, to: i64) -> Option<Window> {
        let days = u64::try_from(self.rng.range(from, to)).unwrap_or(0);
        let date = at.date_naive().checked_add_days(Days::new(days))?;
        // Always the built-in data, so that a seed gives the same world on every machine.
        release_window(date, &TimeZones::built_in().find(words::PUBLISHER_ZONE).ok()?).ok()
    }

    /// Adds a release that has ended. A rollout's end is set later, when its installations are known.
    fn issue(&mut self, at: Instant, course: Course) {
        let dated = match course {
            Course::First => self.rng.percent(30),
            Course::Immediate | Course::Pending => false,
            Course::Dated | Course::Promoted | Course::Canceled => true,
        };
        let window = if dated { self.window(at, 3, 10) } else { None };
        let early = at + TimeDelta::minutes(self.rng.range(12 * 60, 36 * 60));
        let opened = window.as_ref().map(|w| w.starts_at + TimeDelta::milliseconds(self.rng.range(5, 400)));
        let content = self.content(at);
        let version = self.push(at, course, window, &content);
        let Some(issue) = self.history.issues.last_mut() else { return };
        let release = &mut issue.release;
        match course {
            Course::First | Course::Immediate | Course::Dated => release.started_at = opened.or(Some(at)),
            Course::Promoted => (release.started_at, release.promoted_at) = (Some(early), Some(early)),
            Course::Canceled | Course::Pending => release.ended_at = Some(early),
        }
        if course == Course::Canceled {
            release.state = ReleaseState::Canceled;
            return;
        }
        release.state = ReleaseState::Succeeded;
        release.ended_at = release.started_at;
        self.current = content;
        self.history.pack.standing.current_version = Some(version);
    }

    /// Adds the pending release.
    fn schedule(&mut self, at: Instant) {
        let content = self.content(at);
        let Some(window) = self.window(self.options.at, 3, 10) else { return };
        if content.is_empty() || content == self.current {
            return;
        }
        let starts_at = window.starts_at;
        let version_id = self.push(at, Course::Pending, Some(window), &content);
        let Some(issue) = self.history.issues.last() else { return };
        let release_id = issue.release.id;
        self.history.pack.standing.pending =
            Some(PendingRelease { release_id, version_id, starts_at, due_at: starts_at });
        self.pending = Some(content);
    }

    fn push(&mut self, at: Instant, course: Course, window: Option<Window>, content: &Content) -> PackVersionId {
        self.numbers += 1;
        let (pack, rng): (&mut Pack, &mut Rng) = (&mut self.history.pack, &mut self.rng);
        pack.revision += 1;
        pack.last_number = self.numbers;
        let (release_id, version_id) = (rng.id(at), rng.id(at));
        let version = PackVersion {
            id: version_id,
            pack_id: pack.id,
            publisher_id: pack.publisher_id,
            number: self.numbers,
            notes: words::release_notes(self.numbers, rng),
            release_id,
            created_at: at,
        };
        let schedule = if window.is_some() { ReleaseSchedule::OnSpecifiedDate } else { ReleaseSchedule::Immediately };
        let release = Release {
            id: release_id,
            pack_id: pack.id,
            publisher_id: pack.publisher_id,
            version_id,
            previous_version_id: pack.standing.current_version,
            has_stages: false,
            state: ReleaseState::Scheduled,
            schedule,
            window,
            lateness_seconds: None,
            superseded_by: None,
            created_at: at,
            created_by: self.actor.clone(),
            promoted_at: None,
            started_at: None,
            ended_at: None,
            pause: None,
            resumed_at: None,
            halt: None,
            halted_at: None,
            source: None,
            reason: None,
            roll_back: None,
        };
        self.history.issues.push(GeneratedRelease {
            version,
            content: ids(content),
            release,
            progressed_at: None,
            course,
        });
        version_id
    }

    /// Adds unreleased edits: an added component, a row marked for removal, or a pinned row (R15, R16).
    fn leave_something_open(&mut self, edited: Instant) {
        let since = self.history.issues.last().map_or(edited, |issue| issue.release.created_at);
        let until = self.history.pack.deleted_at.unwrap_or(self.options.at);
        let at = self.rng.between(since.max(edited), until);
        if self.rng.percent(10)
            && let Some(component) = self.add()
        {
            self.edit(at, Edit::Added(vec![component]));
        }
        self.history.rows = self.draft_rows();
        let nth = self.rng.nth(self.history.rows.len());
        let versions = self.draft.get(nth).map(|nth| &self.catalogue[*nth]);
        let versions = versions.map(|built| built.versions(self.kind(), self.options.at)).unwrap_or_default();
        let chosen = self.rng.nth(versions.len());
        let (mark, pin) = (self.rng.percent(5), self.rng.percent(10));
        let Some(component) = self.history.rows.get(nth).map(|row| row.component_id) else { return };
        let in_use = |content: &Content| content.contains_key(&component);
        if mark && (in_use(&self.current) || self.pending.as_ref().is_some_and(in_use)) {
            self.history.rows[nth].marked_for_removal = true;
            self.edit(at, Edit::Removed { component, marked: true });
        } else if pin && let Some(version) = versions.get(chosen).copied() {
            self.history.rows[nth].pinned = Some(version);
            self.edit(at, Edit::Pinned { component, version });
        }
    }

    /// The draft's rows, all of them following.
    fn draft_rows(&self) -> Vec<DraftRow> {
        let row = |nth: &usize| {
            let built = &self.catalogue[*nth];
            let latest_shareable = built.latest(self.kind(), self.options.at);
            DraftRow { component_id: built.component.id, pinned: None, marked_for_removal: false, latest_shareable }
        };
        self.draft.iter().map(row).collect()
    }

    fn finish(mut self) -> History {
        let content = self.pending.unwrap_or(self.current);
        self.history.pack.assessment = assess(&self.history.rows, &content);
        if self.history.pack.deleted_at.is_some() {
            self.history.rows.clear();
        }
        self.history
    }
}
