//! What a scrape shows, who may ask for it, and what it costs.

use std::sync::Arc;
use std::time::Duration;

use packwright::domain::installations::FailureCode;
use packwright::gate::{Stored, TrustedDocuments};
use packwright::http::connections::{self, ConnectionOptions};
use packwright::http::{EngineOptions, HttpOptions};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Scrape, admin, get, scrape, serve};
use crate::releases::stuck::strange_task;
use crate::support::{Ask, At as _, Reply, Server, Setup, TestApp};

fn text(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(reply.body.clone()).expect("UTF-8")
}

#[tokio::test]
async fn a_program_on_this_computer_and_a_publisher_s_administrator_get_the_metrics() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let support = app.token(&app.publisher, "SUPPORT").await;
    let server = serve(&app).await;
    assert!(text(&server.send(&get()).await).contains("packwright_build_info{"));
    let by_token = get().token(&app.publisher).with("host", "10.0.0.5:8080").with("x-forwarded-for", "203.0.113.7");
    assert!(text(&server.send(&by_token).await).contains("packwright_ready 1\n"), "by whatever address");
    for (ask, status) in [
        // A proxy on this computer must not show the metrics to everybody.
        (get().with("x-forwarded-for", "203.0.113.7"), 401),
        (get().with("forwarded", "for=203.0.113.7"), 401),
        (get().with("host", "evil.example"), 421),
        (get().token("nobody's"), 401),
        (get().token(&acme.token), 403),
        (get().token(&support), 403),
        (Ask::new("POST", "/metrics").body("x"), 405),
    ] {
        let reply = server.send(&ask).await;
        assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
        assert!(!String::from_utf8_lossy(&reply.body).contains("packwright_ready"));
    }
    let hidden =
        Server::with(&app, HttpOptions { metrics: false, ..HttpOptions::default() }, ConnectionOptions::default());
    let reply = hidden.await.send(&get().token(&app.publisher)).await;
    assert_eq!(reply.status, 404, "operators have a listener of their own");
    assert!(reply.json().text("/errors/0/message").contains("--admin-listen"));
}

/// A listener for operators.
async fn for_operators(app: &TestApp, token: Option<&str>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (end, ending) = watch::channel(false);
    let router = app.app.admin_router(admin(token));
    let task = tokio::spawn(connections::serve(listener, router, ConnectionOptions::default(), ending));
    Server { address, end, task }
}

#[tokio::test]
async fn operators_have_a_listener_of_their_own() {
    let app = TestApp::new().await;
    let open = for_operators(&app, None).await;
    assert!(text(&open.send(&get()).await).contains("packwright_ready 1\n"));
    assert_eq!(open.send(&get().with("host", "evil.example")).await.status, 421, "a page that leads a name to here");
    assert_eq!(open.send(&Ask::query("{ __typename }")).await.status, 404, "nothing for clients");
    let secret = "a secret of operators".replace(' ', "-");
    let closed = for_operators(&app, Some(&secret)).await;
    for ask in [get(), get().token("another"), get().token(&app.publisher), Ask::new("GET", "/log-level")] {
        assert_eq!(closed.send(&ask).await.status, 401);
    }
    assert!(text(&closed.send(&get().token(&secret).with("host", "10.0.0.5:9090")).await).contains("process_"));
    for path in ["/livez", "/readyz"] {
        assert_eq!(closed.send(&Ask::new("GET", path)).await.status, 200, "probes need no secret");
        assert_eq!(closed.send(&Ask::new("POST", path)).await.status, 405);
    }
}

#[tokio::test]
async fn the_log_filter_is_read_set_and_reset_over_the_listener_of_operators() {
    let app = TestApp::new().await;
    let server = for_operators(&app, None).await;
    let log = |method: &str| Ask::new(method, "/log-level");
    let shown = async || String::from_utf8(server.send(&log("GET")).await.body).expect("UTF-8");
    assert_eq!(shown().await, "info\n");
    let set = server.send(&log("PUT").body("info,packwright=debug\n")).await;
    assert_eq!((set.status, shown().await.as_str()), (200, "info,packwright=debug\n"));
    let bad = server.send(&log("PUT").body("bad")).await;
    assert_eq!(bad.status, 400);
    assert!(bad.json().text("/errors/0/message").contains("`bad` is no level"));
    assert_eq!(server.send(&log("PUT").body("x".repeat(5_000))).await.status, 413);
    assert_eq!(shown().await, "info,packwright=debug\n", "nothing has changed");
    assert_eq!((server.send(&log("DELETE")).await.status, shown().await.as_str()), (200, "info\n"));
    assert_eq!(server.send(&log("POST")).await.status, 405);
}

