//! Query plans on both databases, for the tests of plans.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement, TransactionTrait as _, Value};
use serde_json::Value as Json;

use crate::support::rows::tables;
use crate::support::{At, TestApp};

/// The tables that grow. A publisher's packs, versions, releases and components aren't listed: some queries scan them
/// all, because they are few.
pub(crate) const GROWING: [&str; 17] = [
    "account",
    "account_group_member",
    "announced_grant",
    "api_token",
    "audit_entry",
    "client_request",
    "enrolment_token",
    "event",
    "installation",
    "installation_tally",
    "installation_update",
    "library_copy",
    "log_batch",
    "log_record",
    "release_stage_account",
    "release_tally",
    "past_visibility",
];

/// The plan of a statement.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    /// The steps of the plan, as the database writes them.
    pub(crate) steps: Vec<String>,
    /// The tables that are scanned without an index.
    pub(crate) scanned: Vec<String>,
    /// Whether the plan sorts rows.
    pub(crate) sorts: bool,
    /// PostgreSQL's estimate of the cost, in sequential page reads; 0 on SQLite.
    pub(crate) cost: f64,
}

/// Whether a statement has a plan. Statements for transactions and named locks have none.
fn has_plan(sql: &str) -> bool {
    ["SELECT \"", "SELECT DISTINCT", "SELECT COUNT", "SELECT *", "SELECT SUM", "UPDATE", "DELETE", "INSERT", "WITH"]
        .iter()
        .any(|verb| sql.starts_with(verb))
}

/// With these settings PostgreSQL avoids every scan for which there is an index.
const BY_INDEX: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashagg = off";

/// The plans of the distinct statements. PostgreSQL plans with the current statistics; with `by_index` it avoids every
/// scan for which there is an index, so that it plans small tables like large ones.
pub(crate) async fn plans(app: &TestApp, statements: &[Statement], by_index: bool) -> Vec<Plan> {
    plans_with(app, statements, by_index.then_some(BY_INDEX)).await
}

/// The plans that PostgreSQL makes when it expects so many rows that it joins no table row by row with another one.
pub(crate) async fn plans_for_many(app: &TestApp, statements: &[Statement]) -> Vec<Plan> {
    plans_with(app, statements, Some("SET LOCAL enable_nestloop = off")).await
}

async fn plans_with(app: &TestApp, statements: &[Statement], settings: Option<&str>) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut planned = std::collections::BTreeSet::new();
    for statement in statements.iter().filter(|statement| has_plan(&statement.sql)) {
        if planned.insert(statement.sql.clone()) {
            plans.push(plan(app, statement, settings).await);
        }
    }
    plans
}

async fn plan(app: &TestApp, statement: &Statement, settings: Option<&str>) -> Plan {
    match tables(app).get_database_backend() {
        DatabaseBackend::Postgres => on_postgresql(app, statement, settings).await,
        _ => on_sqlite(app, statement).await,
    }
}

