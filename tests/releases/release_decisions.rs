//! The decision about a release, tested as a pure function (R21–R23, R28, R29, R35–R39).

use std::collections::BTreeMap;

use packwright::domain::Instant;
use packwright::domain::id::{ComponentId, ComponentVersionId, PackVersionId, ReleaseId};
use packwright::domain::packs::{DraftRow, PackStanding, PendingRelease, VersionStamp};
use packwright::domain::releases::{
    ReleaseFacts, ReleaseRefusal, RequestedSchedule, decide, future_window, lateness, release_dates,
};
use uuid::Uuid;

use crate::support::{START, instant, zone};

const IMMEDIATELY: RequestedSchedule = RequestedSchedule::Immediately;

fn on(date: &str) -> RequestedSchedule {
    RequestedSchedule::OnDate(date.parse().unwrap())
}

fn release(n: u128) -> ReleaseId {
    ReleaseId(Uuid::from_u128(n))
}

fn component(n: u128) -> ComponentId {
    ComponentId(Uuid::from_u128(n))
}

/// A row whose component has this latest shareable version; 0 for none.
fn row(n: u128, latest: u128) -> DraftRow {
    let stamp = VersionStamp { id: ComponentVersionId(Uuid::from_u128(latest)), created_at: instant(START) };
    DraftRow {
        component_id: component(n),
        pinned: None,
        marked_for_removal: false,
        latest_shareable: (latest > 0).then_some(stamp),
    }
}

type Content = BTreeMap<ComponentId, ComponentVersionId>;

fn content(items: &[(u128, u128)]) -> Content {
    items.iter().map(|(c, v)| (component(*c), ComponentVersionId(Uuid::from_u128(*v)))).collect()
}

/// A pack that can be released: version 1 holds version 1 of its component, and version 2 is next.
struct Case {
    rows: Vec<DraftRow>,
    current: Content,
    standing: PackStanding,
    moving: Option<ReleaseId>,
    time_zone: Option<&'static str>,
}

impl Default for Case {
    fn default() -> Self {
        let current_version = Some(PackVersionId(Uuid::from_u128(1)));
        let standing = PackStanding { current_version, ..PackStanding::default() };
        Self {
            rows: vec![row(1, 2)],
            current: content(&[(1, 1)]),
            standing,
            moving: None,
            time_zone: Some("Europe/Berlin"),
        }
    }
}

impl Case {
    fn decide(&self, schedule: RequestedSchedule) -> Result<packwright::domain::releases::Decision, ReleaseRefusal> {
        let zone = self.time_zone.map(zone);
        let facts = ReleaseFacts {
            rows: &self.rows,
            current: &self.current,
            standing: self.standing,
            moving: self.moving,
            time_zone: zone.as_ref(),
            days_ahead: 365,
        };
        decide(&facts, schedule, instant(START))
    }
}

fn pending(n: u128) -> Option<PendingRelease> {
    let starts_at = instant("2026-11-30T23:00:00Z");
    Some(PendingRelease {
        release_id: release(n),
        version_id: PackVersionId(Uuid::from_u128(n)),
        starts_at,
        due_at: starts_at,
    })
}

#[test]
fn r21_empty_and_unchanged_are_refused_before_anything_else() {
    for schedule in [IMMEDIATELY, on("2026-12-01"), on("1999-01-01")] {
        let busy = PackStanding { running_release: Some(release(9)), pending: pending(8), ..PackStanding::default() };
        let empty = Case { rows: vec![], current: Content::new(), standing: busy, ..Case::default() };
        assert_eq!(empty.decide(schedule), Err(ReleaseRefusal::EmptyPack));
        let all_marked = Case { rows: vec![DraftRow { marked_for_removal: true, ..row(1, 2) }], ..Case::default() };
        assert_eq!(all_marked.decide(schedule), Err(ReleaseRefusal::EmptyPack));
        let same = Case { rows: vec![row(1, 1)], standing: busy, ..Case::default() };
        assert_eq!(same.decide(schedule), Err(ReleaseRefusal::NothingToRelease));
    }
}

#[test]
fn r21_the_content_of_a_pending_release_is_no_obstacle_for_an_immediate_one() {
    let case = Case { standing: PackStanding { pending: pending(8), ..Case::default().standing }, ..Case::default() };
    let decision = case.decide(IMMEDIATELY).unwrap();
    assert_eq!((decision.supersedes, decision.window), (Some(release(8)), None));
    assert_eq!(decision.content, content(&[(1, 2)]));
}

#[test]
fn r19_a_row_without_a_shareable_version_holds_up_the_release_and_is_named() {
    let case = Case { rows: vec![row(1, 2), row(2, 0), row(3, 0)], ..Case::default() };
    assert_eq!(
        case.decide(IMMEDIATELY),
        Err(ReleaseRefusal::NoShareableVersion { components: vec![component(2), component(3)] })
    );
    let marked = Case { rows: vec![row(1, 2), DraftRow { marked_for_removal: true, ..row(2, 0) }], ..Case::default() };
    assert!(marked.decide(IMMEDIATELY).is_ok(), "unless it is to go");
}

