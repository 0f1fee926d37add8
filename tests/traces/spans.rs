//! What is a span, and how spans belong together.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use packwright::metrics::{Statement, StatementError};
use packwright::store::DatabaseKind;
use packwright::traces::{Kind, TraceSettings, statement, within};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::websocket_protocol::{connect, receive_json, send_json};
use crate::support::{Ask, At, Server, Setup};
use crate::traces::{Traced, attribute};
use crate::webhooks::receiver::{Dispatching, Receiver};

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span.text("/name") == name).collect()
}

fn children<'a>(spans: &'a [Value], of: &Value) -> Vec<&'a Value> {
    let id = of.at("/spanId");
    spans.iter().filter(|span| span.get("parentSpanId") == Some(id)).collect()
}

#[tokio::test]
async fn an_operation_is_a_span_that_its_type_names_with_its_statements_below() {
    let traced = Traced::new().await;
    let app = &traced.app;
    let document = "query Mine { components { edges { node { name } } } }";
    app.gql(&app.publisher, document, json!({})).await;
    let make = "mutation Make($input: CreateComponentInput!) { createComponent(input: $input) { component { id } } }";
    app.gql(&app.publisher, make, json!({ "input": { "name": "Import", "type": "PROCESS" } })).await;
    let (app, collector) = traced.end().await;
    let spans = collector.spans();
    let ids: BTreeSet<_> = spans.iter().map(|span| span.text("/spanId")).collect();
    assert_eq!(ids.len(), spans.len(), "each span has an id of its own");
    for (name, document, operation) in [("query", document, "Mine"), ("mutation", make, "Make")] {
        let [span] = named(&spans, name)[..] else { panic!("one {name}: {spans:#?}") };
        assert_eq!(span.at("/kind"), &json!(2), "a server's");
        assert_eq!(attribute(span, "graphql.operation.type"), name);
        assert_eq!(attribute(span, "graphql.operation.name"), operation);
        let hash: String = Sha256::digest(document).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(attribute(span, "packwright.document.hash"), hash);
        assert_eq!(attribute(span, "packwright.outcome"), "ok");
        assert_eq!((span.get("parentSpanId"), span.at("/status")), (None, &json!({})));
        let nanos = |span: &Value, field: &str| span.text(field).parse::<u64>().expect("nanoseconds as a text");
        let (began, ended) = (nanos(span, "/startTimeUnixNano"), nanos(span, "/endTimeUnixNano"));
        assert!(began > 1_700_000_000_000_000_000 && ended > began, "{began} {ended}");
        let statements = children(&spans, span);
        assert!(!statements.is_empty(), "{name} has statements");
        for statement in &statements {
            assert_eq!((statement.at("/traceId"), statement.at("/kind")), (span.at("/traceId"), &json!(3)));
            let system = attribute(statement, "db.system.name");
            assert_eq!(
                system,
                if app.app.services.db.kind() == DatabaseKind::Sqlite { "sqlite" } else { "postgresql" }
            );
            let text = attribute(statement, "db.query.text");
            assert!(text.as_str().is_some_and(|text| !text.is_empty() && !text.contains("Import")), "{statement:#}");
            assert!(nanos(statement, "/endTimeUnixNano") <= ended + 1_000_000, "a part of its operation");
        }
    }
    let mutation = named(&spans, "mutation")[0];
    assert!(children(&spans, mutation).iter().any(|span| span.text("/name") == "INSERT"));
    let trace_ids: BTreeSet<_> = spans.iter().map(|span| span.text("/traceId")).collect();
    assert_eq!(trace_ids.len(), 2, "each operation begins a trace of its own");
}

#[tokio::test]
async fn a_subscription_is_a_span_until_its_end() {
    let traced = Traced::new().await;
    let app = &traced.app;
    let cursor = app.cursor(&app.publisher).await;
    let document = format!(
        "subscription {{ events(after: \"{cursor}\") {{ id ... on PackEvent {{ pack {{ id ... on IntegrationPack {{ description }} }} }} }} }}"
    );
    let request = async_graphql::Request::new(document);
    let mut answers = app.app.execute_stream(Some(&app.publisher), request).await.expect("a stream");
    let first = tokio::spawn(async move { (answers.next().await, answers) });
    app.pack("Orders").await;
    let (answer, answers) = first.await.expect("an answer");
    assert!(answer.is_some());
    drop(answers);
    let spans = traced.collector.until("the subscription", |spans| !named(spans, "subscription").is_empty()).await;
    let [span] = named(&spans, "subscription")[..] else { panic!("one: {spans:#?}") };
    assert_eq!(attribute(span, "packwright.subscription.end"), "client");
    assert!(!children(&spans, span).is_empty(), "its statements");
}