async fn on_sqlite(app: &TestApp, statement: &Statement) -> Plan {
    let sql = statement.sql.clone();
    let explain = Statement::from_string(DatabaseBackend::Sqlite, format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = tables(app).query_all_raw(explain).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let steps: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").expect("a step")).collect();
    // A scan through an index has an order and ends with the page, so it isn't counted.
    let scanned = steps.iter().filter_map(|step| step.strip_prefix("SCAN ").filter(|rest| !rest.contains(" USING ")));
    let scanned = scanned.map(|rest| rest.split(' ').next().unwrap_or(rest).to_owned()).collect();
    let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
    Plan { sql, scanned, sorts, steps, cost: 0.0 }
}

async fn on_postgresql(app: &TestApp, statement: &Statement, settings: Option<&str>) -> Plan {
    let sql = spelt_out(statement);
    let tx = tables(app).begin().await.expect("a transaction");
    if let Some(settings) = settings {
        tx.execute_unprepared(settings).await.expect("settings");
    }
    let explain = Statement::from_string(DatabaseBackend::Postgres, format!("EXPLAIN (FORMAT JSON) {sql}"));
    let row = tx.query_one_raw(explain).await.unwrap_or_else(|error| panic!("{sql}: {error}")).expect("a plan");
    tx.rollback().await.expect("an end");
    let json: Json = row.try_get("", "QUERY PLAN").expect("JSON");
    let mut plan = Plan { sql, cost: json.at("/0/Plan/Total Cost").as_f64().expect("a cost"), ..Plan::default() };
    walk(json.at("/0/Plan"), 0, &mut plan);
    plan
}

/// PostgreSQL's plans of statements without their values, which it uses for repeated statements. Empty on SQLite, whose
/// plans don't depend on values.
pub(crate) async fn generic_plans(app: &TestApp, statements: &[Statement]) -> Vec<Plan> {
    let mut plans = Vec::new();
    if !app.is_postgresql() {
        return plans;
    }
    let mut planned = std::collections::BTreeSet::new();
    for statement in statements.iter().filter(|statement| has_plan(&statement.sql)) {
        if planned.insert(statement.sql.clone()) {
            plans.push(generic_plan(app, statement).await);
        }
    }
    plans
}

async fn generic_plan(app: &TestApp, statement: &Statement) -> Plan {
    let tx = tables(app).begin().await.expect("a transaction");
    let sql = statement.sql.clone();
    let values: Vec<&Value> = statement.values.iter().flat_map(|values| &values.0).collect();
    let in_parentheses =
        |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
    // The parameter types that the driver sends.
    let types = in_parentheses(values.iter().map(|value| type_of(value).to_owned()).collect());
    let given = in_parentheses(values.iter().map(|value| literal(value)).collect());
    tx.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan").await.expect("a setting");
    let prepare = format!("PREPARE generic{types} AS {sql}");
    tx.execute_unprepared(&prepare).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE generic{given}");
    let explain = Statement::from_string(DatabaseBackend::Postgres, explain);
    let row = tx.query_one_raw(explain).await.unwrap_or_else(|error| panic!("{sql}: {error}")).expect("a plan");
    tx.execute_unprepared("DEALLOCATE generic").await.expect("forgotten");
    tx.rollback().await.expect("an end");
    let json: Json = row.try_get("", "QUERY PLAN").expect("JSON");
    let mut plan = Plan { sql, cost: json.at("/0/Plan/Total Cost").as_f64().expect("a cost"), ..Plan::default() };
    walk(json.at("/0/Plan"), 0, &mut plan);
    plan
}

fn walk(node: &Json, depth: usize, plan: &mut Plan) {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let (kind, table) = (text("Node Type"), text("Relation Name"));
    plan.steps.push(format!(
        "{}{kind} {table} {} {} {} {}",
        "  ".repeat(depth),
        node["Total Cost"],
        text("Index Name"),
        text("Index Cond"),
        text("Filter")
    ));
    if kind == "Seq Scan" {
        plan.scanned.push(table);
    }
    plan.sorts |= kind.contains("Sort");
    for below in node["Plans"].as_array().into_iter().flatten() {
        walk(below, depth + 1, plan);
    }
}

/// A statement with its values inserted as typed literals.
fn spelt_out(statement: &Statement) -> String {
    let values: Vec<String> = statement.values.iter().flat_map(|values| &values.0).map(literal).collect();
    let (mut spelt, mut quoted) = (String::new(), None);
    let mut rest = statement.sql.chars().peekable();
    while let Some(c) = rest.next() {
        match (quoted, c) {
            (None, '$') => {
                let mut number = String::new();
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                let number_of: usize = number.parse().expect("a parameter's number");
                spelt.push_str(&values[number_of - 1]);
                continue;
            }
            (None, '\'' | '"') => quoted = Some(c),
            (Some(quote), c) if quote == c => quoted = None,
            _ => {}
        }
        spelt.push(c);
    }
    spelt
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Int(_) => "int4",
        Value::BigInt(_) | Value::BigUnsigned(_) => "int8",
        Value::String(_) => "text",
        Value::Uuid(_) => "uuid",
        Value::ChronoDateTimeUtc(_) => "timestamptz",
        Value::Bytes(_) => "bytea",
        other => panic!("which type has {other:?}? Say it here."),
    }
}

fn literal(value: &Value) -> String {
    let quoted = |text: &str, of: &str| format!("'{}'::{of}", text.replace('\'', "''"));
    match value {
        Value::Bool(Some(value)) => value.to_string(),
        Value::Int(Some(value)) => format!("{value}::int4"),
        Value::BigInt(Some(value)) => format!("{value}::int8"),
        Value::BigUnsigned(Some(value)) => format!("{value}::int8"),
        Value::Double(Some(value)) => format!("{value}::float8"),
        Value::String(Some(text)) => quoted(text, "text"),
        Value::Uuid(Some(id)) => quoted(&id.to_string(), "uuid"),
        Value::ChronoDateTimeUtc(Some(at)) => quoted(&at.to_rfc3339(), "timestamptz"),
        Value::Bytes(Some(bytes)) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'::bytea")
        }
        Value::Bool(None)
        | Value::Int(None)
        | Value::BigInt(None)
        | Value::String(None)
        | Value::Uuid(None)
        | Value::ChronoDateTimeUtc(None)
        | Value::Bytes(None) => "NULL".into(),
        other => panic!("how is {other:?} spelt? Say it here."),
    }
}
