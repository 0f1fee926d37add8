//! Early stages of a dated re-release (R54, R55): the installations that a stage holds, its opening, and its state.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::domain::Instant;
use crate::domain::id::{GroupId, InstallationId, PackId};
use crate::domain::releases::Window;
use crate::domain::releases::Zone;
use crate::domain::releases::{Release, ReleaseState, future_window};
use crate::domain::releases::{ReleaseRefusal, StageNameFault, StagesFault};
use crate::domain::text;

/// The most early stages of a release.
const STAGES_MAX: usize = 9;
/// The most groups of a stage.
const GROUPS_MAX: usize = 20;
/// The most characters of a stage's name.
pub const STAGE_NAME_MAX: usize = 80;
/// The name of the last stage, which opens on the release's own date and holds every installation.
pub const EVERYBODY: &str = "everybody";

/// A part of the installations, in hundredths of a percent: 1 to 9,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(i32);

impl Percent {
    /// Reads 0.01 to 99.99 with at most two decimals; `None` for any other number.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        let hundredths = (percent * 100.0).round();
        // Two decimals are rarely exact in binary.
        let is_exact = (percent * 100.0 - hundredths).abs() < 1e-6;
        #[expect(clippy::cast_possible_truncation, reason = "between 1 and 9,999")]
        (is_exact && (1.0..=9_999.0).contains(&hundredths)).then_some(Self(hundredths as i32))
    }

    /// Takes hundredths of a percent from the database, without checks.
    #[must_use]
    pub fn stored(hundredths: i32) -> Self {
        Self(hundredths)
    }

    /// The number of hundredths of a percent, from 1 to 9,999.
    #[must_use]
    pub fn hundredths(self) -> i32 {
        self.0
    }

    /// The percent as a number with two decimals.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// How a release sorts installations into buckets: it multiplies the last [`BUCKET_BITS`] bits of an installation's id
/// by a factor and adds a shift. The formula is this simple because SQL statements must compute it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buckets {
    pub factor: i64,
    pub shift: i64,
}

/// The number of bits of an installation's id that make its bucket. The ids' last bits are random.
pub const BUCKET_BITS: u32 = 28;

impl Buckets {
    /// The buckets of the release that makes version `number` of a pack. They don't depend on the release's id, so that
    /// a preview can compute them before the release exists.
    #[must_use]
    pub fn of(pack: PackId, number: i32) -> Self {
        let (high, low) = pack.0.as_u64_pair();
        let seed = mixed(high ^ mixed(low ^ mixed(u64::from(number.unsigned_abs()))));
        let bits = |word: u64| i64::try_from(word >> (64 - BUCKET_BITS)).unwrap_or(0);
        // An odd factor maps different ids to different products.
        Self { factor: bits(mixed(seed)) | 1, shift: bits(mixed(seed ^ u64::MAX)) }
    }

    /// The bucket of an installation, in hundredths of a percent: 0 to 9,999.
    #[must_use]
    pub fn bucket(self, installation: InstallationId) -> i32 {
        let mask = (1_i64 << BUCKET_BITS) - 1;
        let place = (bucket_seed(installation) * self.factor + self.shift) & mask;
        i32::try_from((place * 10_000) >> BUCKET_BITS).unwrap_or(0)
    }
}

/// The last [`BUCKET_BITS`] bits of an installation's id.
#[must_use]
pub fn bucket_seed(installation: InstallationId) -> i64 {
    let (_, low) = installation.0.as_u64_pair();
    i64::try_from(low & ((1 << BUCKET_BITS) - 1)).unwrap_or(0)
}

/// A mixing function: each bit of the result depends on all bits of `word` (the finalizer of SplitMix64).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The installations that a stage holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The installations of accounts that are in one of these groups when the stage opens.
    Groups(Vec<GroupId>),
    /// The installations whose bucket is below the percent.
    Percent(Percent, Buckets),
}

/// The buckets of a later release that uses those of `named` again (`cohortOf`). `stages` are the stages of the named
/// release, which may itself use the buckets of a release before it; `number` is the number of its version.
#[must_use]
pub fn buckets_again(stages: &[Stage], named: &Release, number: i32) -> Buckets {
    let used = stages.iter().find_map(|stage| match &stage.holds {
        Holds::Percent(_, buckets) => Some(*buckets),
        Holds::Groups(_) => None,
    });
    used.unwrap_or_else(|| Buckets::of(named.pack_id, number))
}

/// An early stage of a release. A release has its stages in the order of their dates; a stage's position in it is its
/// index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    pub name: String,
    pub holds: Holds,
    pub window: Window,
    /// When the stage opened, as stored.
    pub opened_at: Option<Instant>,
    /// When the stage had processed its last installation, as stored. Use [`Stage::completed_in`], which also regards
    /// the end of the release.
    pub completed_at: Option<Instant>,
}

/// The state of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageState {
    Waiting,
    Open,
    Done,
    Dropped,
}

