//! The cost of a batch depends on its own size and not on the install base (R49). PostgreSQL plans the statements with
//! statistics of 300,000 installations. SQLite's plans don't depend on the rows.

use packwright::service::followup::run_one_batch;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::json;

use crate::store::planned::{Plan, plans, plans_for_many};
use crate::support::rows::tables;
use crate::support::{At as _, Pack, TestApp, of_groups};

/// Adds 60,000 accounts with five installations each, copies of the existing installation and its update.
const ENLARGED: &str = "SET session_replication_role = replica;
INSERT INTO account SELECT made.* FROM account a, generate_series(1, 60000) n, LATERAL jsonb_populate_record(a,
    jsonb_build_object('id', gen_random_uuid(), 'name', 'Account ' || n, 'name_key', 'account ' || n)) AS made
    WHERE a.name = 'Acme';
INSERT INTO account_group_member SELECT g.id, a.id FROM account_group g, account a
    WHERE g.is_all_accounts AND a.name LIKE 'Account %';
INSERT INTO announced_grant SELECT p.id, a.id FROM integration_pack p, account a WHERE a.name LIKE 'Account %';
INSERT INTO installation SELECT made.* FROM installation i, account a, generate_series(1, 5) n,
    LATERAL jsonb_populate_record(i, jsonb_build_object('id', gen_random_uuid(), 'account_id', a.id,
        'override_name', 'number ' || n, 'override_name_key', 'number ' || n)) AS made
    WHERE i.override_name = 'template' AND a.name LIKE 'Account %';
INSERT INTO installation_update SELECT made.* FROM installation_update u, installation i,
    LATERAL jsonb_populate_record(u, jsonb_build_object('installation_id', i.id, 'account_id', i.account_id)) AS made
    WHERE i.override_name <> 'template';
INSERT INTO installation_tally (pack_id, version_id, at, installations, accounts, all_installations, all_accounts)
    SELECT pack_id, version_id, MIN(installed_at), COUNT(*), COUNT(DISTINCT account_id), 0, 0 FROM installation
    WHERE override_name <> 'template' GROUP BY pack_id, version_id;
RESET session_replication_role;
ANALYZE";

/// The tables that are large then.
const LARGE: [&str; 5] = ["account", "account_group_member", "announced_grant", "installation", "installation_update"];

/// The highest cost of a statement in a batch, which accesses 250 installations or accounts through an index.
const OF_A_BATCH: f64 = 20_000.0;

/// The highest cost of a statement that counts all installations once. Scanning them for each object would cost far
/// more.
const OF_A_COUNT: f64 = 300_000.0;

/// The highest cost of a statement that joins all installations with all members of a group once.
const OF_A_JOIN: f64 = 40_000.0;

/// A MULTI pack with one installation and one update; on PostgreSQL with 300,000 more of both.
async fn large_world() -> (TestApp, Pack) {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    app.release_now(&pack.id).await;
    app.install_as(&acme, "Orders", "template").await;
    app.update_now(&pack).await;
    app.tick().await;
    if app.is_postgresql() {
        tables(&app).execute_unprepared(ENLARGED).await.expect("a large world");
    }
    (app, pack)
}

/// The statements of a call, and those of the two batches after it.
async fn call_and_batches<T>(app: &TestApp, call: impl Future<Output = T>) -> (T, Vec<Statement>, [Vec<Statement>; 2]) {
    let (result, of_call) = app.statements_with_values_of(call).await;
    let mut batches = [Vec::new(), Vec::new()];
    for batch in &mut batches {
        app.clock.advance_to(app.now() + chrono::Duration::seconds(2));
        let (done, statements) = app.statements_with_values_of(run_one_batch(&app.app.services)).await;
        if app.is_postgresql() {
            assert!(done.expect("a batch"), "there was more to do");
        }
        *batch = statements;
    }
    tables(app).execute_unprepared("DELETE FROM task").await.expect("no more of it");
    (result, of_call, batches)
}

/// Fails when a statement costs more than `most`. Returns the plans.
async fn cost_at_most(app: &TestApp, statements: &[Statement], most: f64, what: &str) -> Vec<Plan> {
    let plans = plans(app, statements, false).await;
    assert!(plans.len() > 5, "{what} runs few statements: {statements:#?}");
    for plan in &plans {
        assert!(plan.cost <= most, "{what} costs {}: {}\n{}", plan.cost, plan.sql, plan.steps.join("\n"));
    }
    plans
}

/// Fails unless the statements of a batch use indexes and cost no more than a batch may.
async fn is_bounded(app: &TestApp, statements: &[Statement], what: &str) {
    for plan in cost_at_most(app, statements, OF_A_BATCH, what).await {
        let scans: Vec<_> = plan.scanned.iter().filter(|table| LARGE.contains(&table.as_str())).collect();
        assert!(scans.is_empty(), "{what} goes through {scans:?}: {}\n{}", plan.sql, plan.steps.join("\n"));
    }
    for statement in statements {
        let listed = statement.sql.split(" IN (").skip(1).map(|list| list.split(')').next().unwrap_or(list));
        let longest = listed.map(|list| list.matches('$').count()).max().unwrap_or(0);
        assert!(longest <= 40, "{what} has a list of {longest} parameters: {}", statement.sql);
    }
}

