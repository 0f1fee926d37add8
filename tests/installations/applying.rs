//! Applying updates early, and what the window does afterwards (R26, R27, R46).

use serde_json::{Value, json};

use crate::support::rows::{LogMark, all_rows, assert_same_rows, code_of, refusal_of};
use crate::support::{At, Installed, Managed, TestApp, accepted, refusal};

/// The start of the window of 2026-12-01 in Berlin.
const OPENS: &str = "2026-11-30T23:00:00.000000Z";

/// Acme and Globex have the pack Orders installed, and a release of it is in its testing period. Returns its ID last.
async fn testing() -> (TestApp, Managed, Managed, Installed, String) {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let release = app.update_on(&installed.pack, "2026-12-01").await;
    (app, acme, globex, installed, release)
}

#[tokio::test]
async fn r26_an_account_that_has_the_pack_applies_early() {
    let (app, acme, globex, installed, release) = testing().await;
    let (acmes, globexes) = (&installed.installations[0], &installed.installations[1]);
    let update = app.offered(&acme, acmes).await.expect("an offer");
    let selection =
        "update { id state how settledAt skipReason fromVersion { number } toVersion { number } appliedBy { kind name }
        installation { version { number } movedAt pendingUpdate { id } } } alreadyApplied";
    let payload = app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), selection).await;
    let expected = json!({
        "errors": [], "alreadyApplied": false,
        "update": {
            "id": update, "state": "APPLIED", "how": "EARLY", "settledAt": "2026-11-22T09:00:00.000000Z", "skipReason": null,
            "fromVersion": { "number": 1 }, "toVersion": { "number": 2 }, "appliedBy": { "kind": "API_TOKEN", "name": "first" },
            "installation": { "version": { "number": 2 }, "movedAt": "2026-11-22T09:00:00.000000Z", "pendingUpdate": null },
        },
    });
    assert_eq!(payload, expected);
    assert_eq!(app.installed_number(&globex, globexes).await, 1, "each for itself");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/appliedEarly"), progress.int("/offered")), (1, 1, 1));
    let seen = app.update_of(&release, acmes).await;
    assert_eq!(
        (seen.text("/how"), seen.at("/appliedBy")),
        ("EARLY".into(), &Value::Null),
        "the publisher isn't told whose token"
    );
    assert_eq!(app.current_number(&installed.pack.id).await, Some(1), "the current version waits for the window");
}

#[tokio::test]
async fn r26_each_installation_of_a_multi_pack_is_applied_for_itself() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    let (berlin, paris) =
        (app.install_as(&acme, "Orders", "Berlin").await, app.install_as(&acme, "Orders", "Paris").await);
    app.update_on(&pack, "2026-12-01").await;
    assert_eq!(app.pending_updates(&acme).await.len(), 2);
    app.apply(&acme, &paris).await;
    assert_eq!((app.installed_number(&acme, &berlin).await, app.installed_number(&acme, &paris).await), (1, 2));
    assert_eq!(app.pending_updates(&acme).await, [app.offered(&acme, &berlin).await.expect("still offered")]);
}

#[tokio::test]
async fn r26_applying_twice_is_a_no_op_that_says_so() {
    let (app, acme, _, installed, _) = testing().await;
    let update = app.apply(&acme, &installed.installations[0]).await;
    let before = all_rows(&app).await;
    app.clock_only("2026-11-25T12:00:00Z");
    let again = accepted(app.try_apply(&acme, &update).await);
    assert_eq!((again.at("/alreadyApplied"), again.text("/update/how")), (&json!(true), "EARLY".into()));
    assert_same_rows(&app, &before, "a no-op").await;
}

#[tokio::test]
async fn r26_two_applies_at_once_move_once() {
    let (app, acme, _, installed, _) = testing().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    let mark = LogMark::now(&app).await;
    let (one, other) = tokio::join!(app.try_apply(&acme, &update), app.try_apply(&acme, &update));
    let mut already = [one.at("/alreadyApplied").clone(), other.at("/alreadyApplied").clone()];
    already.sort_by_key(|v| v == &json!(true));
    assert_eq!(already, [json!(false), json!(true)]);
    assert_eq!(mark.kinds(&app).await, ["INSTALLATION_UPDATED"]);
    assert_eq!(mark.actions(&app).await, ["applyPendingUpdate"]);
    assert_eq!(app.mover.attempts(&installed.installations[0]), 1);
}

#[tokio::test]
async fn r26_an_account_without_the_pack_has_nothing_to_apply() {
    let (app, ..) = testing().await;
    let initech = app.managed("Initech").await;
    assert_eq!(app.pending_updates(&initech).await, Vec::<String>::new());
    let seen = app
        .read_available(
            &initech,
            &app.available(&initech, "Orders").await,
            "pendingRelease { id } currentVersion { number }",
        )
        .await;
    assert_eq!(seen, json!({ "pendingRelease": null, "currentVersion": { "number": 1 } }));
}

