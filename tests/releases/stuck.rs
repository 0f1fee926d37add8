//! Work that fails blocks no other work, rests longer after each failure, and an operator can retry or drop it.

use entity::task;
use packwright::domain::id::{AccountId, PackId};
use packwright::service::followup::{Dropped, Retried, Turns, claim_batch, drop_task, retry_task, run_claimed};
use packwright::store::followup::tasks;
use packwright::store::followup::tasks::{NextRun, Work};
use sea_orm::{ActiveValue::Set, ConnectionTrait as _, DatabaseBackend, EntityTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::damage::id_literal;
use crate::support::rows::{LogMark, database_url, publisher_id, tables};
use crate::support::{At, Installed, Managed, Program, TestApp, immediately, uuid_of};

const OPENS: &str = "2026-11-30T23:00:00.000000Z";

async fn publisher_of(app: &TestApp) -> AccountId {
    AccountId(publisher_id(app).await)
}

/// Inserts a task like another version of the program.
pub(crate) async fn strange_task(app: &TestApp, kind: &str, pack: Option<Uuid>) -> Uuid {
    let id = Uuid::from_u128(0x0123_4567_89ab_cdef + open_tasks(app).await.len() as u128);
    let row = task::ActiveModel {
        id: Set(id),
        kind: Set(kind.into()),
        publisher_id: Set(publisher_of(app).await.into()),
        pack_id: Set(pack),
        release_id: Set(None),
        account_id: Set(None),
        moves_installations: Set(false),
        resume_after: Set(None),
        done: Set(0),
        until: Set(None),
        not_before: Set(app.now() - chrono::Duration::days(1)),
        deferred: Set(false),
        failures: Set(0),
        last_failure: Set(None),
        created_at: Set(app.now()),
        trace_parent: Set(None),
    };
    task::Entity::insert(row).exec_without_returning(tables(app)).await.expect("a row");
    id
}

async fn open_tasks(app: &TestApp) -> Vec<task::Model> {
    task::Entity::find().all(tables(app)).await.expect("the tasks")
}

/// Makes every statement of a kind fail, such as `UPDATE ON task`.
pub(crate) async fn refuse(app: &TestApp, name: &str, what: &str, when: &str) {
    let statements = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => vec![
            format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$"
            ),
            format!("CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()"),
        ],
        _ => vec![format!(
            "CREATE TRIGGER {name} BEFORE {what} WHEN {when} BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        )],
    };
    for statement in statements {
        tables(app).execute_unprepared(&statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

/// Removes what [`refuse`] has made.
pub(crate) async fn allow(app: &TestApp, name: &str, table: &str) {
    let statement = match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => format!("DROP TRIGGER {name} ON {table}"),
        _ => format!("DROP TRIGGER {name}"),
    };
    tables(app).execute_unprepared(&statement).await.expect("the trigger goes");
}

#[tokio::test]
async fn r49_a_task_that_this_program_does_not_know_is_passed_over() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    let pack = uuid_of(&world.pack.id);
    // A kind from a newer version, and a known kind without its release.
    for (kind, pack) in [("STAGE", Some(pack)), ("ROLL_OUT", Some(pack))] {
        let strange = strange_task(&app, kind, pack).await;
        let release = app.update_on(&world.pack, "2026-12-01").await;
        assert_eq!(app.tick().await.map(|at| at.to_rfc3339()), Some("2026-11-30T23:00:00+00:00".into()), "{kind}");
        app.cancel(&release).await;
        app.tick().await;
        let open = open_tasks(&app).await;
        assert_eq!(open.iter().map(|task| (task.id, task.failures)).collect::<Vec<_>>(), [(strange, 0)], "{kind}");
        let listed_task = packwright::service::followup::open_tasks(&app.app.services).await.expect("the list").tasks;
        assert_eq!(listed_task.iter().map(|task| (task.kind.as_str(), task.work)).collect::<Vec<_>>(), [(kind, None)]);
        assert_eq!(retry_task(&app.app.services, strange).await.expect("it is there"), Retried::Due);
        assert_eq!(drop_task(&app.app.services, strange, "Not needed.").await.expect("dropped"), Dropped::Gone);
        assert!(open_tasks(&app).await.is_empty());
    }
}

#[tokio::test]
async fn r41_a_task_that_can_not_even_be_put_off_keeps_nobody_from_its_turn() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let world = app.installed_pack("Orders", &[&acme]).await;
    app.tick().await;
    let doomed = Uuid::from_u128(1);
    let tx = app.app.services.db.begin().await.expect("a transaction");
    let work = Work::Rename(PackId(uuid_of(&world.pack.id)));
    tasks::add(&tx, doomed, publisher_of(&app).await, work, false, app.now()).await.expect("added");
    tx.commit().await.expect("committed");
    let when = format!("OLD.id = {}", id_literal(&app, doomed));
    refuse(&app, "no_update", "UPDATE ON task", &when).await;
    refuse(&app, "no_delete", "DELETE ON task", &when).await;
    let release = app.update_on(&world.pack, "2026-12-01").await;
    app.clock_only(OPENS);
    app.app.scheduler.tick().await.expect_err("one task fails");
    assert_eq!(app.release_state(&release).await, "SUCCEEDED", "the other is done");
    let (_, statements) = app.statements_of(app.tick()).await;
    assert!(!statements.iter().any(|sql| sql.starts_with("UPDATE \"task\"")), "it rests: {statements:#?}");
    app.clock.advance_to(app.now() + chrono::Duration::seconds(1));
    app.app.scheduler.tick().await.expect_err("it is tried again, and fails");
    let next = app.tick().await.expect("it wants to come again");
    assert_eq!((next - app.now()).num_seconds(), 2, "a longer rest");
    for name in ["no_update", "no_delete"] {
        allow(&app, name, "task").await;
    }
    app.clock.advance_to(next);
    app.tick().await;
    assert!(open_tasks(&app).await.is_empty());
}

#[tokio::test]
async fn r39_a_window_that_can_not_be_opened_keeps_no_other_closed() {
    let app = TestApp::new().await;
    let (broken, well) = (app.pack_with("Broken", &["A"]).await, app.pack_with("Well", &["B"]).await);
    let first = app.release_on(&broken.id, "2026-12-01").await;
    let second = app.release_on(&well.id, "2026-12-01").await;
    let when = format!("OLD.id = {}", id_literal(&app, uuid_of(&broken.id)));
    refuse(&app, "no_opening", "UPDATE ON integration_pack", &when).await;
    app.clock_only(OPENS);
    app.app.scheduler.tick().await.expect_err("one window fails");
    assert_eq!(app.read_release(&second, "endedAt").await.text("/endedAt"), OPENS);
    let next = app.tick().await.expect("it wants to come again");
    assert_eq!((next - app.now()).num_seconds(), 1, "it rests, and isn't tried at once");
    allow(&app, "no_opening", "integration_pack").await;
    app.clock.advance_to(next);
    app.tick().await;
    assert_eq!(app.read_release(&first, "endedAt").await.text("/endedAt"), "2026-11-30T23:00:01.000000Z");
}

#[tokio::test]
async fn r49_publishers_take_turns_and_so_do_the_tasks_of_each() {
    let app = TestApp::new().await;
    let northwind = publisher_of(&app).await;
    let southwind = app.another_publisher("Southwind").await;
    let other = app.gql(&southwind.token, "{ viewer { account { id } } }", Value::Null).await;
    let other = AccountId(uuid_of(&other.text("/viewer/account/id")));
    let mut of = std::collections::BTreeMap::new();
    for (publisher, count) in [(northwind, 20), (other, 3)] {
        for index in 0..count {
            let name = format!("Pack {index}");
            let token = if publisher == other { &southwind.token } else { &app.publisher };
            let input = json!({ "name": name, "installationType": "SINGLE" });
            let made = app.ok(token, "createIntegrationPack", input, "integrationPack { id }").await;
            let work = Work::Rename(PackId(uuid_of(&made.text("/integrationPack/id"))));
            let tx = app.app.services.db.begin().await.expect("a transaction");
            let id = app.app.services.ids.next::<PackId>().0;
            of.insert(tasks::add(&tx, id, publisher, work, false, app.now()).await.expect("added"), publisher);
            tx.commit().await.expect("committed");
        }
    }
    let (mut turns, mut order) = (Turns::default(), Vec::new());
    while let Some(claimed) = claim_batch(&app.app.services, &mut turns).await.expect("a task") {
        order.push(of[&claimed.task()]);
        run_claimed(&app.app.services, claimed).await.expect("a batch");
    }
    assert_eq!(order.len(), 23);
    let alternate = order.windows(2).take(5).all(|pair| pair[0] != pair[1]);
    assert!(alternate, "one after the other, as long as both have some: {order:?}");
}

#[tokio::test]
async fn r49_a_task_that_waits_does_what_a_second_one_would() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let publisher = publisher_of(&app).await;
    let (acme, globex) = (AccountId(uuid_of(&acme.id)), AccountId(uuid_of(&globex.id)));
    let (now, soon) = (NextRun::Next(app.now()), NextRun::After(app.now() + chrono::Duration::minutes(1)));
    let add = async |work: Work, turn: NextRun| {
        let tx = app.app.services.db.begin().await.expect("a transaction");
        let id = app.app.services.ids.next::<PackId>().0;
        let id = tasks::add_beside(&tx, None, id, publisher, work, false, turn).await.expect("added");
        tx.commit().await.expect("committed");
        id
    };
    let first = add(Work::GrantsOfAccount(acme), soon).await;
    assert_eq!(add(Work::GrantsOfAccount(acme), soon).await, first);
    let others = [add(Work::CatchUp(acme), soon).await, add(Work::GrantsOfAccount(globex), soon).await];
    assert!(!others.contains(&first));
    assert_eq!(add(Work::GrantsOfAccount(acme), now).await, first);
    let row = |rows: Vec<task::Model>| rows.into_iter().find(|task| task.id == first).expect("it is there");
    let sooner = row(open_tasks(&app).await);
    assert_eq!((sooner.not_before, sooner.deferred), (app.now(), false), "it is wanted sooner now");
    // A task that has begun may already have passed the object.
    let begun = task::ActiveModel { id: Set(first), resume_after: Set(Some(Uuid::nil())), ..Default::default() };
    task::Entity::update(begun).exec(tables(&app)).await.expect("it has begun");
    assert_ne!(add(Work::GrantsOfAccount(acme), now).await, first);
    assert_eq!(open_tasks(&app).await.len(), 4);
}

