//! For every filter of the logs there is an index that returns the rows in their order (R49, R51).

use sea_orm::Statement;
use serde_json::{Value, json};

use crate::store::planned::plans;
use crate::support::TestApp;

/// Fails unless a query reads `table` in order through an index. On SQLite, whose plans don't depend on the rows, the
/// indexes must be exactly these.
async fn reads_by(app: &TestApp, token: &str, query: &str, variables: Value, table: &str, indexes: &[&str]) {
    let (_, statements) = app.statements_with_values_of(app.gql(token, query, variables.clone())).await;
    are_read_by(app, &statements, &variables, table, indexes).await;
}

async fn are_read_by(app: &TestApp, statements: &[Statement], variables: &Value, table: &str, indexes: &[&str]) {
    let of_table = statements.iter().filter(|statement| statement.sql.contains(&format!("FROM \"{table}\"")));
    let plans = plans(app, &of_table.cloned().collect::<Vec<_>>(), true).await;
    assert!(!plans.is_empty(), "no statement on {table}: {statements:#?}");
    for plan in &plans {
        let scans = plan.scanned.iter().any(|scanned| scanned == table);
        // Events of several packs are found pack by pack, a page of each, and sorted.
        let sorts = plan.sorts && !plan.sql.contains("\"position\"");
        assert!(!sorts && !scans, "{variables}: {}\n{}", plan.sql, plan.steps.join("\n"));
    }
    if !app.is_postgresql() {
        let search = format!("SEARCH {table} USING INDEX ");
        let steps = plans.iter().flat_map(|plan| &plan.steps);
        // The entry that a cursor names is also looked up, by its id.
        let by_id = format!("sqlite_autoindex_{table}_1");
        let used = steps.filter_map(|step| step.strip_prefix(&search)?.split(' ').next());
        let used: std::collections::BTreeSet<_> = used.filter(|index| *index != by_id).collect();
        assert_eq!(used, indexes.iter().copied().collect(), "{variables}: {plans:#?}");
    }
}

const EVENTS: &str = "query($filter: EventFilter, $after: String, $last: Int) { events(filter: $filter, after: $after, last: $last) { edges { cursor } } }";

#[tokio::test]
async fn r49_the_event_log_is_read_by_an_index_whatever_is_asked() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let available = app.available(&acme, "Orders").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let release = app.update_now(&installed.pack).await;
    let announced = release.replacen("rel_", "ann_", 1);
    let kinds = json!(["RELEASE_STARTED", "PACK_SHARED"]);
    let installation = json!({ "installationId": installed.installations[0], "kinds": kinds });
    for more in [json!({}), json!({ "after": p }), json!({ "after": p, "last": 5 }), json!({ "last": 5 })] {
        for (filter, index) in [
            (json!({}), "event_of_publisher"),
            (json!({ "kinds": kinds }), "event_of_publisher_by_kind"),
            (json!({ "packId": installed.pack.id }), "event_of_pack_by_kind"),
            (json!({ "packId": installed.pack.id, "kinds": kinds }), "event_of_pack_by_kind"),
            (installation.clone(), "event_of_installation"),
            (json!({ "releaseId": release }), "event_of_release"),
        ] {
            let mut variables = more.clone();
            variables["filter"] = filter;
            reads_by(&app, &app.publisher, EVENTS, variables, "event", &[index]).await;
        }
    }
    for more in [json!({}), json!({ "after": a }), json!({ "last": 5 })] {
        for (filter, indexes) in [
            (json!({}), vec!["event_of_account", "event_for_installed"]),
            (json!({ "kinds": kinds }), vec!["event_of_account", "event_for_installed"]),
            (json!({ "kinds": ["PACK_SHARED"] }), vec!["event_of_account"]),
            (json!({ "packId": available }), vec!["event_of_account", "event_of_pack_by_kind"]),
            (installation.clone(), vec!["event_of_installation"]),
            (json!({ "releaseId": announced }), vec!["event_of_account", "event_for_installed"]),
        ] {
            let mut variables = more.clone();
            variables["filter"] = filter;
            reads_by(&app, &acme.token, EVENTS, variables, "event", &indexes).await;
        }
    }
}

const AUDIT: &str = "query($filter: AuditLogFilter, $after: String, $last: Int) { auditLog(filter: $filter, after: $after, last: $last) { edges { cursor } totalCount } }";