#[tokio::test]
async fn r26_another_accounts_update_is_not_found() {
    let (app, acme, globex, installed, _) = testing().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    assert_eq!(app.denied(&globex.token, "applyPendingUpdate", json!({ "updateId": update })).await, "NOT_FOUND");
}

#[tokio::test]
async fn r26_once_the_window_has_opened_it_is_the_servers_to_move() {
    let (app, acme, _, installed, _) = testing().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.clock_only(OPENS);
    assert_eq!(app.pending_updates(&acme).await, Vec::<String>::new(), "nothing may be applied early any more");
    let payload = app.try_apply(&acme, &update).await;
    match refusal_of(&payload).as_deref() {
        Some(code) => assert_eq!(code, "RELEASE_IN_PROGRESS"),
        // The call opened the window, and its first batch moved the installation.
        None => assert_eq!(payload.at("/alreadyApplied"), true, "{payload:#}"),
    }
    app.tick().await;
    let done = accepted(app.try_apply(&acme, &update).await);
    assert_eq!((done.at("/alreadyApplied"), done.text("/update/how")), (&json!(true), "AUTOMATIC".into()));
}

#[tokio::test]
async fn r26_applying_while_the_window_opens_moves_once() {
    for late in [false, true] {
        let (app, acme, _, installed, release) = testing().await;
        let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
        if late {
            app.clock_only(OPENS);
        } else {
            app.clock_only("2026-11-30T22:59:59.999999Z");
        }
        let opening = async {
            app.clock_only(OPENS);
            app.tick().await;
        };
        let (payload, ()) = tokio::join!(app.try_apply(&acme, &update), opening);
        let code = refusal_of(&payload);
        assert!(matches!(code.as_deref(), None | Some("RELEASE_IN_PROGRESS")), "{payload:#}");
        app.tick().await;
        let seen = app.update_of(&release, &installed.installations[0]).await;
        assert_eq!(seen.text("/state"), "APPLIED");
        let by_account = code.is_none() && payload.at("/alreadyApplied") == false;
        assert_eq!(seen.text("/how"), if by_account { "EARLY" } else { "AUTOMATIC" });
        assert_eq!(app.mover.attempts(&installed.installations[0]), 1, "moved once");
        assert_eq!(app.installed_number(&acme, &installed.installations[0]).await, 2);
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    }
}

#[tokio::test]
async fn r26_a_canceled_or_superseded_offer_is_withdrawn() {
    for cancel in [true, false] {
        let (app, acme, _, installed, release) = testing().await;
        let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
        if cancel {
            app.cancel(&release).await;
        } else {
            app.update_now(&installed.pack).await;
        }
        app.tick().await;
        assert_eq!(refusal(&app.try_apply(&acme, &update).await).code, "UPDATE_WITHDRAWN");
        assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/state"), "WITHDRAWN");
    }
}

#[tokio::test]
async fn r26_nothing_is_offered_by_a_first_or_an_immediate_release() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let first = app.pack_with("First", &["Import"]).await;
    app.share_with_all(&first.id).await;
    let release = app.release_on(&first.id, "2026-12-01").await;
    assert_eq!(
        app.read_release(&release, "testingPeriod { isOpen } progress { total }").await,
        json!({ "testingPeriod": null, "progress": { "total": 0 } })
    );
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let release = app.update_now(&installed.pack).await;
    assert_eq!(app.read_release(&release, "testingPeriod { isOpen }").await, json!({ "testingPeriod": null }));
    assert_eq!(app.pending_updates(&acme).await, Vec::<String>::new());
}

#[tokio::test]
async fn r27_at_the_window_the_others_are_moved_and_early_appliers_are_not_touched_again() {
    let (app, acme, globex, installed, release) = testing().await;
    app.advance_to("2026-11-25T12:00:00Z").await;
    app.apply(&acme, &installed.installations[0]).await;
    let before = app.update_of(&release, &installed.installations[0]).await;
    let mark = LogMark::now(&app).await;
    app.advance_to(OPENS).await;
    assert_eq!(app.update_of(&release, &installed.installations[0]).await, before);
    let moved = app.update_of(&release, &installed.installations[1]).await;
    assert_eq!(
        (moved.text("/state"), moved.text("/how"), moved.text("/settledAt")),
        ("APPLIED".into(), "AUTOMATIC".into(), OPENS.into())
    );
    assert_eq!(
        (
            app.installed_number(&acme, &installed.installations[0]).await,
            app.installed_number(&globex, &installed.installations[1]).await
        ),
        (2, 2)
    );
    assert_eq!(
        (app.mover.attempts(&installed.installations[0]), app.mover.attempts(&installed.installations[1])),
        (1, 1)
    );
    let about_acme = crate::support::uuid_of(&installed.installations[0]);
    assert!(
        mark.events(&app).await.iter().all(|e| e.installation_id != Some(about_acme)),
        "nothing is told of it again"
    );
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/appliedEarly"), progress.int("/total")), (2, 1, 2));
}