#[tokio::test]
async fn r46_a_catch_up_that_fails_for_several_packs_is_one_task() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let mut installed = Vec::new();
    for name in ["Orders", "Invoices", "Returns"] {
        installed.push(app.installed_pack(name, &[&acme]).await);
    }
    app.suspend(&acme).await;
    for world in &installed {
        app.update_now(&world.pack).await;
        app.mover.fail(&world.installations[0], 3, packwright::domain::installations::FailureCode::Temporary);
    }
    app.tick().await;
    app.reactivate(&acme).await;
    for _ in 0..3 {
        let open = open_tasks(&app).await;
        assert_eq!(open.iter().map(|task| task.kind.as_str()).collect::<Vec<_>>(), ["CATCH_UP"]);
        app.clock.advance_to(open[0].not_before);
        app.tick().await;
    }
    for _ in 0..6 {
        app.advance_by(300).await;
    }
    assert!(open_tasks(&app).await.is_empty());
    for world in &installed {
        assert_eq!(app.installed_number(&acme, &world.installations[0]).await, 2);
    }
}

/// Three accounts have a pack installed. Its rollout has moved one of them, and its next batch will fail as a whole.
async fn stuck_rollout() -> (TestApp, [Managed; 3], Installed, String, Uuid) {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let world = app.installed_pack("Orders", &accounts.each_ref()).await;
    app.tick().await;
    let release = app.update_now(&world.pack).await;
    refuse(&app, "no_move", "UPDATE OF version_id ON installation", "1 = 1").await;
    app.app.scheduler.tick().await.expect_err("the batch fails");
    let open = open_tasks(&app).await;
    assert_eq!(open.iter().map(|task| (task.kind.as_str(), task.done)).collect::<Vec<_>>(), [("ROLL_OUT", 1)]);
    assert!(
        open[0].failures == 1 && open[0].last_failure.as_deref().is_some_and(|why| why.contains("refused by a test"))
    );
    let id = open[0].id;
    (app, accounts, world, release, id)
}

