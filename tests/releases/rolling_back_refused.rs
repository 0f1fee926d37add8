//! When a release isn't rolled back, and what its preview says (R59).

use packwright::domain::id::{PackVersionId, ReleaseId};
use packwright::domain::installations::{RollBackDecision, SkipReason, UpdateState, decide_roll_back as decide_one};
use packwright::domain::releases::ReleaseRefusal;
use packwright::domain::releases::{ReleaseState, RollBackFacts, check_bound, decide_roll_back};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::releasing::back;
use crate::support::rows::{all_rows, assert_same_rows, code_of};
use crate::support::{At, Installed, Managed, TestApp, refusal};

/// Acme, Globex and Initech have Orders installed, which the group Gold grants, and a release has moved them.
async fn released() -> (TestApp, [Managed; 3], Installed, String, String) {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let gold = app.group("Gold", &accounts.each_ref()).await;
    let world = app.installed_pack_in("Orders", &gold, &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.tick().await;
    (app, accounts, world, release, gold)
}

fn facts(state: ReleaseState) -> RollBackFacts {
    RollBackFacts {
        release: ReleaseId(Uuid::from_u128(2)),
        state,
        former: Some(PackVersionId(Uuid::from_u128(1))),
        is_current: true,
        pending: None,
        moving: None,
    }
}

#[test]
fn r59_only_the_started_release_whose_version_is_current_can_be_rolled_back() {
    for state in ReleaseState::ALL {
        let expected = match state {
            ReleaseState::InProgress
            | ReleaseState::Succeeded
            | ReleaseState::PartiallySucceeded
            | ReleaseState::Failed => Ok(PackVersionId(Uuid::from_u128(1))),
            ReleaseState::RollingBack => {
                Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(ReleaseId(Uuid::from_u128(2))) })
            }
            _ => Err(ReleaseRefusal::NotRollableBack),
        };
        assert_eq!(decide_roll_back(&facts(state)), expected, "{state:?}");
        if expected.is_ok() {
            let not = Err(ReleaseRefusal::NotRollableBack);
            assert_eq!(decide_roll_back(&RollBackFacts { is_current: false, ..facts(state) }), not, "{state:?}");
            assert_eq!(decide_roll_back(&RollBackFacts { former: None, ..facts(state) }), not, "{state:?}");
        }
    }
}

#[test]
fn r59_another_release_in_the_way_is_named_and_its_own_rollout_is_none() {
    let other = ReleaseId(Uuid::from_u128(9));
    let of = |moving, pending| RollBackFacts { moving, pending, ..facts(ReleaseState::InProgress) };
    assert!(decide_roll_back(&of(Some(ReleaseId(Uuid::from_u128(2))), None)).is_ok());
    let busy = Err(ReleaseRefusal::ReleaseInProgress { blocking: Some(other) });
    assert_eq!(decide_roll_back(&of(Some(other), Some(other))), busy, "before what is pending");
    let pending = Err(ReleaseRefusal::ReleaseAlreadyPending { blocking: other });
    assert_eq!(decide_roll_back(&of(None, Some(other))), pending);
}

#[test]
fn r59_the_bound_is_met_by_as_many_and_not_by_more() {
    assert_eq!((check_bound(0, 0), check_bound(5, 5)), (Ok(()), Ok(())));
    assert_eq!(check_bound(6, 5), Err(ReleaseRefusal::MoreInstallations { installations: 6 }));
    assert_eq!(check_bound(0, -1), Err(ReleaseRefusal::MoreInstallations { installations: 0 }));
}