#[tokio::test]
async fn r27_an_installation_made_from_the_moment_the_window_opens_gets_the_new_version() {
    let (app, _, _, _, release) = testing().await;
    let initech = app.managed("Initech").await;
    app.clock_only(OPENS);
    let installation = app.install(&initech, "Orders").await;
    assert_eq!(app.installed_number(&initech, &installation).await, 2);
    app.tick().await;
    assert_eq!(app.updates(&initech, &installation).await, Vec::<Value>::new(), "it was never moved");
    assert_eq!(app.progress(&release).await.int("/total"), 2);
}

#[tokio::test]
async fn r27_an_installation_made_during_a_rollout_gets_the_new_version() {
    let app = TestApp::in_batches_of(1).await;
    let [acme, globex, initech] = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.tick().await;
    let release = app.update_now(&installed.pack).await;
    assert_eq!(app.release_state(&release).await, "IN_PROGRESS");
    let installation = app.install(&initech, "Orders").await;
    assert_eq!(app.installed_number(&initech, &installation).await, 2);
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(app.mover.attempts(&installation), 0, "it was never moved");
    assert_eq!(app.installed_number(&initech, &installation).await, 2);
}

#[tokio::test]
async fn r46_a_suspended_account_is_skipped_at_the_window() {
    let (app, acme, globex, installed, release) = testing().await;
    app.suspend(&acme).await;
    app.advance_to(OPENS).await;
    let skipped = app.update_of(&release, &installed.installations[0]).await;
    assert_eq!(
        (skipped.text("/state"), skipped.text("/skipReason"), skipped.at("/how")),
        ("SKIPPED".into(), "ACCOUNT_SUSPENDED".into(), &Value::Null)
    );
    assert_eq!(app.installed_number(&globex, &installed.installations[1]).await, 2);
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    assert_eq!(
        app.as_publisher(&installed.installations[0], "version { number } state").await,
        json!({ "version": { "number": 1 }, "state": "ACTIVE" })
    );
    app.reactivate(&acme).await;
    app.update_now(&installed.pack).await;
    app.tick().await;
    assert_eq!(
        app.installed_number(&acme, &installed.installations[0]).await,
        3,
        "active again, the next release moves it"
    );
}

#[tokio::test]
async fn r46_a_suspended_account_is_skipped_by_an_immediate_release() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.suspend(&acme).await;
    let release = app.update_now(&installed.pack).await;
    app.tick().await;
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/skipped")), (1, 1));
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/skipReason"), "ACCOUNT_SUSPENDED");
}

#[tokio::test]
async fn r46_an_early_applier_that_is_suspended_since_is_left_alone() {
    let (app, acme, _, installed, release) = testing().await;
    app.apply(&acme, &installed.installations[0]).await;
    app.suspend(&acme).await;
    app.advance_to(OPENS).await;
    assert_eq!(app.update_of(&release, &installed.installations[0]).await.text("/how"), "EARLY");
    let answer = app.gql_raw(Some(&acme.token), "{ installations { edges { cursor } } }", json!(null)).await;
    assert_eq!(code_of(&answer).as_deref(), Some("FORBIDDEN"), "and reads nothing meanwhile (R4)");
}

#[tokio::test]
async fn r26_a_panic_fails_only_its_field_and_leaves_nothing_half_done() {
    let (app, acme, _, installed, _) = testing().await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    app.mover.before_next(|| panic!("a secret of the house"));
    let before = all_rows(&app).await;
    let answer = app
        .gql_raw(
            Some(&acme.token),
            "mutation($id: ID!) { first: applyPendingUpdate(input: { updateId: $id }) { alreadyApplied } }",
            json!({ "id": update }),
        )
        .await;
    let error = answer.at("/errors/0");
    assert_eq!(error.text("/extensions/code"), "INTERNAL_SERVER_ERROR");
    assert_eq!(error.at("/path"), &json!(["first"]));
    assert!(error.text("/message").contains("The log has it under") && !answer.to_string().contains("secret"));
    assert_same_rows(&app, &before, "what panicked").await;
    let again = app.ok(&acme.token, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
    assert_eq!(again.at("/alreadyApplied"), &json!(false));
}
