//! The key set of JWTs: its source, and changes of its keys.

use packwright::jwt::{Jwt, JwtRefusal, Source};
use serde_json::json;

use crate::accounts::jwt::{claims, lets_in, settings};
use crate::accounts::jwt_issuer::{KeyServer, SigningKey, key_set};
use crate::support::{Setup, TestApp, instant};

async fn app_of(server: &KeyServer) -> TestApp {
    let jwt = settings(Source::parse(&server.url).expect("an address"));
    TestApp::with(Setup { jwt: Some(jwt), ..Setup::default() }).await
}

#[tokio::test]
async fn r04_an_unknown_key_is_looked_for_once_in_a_while() {
    let (old, new) = (SigningKey::ed("old"), SigningKey::ed("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let app = app_of(&server).await;
    let good = claims(&app, &app.publisher, "SUPPORT").await;
    assert!(lets_in(&app, &old.jwt(&good)).await);
    assert_eq!(server.reads(), 1, "at the start");
    server.give(&key_set(&[&old, &new]));
    for _ in 0..5 {
        assert!(!lets_in(&app, &new.jwt(&good)).await, "the keys were asked for just now");
    }
    assert_eq!(server.reads(), 1);
    app.clock_only("2026-11-22T09:00:30Z");
    assert!(lets_in(&app, &new.jwt(&good)).await && lets_in(&app, &old.jwt(&good)).await);
    assert_eq!(server.reads(), 2);
    for n in 0..20 {
        assert!(!lets_in(&app, &SigningKey::ed(&format!("nonsense {n}")).jwt(&good)).await);
    }
    assert_eq!(server.reads(), 2, "whoever sends nonsense can't make the server ask");
}

#[tokio::test]
async fn r04_many_at_once_look_for_an_unknown_key_once() {
    let (old, new) = (SigningKey::ed("old"), SigningKey::ed("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let app = app_of(&server).await;
    let good = claims(&app, &app.publisher, "SUPPORT").await;
    server.give(&key_set(&[&new]));
    app.clock_only("2026-11-22T09:01:00Z");
    let token = new.jwt(&good);
    let all = futures_util::future::join_all((0..10).map(|_| lets_in(&app, &token))).await;
    assert!(all.into_iter().all(|let_in| let_in), "they wait for the one that asks");
    assert_eq!(server.reads(), 2);
    assert!(!lets_in(&app, &old.jwt(&good)).await, "a key that is gone is gone");
}

#[tokio::test]
async fn r04_a_dropped_request_does_not_stop_the_reading_of_new_keys() {
    let (old, new) = (SigningKey::ed("old"), SigningKey::ed("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let app = app_of(&server).await;
    let jwt = app.app.services.jwt.clone().expect("JWTs are taken");
    let good = new.jwt(&claims(&app, &app.publisher, "SUPPORT").await);
    server.give(&key_set(&[&old, &new]));
    app.clock_only("2026-11-22T09:01:00Z");
    let hold_lock = server.hold().await;
    let has_asked = async {
        while server.reads() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = jwt.identify(&good, app.now()) => panic!("the answer is held back"),
        () = has_asked => {}
    }
    drop(hold_lock);
    assert!(lets_in(&app, &good).await, "what was asked for came");
    assert_eq!(server.reads(), 2);
}

#[tokio::test]
async fn r04_keys_that_can_not_be_read_again_stay() {
    let (old, new) = (SigningKey::ed("old"), SigningKey::ed("new"));
    let server = KeyServer::start(&key_set(&[&old])).await;
    let app = app_of(&server).await;
    let jwt = app.app.services.jwt.clone().expect("JWTs are taken");
    let good = claims(&app, &app.publisher, "SUPPORT").await;
    server.fail(true);
    assert!(jwt.refresh(app.now()).await.is_err(), "500");
    server.fail(false);
    for bad in [json!({ "keys": [] }), json!({}), json!([1]), json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] })] {
        server.give(&bad);
        assert!(jwt.refresh(app.now()).await.is_err(), "{bad}");
    }
    server.give(&json!("x".repeat(2 << 20)));
    assert!(jwt.refresh(app.now()).await.is_err(), "too long");
    assert!(lets_in(&app, &old.jwt(&good)).await);
    server.give(&key_set(&[&new]));
    jwt.refresh(app.now()).await.expect("read");
    assert!(lets_in(&app, &new.jwt(&good)).await && !lets_in(&app, &old.jwt(&good)).await);
}

#[tokio::test]
async fn r04_a_server_starts_without_its_issuer_and_finds_it_later() {
    let key = SigningKey::ed("ed");
    let server = KeyServer::start(&key_set(&[&key])).await;
    server.fail(true);
    let app = app_of(&server).await;
    let good = claims(&app, &app.publisher, "SUPPORT").await;
    assert!(!lets_in(&app, &key.jwt(&good)).await);
    server.fail(false);
    app.clock_only("2026-11-22T09:00:30Z");
    assert!(lets_in(&app, &key.jwt(&good)).await);
}

#[tokio::test]
async fn r04_a_file_without_keys_is_no_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.json");
    let now = instant("2026-11-22T09:00:00Z");
    assert!(Jwt::open(settings(Source::File(missing)), now).await.is_err());
    let nonsense = folder.path().join("nonsense.json");
    std::fs::write(&nonsense, "no keys").expect("written");
    assert!(Jwt::open(settings(Source::File(nonsense)), now).await.is_err());
}

#[tokio::test]
async fn r04_an_address_of_tls_is_not_read_without_it() {
    let server = KeyServer::start(&key_set(&[&SigningKey::ed("ed")])).await;
    let url = server.url.replacen("http://127.0.0.1", "https://localhost", 1);
    let jwt = Jwt::open(settings(Source::parse(&url).expect("an address")), instant("2026-11-22T09:00:00Z")).await;
    let jwt = jwt.expect("it may come later");
    let token = SigningKey::ed("ed").jwt(&json!({ "exp": 1 }));
    assert_eq!(jwt.identify(&token, instant("2026-11-22T09:00:00Z")).await, Err(JwtRefusal::UnknownKey));
}

#[test]
fn keys_come_over_tls_from_a_file_or_from_this_machine() {
    for good in ["https://id.example.com/keys", "http://localhost:8080/keys", "http://127.0.0.1/k", "http://[::1]:1/k"]
    {
        assert!(matches!(Source::parse(good), Ok(Source::Url(_))), "{good}");
    }
    for bad in [
        "http://id.example.com/keys",
        "ftp://localhost/k",
        "file:///etc/keys",
        "https://",
        "http://localhost.example.com",
    ] {
        assert!(Source::parse(bad).is_err(), "{bad}");
    }
    for file in ["keys.json", "/etc/packwright/keys.json", "./a:b"] {
        assert!(matches!(Source::parse(file), Ok(Source::File(_))), "{file}");
    }
}