#[test]
fn r59_what_has_the_version_moves_back_and_what_may_not_be_moved_stays() {
    use UpdateState as U;
    let skip = [Some(SkipReason::NotEntitled), Some(SkipReason::AccountSuspended)];
    for update in [None, Some(U::Offered), Some(U::Applied), Some(U::Skipped), Some(U::Failed)] {
        for tried in [false, true] {
            assert_eq!(decide_one(update, true, None, tried), RollBackDecision::MoveBack, "{update:?}");
            for skip in skip {
                let decision = decide_one(update, true, skip, tried);
                assert_ne!(decision, RollBackDecision::MoveBack, "{update:?} {skip:?}");
                let gives_up = tried && update != Some(U::Offered);
                assert_eq!(decision == RollBackDecision::GiveUp, gives_up, "{update:?} {skip:?} {tried}");
            }
            // Without the version, only an offer and further attempts end.
            let expected = match (update, tried) {
                (Some(U::Offered), _) => RollBackDecision::EndOffer,
                (_, true) => RollBackDecision::GiveUp,
                (_, false) => RollBackDecision::LeaveAlone,
            };
            for skip in [None, skip[0], skip[1]] {
                assert_eq!(decide_one(update, false, skip, tried), expected, "{update:?} {skip:?}");
            }
        }
    }
}

#[tokio::test]
async fn r59_each_refusal_names_its_field_and_changes_nothing() {
    let (app, _, world, release, _) = released().await;
    let with = |field: &str, value: Value| {
        let mut input = back(&release);
        input[field] = value;
        input
    };
    let canceled = app.update_on(&world.pack, "2026-12-01").await;
    app.cancel(&canceled).await;
    app.tick().await;
    let before = all_rows(&app).await;
    for (input, code, field) in [
        (with("reason", json!("")), "REASON_REQUIRED", "reason"),
        (with("reason", json!(" \n ")), "REASON_REQUIRED", "reason"),
        (with("reason", json!("x".repeat(2_001))), "REASON_REQUIRED", "reason"),
        (with("releaseId", json!(world.first_release)), "NOT_ROLLABLE_BACK", ""),
        (with("releaseId", json!(canceled)), "NOT_ROLLABLE_BACK", ""),
    ] {
        let refused = refusal(&app.try_roll_back(input.clone()).await);
        assert_eq!((refused.code.as_str(), refused.field.as_str()), (code, field), "{input}");
    }
    for at_most in [2, 0, -1] {
        let payload = app.try_roll_back(with("atMost", json!(at_most))).await;
        let error = payload.at("/errors/0");
        assert_eq!((error.text("/code"), error.at("/field")), ("MORE_INSTALLATIONS".into(), &json!(["atMost"])));
        assert_eq!((payload.at("/release"), payload.int("/installationCount")), (&json!(null), 3));
        assert!(error.text("/message").contains('3'), "{payload:#}");
    }
    let control = app.denied(&app.publisher, "rollBackRelease", with("reason", json!("a\u{0}b"))).await;
    assert_eq!(control, "BAD_USER_INPUT");
    assert_same_rows(&app, &before, "what was refused").await;
    let longest = "x".repeat(2_000);
    let mut input = with("reason", json!(longest));
    input["atMost"] = json!(3);
    let payload = crate::support::accepted(app.try_roll_back(input).await);
    assert_eq!(payload.text("/release/reason"), longest);
}

#[tokio::test]
async fn r59_a_pending_release_has_to_be_canceled_first() {
    let (app, _, world, release, _) = released().await;
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    assert_eq!(refusal(&app.try_roll_back(back(&pending)).await).code, "NOT_ROLLABLE_BACK");
    let refused = refusal(&app.try_roll_back(back(&release)).await);
    assert_eq!(
        (refused.code.as_str(), refused.errors[0].text("/blockingRelease/id")),
        ("RELEASE_ALREADY_PENDING", pending.clone())
    );
    let can = async || app.read_release(&release, "viewerCanRollBack").await.at("/viewerCanRollBack") == true;
    assert!(!can().await);
    app.cancel(&pending).await;
    assert!(can().await);
    let support = app.token(&app.publisher, "SUPPORT").await;
    let query = "query($id: ID!) { release(id: $id) { viewerCanRollBack } }";
    let seen = app.gql(&support, query, json!({ "id": release })).await;
    assert_eq!(seen.at("/release/viewerCanRollBack"), false, "without the privilege");
    app.roll_back(&release).await;
}