#[tokio::test]
async fn r49_a_rollout_that_is_dropped_ends_its_release_and_can_be_retried() {
    let (app, accounts, world, release, id) = stuck_rollout().await;
    retry_task(&app.app.services, id).await.expect_err("it fails again");
    assert_eq!(open_tasks(&app).await[0].failures, 2);
    app.package_newer(&world.pack).await;
    let refused = app.refused(&app.publisher, "releaseIntegrationPack", immediately(&world.pack.id)).await;
    assert_eq!(refused.code, "RELEASE_IN_PROGRESS");
    let mark = LogMark::now(&app).await;
    for reason in ["", "  ", &"x".repeat(2_001)] {
        drop_task(&app.app.services, id, reason).await.expect_err("a reason is wanted");
    }
    assert_eq!(drop_task(&app.app.services, id, "The disk is broken.").await.expect("dropped"), Dropped::GivesUp);
    app.tick().await;
    assert!(open_tasks(&app).await.is_empty());
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    let progress = app.progress(&release).await;
    assert_eq!((progress.int("/applied"), progress.int("/failed"), progress.int("/offered")), (1, 2, 0));
    let entries = mark.entries(&app).await;
    let dropped = entries.iter().find(|entry| entry.action == "commandLine.dropTask").expect("an entry");
    assert_eq!((dropped.actor_kind.as_str(), dropped.subject_type.as_str()), ("COMMAND_LINE", "Release"));
    assert!(dropped.changes.contains("The disk is broken.") && dropped.changes.contains("ROLL_OUT"), "{dropped:?}");
    allow(&app, "no_move", "installation").await;
    let input = json!({ "releaseId": release });
    app.ok(&app.publisher, "retryFailedUpdates", input, "release { id }").await;
    app.tick().await;
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
    }
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.release_now(&world.pack.id).await;
}