impl Stage {
    /// The start of the next waiting stage, or else of the release's window, which starts at `last`.
    #[must_use]
    pub fn next_due_at(stages: &[Self], last: Instant) -> Instant {
        stages.iter().filter(|stage| stage.waits()).map(|stage| stage.window.starts_at).fold(last, Instant::min)
    }

    /// The state at `now`. When a waiting stage's window has opened, the stage is open, whether or not the scheduler
    /// has carried that out (R30).
    #[must_use]
    pub fn state_at(&self, release: &Release, now: Instant) -> StageState {
        match (self.completed_in(release), self.opened_at) {
            (Some(_), _) => StageState::Done,
            (None, Some(_)) => StageState::Open,
            (None, None) if release.state != ReleaseState::Scheduled => StageState::Dropped,
            // No stage of a paused release opens (R56).
            (None, None) if self.window.starts_at <= now && !release.is_paused() => StageState::Open,
            (None, None) => StageState::Waiting,
        }
    }

    /// When the stage was completed: it had processed its last installation, or its release ended or was taken back
    /// while the stage was open, which ends the offers that are left (R49, R55).
    #[must_use]
    pub fn completed_in(&self, release: &Release) -> Option<Instant> {
        let settled_at = || self.opened_at.and(release.taken_back_at().or(release.ended_at));
        self.completed_at.or_else(settled_at)
    }

    /// Whether the stage hasn't opened yet, as stored.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.opened_at.is_none()
    }

    /// Whether the stage holds an installation; `in_groups` is whether its account is, or was when the stage opened, in
    /// one of the stage's groups.
    #[must_use]
    pub fn holds(&self, installation: InstallationId, in_groups: bool) -> bool {
        match &self.holds {
            Holds::Groups(_) => in_groups,
            Holds::Percent(percent, buckets) => buckets.bucket(installation) < percent.hundredths(),
        }
    }
}

/// The state at `now` of a release's last stage, which holds every installation and opens on the release's own date.
#[must_use]
pub fn last_stage_state(release: &Release, now: Instant) -> StageState {
    match release.state_at(now) {
        ReleaseState::Scheduled => StageState::Waiting,
        ReleaseState::InProgress => StageState::Open,
        ReleaseState::Canceled | ReleaseState::Superseded if release.started_at.is_none() => StageState::Dropped,
        _ => StageState::Done,
    }
}

/// The position of the first early stage that holds an installation; `None` if only the last stage does. `in_groups`
/// takes the position of a stage of groups, and says whether the installation's account is in one of these groups.
#[must_use]
pub fn first_stage(stages: &[Stage], installation: InstallationId, in_groups: impl Fn(usize) -> bool) -> Option<usize> {
    stages.iter().enumerate().position(|(position, stage)| stage.holds(installation, in_groups(position)))
}

/// The window in which an offered update is applied if its account doesn't apply it before: that of the stage that
/// holds the installation, or of the next one after it, if that stage is done (R55). `first` comes from
/// [`first_stage`].
#[must_use]
pub fn applies_in(stages: &[Stage], first: Option<usize>, release: &Release, now: Instant) -> Option<Window> {
    let early = match (release.state_at(now), first) {
        (ReleaseState::Scheduled, Some(first)) => stages
            .iter()
            .skip(first)
            .find(|stage| matches!(stage.state_at(release, now), StageState::Waiting | StageState::Open)),
        _ => None,
    };
    early.map(|stage| stage.window.clone()).or_else(|| release.window.clone())
}

/// When a pending release is due next: at the start of its next waiting stage, or else of its window.
#[must_use]
pub fn pending_due_at(stages: &[Stage], window: &Window) -> Instant {
    Stage::next_due_at(stages, window.starts_at)
}

/// A stage in a publisher's request. Its name is normalized.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedStage {
    pub name: String,
    pub date: NaiveDate,
    pub holds: RequestedHolds,
}

/// The installations that a stage holds, as the request describes them.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestedHolds {
    Groups(Vec<GroupId>),
    Percent(f64),
}

/// The facts on which [`plan_stages`] bases its plan.
#[derive(Clone, Copy, Debug)]
pub struct Planning<'a> {
    /// The window of the release; `None` for an immediate one.
    pub window: Option<&'a Window>,
    /// Whether the pack has no current version.
    pub is_first: bool,
    pub zone: Option<&'a Zone>,
    pub days_ahead: u16,
    pub buckets: Buckets,
    pub now: Instant,
}

