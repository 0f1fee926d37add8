//! The cost of a page of a log depends on what it shows, not on how long the log is (R49, R51). PostgreSQL plans with
//! the statistics of up to 120,000 rows of each log and 200,000 records in 2,000 batches, of which others have most,
//! both with and without the statements' values. The publisher has hundreds of packs; one account has a single one of
//! them, and another one 200. SQLite's plans don't depend on the number of rows.

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::store::planned::{generic_plans, plans};
use crate::support::rows::tables;
use crate::support::{At as _, TestApp, uuid_of};

/// Copies of the rows: every second of another publisher, most of another account, pack and installation.
const ENLARGED: &str = "SET session_replication_role = replica;
CREATE FUNCTION other(what text, n bigint) RETURNS uuid LANGUAGE sql AS $$ SELECT md5(what || n)::uuid $$;
INSERT INTO event SELECT made.* FROM event e JOIN (SELECT sequence, row_number() OVER (ORDER BY sequence DESC) AS nth FROM event ORDER BY sequence DESC LIMIT 20) last
    ON last.sequence = e.sequence CROSS JOIN generate_series(1, 6000) n,
    LATERAL jsonb_populate_record(e, jsonb_build_object('sequence', 1000000 + n * 100 + last.nth, 'id', gen_random_uuid(),
        'publisher_id', CASE WHEN n % 2 = 0 THEN e.publisher_id ELSE other('publisher', n % 20) END,
        'account_id', CASE WHEN n % 1000 = 0 THEN e.account_id WHEN e.account_id IS NOT NULL THEN other('account', n % 1000) END,
        'pack_id', CASE WHEN n % 1000 = 0 THEN e.pack_id ELSE other('pack', n % 500) END,
        'installation_id', CASE WHEN e.installation_id IS NOT NULL THEN other('installation', n) END)) AS made;
INSERT INTO audit_entry SELECT made.* FROM audit_entry e JOIN (SELECT sequence, row_number() OVER (ORDER BY sequence DESC) AS nth FROM audit_entry ORDER BY sequence DESC LIMIT 20) last
    ON last.sequence = e.sequence CROSS JOIN generate_series(1, 6000) n,
    LATERAL jsonb_populate_record(e, jsonb_build_object('sequence', 1000000 + n * 100 + last.nth, 'id', gen_random_uuid(),
        'publisher_id', CASE WHEN n % 2 = 0 THEN e.publisher_id ELSE other('publisher', n % 20) END,
        'account_id', CASE WHEN n % 1000 = 0 THEN e.account_id WHEN e.account_id IS NOT NULL THEN other('account', n % 1000) END,
        'subject_id', e.subject_id || n)) AS made;
INSERT INTO log_batch SELECT made.* FROM log_batch b, generate_series(1, 2000) n,
    LATERAL jsonb_populate_record(b, jsonb_build_object('first_sequence', 2000000 + n * 100, 'last_sequence', 2000099 + n * 100,
        'first_entry', 2000000 + n * 100, 'id_base', gen_random_uuid(),
        'publisher_id', CASE WHEN n % 2 = 0 THEN b.publisher_id ELSE other('publisher', n % 20) END,
        'pack_id', CASE WHEN n % 100 = 0 THEN b.pack_id ELSE other('pack', n % 500) END,
        'release_id', CASE WHEN n % 100 = 0 THEN b.release_id ELSE other('release', n % 500) END)) AS made
    WHERE b.first_sequence = (SELECT max(first_sequence) FROM log_batch);
INSERT INTO log_record SELECT made.* FROM log_record r, log_batch b, generate_series(0, 99) n,
    LATERAL jsonb_populate_record(r, jsonb_build_object('sequence', b.first_sequence + n, 'batch', b.first_sequence,
        'account_id', CASE WHEN n = 0 AND b.first_sequence % 1000 = 0 THEN r.account_id ELSE other('account', (b.first_sequence / 100 + n * 7) % 1000) END,
        'installation_id', CASE WHEN n = 0 AND b.first_sequence % 1000 = 0 THEN r.installation_id ELSE other('installation', b.first_sequence + n) END)) AS made
    WHERE b.first_sequence > 2000000 AND r.sequence = (SELECT max(sequence) FROM log_record);
