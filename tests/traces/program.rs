//! The program with a collector: its settings, its log, and its last spans.

use serde_json::{Value, json};

use crate::program::settings::parse;
use crate::program::starts::{program, text_of};
use crate::support::rows::database_url;
use crate::support::{Ask, At, Program, TestApp};
use crate::traces::{Collector, attribute};

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end_with_headers_and_a_name_from_opentelemetrys_variables() {
    let (app, collector) = (TestApp::new().await, Collector::start().await);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=geheim%2Cwort".into()),
        ("OTEL_SERVICE_NAME", "packs".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test%20bed".into()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let url = database_url(&app).await;
    let mut program = Program::start_with(&["--database-url", &url, "--log-format", "json"], &variables).await;
    let forbidden = app.token(&app.publisher, "SUPPORT").await;
    let document = "mutation Make { createComponent(input: { name: \"Import\", type: PROCESS }) { component { id } } }";
    assert_eq!(program.send(Ask::query(document).token(&forbidden)).await.status, 200);
    program.signal("TERM");
    assert!(program.child.wait().await.expect("its end").success());
    let spans = collector.spans();
    let mutation = spans.iter().find(|span| span.text("/name") == "mutation").expect("a span");
    assert_eq!(attribute(mutation, "error.type"), "FORBIDDEN");
    let resource = collector.resource();
    let of = |name: &str| attribute(&resource, name);
    assert_eq!((of("service.name"), of("deployment.environment.name")), (json!("packs"), json!("test bed")));
    assert!(of("service.version").is_string() && of("service.instance.id").is_string(), "{resource:#}");
    assert!(collector.heads()[0].contains("x-api-key: geheim,wort\r\n"), "{:?}", collector.heads());
    // A line of the log leads to its trace.
    let log: Vec<Value> = program.log().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = log.iter().find(|line| line.to_string().contains("privilege")).expect("a refusal is logged");
    let trace_id = mutation.text("/traceId");
    assert!(line.list("/spans").iter().any(|span| span["trace_id"] == trace_id.as_str()), "{line:#}");
    assert!(!program.log().join("\n").contains("geheim"));
}

#[tokio::test]
async fn a_collector_that_is_not_there_keeps_no_end_waiting() {
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let mut program = Program::start(&["--demo", "--otlp-endpoint", &url]).await;
    assert_eq!(program.send(Ask::query("{ serverInfo { version } }")).await.status, 200);
    let began = std::time::Instant::now();
    program.signal("TERM");
    assert!(program.child.wait().await.expect("its end").success());
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn an_address_of_a_collector_is_checked_where_it_is_given() {
    let accepted = |text: &str| parse(&["--otlp-endpoint", text]).unwrap().traces.otlp_endpoint.unwrap().to_string();
    assert_eq!(accepted("http://localhost:4318"), "http://localhost:4318/v1/traces");
    assert_eq!(accepted("https://c.example/otlp/"), "https://c.example/otlp/v1/traces");
    assert_eq!(accepted("https://c.example/v1/traces"), "https://c.example/v1/traces");
    for wrong in ["localhost:4318", "4318", "ftp://c.example", "http://a:b@c.example", "http://c.example/?key=1"] {
        let refused = parse(&["--otlp-endpoint", wrong]).unwrap_err().to_string();
        assert!(refused.contains("collector") || refused.contains("--otlp-headers"), "{refused}");
    }
    for wrong in ["-0.1", "1.1", "NaN", "half"] {
        let refused = parse(&[&format!("--trace-ratio={wrong}")]).unwrap_err().to_string();
        assert!(refused.contains("from 0 to 1"), "{refused}");
    }
}

#[test]
fn headers_are_checked_without_showing_them() {
    let refused = |headers: &str| {
        let args = parse(&["--demo", "--otlp-endpoint", "http://c.example", "--otlp-headers", headers]).unwrap();
        args.check().unwrap_err()
    };
    for wrong in ["geheim", "a b=geheim", "host=geheim", "a=geheim%0A"] {
        let why = refused(wrong);
        assert!(why.contains("NAME=VALUE") && !why.contains("geheim"), "{why}");
    }
    let alone = parse(&["--demo", "--otlp-headers", "a=geheim"]).unwrap().check().unwrap_err();
    assert!(alone.contains("--otlp-endpoint") && !alone.contains("geheim"), "{alone}");
    let args = parse(&["--demo", "--otlp-endpoint", "http://c.example", "--otlp-headers", "A=geheim,b=%41%4"]).unwrap();
    args.check().expect("headers");
    let settings = args.traces.settings(|_| None).expect("settings").expect("some");
    assert_eq!(settings.headers, [("a".to_owned(), "geheim".to_owned()), ("b".to_owned(), "A%4".to_owned())]);
    assert!(args.describe().contains("otlp-headers = a=…,b=…\n"), "{}", args.describe());
}

#[tokio::test]
async fn opentelemetrys_variables_count_less_than_the_programs_own() {
    let check = |variables: &[(&str, &str)]| {
        let mut command = program(&["config", "check", "--demo"]);
        command.envs(variables.iter().copied());
        async move { text_of(&command.output().await.expect("it runs")) }
    };
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one.example:4318");
    let text =
        check(&[endpoint, ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")])
            .await;
    let has = |text: &str, name: &str, value: &str, from: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ="))).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(value) && line.ends_with(from), "{line}");
    };
    has(&text, "otlp-endpoint", "http://one.example:4318/v1/traces", "variable OTEL_EXPORTER_OTLP_ENDPOINT");
    has(&text, "trace-ratio", "0.25", "variable OTEL_TRACES_SAMPLER");
    let text = check(&[endpoint, ("PACKWRIGHT_OTLP_ENDPOINT", "http://two.example")]).await;
    has(&text, "otlp-endpoint", "http://two.example/v1/traces", "variable PACKWRIGHT_OTLP_ENDPOINT");
    let text = check(&[endpoint, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://three.example/v1/traces")]).await;
    has(&text, "otlp-endpoint", "http://three.example/v1/traces", "variable OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        has(&check(&[endpoint, off]).await, "otlp-endpoint", "", "default");
    }
    let text = check(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).await;
    assert!(text.contains("JSON over HTTP") && text.contains("4318"), "{text}");
    let text = check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317")]).await;
    assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT: write the address of a collector"), "{text}");
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused_where_it_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("a name");
    let output = program(&["config", "check", "--demo", "--otlp-endpoint", "https://c.example", "--otlp-ca", path]);
    let text = text_of(&{ output }.output().await.expect("it runs"));
    assert!(text.contains("--otlp-ca (PACKWRIGHT_OTLP_CA)") && text.contains("no certificate"), "{text}");
}