#[test]
fn r28_a_second_dated_release_names_the_first() {
    let case = Case {
        standing: PackStanding { pending: pending(8), ..Case::default().standing },
        time_zone: None,
        ..Case::default()
    };
    assert_eq!(case.decide(on("2026-12-01")), Err(ReleaseRefusal::ReleaseAlreadyPending { blocking: release(8) }));
}

#[test]
fn r29_while_installations_move_nothing_is_released() {
    let running = Case {
        standing: PackStanding { running_release: Some(release(9)), ..PackStanding::default() },
        ..Case::default()
    };
    let moving_back = Case { moving: Some(release(7)), ..Case::default() };
    for schedule in [IMMEDIATELY, on("2026-12-01")] {
        assert_eq!(running.decide(schedule), Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(release(9)) }));
        assert_eq!(moving_back.decide(schedule), Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(release(7)) }));
    }
}

#[test]
fn r35_a_dated_release_needs_a_zone_and_an_immediate_one_doesn_t() {
    let case = Case { time_zone: None, ..Case::default() };
    assert_eq!(case.decide(on("2026-12-01")), Err(ReleaseRefusal::TimeZoneRequired));
    assert!(case.decide(IMMEDIATELY).is_ok());
    let window = Case::default().decide(on("2026-12-01")).unwrap().window.unwrap();
    assert_eq!((window.starts_at, window.time_zone.as_str()), (instant("2026-11-30T23:00:00Z"), "Europe/Berlin"));
}

fn date_fault(now: &str, date: &str, name: &str) -> Option<ReleaseRefusal> {
    future_window(instant(now), date.parse().unwrap(), &zone(name), 365).err()
}

#[test]
fn r38_today_is_refused_and_tomorrow_allowed_to_the_last_microsecond() {
    let refused = |earliest: &str| {
        Some(ReleaseRefusal::DateNotInFuture { earliest: earliest.parse().unwrap(), time_zone: "Europe/Berlin".into() })
    };
    assert_eq!(date_fault(START, "2026-11-22", "Europe/Berlin"), refused("2026-11-23"));
    assert_eq!(date_fault(START, "1999-01-01", "Europe/Berlin"), refused("2026-11-23"));
    assert_eq!(date_fault("2026-11-22T22:59:59.999999Z", "2026-11-23", "Europe/Berlin"), None);
    assert_eq!(
        date_fault("2026-11-22T23:00:00Z", "2026-11-23", "Europe/Berlin"),
        refused("2026-11-24"),
        "the window has opened"
    );
}

#[test]
fn r38_the_last_date_is_365_days_ahead_in_the_zone() {
    let latest = "2027-11-22".parse().unwrap();
    assert_eq!(date_fault(START, "2027-11-22", "Europe/Berlin"), None);
    let fault = date_fault(START, "2027-11-23", "Europe/Berlin");
    assert_eq!(fault, Some(ReleaseRefusal::DateTooFar { latest, time_zone: "Europe/Berlin".into() }));
    assert_eq!(date_fault("2026-11-22T10:00:00Z", "2027-11-23", "Pacific/Kiritimati"), None, "it is the 23rd there");
}

#[test]
fn r37_a_skipped_day_is_refused_with_the_first_date_that_may_be() {
    let fault = date_fault("2011-12-29T12:00:00Z", "2011-12-30", "Pacific/Apia");
    let expected =
        ReleaseRefusal::DateDoesNotExist { earliest: "2011-12-31".parse().unwrap(), time_zone: "Pacific/Apia".into() };
    assert_eq!(fault, Some(expected), "tomorrow is left out there");
    let dates = release_dates(instant("2011-12-29T12:00:00Z"), &zone("Pacific/Apia"), 365);
    assert_eq!(dates.earliest.to_string(), "2011-12-31");
}

#[test]
fn r38_the_dates_to_choose_from_are_those_that_are_accepted() {
    for (now, name) in [
        (START, "Europe/Berlin"),
        ("2027-10-30T22:30:00Z", "Asia/Beirut"),
        ("2027-11-07T04:30:00Z", "America/Havana"),
        ("2026-11-22T09:59:59Z", "Pacific/Kiritimati"),
    ] {
        let now: Instant = instant(now);
        let zone = zone(name);
        let dates = release_dates(now, &zone, 365);
        let accepted = |date| future_window(now, date, &zone, 365).is_ok();
        assert!(accepted(dates.earliest) && accepted(dates.latest), "{name}");
        assert!(!accepted(dates.earliest.pred_opt().unwrap()) && !accepted(dates.latest.succ_opt().unwrap()), "{name}");
    }
}

#[test]
fn r39_late_is_what_starts_at_the_window_s_end_or_after() {
    let end = instant("2026-12-01T00:00:00Z");
    assert_eq!(lateness(end, instant("2026-11-30T23:00:00Z")), None);
    assert_eq!(lateness(end, instant("2026-11-30T23:59:59.999999Z")), None);
    assert_eq!(lateness(end, end), Some(0));
    assert_eq!(lateness(end, instant("2026-12-03T00:00:01Z")), Some(172_801));
}