/// Plans the early stages of a release that [`decide`](super::decide) has accepted (R54).
///
/// # Errors
/// The first refusal in the order STAGES_NOT_ALLOWED, INVALID_STAGES, STAGE_NAME, STAGE_PERCENTS, those of a date,
/// STAGE_DATES.
pub fn plan_stages(requested: &[RequestedStage], facts: Planning<'_>) -> Result<Vec<Stage>, ReleaseRefusal> {
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    let (Some(last), Some(zone), false) = (facts.window, facts.zone, facts.is_first) else {
        return Err(ReleaseRefusal::StagesNotAllowed);
    };
    check_stage_sizes(requested)?;
    check_names(requested.iter().map(|stage| stage.name.as_str()))?;
    let mut holds = Vec::new();
    let mut most = None;
    for (index, stage) in requested.iter().enumerate() {
        holds.push(match &stage.holds {
            RequestedHolds::Groups(groups) => {
                Holds::Groups(groups.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
            }
            RequestedHolds::Percent(percent) => {
                let fault = ReleaseRefusal::StagePercents { index };
                let percent = Percent::new(*percent).filter(|percent| Some(*percent) > most).ok_or(fault)?;
                most = Some(percent);
                Holds::Percent(percent, facts.buckets)
            }
        });
    }
    let mut stages = Vec::new();
    for (index, (stage, holds)) in requested.iter().zip(holds).enumerate() {
        let window = future_window(facts.now, stage.date, zone, facts.days_ahead)
            .map_err(|date| ReleaseRefusal::StageDate { index, date: Box::new(date) })?;
        stages.push(Stage { name: stage.name.clone(), holds, window, opened_at: None, completed_at: None });
    }
    match out_of_order(&stages, last) {
        Some(index) => Err(ReleaseRefusal::StageDates { index: Some(index) }),
        None => Ok(stages),
    }
}

/// Checks the numbers of stages and of their groups (R54).
///
/// # Errors
/// INVALID_STAGES.
pub fn check_stage_sizes(requested: &[RequestedStage]) -> Result<(), ReleaseRefusal> {
    let unfit = |stage: &RequestedStage| match &stage.holds {
        RequestedHolds::Groups(groups) => groups.is_empty() || groups.len() > GROUPS_MAX,
        RequestedHolds::Percent(_) => false,
    };
    let too_many = (requested.len() > STAGES_MAX).then_some(StagesFault::TooMany);
    match too_many.or_else(|| requested.iter().position(unfit).map(StagesFault::Groups)) {
        Some(fault) => Err(ReleaseRefusal::InvalidStages { fault }),
        None => Ok(()),
    }
}

/// Checks that the names of stages differ, whatever the case, and that none is the name of the last stage.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), ReleaseRefusal> {
    let mut keys = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let key = text::key(name);
        if key == EVERYBODY {
            return Err(ReleaseRefusal::StageName { index, fault: StageNameFault::Unfit });
        }
        if !keys.insert(key) {
            return Err(ReleaseRefusal::StageName { index, fault: StageNameFault::Twice });
        }
    }
    Ok(())
}

/// The index of the first waiting stage whose date isn't later than that of the waiting stage before it, or not earlier
/// than the release's own. The dates of opened stages bind no other date: a stage that was opened early has a later one.
fn out_of_order(stages: &[Stage], last: &Window) -> Option<usize> {
    let waiting: Vec<_> = stages.iter().enumerate().filter(|(_, stage)| stage.waits()).collect();
    let after_next = waiting.windows(2).find_map(|pair| match pair {
        [(_, before), (index, stage)] => (stage.window.date <= before.window.date).then_some(*index),
        _ => None,
    });
    let at_the_end = waiting.last().filter(|(_, stage)| stage.window.date >= last.date);
    after_next.or(at_the_end.map(|(index, _)| *index))
}

/// A new date of a stage in a publisher's request. The name is normalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageDate {
    pub name: String,
    pub date: NaiveDate,
}

/// Moves waiting stages of a pending release to other dates (R55). `last` is the release's own window, which may be new
/// too.
///
/// # Errors
/// The first refusal in the order STAGE_NAME, those of a date, STAGE_DATES.
pub fn reschedule_stages(
    stages: &[Stage],
    dates: &[StageDate],
    last: &Window,
    zone: &Zone,
    days_ahead: u16,
    now: Instant,
) -> Result<Vec<Stage>, ReleaseRefusal> {
    check_names(dates.iter().map(|stage| stage.name.as_str()))?;
    let mut moved = stages.to_vec();
    let mut requested: Vec<Option<usize>> = vec![None; stages.len()];
    for (index, StageDate { name, date }) in dates.iter().enumerate() {
        let key = text::key(name);
        let found = stages.iter().position(|stage| stage.waits() && text::key(&stage.name) == key);
        let unknown = ReleaseRefusal::StageName { index, fault: StageNameFault::Unknown };
        let position = found.ok_or(unknown)?;
        if let (Some(stage), Some(by)) = (moved.get_mut(position), requested.get_mut(position)) {
            *by = Some(index);
            if stage.window.date != *date {
                stage.window = future_window(now, *date, zone, days_ahead)
                    .map_err(|date| ReleaseRefusal::StageDate { index, date: Box::new(date) })?;
            }
        }
    }
    match out_of_order(&moved, last) {
        // The release's own date is at fault if the request doesn't name the stage.
        Some(position) => Err(ReleaseRefusal::StageDates { index: requested.get(position).copied().flatten() }),
        None => Ok(moved),
    }
}