#[tokio::test]
async fn requests_operations_errors_and_connections_are_counted() {
    let app = TestApp::new().await;
    let server = serve(&app).await;
    let before = scrape(&app).await;
    assert_eq!(server.send(&Ask::query("{ viewer { role } }").token(&app.publisher)).await.status, 200);
    assert_eq!(server.send(&Ask::query("{ nothing }").token(&app.publisher)).await.status, 200);
    assert_eq!(server.send(&Ask::query("{ __typename }").token("nobody's")).await.status, 401);
    let mutation = "mutation { createComponent(input: { name: \"Import\", type: PROCESS }) { component { id } } }";
    assert_eq!(server.send(&Ask::query(mutation).token(&app.publisher)).await.status, 200);
    let _open = server.connect().await;
    let after = scrape(&app).await;
    let more = |series: &str| after.get(series) - before.get(series);
    let request = |status: u16| {
        let labels = "http_request_method=\"POST\",http_route=\"/graphql\"";
        format!("http_server_request_duration_seconds_count{{{labels},http_response_status_code=\"{status}\"}}")
    };
    assert_eq!((more(&request(200)), more(&request(401))), (3.0, 1.0));
    let operation = |of: &str, outcome: &str| {
        let labels = format!("graphql_operation_type=\"{of}\",outcome=\"{outcome}\"");
        format!("graphql_server_operation_duration_seconds_count{{{labels}}}")
    };
    assert_eq!((more(&operation("query", "ok")), more(&operation("mutation", "ok"))), (1.0, 1.0));
    assert_eq!(more(&operation("unknown", "refused")), 1.0);
    let error = |code: &str| format!("packwright_errors_total{{code=\"{code}\"}}");
    assert_eq!(
        (more(&error("GRAPHQL_VALIDATION_FAILED")), more(&error("UNAUTHENTICATED"))),
        (1.0, 1.0),
        "{}",
        after.text
    );
    assert_eq!(more("packwright_operation_cost_count{graphql_operation_type=\"query\"}"), 1.0);
    for (series, at_least) in [
        ("db_client_operation_duration_seconds_count{db_operation_name=\"INSERT\"}", 1.0),
        ("db_client_operation_duration_seconds_count{db_operation_name=\"BEGIN\"}", 1.0),
        ("db_client_connection_wait_time_seconds_count{db_client_connection_pool_name=\"write\"}", 1.0),
        ("packwright_cache_requests_total{cache=\"documents\",result=\"miss\"}", 3.0),
    ] {
        assert!(more(series) >= at_least, "{series}:\n{}", after.text);
    }
    for series in [
        "http_server_active_requests",
        "packwright_operations_waiting",
        "packwright_operations_active{graphql_operation_type=\"query\"}",
        "db_client_connection_pending_requests{db_client_connection_pool_name=\"read\"}",
    ] {
        assert!(after.has(series) && after.get(series) == 0.0, "{series}:\n{}", after.text);
    }
    // A connection is counted once it is accepted.
    let mut seen = after.get("packwright_http_connections");
    for _ in 0..400 {
        if seen >= 1.0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        seen = scrape(&app).await.get("packwright_http_connections");
    }
    assert!(seen >= 1.0);
    assert!(after.get("process_resident_memory_bytes") > 1e6 && after.get("process_open_fds") > 3.0);
    let start = after.get("process_start_time_seconds");
    let now = packwright::clock::Clock::system().now().timestamp() as f64;
    assert!(start <= now + 2.0 && now - start < 86_400.0, "{start} {now}");
}

#[tokio::test]
async fn a_subscription_is_counted_until_it_ends_with_the_reason() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let active = "packwright_subscriptions_active{transport=\"websocket\"}";
    let ended =
        |reason: &str| format!("packwright_subscriptions_ended_total{{transport=\"websocket\",reason=\"{reason}\"}}");
    let hear = "subscription { releaseAnnounced { kind } }";
    let left = app.subscribe(&acme.token, hear, json!(null)).await;
    let mut revoked = app.subscribe(&acme.token, hear, json!(null)).await;
    assert_eq!(scrape(&app).await.get(active), 2.0);
    drop(left);
    let after = scrape(&app).await;
    assert_eq!((after.get(active), after.get(&ended("client"))), (1.0, 1.0));
    app.suspend(&acme).await;
    assert!(revoked.next_raw().await.expect("the reason")["errors"].is_array());
    assert_eq!(revoked.next_raw().await, None);
    drop(revoked);
    let after = scrape(&app).await;
    assert_eq!((after.get(active), after.get(&ended("token"))), (0.0, 1.0), "{}", after.text);
    let hear = "subscription { releaseAnnounced(after: \"no cursor\") { kind } }";
    drop(app.subscribe(&app.publisher, hear, json!(null)).await);
    assert_eq!(scrape(&app).await.get(&ended("refused")) + scrape(&app).await.get(&ended("error")), 1.0);
}

#[tokio::test]
async fn the_time_from_an_event_to_its_subscribers_is_counted() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let mut hear = app.subscribe(&app.publisher, "subscription { releaseAnnounced { kind } }", json!(null)).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    hear.next().await;
    let mut after = scrape(&app).await;
    assert!(after.get("packwright_event_log_lag_seconds_count") >= 1.0, "{}", after.text);
    // The release's other events may be read a moment later.
    for _ in 0..400 {
        if after.get("packwright_event_log_unread_events") == 0.0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        after = scrape(&app).await;
    }
    assert_eq!(
        (after.get("packwright_event_log_unread_events"), after.get("packwright_not_ready{reason=\"event_log\"}")),
        (0.0, 0.0)
    );
}