#[tokio::test]
async fn r59_a_repeated_call_changes_nothing_and_gets_the_first_answer() {
    let (app, [_, globex, _], world, release, _) = released().await;
    let mut input = back(&release);
    input["clientRequestId"] = json!("once");
    let first = app.try_roll_back(input.clone()).await;
    assert_eq!(first.int("/installationCount"), 3);
    app.uninstall(&globex, &world.installations[1]).await;
    let before = all_rows(&app).await;
    let again = crate::support::accepted(app.try_roll_back(input.clone()).await);
    assert_eq!((again.text("/release/state"), again.int("/installationCount")), ("ROLLED_BACK".into(), 3));
    input["reason"] = json!("Another reason.");
    assert_eq!(refusal(&app.try_roll_back(input).await).code, "CLIENT_REQUEST_ID_REUSED");
    assert_same_rows(&app, &before, "a repeated call").await;
}

#[tokio::test]
async fn r59_the_preview_says_who_would_be_moved_and_who_not_and_why() {
    let (app, [acme, globex, initech], world, release, gold) = released().await;
    let all = json!({
        "release": { "id": release, "state": "SUCCEEDED" }, "backTo": { "number": 1 }, "willMoveCount": 3, "willSkip": [],
        "refusals": [],
        "diff": { "fromNumber": 2, "toNumber": 1, "changed": [{ "from": { "version": "2.0" }, "to": { "version": "1.0" } }] },
    });
    assert_eq!(app.roll_back_preview(&release).await, all);
    let umbrella = app.managed("Umbrella").await;
    app.join(&gold, &umbrella).await;
    app.install(&umbrella, "Orders").await;
    app.leave(&gold, &globex).await;
    app.suspend(&initech).await;
    let before = all_rows(&app).await;
    let seen = app.roll_back_preview(&release).await;
    assert_eq!(seen.int("/willMoveCount"), 2, "one of them was installed since");
    let skipped = json!([
        { "reason": "ACCOUNT_SUSPENDED", "installationCount": 1 }, { "reason": "NOT_ENTITLED", "installationCount": 1 },
    ]);
    assert_eq!(seen.at("/willSkip"), &skipped);
    assert_same_rows(&app, &before, "a preview").await;
    let mut input = back(&release);
    input["atMost"] = json!(2);
    let payload = crate::support::accepted(app.try_roll_back(input).await);
    assert_eq!(payload.int("/installationCount"), 2, "as the preview said");
    assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 1);
}

#[tokio::test]
async fn r59_with_a_grant_for_all_accounts_the_preview_counts_the_same() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    let release = app.update_now(&world.pack).await;
    app.suspend(&accounts[2]).await;
    let seen = app.roll_back_preview(&release).await;
    assert_eq!(seen.int("/willMoveCount"), 2);
    assert_eq!(seen.at("/willSkip"), &json!([{ "reason": "ACCOUNT_SUSPENDED", "installationCount": 1 }]));
    let all = app.all_accounts().await;
    app.unshare(&world.pack.id, &[&all]).await;
    let seen = app.roll_back_preview(&release).await;
    assert_eq!(seen.int("/willMoveCount"), 0);
    assert_eq!(seen.at("/willSkip"), &json!([{ "reason": "NOT_ENTITLED", "installationCount": 3 }]));
}

#[tokio::test]
async fn r59_the_preview_of_what_can_t_be_rolled_back_says_why() {
    let (app, [acme, ..], world, release, _) = released().await;
    let first = app.roll_back_preview(&world.first_release).await;
    assert_eq!((first.at("/backTo"), first.at("/diff"), first.int("/willMoveCount")), (&json!(null), &json!(null), 0));
    assert_eq!(first.text("/refusals/0/code"), "NOT_ROLLABLE_BACK");
    let pending = app.update_on(&world.pack, "2026-12-01").await;
    let seen = app.roll_back_preview(&release).await;
    assert_eq!(seen.text("/refusals/0/code"), "RELEASE_ALREADY_PENDING");
    assert_eq!((seen.text("/refusals/0/blockingRelease/id"), seen.int("/willMoveCount")), (pending, 3));
    let query = "query($id: ID!) { rollBackPreview(releaseId: $id) { willMoveCount } }";
    let denied = app.gql_raw(Some(&acme.token), query, json!({ "id": release })).await;
    assert_eq!(code_of(&denied).as_deref(), Some("FORBIDDEN"));
}