#[tokio::test]
async fn r49_a_batch_costs_what_it_comes_to_and_not_what_there_is() {
    let (app, pack) = large_world().await;
    app.package_newer(&pack).await;
    let (release, _, batches) = call_and_batches(&app, app.release_on(&pack.id, "2026-12-20")).await;
    is_bounded_in_each(&app, &batches, "offering").await;
    let (_, _, batches) = call_and_batches(&app, app.cancel(&release)).await;
    is_bounded_in_each(&app, &batches, "withdrawing").await;
    let all = app.all_accounts().await;
    let (_, of_call, batches) = call_and_batches(&app, app.unshare(&pack.id, &[&all])).await;
    cost_at_most(&app, &of_call, OF_A_COUNT, "unsharing").await;
    is_bounded_in_each(&app, &batches, "freezing").await;
    let (_, _, batches) = call_and_batches(&app, app.share(&pack.id, &[&all])).await;
    is_bounded_in_each(&app, &batches, "thawing").await;
}

#[tokio::test]
async fn r45_deleting_a_group_costs_what_its_members_have_and_not_what_there_is() {
    let (app, pack) = large_world().await;
    let globex = app.managed("Globex").await;
    let group = app.group("Testers", &[&globex]).await;
    app.share(&pack.id, &[&group]).await;
    app.install_as(&globex, "Orders", "one more").await;
    app.unshare(&pack.id, &[&app.all_accounts().await]).await;
    let input = json!({ "groupId": group });
    let delete = app.ok(&app.publisher, "deleteAccountGroup", input, "frozenCount");
    let (payload, of_call) = app.statements_with_values_of(delete).await;
    assert_eq!(payload.int("/frozenCount"), 1, "the installation of the group's only member");
    is_bounded(&app, &of_call, "deleting a group").await;
}

/// Many accounts leave at once, while another pack is shared with all accounts. Where PostgreSQL expects many of them, it
/// would rather make a table of all grants of the other pack than look for those of the accounts that leave.
#[tokio::test]
async fn r45_leaving_a_group_costs_what_the_accounts_have_and_not_what_there_is() {
    let (app, pack) = large_world().await;
    let other = app.pack_with("Invoices", &["Send"]).await;
    app.share_with_all(&other.id).await;
    let group = app.group("Testers", &[]).await;
    let accounts = app.gql(&app.publisher, "{ managedAccounts(first: 100) { edges { node { id } } } }", json!(null));
    let members: Vec<_> = accounts.await.nodes("/managedAccounts").iter().map(|account| account.text("/id")).collect();
    let input = json!({ "groupId": group, "accountIds": members });
    app.ok(&app.publisher, "addAccountsToGroup", input.clone(), "accountGroup { id }").await;
    app.share(&pack.id, &[&group]).await;
    app.unshare(&pack.id, &[&app.all_accounts().await]).await;
    if app.is_postgresql() {
        // SQLite's few rows would have it go through all of them.
        tables(&app).execute_unprepared("ANALYZE").await.expect("the statistics of the new rows");
    }
    let leave = app.ok(&app.publisher, "removeAccountsFromGroup", input, "frozenCount");
    let (payload, of_call) = app.statements_with_values_of(leave).await;
    assert!(payload.int("/frozenCount") > 0, "the installations of the accounts that leave");
    let counts =
        |statement: &&Statement| statement.sql.contains("COUNT(") && statement.sql.contains("\"installation\"");
    let count: Vec<_> = of_call.iter().filter(counts).cloned().collect();
    assert!(!count.is_empty(), "a statement counts what is lost: {of_call:#?}");
    for plan in plans_for_many(&app, &count).await {
        assert!(plan.cost <= OF_A_BATCH, "leaving a group costs {}: {}", plan.cost, plan.steps.join("\n"));
        let scans: Vec<_> = plan.scanned.iter().filter(|table| LARGE.contains(&table.as_str())).collect();
        assert!(scans.is_empty(), "leaving a group goes through {scans:?}: {}", plan.steps.join("\n"));
    }
}

