//! The listener for operators, and the signal that changes what is logged, on the built program.

use crate::program::starts::{run, text_of};
use crate::support::rows::database_url;
use crate::support::{Ask, Program, TestApp};

/// Sends a request to the address of operators.
async fn ask(address: std::net::SocketAddr, ask: Ask) -> crate::support::Reply {
    use tokio::io::AsyncWriteExt as _;
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
    socket.write_all(&ask.bytes(address)).await.expect("sent");
    crate::support::Reply::read(&mut socket).await
}

#[tokio::test]
async fn operators_get_the_metrics_and_change_the_log_of_a_running_server() {
    let app = TestApp::new().await;
    let url = database_url(&app).await;
    let program = Program::serve(&url, &["--admin-listen", "127.0.0.1:0"]).await;
    let line = program.logs(&["listening for operators on http://"]).await;
    let address = line.rsplit_once("http://").expect("an address").1.trim().parse().expect("an address");
    let metrics = ask(address, Ask::new("GET", "/metrics")).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("packwright_http_connections "), "{}", metrics.text());
    assert_eq!(program.send(Ask::new("GET", "/metrics")).await.status, 404, "not for clients");
    let bad = ask(address, Ask::new("PUT", "/log-level").body("loud")).await;
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("`loud` is no level"), "{}", bad.text());
    let answered = |program: &Program| program.log().iter().filter(|line| line.contains("answered")).count();
    program.send(Ask::query("{ __typename }")).await;
    assert_eq!(answered(&program), 0);
    let set = ask(address, Ask::new("PUT", "/log-level").body("info,packwright=debug")).await;
    assert_eq!((set.status, set.text().as_str()), (200, "info,packwright=debug\n"));
    let query = Ask::query("query Named { viewer { role } }").token(&app.publisher).with("x-request-id", "of-this-test");
    program.send(query).await;
    program.logs(&["DEBUG", "answered", "of-this-test"]).await;
    assert_eq!(ask(address, Ask::new("DELETE", "/log-level")).await.text(), "info,sqlx=warn\n");
    let before = answered(&program);
    program.send(Ask::query("{ __typename }")).await;
    assert_eq!(answered(&program), before);
    program.signal("USR2");
    program.logs(&["another log filter is in force", "now=\"debug,"]).await;
    assert!(ask(address, Ask::new("GET", "/log-level")).await.text().starts_with("debug,"));
    program.signal("USR2");
    program.logs(&["another log filter is in force", "now=\"info,sqlx=warn\"", "before=\"debug,"]).await;
    program.signal("TERM");
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn each_line_within_a_request_says_whose_it_is() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let program = Program::serve(&database_url(&app).await, &["--log-format", "json"]).await;
    let mutation = "mutation NotAllowed { createComponent(input: { name: \"Import\", type: PROCESS }) { component { id } } }";
    for _ in 0..3 {
        let ask = Ask::query(mutation).token(&acme.token).with("x-request-id", "of-this-test");
        assert!(program.send(ask).await.text().contains("FORBIDDEN"));
    }
    let line = program.logs(&["an operation was refused for lack of a privilege"]).await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let spans = line["spans"].as_array().expect("spans");
    let of = |name: &str| spans.iter().find(|span| span["name"] == name || span["id"] == name);
    assert_eq!(of("of-this-test").expect("the request")["path"], "/graphql", "{line:#}");
    let operation = spans.last().expect("the operation");
    assert_eq!((&operation["operation"], &operation["account"]), (&"NotAllowed".into(), &acme.id.as_str().into()), "{line:#}");
    let lines = program.log().iter().filter(|line| line.contains("for lack of a privilege")).count();
    assert_eq!(lines, 1, "once a minute: {:#?}", program.log());
}

#[tokio::test]
async fn settings_of_the_listener_for_operators_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "short").expect("written");
    let secret = secret.to_str().expect("a path");
    for (arguments, why) in [
        (vec!["--listen", "127.0.0.1:8080", "--admin-listen", "127.0.0.1:8080"], "another port than --listen"),
        (vec!["--listen", "127.0.0.1:8080", "--admin-listen", "0.0.0.0:8080"], "another port than --listen"),
        (vec!["--admin-listen", "0.0.0.0:9090"], "--admin-token-file"),
        (vec!["--admin-token-file", secret], "give --admin-listen"),
        (vec!["--admin-listen", "0.0.0.0:9090", "--admin-token-file", secret], "16 or more ASCII characters"),
        (vec!["--admin-listen", "127.0.0.1:9090", "--admin-token-file", "/nowhere/at/all"], "/nowhere/at/all"),
        (vec!["--admin-listen", "everywhere"], "write an IP address and a port"),
    ] {
        let output = run(&[&["check-config"][..], &arguments].concat()).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text_of(&output).contains(why), "{arguments:?}: {}", text_of(&output));
    }
    std::fs::write(folder.path().join("secret"), "0123456789-abcdef\n").expect("written");
    let good = ["check-config", "--admin-listen", "0.0.0.0:9090", "--admin-token-file", secret];
    let output = run(&good).await;
    assert!(output.status.success() && !text_of(&output).contains("0123456789"), "{}", text_of(&output));
}