#[tokio::test]
async fn r51_the_audit_log_is_read_by_an_index_whatever_is_asked() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let own = "{ viewer { token { id } account { id } } auditLog(first: 1) { pageInfo { endCursor } } }";
    let actions = json!(["createManagedAccount", "installPack"]);
    for (token, of_reader) in [(&app.publisher, "publisher"), (&acme.token, "account")] {
        let own_ids = app.gql(token, own, json!(null)).await;
        let (own_token, own_account) = (&own_ids["viewer"]["token"]["id"], &own_ids["viewer"]["account"]["id"]);
        let after = &own_ids["auditLog"]["pageInfo"]["endCursor"];
        let mut about = vec!["audit_of_subject"];
        if of_reader == "account" {
            about.push("audit_of_own_subject");
        }
        let range = json!({ "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z" });
        for more in [json!({}), json!({ "after": after }), json!({ "after": after, "last": 5 }), json!({ "last": 5 })] {
            for (filter, indexes) in [
                (json!({}), vec![format!("audit_of_{of_reader}_by_kind")]),
                (range.clone(), vec![format!("audit_of_{of_reader}_by_kind")]),
                (json!({ "actorKind": "COMMAND_LINE" }), vec![format!("audit_of_{of_reader}_by_kind")]),
                (json!({ "actions": actions }), vec![format!("audit_of_{of_reader}_by_action")]),
                (
                    json!({ "actions": actions, "actorKind": "SCHEDULER" }),
                    vec![format!("audit_of_{of_reader}_by_action")],
                ),
                (json!({ "tokenId": own_token, "actions": actions }), vec!["audit_of_token".into()]),
                (json!({ "subjectId": own_account }), about.iter().map(ToString::to_string).collect()),
                (
                    json!({ "subjectId": installed.installations[0], "tokenId": own_token }),
                    about.iter().map(ToString::to_string).collect(),
                ),
            ] {
                let mut variables = more.clone();
                variables["filter"] = filter;
                let indexes: Vec<_> = indexes.iter().map(String::as_str).collect();
                reads_by(&app, token, AUDIT, variables, "audit_entry", &indexes).await;
            }
        }
    }
}

/// Checks that records are read by an index too: by their batches, or by the records themselves.
async fn finds_records_by(app: &TestApp, token: &str, query: &str, variables: Value, table: &str, indexes: &[&str]) {
    let (_, statements) = app.statements_with_values_of(app.gql(token, query, variables.clone())).await;
    // The pages, and the counts.
    let found = statements.into_iter().filter(|s| s.sql.contains("\"pruned_to\"") || s.sql.contains("\"first_entry\""));
    let found: Vec<_> = found.collect();
    are_read_by(app, &found, &variables, table, indexes).await;
}

#[tokio::test]
async fn r49_events_and_entries_of_records_are_found_by_an_index_for_every_filter() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    app.update_now(&installed.pack).await;
    let available = app.available(&acme, "Orders").await;
    let (p, a) = (app.cursor(&app.publisher).await, app.cursor(&acme.token).await);
    let kinds = json!(["INSTALLATION_UPDATED", "PACK_SHARED"]);
    let installation = json!({ "installationId": installed.installations[0], "kinds": kinds });
    for (token, cursor, filter, table, index) in [
        (&app.publisher, &p, json!({}), "log_batch", "log_batch_of_publisher"),
        (&app.publisher, &p, json!({ "kinds": kinds }), "log_batch", "log_batch_of_publisher_by_kind"),
        (&app.publisher, &p, json!({ "packId": installed.pack.id }), "log_batch", "log_batch_of_pack_by_kind"),
        (&app.publisher, &p, installation.clone(), "log_record", "log_record_of_installation"),
        (&acme.token, &a, json!({}), "log_record", "log_record_of_account"),
        (&acme.token, &a, json!({ "packId": available }), "log_record", "log_record_of_account"),
        (&acme.token, &a, installation, "log_record", "log_record_of_installation"),
    ] {
        for more in [json!({}), json!({ "after": cursor }), json!({ "after": cursor, "last": 5 }), json!({ "last": 5 })]
        {
            let mut variables = more;
            variables["filter"] = filter.clone();
            finds_records_by(&app, token, EVENTS, variables, table, &[index]).await;
        }
    }
    let newest = "{ auditLog(first: 1) { pageInfo { endCursor } } }";
    let actions = json!(["scheduler.applyUpdate", "installPack"]);
    let about = json!({ "subjectId": installed.installations[0] });
    for (token, filter, table, index) in [
        (&app.publisher, json!({}), "log_batch", "log_batch_entries_of_publisher"),
        (&app.publisher, json!({ "actions": actions }), "log_batch", "log_batch_entries_by_action"),
        (&app.publisher, json!({ "from": "2026-11-22T00:00:00Z" }), "log_batch", "log_batch_entries_of_publisher"),
        (&app.publisher, about.clone(), "log_record", "log_record_of_installation"),
        (&acme.token, json!({}), "log_record", "log_record_of_account"),
        (&acme.token, json!({ "actions": actions }), "log_record", "log_record_of_account"),
        (&acme.token, about, "log_record", "log_record_of_installation"),
    ] {
        let after = app.gql(token, newest, json!(null)).await["auditLog"]["pageInfo"]["endCursor"].clone();
        for more in [json!({}), json!({ "after": after }), json!({ "after": after, "last": 5 }), json!({ "last": 5 })] {
            let mut variables = more;
            variables["filter"] = filter.clone();
            finds_records_by(&app, token, AUDIT, variables, table, &[index]).await;
        }
    }
}