INSERT INTO installation SELECT made.* FROM installation i, generate_series(1, 9200) n,
    LATERAL jsonb_populate_record(i, jsonb_build_object('id', other('installation', 5000000 + n), 'single_pack_id', NULL, 'key', NULL,
        'account_id', CASE WHEN n <= 200 THEN '$of_many' ELSE other('account', n % 3000) END,
        'pack_id', other('pack', CASE WHEN n <= 200 THEN n * 2 ELSE n % 500 END))) AS made
    WHERE i.id = (SELECT id FROM installation ORDER BY id LIMIT 1);
INSERT INTO installation SELECT made.* FROM installation i, generate_series(1, 5000) n,
    LATERAL jsonb_populate_record(i, jsonb_build_object('id', other('installation', 6000000 + n), 'single_pack_id', NULL, 'key', NULL)) AS made
    WHERE i.account_id = '$of_often';
SELECT setval(pg_get_serial_sequence('event', 'sequence'), 3000000);
SELECT setval(pg_get_serial_sequence('audit_entry', 'sequence'), 3000000);
UPDATE audit_hour SET last_sequence = 3000000;
RESET session_replication_role;
SET default_statistics_target = 1000;
ANALYZE;
RESET default_statistics_target";

const EVENTS: &str = "query($first: Int, $after: String, $last: Int, $filter: EventFilter) {
    events(first: $first, after: $after, last: $last, filter: $filter) { edges { cursor node { kind ... on PackEvent { packName pack { id } } } } } }";

const AUDIT: &str = "query($first: Int, $after: String, $last: Int, $filter: AuditLogFilter) {
    auditLog(first: $first, after: $after, last: $last, filter: $filter) { edges { cursor node { action subjectName } } } }";

/// The large tables of the logs. The 2,000 batches are so few that PostgreSQL may read all of them, which is cheap.
const LOGS: [&str; 3] = ["event", "audit_entry", "log_record"];

/// The highest cost of a statement: a few hundred rows by an index.
const OF_A_PAGE: f64 = 2_000.0;

/// The highest cost of a statement for an account with 200 packs: an event of each pack by an index.
const OF_MANY_PACKS: f64 = 7_000.0;

/// The same for an account that has one pack 5,001 times. PostgreSQL doesn't know that these are one interval, and
/// reckons with one for each of the 501 packs that there are; without joined intervals it reckons with 5,001.
const OF_ONE_PACK_OFTEN: f64 = 20_000.0;

const CURSOR: &str = "{ viewer { eventCursor } }";

/// A reader's filtered page.
struct Asked<'a> {
    token: &'a str,
    document: &'a str,
    path: &'a str,
    filter: Value,
    /// The highest cost of a statement.
    most: f64,
}