/// A roll back counts whom it moves while it has the pack's lock. The pack is shared with a group of all accounts.
#[tokio::test]
async fn r59_a_roll_back_never_looks_up_the_grant_of_each_installation() {
    let (app, pack) = large_world().await;
    let group = app.group("Everybody", &[]).await;
    let members = "INSERT INTO account_group_member (group_id, account_id)
        SELECT g.id, a.id FROM account_group g, account a WHERE g.name = 'Everybody' AND a.kind = 'MANAGED'";
    tables(&app).execute_unprepared(members).await.expect("the members");
    app.share(&pack.id, &[&group]).await;
    app.unshare(&pack.id, &[&app.all_accounts().await]).await;
    tables(&app).execute_unprepared("DELETE FROM task").await.expect("no more of it");
    tables(&app).execute_unprepared("ANALYZE").await.expect("the statistics of the new rows");
    let query = "query($id: ID!) { integrationPack(id: $id) { releases(first: 1) { edges { node { id } } } } }";
    let newest = app.gql(&app.publisher, query, json!({ "id": pack.id })).await;
    let newest = newest.nodes("/integrationPack/releases").remove(0);
    let preview = "query($id: ID!) { rollBackPreview(releaseId: $id) { willMoveCount } }";
    let preview = app.gql(&app.publisher, preview, json!({ "id": newest.text("/id") })).await;
    let input = json!({ "releaseId": newest.text("/id"), "reason": "It is broken.", "atMost": 1_000_000 });
    let roll_back = app.ok(&app.publisher, "rollBackRelease", input, "installationCount");
    let (payload, of_call) = app.statements_with_values_of(roll_back).await;
    let is_large = app.is_postgresql();
    let expected = if is_large { 300_001 } else { 1 };
    assert_eq!(payload.int("/installationCount"), expected);
    assert_eq!(preview.int("/rollBackPreview/willMoveCount"), expected);
    let counts =
        |statement: &&Statement| statement.sql.contains("COUNT(*)") && statement.sql.contains("FROM \"installation\"");
    let counts: Vec<_> = of_call.iter().filter(counts).cloned().collect();
    assert!(!counts.is_empty(), "{of_call:#?}");
    for plan in plans(&app, &counts, false).await {
        let steps = plan.steps.join("\n");
        assert!(plan.cost <= OF_A_JOIN, "counting costs {}: {}\n{steps}", plan.cost, plan.sql);
        assert!(!steps.contains("CORRELATED"), "each installation is looked up: {}\n{steps}", plan.sql);
    }
}

async fn is_bounded_in_each(app: &TestApp, batches: &[Vec<Statement>], what: &str) {
    // On SQLite there is only one installation, so the call has done everything.
    for batch in batches.iter().filter(|batch| batch.len() > 2) {
        is_bounded(app, batch, what).await;
    }
}

/// The number of statements that count installations.
fn counts(statements: &[Statement]) -> usize {
    let of_installations =
        |sql: &str| sql.contains("COUNT(*)") && sql.contains("FROM \"installation\"") && !sql.contains("ANY(");
    statements.iter().filter(|statement| of_installations(&statement.sql)).count()
}

#[tokio::test]
async fn r25_a_rollout_never_counts_its_installations() {
    let (app, pack) = large_world().await;
    app.package_newer(&pack).await;
    let (_, of_call, [second, third]) = call_and_batches(&app, app.release_now(&pack.id)).await;
    is_bounded(&app, &of_call, "the call").await;
    if app.is_postgresql() {
        is_bounded(&app, &second, "a batch that announces progress").await;
        is_bounded(&app, &third, "a batch").await;
        assert_eq!([counts(&of_call), counts(&second), counts(&third)], [0; 3]);
        let progressed = "{ events(filter: { kinds: [RELEASE_PROGRESSED] }, first: 9) { edges { node { ... on ReleaseEvent { progress { total applied offered } } } } } }";
        let progressed = app.gql(&app.publisher, progressed, json!(null)).await.nodes("/events");
        let progressed: Vec<_> = progressed.iter().map(|event| event["progress"].clone()).collect();
        let progress = |applied: i64| json!({ "total": 300_001, "applied": applied, "offered": 300_001 - applied });
        assert_eq!(progressed, [progress(500), progress(750)]);
        let query = "query($id: ID!) { integrationPack(id: $id) { currentVersion { installationCount }
            adoption { installationCount accountCount byVersion { installationCount } }
            releases(first: 1) { edges { node { progress { total offered } } } } } }";
        let request = app.gql(&app.publisher, query, json!({ "id": pack.id }));
        let (read, statements) = app.statements_with_values_of(request).await;
        is_bounded(&app, &statements, "reading how far it is").await;
        assert_eq!(read.int("/integrationPack/adoption/installationCount"), 300_001);
        assert_eq!(read.int("/integrationPack/adoption/accountCount"), 60_001);
    }
}

/// A stage holds one account. Its batch finds the installations by the account, and doesn't look through the pack.
#[tokio::test]
async fn r55_a_stage_of_few_accounts_costs_what_they_have_and_not_what_there_is() {
    let (app, pack) = large_world().await;
    let globex = app.managed("Globex").await;
    let pilot = app.install_as(&globex, "Orders", "pilot").await;
    let pilots = app.group("Pilots", &[&globex]).await;
    tables(&app).execute_unprepared("DELETE FROM task").await.expect("no more of it");
    let stages = [of_groups("Pilots", "2026-12-10", &[&pilots])];
    let release = app.release_in_stages(&pack, "2026-12-20", &stages).await;
    let (_, of_call) = app.statements_with_values_of(app.open_next_stage(&release)).await;
    assert_eq!(app.stage_states(&release).await, ["DONE", "WAITING"], "its only batch was done in the call");
    assert_eq!(app.installed_number(&globex, &pilot).await, 3);
    is_bounded(&app, &of_call, "a stage of few accounts").await;
}