#[tokio::test]
async fn an_operation_that_fails_says_its_code_and_is_an_error_only_by_the_servers_fault() {
    let traced = Traced::new().await;
    let app = &traced.app;
    app.error_code(None, "{ viewer { role } }", json!(null)).await;
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let [span] = named(&spans, "query")[..] else { panic!("one: {spans:#?}") };
    assert_eq!(attribute(span, "packwright.outcome"), "errors");
    assert_eq!(attribute(span, "error.type"), "UNAUTHENTICATED");
    assert_eq!(span.at("/status"), &json!({}), "the client's own");
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn the_trace_of_a_client_goes_on_to_follow_ups_and_to_the_receiver_of_a_webhook() {
    let traced = Traced::with(Setup::default(), |settings| TraceSettings { ratio: 0.0, ..settings });
    let traced = traced.await;
    let app = &traced.app;
    let (acme, receiver, server) = (app.managed("Acme").await, Receiver::start().await, Server::start(app).await);
    let installed = app.installed_pack("Orders", &[&acme]).await;
    let group = app.group("Gold", &[&acme]).await;
    app.endpoint(&app.publisher, &receiver.url(), json!({})).await;
    let dispatching = Dispatching::of(&app.app);
    let share = "mutation($input: SharePackInput!) { sharePack(input: $input) { errors { __typename } } }";
    let input = json!({ "input": { "packId": installed.pack.id, "groupIds": [group] } });
    let ask = Ask::post(&json!({ "query": share, "variables": input })).token(&app.publisher);
    let ask = ask.with("traceparent", &format!("00-{TRACE}-{PARENT}-01")).with("tracestate", "shop=9, other@x=1");
    let reply = server.send(&ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let received = receiver.wait_for(1).await;
    app.tick().await;
    let has = |spans: &[Value]| !named(spans, "POST").is_empty() && !named(spans, "batch").is_empty();
    let spans = traced.collector.until("a delivery and a batch", has).await;
    assert!(spans.iter().all(|span| span.text("/traceId") == TRACE), "no other trace is recorded: {spans:#?}");
    let [mutation] = named(&spans, "mutation")[..] else { panic!("one: {spans:#?}") };
    assert_eq!(mutation.text("/parentSpanId"), PARENT);
    assert_eq!(mutation.text("/traceState"), "shop=9, other@x=1");
    let delivery = named(&spans, "POST")[0];
    assert_eq!(delivery.at("/parentSpanId"), mutation.at("/spanId"));
    assert_eq!(attribute(delivery, "http.response.status_code"), "204");
    let carried = received[0].header("traceparent");
    assert_eq!(carried, format!("00-{TRACE}-{}-01", delivery.text("/spanId")));
    let batch = named(&spans, "batch")[0];
    assert_eq!(batch.at("/parentSpanId"), mutation.at("/spanId"));
    assert!(attribute(batch, "packwright.task.kind").is_string());
    assert!(!children(&spans, batch).is_empty(), "a batch has statements");
    // What begins here is not recorded, and its receiver is told so.
    app.unshare(&installed.pack.id, &[&group]).await;
    let received = receiver.wait_for(2).await;
    let carried = received[1].header("traceparent");
    assert!(carried.ends_with("-00") && !carried.contains(TRACE), "{carried}");
    dispatching.end().await;
}

#[tokio::test]
async fn a_window_and_what_follows_from_it_are_one_trace() {
    let traced = Traced::new().await;
    let app = &traced.app;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    app.live_until("2026-12-02T00:00:00Z").await;
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let [window] = named(&spans, "window")[..] else { panic!("one: {spans:#?}") };
    let batches = children(&spans, window);
    let kinds: BTreeSet<_> = batches.iter().map(|span| attribute(span, "packwright.task.kind").to_string()).collect();
    assert!(kinds.contains("\"ROLL_OUT\""), "{kinds:?}");
}

#[tokio::test]
async fn a_client_that_records_nothing_has_nothing_recorded_and_a_wrong_header_begins_a_trace() {
    let traced = Traced::new().await;
    let server = Server::start(&traced.app).await;
    let query = |header: &str| Ask::query("{ serverInfo { version } }").with("traceparent", header);
    let (off, wrong) = (format!("00-{TRACE}-{PARENT}-00"), format!("00-{TRACE}-{PARENT}"));
    assert_eq!(server.send(&query(&off)).await.status, 200);
    assert_eq!(server.send(&query(&wrong)).await.status, 200);
    let twice = query(&format!("00-{TRACE}-{PARENT}-01")).with("traceparent", &off);
    assert_eq!(server.send(&twice).await.status, 200);
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let queries = named(&spans, "query");
    assert_eq!(queries.len(), 2, "{spans:#?}");
    for query in queries {
        assert!(query.text("/traceId") != TRACE && query.get("parentSpanId").is_none(), "{query:#}");
    }
}

#[tokio::test]
async fn the_first_message_on_a_websocket_names_the_trace_of_its_operations() {
    let traced = Traced::new().await;
    let app = &traced.app;
    let server = Server::start(app).await;
    let payload = json!({ "Authorization": format!("Bearer {}", app.publisher), "traceparent": format!("00-{TRACE}-{PARENT}-01") });
    let mut socket = connect(&server).await;
    send_json(&mut socket, json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(receive_json(&mut socket).await.text("/type"), "connection_ack");
    for id in ["a", "b"] {
        let query = json!({ "id": id, "type": "subscribe", "payload": { "query": "{ viewer { role } }" } });
        send_json(&mut socket, query).await;
        assert_eq!(receive_json(&mut socket).await.text("/type"), "next");
        assert_eq!(receive_json(&mut socket).await.text("/type"), "complete");
    }
    let spans = traced.collector.until("two queries", |spans| named(spans, "query").len() == 2).await;
    for query in named(&spans, "query") {
        assert_eq!((query.text("/traceId").as_str(), query.text("/parentSpanId").as_str()), (TRACE, PARENT));
    }
}

#[tokio::test]
async fn an_operation_with_very_many_statements_says_how_many_it_leaves_out() {
    let traced = Traced::new().await;
    let span = traced.app.app.services.traces.span("query", Kind::Server, None);
    let work = async {
        for _ in 0..300 {
            statement("sqlite", Statement::Select, "SELECT 1", Duration::from_millis(1), StatementError::None);
        }
    };
    within(span.place(), work).await;
    drop(span);
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let query = named(&spans, "query")[0];
    assert_eq!(children(&spans, query).len(), 250);
    assert_eq!(attribute(query, "packwright.statements.left_out"), "50");
}

#[tokio::test]
async fn a_very_long_statement_is_cut() {
    let traced = Traced::new().await;
    let span = traced.app.app.services.traces.span("query", Kind::Server, None);
    let text = "é".repeat(3_000);
    let failed = StatementError::Timeout;
    within(span.place(), async { statement("sqlite", Statement::Other, &text, Duration::ZERO, failed) }).await;
    drop(span);
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let [statement] = named(&spans, "SQL")[..] else { panic!("one: {spans:#?}") };
    assert_eq!(attribute(statement, "db.query.text"), format!("{}…", "é".repeat(1_024)));
    assert_eq!(
        (attribute(statement, "error.type"), statement.at("/status")),
        (json!("timeout"), &json!({ "code": 2 }))
    );
    assert_eq!(attribute(statement, "db.operation.name"), Value::Null);
}

#[tokio::test]
async fn the_text_of_a_statement_comes_as_it_is_each_time() {
    let traced = Traced::new().await;
    let traces = traced.app.app.services.traces.clone();
    // More texts than the exporter keeps, between each text's first time and its next one.
    let plain = (0..300).map(|number| format!("SELECT {number} FROM \"pack\""));
    let hard = ["", "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "'é' \u{2028} \u{10ffff} 😀", "{\"key\":\"\\u0000\"}"];
    let texts: Vec<String> = plain.chain(hard.map(str::to_owned)).collect();
    for round in 0..3 {
        for texts in texts.chunks(200) {
            let span = traces.span("round", Kind::Internal, None);
            within(span.place(), async {
                for text in texts {
                    let error = if round == 1 { StatementError::Failed } else { StatementError::None };
                    statement("sqlite", Statement::Select, text, Duration::from_nanos(1), error);
                }
            })
            .await;
        }
    }
    let (_, collector) = traced.end().await;
    let spans = collector.spans();
    let sent: Vec<_> = named(&spans, "SELECT").iter().map(|span| attribute(span, "db.query.text")).collect();
    assert_eq!(sent, texts.iter().cycle().take(3 * texts.len()).map(|text| json!(text)).collect::<Vec<_>>());
    let failed = named(&spans, "SELECT").iter().filter(|span| span.at("/status") == &json!({ "code": 2 })).count();
    assert_eq!(failed, texts.len());
}