#[tokio::test]
async fn a_trusted_document_is_counted_by_its_name() {
    let (who, unnamed) = ("query Who { viewer { role } }", "{ viewer { role } }");
    let list = TrustedDocuments::parse(&json!({ "who": who, "unnamed": unnamed }).to_string()).expect("a list");
    let engine = EngineOptions { stored: Stored::Trusted(Arc::new(list)), ..EngineOptions::default() };
    let app = TestApp::with(Setup { engine, ..Setup::default() }).await;
    for document in [who, who, unnamed] {
        app.gql(&app.publisher, document, json!(null)).await;
    }
    let after = scrape(&app).await;
    let of = |name: &str| {
        after.get(&format!("packwright_trusted_document_duration_seconds_count{{graphql_operation_name=\"{name}\"}}"))
    };
    assert_eq!((of("Who"), of("_OTHER")), (2.0, 1.0), "{}", after.text);
}

#[tokio::test]
async fn the_numbers_of_the_database_are_those_of_its_rows() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let before = scrape(&app).await;
    assert_eq!(before.get("packwright_windows_due"), 0.0);
    assert!(before.get("packwright_event_log_events") > 0.0);
    assert_eq!(before.get("packwright_event_log_position"), before.get("packwright_event_log_events"));
    assert_eq!(before.get("packwright_database_up"), 1.0);
    assert!(before.get("packwright_database_size_bytes") > 10_000.0);
    // The window opens at 23:00 UTC, and no scheduler runs.
    app.clock_only("2026-11-30T23:05:00Z");
    let late = scrape(&app).await;
    assert_eq!((late.get("packwright_windows_due"), late.get("packwright_windows_lag_seconds")), (1.0, 300.0));
    assert!(late.get("packwright_event_log_oldest_age_seconds") > 86_400.0, "{}", late.text);
    app.mover.fail(&installed.installations[0], u32::MAX, FailureCode::Temporary);
    app.tick().await;
    let opened = scrape(&app).await;
    assert_eq!(opened.get("packwright_windows_due"), 0.0);
    assert_eq!(opened.get("packwright_windows_opened_total"), 1.0);
    assert_eq!(opened.get("packwright_window_lag_seconds_sum"), 300.0);
    let batches = "packwright_task_batch_duration_seconds_count{kind=\"ROLL_OUT\",outcome=\"done\"}";
    assert!(opened.get(batches) >= 1.0, "{}", opened.text);
    assert_eq!(opened.get("packwright_tasks{kind=\"ROLL_OUT\"}"), 1.0, "{}", opened.text);
    assert_eq!(opened.get("packwright_releases_in_progress"), 1.0);
    let updates = |state: &str| opened.get(&format!("packwright_rollout_updates{{state=\"{state}\"}}"));
    assert_eq!(updates("applied") + updates("failed") + updates("offered"), 1.0, "{}", opened.text);
}

#[tokio::test]
async fn kinds_of_tasks_of_newer_programs_are_counted_together() {
    let app = TestApp::new().await;
    for kind in ["FORECAST", "FORECAST", "AUDITION"] {
        strange_task(&app, kind, None).await;
    }
    let scraped = scrape(&app).await;
    let of = |family: &str| scraped.get(&format!("packwright_{family}{{kind=\"_OTHER\"}}"));
    assert_eq!((of("tasks"), of("tasks_failing")), (3.0, 0.0), "{}", scraped.text);
}

#[tokio::test]
async fn a_database_that_is_away_does_not_keep_the_metrics_away() {
    let app = TestApp::new().await;
    let server = serve(&app).await;
    app.app.services.db.clone().close().await.expect("closed");
    let began = std::time::Instant::now();
    let away = Scrape::read(&text(&server.send(&get()).await));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((away.get("packwright_database_up"), away.has("packwright_database_up")), (0.0, true));
    assert_eq!((away.get("packwright_ready"), away.has("packwright_ready")), (0.0, true));
    assert_eq!(away.get("packwright_not_ready{reason=\"database\"}"), 1.0, "{}", away.text);
    assert!(away.has("process_resident_memory_bytes") && !away.has("packwright_event_log_events"));
}

#[tokio::test]
async fn the_database_is_read_once_in_a_while_and_by_a_statement_for_each_group() {
    let every = Duration::from_secs(3_600);
    let app = TestApp::with(Setup { metrics_read_every: every, ..Setup::default() }).await;
    let (_, statements) = app.statements_of(scrape(&app)).await;
    let reads: Vec<_> = statements.iter().filter(|sql| sql.starts_with("SELECT") || sql.starts_with("WITH")).collect();
    // Tasks, windows, releases, the log's extent and its oldest event, endpoints, the size, and the migrations for the
    // readiness.
    assert!((6..=9).contains(&reads.len()), "{reads:#?}");
    let (_, statements) = app.statements_of(async { tokio::join!(scrape(&app), scrape(&app)) }).await;
    assert!(statements.is_empty(), "{statements:#?}");
}