#[tokio::test]
async fn r49_giving_up_and_retrying_can_be_dropped_too_and_leave_no_pack_locked() {
    let (app, _, world, release, id) = stuck_rollout().await;
    refuse(&app, "no_update_rows", "INSERT ON installation_update", "1 = 1").await;
    assert_eq!(drop_task(&app.app.services, id, "Broken.").await.expect("dropped"), Dropped::GivesUp);
    assert_eq!(open_tasks(&app).await[0].kind, "GIVE_UP");
    assert_eq!(drop_task(&app.app.services, id, "Broken too.").await.expect("dropped"), Dropped::Gone);
    let open = open_tasks(&app).await;
    assert_eq!((open.len(), open[0].kind.as_str(), open[0].moves_installations), (1, "GRANTS_OF_PACK", false));
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    allow(&app, "no_update_rows", "installation_update").await;
    allow(&app, "no_move", "installation").await;
    app.update_now(&world.pack).await;
    app.tick().await;
    assert_eq!(app.current_number(&world.pack.id).await, Some(3));

    let (app, _, world, release, id) = stuck_rollout().await;
    drop_task(&app.app.services, id, "Broken.").await.expect("dropped");
    app.tick().await;
    let input = json!({ "releaseId": release });
    app.ok(&app.publisher, "retryFailedUpdates", input, "release { id }").await;
    let open = open_tasks(&app).await;
    assert_eq!((open.len(), open[0].kind.as_str()), (1, "RETRY"));
    assert_eq!(drop_task(&app.app.services, open[0].id, "Still broken.").await.expect("dropped"), Dropped::Gone);
    assert_eq!(app.release_state(&release).await, "PARTIALLY_SUCCEEDED");
    allow(&app, "no_move", "installation").await;
    app.update_now(&world.pack).await;
}

