//! The rules of early stages as functions (R54, R55), and that the database sorts installations as they do.

use chrono::{Duration, TimeZone as _, Utc};
use packwright::domain::Instant;
use packwright::domain::accounts::{Actor, ActorKind};
use packwright::domain::id::{AccountId, InstallationId, PackId, PackVersionId, ReleaseId};
use packwright::domain::releases::ReleaseState as S;
use packwright::domain::releases::{
    Buckets, Holds, Percent, Release, ReleaseSchedule, RollBack, Stage, StageState, Window, buckets_again,
    release_window,
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::releases::halting::installed;
use crate::support::{At as _, Installed, TestApp, bucket, in_stages, of_percent, zone};

#[test]
fn r54_percents_have_two_decimals() {
    let hundredths = |percent: f64| Percent::new(percent).map(Percent::hundredths);
    assert_eq!(hundredths(0.01), Some(1));
    assert_eq!(hundredths(99.99), Some(9_999));
    assert_eq!(hundredths(33.33), Some(3_333));
    for n in 1..=9_999 {
        assert_eq!(hundredths(f64::from(n) / 100.0), Some(n), "each of them can be said");
    }
    for unfit in [0.0, -1.0, 0.001, 0.009, 10.005, 99.995, 100.0, f64::NAN, f64::INFINITY] {
        assert_eq!(hundredths(unfit), None, "{unfit}");
    }
}

#[test]
fn r54_buckets_are_even_and_differ_between_releases() {
    let pack = PackId(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001));
    let ids: Vec<_> = (0..20_000_u64)
        .map(|n| InstallationId(Uuid::from_u64_pair(n, n.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
        .collect();
    let (one, other) = (Buckets::of(pack, 1), Buckets::of(pack, 2));
    let below = |buckets: Buckets, hundredths| ids.iter().filter(|id| buckets.bucket(**id) < hundredths).count();
    for buckets in [one, other] {
        assert!(ids.iter().all(|id| (0..10_000).contains(&buckets.bucket(*id))));
        for (hundredths, expected) in [(100, 200), (1_000, 2_000), (5_000, 10_000), (9_000, 18_000)] {
            let found = below(buckets, hundredths);
            assert!(found.abs_diff(expected) < expected / 5, "{found} instead of {expected} are below {hundredths}");
        }
    }
    let both = ids.iter().filter(|id| one.bucket(**id) < 1_000 && other.bucket(**id) < 1_000).count();
    assert!(both < 600, "a tenth of one release is another tenth of the next: {both} are in both");
}

proptest! {
    #[test]
    fn r54_a_bucket_is_stable_and_within_its_bounds(pack in any::<u128>(), number in 1_i32..100_000, id in any::<u128>()) {
        let buckets = Buckets::of(PackId(Uuid::from_u128(pack)), number);
        let bucket = buckets.bucket(InstallationId(Uuid::from_u128(id)));
        prop_assert!((0..10_000).contains(&bucket));
        prop_assert_eq!(Buckets::of(PackId(Uuid::from_u128(pack)), number), buckets);
    }
}

#[tokio::test]
async fn r54_the_database_sorts_installations_as_the_rule_does() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let Installed { pack, installations, .. } = app.installed_times("Orders", &acme, 40).await;
    let percents = [0.01, 10.0, 33.33, 50.0, 75.5, 99.99];
    let stages: Vec<_> = (23..)
        .zip(percents)
        .map(|(day, percent)| of_percent(&format!("{day}"), &format!("2026-11-{day}"), percent))
        .collect();
    let release = app.release_in_stages(&pack, "2026-12-01", &stages).await;
    let counts: Vec<i64> =
        app.stages(&release).await.iter().take(6).map(|stage| stage.int("/installationCount")).collect();
    let mut from = 0.0;
    for (percent, counted) in percents.into_iter().zip(counts) {
        let held =
            installations.iter().map(|id| bucket(&pack.id, 2, id)).filter(|at| (from..percent).contains(at)).count();
        assert_eq!(usize::try_from(counted), Ok(held), "from {from} to {percent}");
        from = percent;
    }
    let preview = "query($id: ID!, $stages: [ReleaseStageInput!]!, $cohort: ID!) { releasePreview(packId: $id,
        schedule: { onDate: \"2026-12-01\" }, stages: $stages, cohortOf: $cohort) { stages { willMoveCount } } }";
    let variables = json!({ "id": pack.id, "stages": stages, "cohort": release });
    let previewed = app.gql(&app.publisher, preview, variables).await;
    let previewed: Vec<i64> =
        previewed.list("/releasePreview/stages").iter().map(|stage| stage.int("/willMoveCount")).collect();
    let counts: Vec<i64> =
        app.stages(&release).await.iter().take(6).map(|stage| stage.int("/installationCount")).collect();
    assert_eq!(previewed[..6], counts);
    assert_eq!(previewed.iter().sum::<i64>(), 40);
    // Each stage moves exactly those.
    for (day, percent) in (23..).zip(percents) {
        app.advance_to(&format!("2026-11-{:02}T23:00:00Z", day - 1)).await;
        for id in &installations {
            let number = app.installed_number(&acme, id).await;
            assert_eq!(number == 2, bucket(&pack.id, 2, id) < percent, "{id} after {percent}");
        }
    }
}

#[tokio::test]
async fn r54_a_fix_of_a_fix_goes_to_the_same_sample() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = installed(&app, &acme, "Orders", 24).await;
    let stages = [of_percent("Half", "2026-11-25", 50.0)];
    let is_held = |id: &&String| bucket(&world.pack.id, 2, id) < 50.0;
    let held = world.installations.iter().filter(is_held).count();
    let preview = "query($id: ID!, $stages: [ReleaseStageInput!]!, $cohort: ID!) { releasePreview(packId: $id,
        schedule: { onDate: \"2026-12-01\" }, stages: $stages, cohortOf: $cohort) { stages { willMoveCount } } }";
    let mut input = in_stages(&world.pack.id, "2026-12-01", &stages);
    for fix in 0..3 {
        let made = app.ok(&app.publisher, "releaseIntegrationPack", input.clone(), "release { id }").await;
        let release = made.text("/release/id");
        assert_eq!(app.stages(&release).await[0].at("/installationCount"), &json!(held), "fix {fix}");
        app.cancel(&release).await;
        input["cohortOf"] = json!(release);
        let variables = json!({ "id": world.pack.id, "stages": stages, "cohort": release });
        let previewed = app.gql(&app.publisher, preview, variables).await;
        assert_eq!(previewed.at("/releasePreview/stages/0/willMoveCount"), &json!(held), "after fix {fix}");
    }
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { id }").await;
    app.advance_to("2026-11-24T23:00:00Z").await;
    for id in &world.installations {
        let number = app.installed_number(&acme, id).await;
        assert_eq!(number, if is_held(&id) { 5 } else { 1 }, "each is in the first release's half, or in none");
    }
}

#[test]
fn r54_a_release_without_a_part_of_the_installations_has_buckets_of_its_own() {
    let named = release_in(S::Canceled);
    let groups = stage(None, None);
    let buckets = Buckets::of(named.pack_id, 3);
    let part = Stage { holds: Holds::Percent(Percent::stored(1_000), buckets), ..groups.clone() };
    assert_eq!(buckets_again(&[], &named, 7), Buckets::of(named.pack_id, 7));
    assert_eq!(buckets_again(std::slice::from_ref(&groups), &named, 7), Buckets::of(named.pack_id, 7));
    assert_eq!(buckets_again(&[groups, part], &named, 7), buckets);
}

#[tokio::test]
async fn r54_nine_stages_fit() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.package_newer(&world.pack).await;
    let stages: Vec<_> = (1..=9).map(|n| of_percent(&format!("{n}"), &format!("2026-11-2{n}"), f64::from(n))).collect();
    let input = in_stages(&world.pack.id, "2026-12-01", &stages[3..]);
    app.ok(&app.publisher, "releaseIntegrationPack", input, "release { stages { name } }").await;
}

/// An instant some hours after the release was made.
fn hour(hours: i64) -> Instant {
    Utc.with_ymd_and_hms(2026, 11, 23, 0, 0, 0).single().expect("an instant") + Duration::hours(hours)
}

/// A release that was made at hour 0. Its rollout began at hour 5, and it ended or was taken back at hour 8.
fn release_in(state: S) -> Release {
    let started = !matches!(state, S::Scheduled | S::Canceled);
    Release {
        id: ReleaseId(Uuid::nil()),
        pack_id: PackId(Uuid::nil()),
        publisher_id: AccountId(Uuid::nil()),
        version_id: PackVersionId(Uuid::nil()),
        previous_version_id: Some(PackVersionId(Uuid::nil())),
        has_stages: true,
        state,
        schedule: ReleaseSchedule::OnSpecifiedDate,
        window: None,
        lateness_seconds: None,
        superseded_by: None,
        created_at: hour(0),
        created_by: Actor { kind: ActorKind::CommandLine, name: String::new(), token_id: None, account_id: None },
        promoted_at: started.then(|| hour(5)),
        started_at: started.then(|| hour(5)),
        ended_at: match state {
            S::Scheduled | S::InProgress | S::RollingBack => None,
            S::RolledBack => Some(hour(9)),
            _ => Some(hour(8)),
        },
        pause: None,
        resumed_at: None,
        reason: None,
        roll_back: matches!(state, S::RollingBack | S::RolledBack)
            .then(|| RollBack { began_at: hour(8), installations: 1 }),
        halt: None,
        halted_at: None,
        source: None,
    }
}

/// A stage whose window opens at hour 2.
fn stage(opened: Option<i64>, completed: Option<i64>) -> Stage {
    let zone = zone("UTC");
    let window = release_window(hour(2).date_naive(), &zone).expect("a window");
    Stage {
        name: "Pilots".to_owned(),
        holds: Holds::Groups(Vec::new()),
        window: Window { starts_at: hour(2), ..window },
        opened_at: opened.map(hour),
        completed_at: completed.map(hour),
    }
}

#[test]
fn r55_a_stage_is_done_from_when_all_of_it_was_come_to() {
    // The release's state, when the stage opened and was completed as stored, its state at hour 10, and since when it
    // has been done.
    let table = [
        (S::Scheduled, None, None, StageState::Open, None),
        (S::Scheduled, Some(2), None, StageState::Open, None),
        (S::Scheduled, Some(2), Some(3), StageState::Done, Some(3)),
        (S::Canceled, None, None, StageState::Dropped, None),
        (S::Canceled, Some(2), None, StageState::Done, Some(8)),
        (S::Canceled, Some(2), Some(3), StageState::Done, Some(3)),
        (S::Superseded, None, None, StageState::Dropped, None),
        (S::Superseded, Some(2), None, StageState::Done, Some(8)),
        (S::InProgress, None, None, StageState::Dropped, None),
        (S::InProgress, Some(2), None, StageState::Open, None),
        (S::InProgress, Some(2), Some(6), StageState::Done, Some(6)),
        (S::Succeeded, Some(2), Some(6), StageState::Done, Some(6)),
        (S::PartiallySucceeded, None, None, StageState::Dropped, None),
        (S::Failed, Some(2), Some(6), StageState::Done, Some(6)),
        (S::RollingBack, None, None, StageState::Dropped, None),
        (S::RollingBack, Some(2), None, StageState::Done, Some(8)),
        (S::RolledBack, Some(2), None, StageState::Done, Some(8)),
        (S::RolledBack, Some(2), Some(6), StageState::Done, Some(6)),
    ];
    for (state, opened, completed, expected, since) in table {
        let (release, stage) = (release_in(state), stage(opened, completed));
        let found = (stage.state_at(&release, hour(10)), stage.completed_in(&release));
        assert_eq!(found, (expected, since.map(hour)), "{state:?}, opened {opened:?}, completed {completed:?}");
    }
    assert_eq!(stage(None, None).state_at(&release_in(S::Scheduled), hour(1)), StageState::Waiting);
}
