//! The hosts that the server answers for, and the origins whose pages may call it.

use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;

use crate::support::{Ask, Reply, Server, TestApp};

async fn serving(app: &TestApp, public: &[&str], origins: &[&str]) -> Server {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let options = HttpOptions { public_hosts: owned(public), cors_origins: owned(origins), ..HttpOptions::default() };
    Server::with(app, options, ConnectionOptions::default()).await
}

fn hello() -> Ask {
    Ask::query("{ __typename }")
}

#[tokio::test]
async fn another_host_is_misdirected_before_anything_else() {
    let app = TestApp::new().await;
    let server = serving(&app, &["api.example.com", "alias.example.com:8443"], &["*"]).await;
    let port = server.address.port();
    for host in
        [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("LocalHost:{port}")]
    {
        assert_eq!(server.send(&hello().with("host", &host)).await.status, 200, "{host}");
    }
    for host in ["api.example.com", "API.example.com", "api.example.com:8443", "alias.example.com:8443"] {
        assert_eq!(server.send(&hello().with("host", host)).await.status, 200, "{host}");
    }
    let others = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost".to_owned(),
        format!("localhost:{}", port ^ 1),
        format!("127.0.0.1.evil.example:{port}"),
        "alias.example.com".to_owned(),
        String::new(),
        format!("localhost:{port}@evil.example"),
    ];
    for host in &others {
        // The host is checked before the method, the token, the origin and the path.
        for ask in [
            hello(),
            Ask::new("DELETE", "/graphql"),
            hello().token("nonsense").with("origin", "https://evil.example").accept("text/html"),
            Ask::new("GET", "/nothing"),
            Ask::new("OPTIONS", "/graphql").with("access-control-request-method", "POST"),
        ] {
            let reply = server.send(&ask.with("host", host)).await;
            assert_eq!((reply.status, reply.code().as_str()), (421, "BAD_USER_INPUT"), "{host}");
        }
    }
    let twice = hello().with("host", &format!("localhost:{port}")).with("host", "evil.example");
    assert!([400, 421].contains(&server.send(&twice).await.status));
    let whole = Ask::new("GET", "http://evil.example/graphql?query=%7B__typename%7D");
    assert_eq!(server.send(&whole.with("host", &format!("localhost:{port}"))).await.status, 421);
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let app = TestApp::new().await;
    let server = serving(&app, &["api.example.com"], &[]).await;
    let port = server.address.port();
    let own = format!("http://127.0.0.1:{port}");
    for (name, value) in [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
        assert_eq!(server.send(&hello().with(name, value)).await.status, 200, "{name}: {value}");
    }
    let public = hello().with("host", "api.example.com");
    for origin in ["https://api.example.com", "https://api.example.com:443", "http://api.example.com:80"] {
        assert_eq!(server.send(&public.clone().with("origin", origin)).await.status, 200, "{origin}");
    }
    for origin in ["https://api.example.com:8443", "https://example.com", "null", "ftp://api.example.com"] {
        assert_eq!(server.send(&public.clone().with("origin", origin)).await.status, 403, "{origin}");
    }
    for (name, value) in [
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", String::new()),
        ("origin", format!("http://127.0.0.1:{}", port ^ 1)),
        ("origin", "http://127.0.0.1".to_owned()),
        ("origin", format!("http://127.0.0.1:{port}.evil.example")),
        ("sec-fetch-site", "cross-site".to_owned()),
        ("sec-fetch-site", "nonsense".to_owned()),
    ] {
        for ask in [hello(), Ask::get(&[("query", "{ __typename }")]), hello().to("/graphql/stream")] {
            let reply = server.send(&ask.with(name, &value)).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "FORBIDDEN"), "{name}: {value}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }
    let twice = hello().with("origin", &own).with("origin", "https://evil.example");
    assert_eq!(server.send(&twice).await.status, 403);
    let lying = hello().with("origin", &own).with("sec-fetch-site", "cross-site");
    assert_eq!(server.send(&lying).await.status, 403);
    let preflight = Ask::new("OPTIONS", "/graphql").with("origin", "https://evil.example");
    let reply = server.send(&preflight.with("access-control-request-method", "POST")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-methods")), (403, None));
}

fn cors(reply: &Reply) -> (Option<String>, Option<String>, bool) {
    let varies = reply.header("vary").is_some_and(|vary| vary.split(", ").any(|name| name == "Origin"));
    (reply.header("access-control-allow-origin"), reply.header("access-control-allow-credentials"), varies)
}

fn preflight(origin: &str) -> Ask {
    Ask::new("OPTIONS", "/graphql")
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization,content-type")
}

#[tokio::test]
async fn a_listed_origin_may_speak_and_read() {
    let app = TestApp::new().await;
    let server = serving(&app, &[], &["https://app.example.com", "http://localhost:3000"]).await;
    for origin in ["https://app.example.com", "http://localhost:3000", "https://APP.example.com:443"] {
        let ask = hello().with("origin", origin).with("sec-fetch-site", "cross-site");
        for ask in [ask.clone(), ask.clone().accept("text/html"), ask.token("nonsense")] {
            let reply = server.send(&ask).await;
            assert_eq!(cors(&reply), (Some(origin.into()), Some("true".into()), true), "{origin}");
            let exposed = reply.header("access-control-expose-headers").unwrap();
            assert!(["X-Request-Id", "Retry-After", "X-RateLimit-Remaining"].iter().all(|name| exposed.contains(name)));
        }
        let reply = server.send(&preflight(origin)).await;
        assert_eq!(reply.status, 204);
        assert_eq!(cors(&reply), (Some(origin.into()), Some("true".into()), true));
        assert_eq!(reply.header("access-control-allow-methods").as_deref(), Some("GET, POST"));
        assert_eq!(reply.header("access-control-allow-headers").as_deref(), Some("authorization,content-type"));
        assert!(reply.header("access-control-max-age").is_some());
        assert!(reply.header("vary").unwrap().contains("Access-Control-Request-Headers"));
    }
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        for ask in [hello().with("origin", origin), preflight(origin)] {
            let reply = server.send(&ask).await;
            assert_eq!((reply.status, cors(&reply)), (403, (None, None, true)), "{origin}");
        }
    }
    let plain = server.send(&hello()).await;
    assert_eq!((plain.status, cors(&plain)), (200, (None, None, true)), "caches keep the two apart");
    let unnamed = server.send(&Ask::get(&[("query", "{ __typename }")]).with("sec-fetch-site", "cross-site")).await;
    assert_eq!(unnamed.status, 403, "a picture or a script of another site");
    // Without the headers of a preflight, OPTIONS is an ordinary method.
    let options = server.send(&Ask::new("OPTIONS", "/graphql").with("origin", "https://app.example.com")).await;
    assert_eq!((options.status, options.header("allow").as_deref()), (405, Some("GET, POST")));
}

#[tokio::test]
async fn all_origins_never_get_credentials() {
    let app = TestApp::new().await;
    let server = serving(&app, &[], &["*"]).await;
    for ask in [
        hello().with("origin", "https://anywhere.example"),
        preflight("https://anywhere.example"),
        hello().with("origin", "null"),
    ] {
        let reply = server.send(&ask).await;
        assert!([200, 204].contains(&reply.status));
        assert_eq!(cors(&reply), (Some("*".into()), None, false));
    }
}

#[tokio::test]
async fn without_origins_nothing_is_said_of_them() {
    let app = TestApp::new().await;
    let server = serving(&app, &[], &[]).await;
    let own = format!("http://{}", server.address);
    for ask in [hello(), hello().with("origin", &own)] {
        let reply = server.send(&ask).await;
        assert_eq!((reply.status, cors(&reply)), (200, (None, None, false)));
    }
    let reply = server.send(&preflight(&own)).await;
    assert_eq!((reply.status, reply.header("allow").as_deref()), (405, Some("GET, POST")));
}