#[tokio::test]
async fn r47_a_deletion_that_is_dropped_leaves_no_name_taken() {
    let app = TestApp::in_batches_of(1).await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    app.tick().await;
    for account in &accounts {
        app.install_as(account, "Orders", "mine").await;
    }
    let input = json!({ "packId": pack.id, "confirmInstallations": 3 });
    app.ok(&app.publisher, "deleteIntegrationPack", input, "uninstalledCount").await;
    let open = open_tasks(&app).await;
    assert_eq!(open[0].kind, "DELETE");
    assert_eq!(drop_task(&app.app.services, open[0].id, "It hangs.").await.expect("dropped"), Dropped::Gone);
    let other = app.multi_pack_with("Orders", &["Export"]).await;
    app.share_with_all(&other.id).await;
    app.release_now(&other.id).await;
    app.tick().await;
    for account in &accounts {
        app.install_as(account, "Orders", "mine").await;
    }
}

/// Runs the program on the app's database: whether it succeeded, its output, its errors.
async fn command_line(app: &TestApp, arguments: &[&str]) -> (bool, String, String) {
    let url = database_url(app).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"));
    let ran =
        command.args(arguments).args(["--database-url", &url]).kill_on_drop(true).output().await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (ran.status.success(), text(ran.stdout), text(ran.stderr))
}

#[tokio::test]
async fn r49_the_log_says_what_a_task_that_fails_is_for() {
    let (app, _, world, release, id) = stuck_rollout().await;
    let program = Program::serve(&database_url(&app).await, &[]).await;
    let line = program.logs(&["ERROR", "due work has failed", "kind=\"ROLL_OUT\""]).await;
    for part in [&format!("task={id}"), &format!("pack={}", world.pack.id), &format!("release={release}")] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.contains("refused by a test") && !line.contains("Fault("), "{line}");
}

#[tokio::test]
async fn r49_tasks_are_listed_tried_and_dropped_by_command() {
    let (app, _, world, release, id) = stuck_rollout().await;
    let strange = strange_task(&app, "STAGE", None).await;
    let (done, listed, says) = command_line(&app, &["task", "list"]).await;
    assert!(done, "{says}");
    let line = |id: Uuid| listed.lines().find(|line| line.starts_with(&id.to_string())).unwrap_or_default();
    let rollout = line(id);
    for word in ["ROLL_OUT", "failed once", "1 done", "pack Orders", "version 2", "publisher Northwind"] {
        assert!(rollout.contains(word), "{word} in {rollout}");
    }
    assert!(line(strange).contains("STAGE") && line(strange).contains("of another version"), "{listed}");
    let (_, listed, _) = command_line(&app, &["task", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let listed_task =
        listed.as_array().expect("an array").iter().find(|task| task["id"] == id.to_string()).expect("it");
    assert_eq!((&listed_task["pack"]["id"], &listed_task["release"]["id"]), (&json!(world.pack.id), &json!(release)));
    assert_eq!(
        (listed_task["known"].as_bool(), listed_task["failures"].as_i64(), listed_task["done"].as_i64()),
        (Some(true), Some(1), Some(1))
    );
    let why = listed_task.text("/lastFailure");
    assert!(why.contains("refused by a test") && !why.contains("Fault") && !why.contains("Query Error"), "{why}");
    let (done, _, says) = command_line(&app, &["task", "retry", &id.to_string()]).await;
    assert!(!done && says.contains("refused by a test"), "{says}");
    assert!(says.contains("packwright: The batch has failed: ") && !says.contains("Query Error"), "{says}");
    let (done, _, says) = command_line(&app, &["task", "drop", &id.to_string()]).await;
    assert!(!done && says.contains("--reason"), "{says}");
    let (done, _, says) = command_line(&app, &["task", "drop", &strange.to_string(), "--reason", "Old."]).await;
    assert!(done, "{says}");
    let (done, _, says) = command_line(&app, &["task", "drop", &strange.to_string(), "--reason", "Old."]).await;
    assert!(!done && says.contains("packwright task list"), "{says}");
    allow(&app, "no_move", "installation").await;
    let (done, prints, says) = command_line(&app, &["task", "retry", &id.to_string()]).await;
    assert!(done && !prints.is_empty(), "{says}");
    app.tick().await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
}
