//! A collector that is away, slow or full keeps no operation waiting, and what is lost is counted.

use std::time::Duration;

use packwright::traces::TraceSettings;
use serde_json::json;

use crate::support::{Setup, TestApp};
use crate::traces::{Answer, Traced};

async fn ask(app: &TestApp, times: usize) {
    for _ in 0..times {
        app.gql(&app.publisher, "{ components { edges { node { id } } } }", json!({})).await;
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_delays_nothing_and_spans_are_dropped_and_counted() {
    let for_ever = Duration::from_secs(3_600);
    let settings = |settings| TraceSettings { queue: 20, limit: for_ever, ..settings };
    let traced = Traced::with(Setup::default(), settings).await;
    traced.collector.otherwise(Answer::Silence);
    let asked = tokio::time::timeout(Duration::from_secs(60), ask(&traced.app, 40)).await;
    asked.expect("no operation waits for the collector");
    let [exported, dropped, lost, refused] = Traced::counts(&traced.app).await;
    assert_eq!((exported, lost, refused), (0.0, 0.0, 0.0));
    assert!(dropped > 20.0, "{dropped}");
}

#[tokio::test]
async fn each_span_is_exported_lost_or_refused() {
    let partly = Answer::Status(200, "", r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"full"}}"#);
    for answer in [Answer::Status(503, "", ""), Answer::Status(400, "", ""), Answer::Silence, partly] {
        let silent = matches!(answer, Answer::Silence);
        let limit = if silent { Duration::from_secs(2) } else { Duration::from_secs(20) };
        let settings = |settings| TraceSettings { limit, retry: Duration::ZERO, ..settings };
        let traced = Traced::with(Setup::default(), settings).await;
        traced.collector.otherwise(answer);
        ask(&traced.app, 2).await;
        let (app, collector) = traced.end().await;
        let (spans, requests) = (collector.spans().len() as f64, collector.heads().len() as f64);
        assert!(spans >= 4.0, "{spans}");
        let expected = match answer {
            Answer::Status(200, ..) => [spans - requests, 0.0, 0.0, requests],
            Answer::Status(400, ..) => [0.0, 0.0, 0.0, spans],
            _ => [0.0, 0.0, spans, 0.0],
        };
        assert_eq!(Traced::counts(&app).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_collector_that_asks_for_time_gets_the_spans_again() {
    let traced = Traced::new().await;
    let later = |status| Answer::Status(status, "retry-after: 0\r\n", "");
    traced.collector.answer([later(429), later(503)]);
    ask(&traced.app, 1).await;
    while Traced::counts(&traced.app).await == [0.0; 4] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (app, collector) = traced.end().await;
    let [exported, dropped, lost, refused] = Traced::counts(&app).await;
    assert_eq!((dropped, lost, refused), (0.0, 0.0, 0.0));
    assert!(exported >= 2.0 && collector.spans().len() as f64 > exported, "{exported}: some were sent again");
    let heads = collector.heads();
    assert!(heads.iter().all(|head| head.starts_with("POST /v1/traces HTTP/1.1\r\n")), "{heads:?}");
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_large_bursts_go_in_batches() {
    let traced = Traced::new().await;
    ask(&traced.app, 300).await;
    let (app, collector) = traced.end().await;
    let (spans, requests) = (collector.spans().len(), collector.heads().len());
    assert!(spans >= 600, "{spans}");
    assert!(
        requests > 1 && collector.connections() == 1,
        "{requests} requests, {} connections",
        collector.connections()
    );
    assert_eq!(Traced::counts(&app).await, [spans as f64, 0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn without_traces_nothing_is_asked_and_no_trace_is_kept() {
    let app = TestApp::new().await;
    let (_, statements) = app.statements_of(app.component("Import")).await;
    assert!(statements.iter().all(|sql| !sql.contains("event_trace")), "{statements:#?}");
    assert_eq!(Traced::counts(&app).await, [0.0; 4]);
}