#[tokio::test]
async fn r49_r51_a_page_of_a_log_costs_what_it_shows_and_not_what_was_ever_told() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["Acme", "Globex", "Initech"]).await;
    let installed = app.installed_pack("Orders", &[&accounts[0], &accounts[1], &accounts[2]]).await;
    app.update_now(&installed.pack).await;
    app.tick().await;
    if app.is_postgresql() {
        let enlarged = ENLARGED.replace("$of_many", &uuid_of(&accounts[1].id).to_string());
        let enlarged = enlarged.replace("$of_often", &uuid_of(&accounts[2].id).to_string());
        tables(&app).execute_unprepared(&enlarged).await.expect("a large log");
    }
    let (publisher, account) = (app.publisher.as_str(), accounts[0].token.as_str());
    let of_many = accounts[1].token.as_str();
    let installation = &installed.installations[0];
    let kinds = json!(["INSTALLATION_UPDATED", "RELEASE_STARTED"]);
    let actions = json!(["scheduler.applyUpdate", "installPack"]);
    let events = |token, filter| Asked { token, document: EVENTS, path: "/events", filter, most: OF_A_PAGE };
    let entries = |token, filter| Asked { token, document: AUDIT, path: "/auditLog", filter, most: OF_A_PAGE };
    let mut all = Vec::new();
    for token in [publisher, account] {
        all.extend([
            events(token, json!({})),
            events(token, json!({ "kinds": kinds })),
            events(token, json!({ "installationId": installation })),
            entries(token, json!({})),
            entries(token, json!({ "actions": actions })),
            entries(token, json!({ "actorKind": "SCHEDULER" })),
            entries(token, json!({ "subjectId": installation })),
            entries(token, json!({ "from": "2026-11-01T00:00:00Z", "to": "2026-12-31T00:00:00Z" })),
        ]);
    }
    all.push(events(publisher, json!({ "packId": installed.pack.id })));
    // An account that has one pack 5,001 times.
    for kinds in [json!(null), kinds.clone()] {
        all.push(Asked { most: OF_ONE_PACK_OFTEN, ..events(&accounts[2].token, json!({ "kinds": kinds })) });
    }
    for kinds in [json!(null), kinds, json!(["RELEASE_PAUSED", "RELEASE_COMPLETED"])] {
        all.push(Asked { most: OF_MANY_PACKS, ..events(of_many, json!({ "kinds": kinds })) });
    }
    for asked in &all {
        let first = app.gql(asked.token, asked.document, json!({ "first": 2, "filter": asked.filter })).await;
        let edges = format!("{}/edges", asked.path);
        assert!(!first.list(&edges).is_empty(), "{} has none", asked.filter);
        let cursor = first.text(&format!("{edges}/0/cursor"));
        let mut pages = vec![json!({ "first": 20 }), json!({ "last": 20 })];
        // An entry's cursor has its id, and the copied batches have ids of no order, by which no entry is found.
        if asked.path == "/events" {
            let last = app.gql(asked.token, asked.document, json!({ "last": 2, "filter": asked.filter })).await;
            pages.push(json!({ "first": 20, "after": cursor }));
            pages.push(json!({ "first": 20, "after": last.text(&format!("{edges}/0/cursor")) }));
        }
        for mut page in pages {
            page["filter"] = asked.filter.clone();
            costs_what_it_shows(&app, asked, page).await;
        }
    }
    for (token, most) in [(publisher, OF_A_PAGE), (account, OF_A_PAGE), (of_many, OF_MANY_PACKS)] {
        let asked = Asked { token, document: CURSOR, path: "/viewer", filter: json!(null), most };
        costs_what_it_shows(&app, &asked, json!({})).await;
    }
}

async fn costs_what_it_shows(app: &TestApp, asked: &Asked<'_>, variables: Value) {
    let ask = app.gql(asked.token, asked.document, variables.clone());
    let (_, statements) = app.statements_with_values_of(ask).await;
    let found = plans(app, &statements, false).await;
    assert!(!found.is_empty(), "{} {variables} runs no statement", asked.path);
    for plan in &found {
        let steps = plan.steps.join("\n");
        assert!(plan.cost <= asked.most, "{} {variables} costs {}: {}\n{steps}", asked.path, plan.cost, plan.sql);
    }
    // Without its values a statement has no known limit, and PostgreSQL reckons with a tenth of what it finds.
    for plan in found.iter().chain(&generic_plans(app, &statements).await) {
        let scans = plan.scanned.iter().any(|table| LOGS.contains(&table.as_str()));
        let steps = plan.steps.join("\n");
        assert!(!scans, "{} {variables} goes through a log: {}\n{steps}", asked.path, plan.sql);
    }
}
