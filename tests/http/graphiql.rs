//! The files under `/graphiql`: GraphiQL or the query form, depending on the build. `tests/clients/browser` tests both
//! in a browser.

use std::collections::BTreeMap;

use packwright::http::HttpOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::TestApp;

const TOUR: &str = include_str!("../../graphiql/tour.js");
const STAGES: &str = include_str!("../../graphiql/stages.js");

const WEBHOOKS: &str = include_str!("../../graphiql/webhooks.js");

struct Answer {
    status: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Requests a file from a new server, with this `Accept-Encoding`.
async fn get(options: HttpOptions, path: &str, encoding: &str) -> Answer {
    let app = TestApp::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = app.app.router(HttpOptions { listener: Some(address), ..options });
    let answer = move |request| routes.answer(request);
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {encoding}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut head = std::str::from_utf8(&answer[..end]).unwrap().lines();
    let status = head.next().unwrap().to_owned();
    let headers = head.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.into(), value.into()));
    Answer { status, headers: headers.collect(), body: answer[end + 4..].to_vec() }
}

async fn file(path: &str, encoding: &str) -> Answer {
    let answer = get(HttpOptions { graphiql: true, ..HttpOptions::default() }, path, encoding).await;
    assert!(answer.status.contains(" 200 "), "{path} is answered with {}", answer.status);
    answer
}

/// The server's own paths in a page at `at`, resolved like a browser does.
fn named(at: &str, page: &str) -> Vec<String> {
    let attributes: Vec<_> = page.split('"').skip(1).step_by(2).collect();
    assert!(!attributes.iter().any(|value| value.starts_with('/')), "under a prefix these lead nowhere: {page}");
    let base = url::Url::parse(&format!("http://localhost/a/prefix{at}")).unwrap();
    let files = attributes.iter().filter(|value| value.starts_with("./")).map(|value| base.join(value).unwrap());
    files.map(|file| file.path().strip_prefix("/a/prefix").expect("below the prefix").to_owned()).collect()
}

#[tokio::test]
async fn pages_are_served_with_all_that_they_name_and_under_a_strict_policy() {
    for path in ["/graphiql", "/graphiql/form"] {
        let page = file(path, "identity").await;
        let policy = page.header("content-security-policy");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-cache");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        for foreign in ["http", "//", "*", "unsafe-eval", "blob:"] {
            assert!(!policy.contains(foreign), "{policy}");
        }
        let named = named(path, page.text());
        assert!(named.len() >= 3, "{path} names {named:?} alone");
        for path in named {
            let part = file(&path, "identity").await;
            let content_type = match path.rsplit('.').next() {
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => panic!("what is {path}?"),
            };
            assert_eq!(part.header("content-type"), content_type, "{path}");
            assert!(!part.body.is_empty());
            let forever = part.header("cache-control").contains("immutable");
            assert_eq!(forever, path.starts_with("/graphiql/assets/"), "{path}: only what has a hash stays");
        }
    }
}

#[tokio::test]
async fn files_come_compressed_to_those_who_take_it() {
    let page = file("/graphiql", "identity").await;
    for path in named("/graphiql", page.text()) {
        let plain = file(&path, "gzip;q=0, identity").await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        // Small files aren't compressed.
        let compressed = file(&path, "br, gzip").await;
        if plain.body.len() > 1024 {
            assert_eq!(compressed.header("content-encoding"), "gzip", "{path}");
            assert!(compressed.body.len() < plain.body.len(), "{path}");
            assert_eq!(compressed.header("vary"), "accept-encoding", "{path}");
        }
    }
}

#[tokio::test]
async fn graphiql_is_off_by_default() {
    for path in
        ["/graphiql", "/graphiql/form", "/graphiql/settings.json", "/graphiql/operations.json", "/graphiql/icon.svg"]
    {
        assert!(get(HttpOptions::default(), path, "identity").await.status.contains(" 404 "), "{path}");
    }
}

#[tokio::test]
async fn tokens_are_shown_in_the_demo_only() {
    let settings = file("/graphiql/settings.json", "identity").await;
    assert_eq!(settings.text(), r#"{"tokens":[]}"#);
    assert_eq!(settings.header("cache-control"), "no-store");
    let demo = HttpOptions { graphiql: true, demo_tokens: packwright::demo::TOKENS.to_vec(), ..HttpOptions::default() };
    let reply = get(demo, "/graphiql/settings.json", "identity").await;
    assert!(reply.text().contains(r#""secret":"demo-acme-admin""#), "{}", reply.text());
}

#[tokio::test]
async fn the_page_notices_a_reset_of_the_demo_by_its_world() {
    let demo = |world: &str| HttpOptions { graphiql: true, demo_world: Some(world.into()), ..HttpOptions::default() };
    for world in ["one", "other"] {
        let reply = get(demo(world), "/graphiql/settings.json", "identity").await;
        assert!(reply.text().contains(&format!(r#""world":"{world}""#)), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_document_is_offered_for_each_operation_that_the_server_has() {
    let names = async |options: HttpOptions| -> Vec<String> {
        let reply = get(options, "/graphiql/operations.json", "identity").await;
        let offered: Vec<serde_json::Value> = serde_json::from_slice(&reply.body).unwrap();
        assert!(offered.iter().all(|each| each["document"].as_str().unwrap().contains("# Sent by a ")));
        offered.iter().map(|each| each["name"].as_str().unwrap().to_owned()).collect()
    };
    let own = names(HttpOptions { graphiql: true, ..HttpOptions::default() }).await;
    let demo = HttpOptions { graphiql: true, demo_world: Some("world".into()), ..HttpOptions::default() };
    let demo = names(demo).await;
    assert!(own.len() >= 70);
    let more: Vec<_> = demo.iter().filter(|name| !own.contains(name)).collect();
    assert_eq!(more, ["mutation.demoAdvanceClock", "mutation.demoReset"]);
}

/// Checkouts may share the folder `target`, and what one of them generated there must serve another one.
#[test]
fn what_the_build_generates_names_no_checkout() {
    let operations = include_str!(concat!(env!("OUT_DIR"), "/operations.rs"));
    let editor = include_str!(concat!(env!("OUT_DIR"), "/graphiql.rs"));
    for generated in [operations, editor] {
        assert!(generated.starts_with("&["));
        for folder in [env!("CARGO_MANIFEST_DIR"), env!("OUT_DIR")] {
            assert!(!generated.contains(folder), "{generated}");
        }
    }
}

#[tokio::test]
async fn a_server_that_executes_only_trusted_documents_says_so() {
    let options = HttpOptions { graphiql: true, trusted_only: true, ..HttpOptions::default() };
    let reply = get(options, "/graphiql/settings.json", "identity").await;
    assert!(reply.text().contains("--trusted-documents"), "{}", reply.text());
}

#[test]
fn each_step_of_the_tours_names_the_steps_that_its_variables_come_from() {
    let first = check_steps(TOUR, 14, &[("productDataHub(", "Packs"), ("manufacturing(", "Pack")]);
    let helpers = [("invoices(", "UnderWay"), ("customers(", "UnderWay"), ("earlyAdopters(", "UnderWay")];
    let second = check_steps(STAGES, 8, &[&helpers[..], &[("dateIn(", "UnderWay"), ("staged(", "InStages")]].concat());
    let third = check_steps(WEBHOOKS, 5, &[("endpoint(", "Endpoint")]);
    let all: std::collections::BTreeSet<_> = first.iter().chain(&second).chain(&third).collect();
    assert_eq!(all.len(), first.len() + second.len() + third.len(), "an operation's name leads to its step");
}

/// Checks the numbers of a tour's steps, and what their variables need. Returns the names of their operations.
fn check_steps(tour: &str, count: usize, helpers: &[(&str, &str)]) -> Vec<String> {
    let steps: Vec<_> = tour.split("\n  {\n    name: \"").skip(1).collect();
    let name = |step: &str| step.split('"').next().unwrap().to_owned();
    let names: Vec<_> = steps.iter().map(|step| name(step)).collect();
    assert_eq!(names.len(), count);
    let named = |text: &str, before: &str| -> Vec<String> {
        let found = names.iter().filter(|name| text.contains(&format!("{before}{name}?.")));
        found.cloned().collect()
    };
    for (index, step) in steps.iter().enumerate() {
        assert!(step.contains(&format!("title: \"{} ", index + 1)), "{} has another number", names[index]);
        let Some((_, fill)) = step.split_once("    fill: ") else { continue };
        let mut used = named(fill, "answers.");
        for (helper, operation) in helpers {
            if fill.contains(helper) && !used.iter().any(|name| name == operation) {
                used.push((*operation).into());
            }
        }
        used.sort();
        let needs =
            step.split_once("needs: [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(needs, _)| needs);
        let mut needs: Vec<_> =
            needs.split(", ").map(|need| need.trim_matches('"').to_owned()).filter(|need| !need.is_empty()).collect();
        needs.sort();
        assert_eq!(needs, used, "what {} needs", names[index]);
        assert!(needs.iter().all(|need| names[..index].contains(need)), "{} needs a later step", names[index]);
    }
    names
}
