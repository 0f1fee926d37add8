//! The keys of pipelines' issuers: discovery, rotation, and issuers that don't answer as they should (R70).

use std::time::{Duration, Instant};

use packwright::domain::webhooks::AllowedNetworks;
use packwright::jwt::{JwtRefusal, Pipelines};
use packwright::outbound::{Outbound, OutboundOptions};
use serde_json::{Value, json};

use crate::accounts::jwt::lets_in;
use crate::accounts::jwt_issuer::SigningKey;
use crate::accounts::pipeline_issuer::{Answer, DISCOVERY, KEYS, PipelineIssuer};
use crate::support::{TestApp, pipelines};

/// An issuer, its key, an app that trusts one of its pipelines, and the claims of a JWT of that.
async fn world() -> (PipelineIssuer, SigningKey, TestApp, Value) {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    app.trust(&app.publisher, "Deploy", &issuer.url, &[("repository", "acme/orders")], "SUPPORT").await;
    let claims = issuer.claims(&app);
    (issuer, key, app, claims)
}

#[tokio::test]
async fn r70_keys_are_read_once_and_an_unknown_key_is_looked_for_once_in_a_while() {
    let (issuer, old, app, good) = world().await;
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked(KEYS)), (0, 0), "nothing is read before it is needed");
    for _ in 0..5 {
        assert!(lets_in(&app, &old.jwt(&good)).await);
    }
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked(KEYS)), (1, 1));
    let new = SigningKey::ed("new");
    issuer.give(&[&old, &new]);
    for n in 0..20 {
        assert!(!lets_in(&app, &new.jwt(&good)).await, "the keys were read just now");
        assert!(!lets_in(&app, &SigningKey::ed(&format!("nonsense {n}")).jwt(&good)).await);
    }
    assert_eq!(issuer.asked(KEYS), 1);
    app.clock_only_by(30);
    assert!(lets_in(&app, &new.jwt(&good)).await && lets_in(&app, &old.jwt(&good)).await);
    issuer.give(&[&new]);
    app.clock_only_by(30);
    assert!(!lets_in(&app, &SigningKey::ed("nonsense").jwt(&good)).await);
    assert!(!lets_in(&app, &old.jwt(&good)).await, "a key that is gone is gone");
    assert!(lets_in(&app, &new.jwt(&good)).await);
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked(KEYS)), (3, 3));
}

#[tokio::test]
async fn r70_many_at_once_read_the_keys_once() {
    let (issuer, key, app, good) = world().await;
    let jwt = key.jwt(&good);
    let all = futures_util::future::join_all((0..10).map(|_| lets_in(&app, &jwt))).await;
    assert!(all.into_iter().all(|let_in| let_in));
    assert_eq!((issuer.asked(DISCOVERY), issuer.asked(KEYS)), (1, 1));
}

#[tokio::test]
async fn r70_a_jwt_of_another_issuer_makes_the_server_ask_nobody() {
    let (issuer, key, app, good) = world().await;
    let other = PipelineIssuer::start(&[&key]).await;
    assert!(!lets_in(&app, &key.jwt(&other.claims(&app))).await);
    let lies = crate::accounts::jwt::with(&good, &[("iss", json!(format!("{}/x", issuer.url)))]);
    assert!(!lets_in(&app, &key.jwt(&lies)).await);
    assert_eq!((issuer.asked(DISCOVERY), other.asked(DISCOVERY)), (0, 0));
}

#[tokio::test]
async fn r70_an_issuer_that_answers_wrongly_lets_nobody_in_and_keeps_nobody_out_later() {
    let (issuer, key, app, good) = world().await;
    let jwt = key.jwt(&good);
    let named = |uri: &str| Answer::json(&json!({ "issuer": issuer.url, "jwks_uri": uri }));
    let elsewhere = PipelineIssuer::start(&[&key]).await;
    let long = json!({ "issuer": issuer.url, "jwks_uri": "x".repeat(1_100_000) });
    for (why, path, answer) in [
        ("down", DISCOVERY, Answer::Down),
        ("down for keys", KEYS, Answer::Down),
        ("slow", DISCOVERY, Answer::Silence),
        ("slow with its keys", KEYS, Answer::Silence),
        ("endless", DISCOVERY, Answer::Endless),
        ("endless keys", KEYS, Answer::Endless),
        ("huge", DISCOVERY, Answer::json(&long)),
        ("leads elsewhere", DISCOVERY, Answer::redirect(&format!("{}{DISCOVERY}", elsewhere.url))),
        ("leads elsewhere for keys", KEYS, Answer::redirect(&format!("{}{KEYS}", elsewhere.url))),
        ("no JSON", DISCOVERY, Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".into())),
        ("another issuer's", DISCOVERY, Answer::json(&elsewhere.discovery())),
        ("of no issuer", DISCOVERY, Answer::json(&json!({ "jwks_uri": format!("{}{KEYS}", issuer.url) }))),
        ("no address of keys", DISCOVERY, Answer::json(&json!({ "issuer": issuer.url }))),
        ("a file", DISCOVERY, named("file:///etc/passwd")),
        ("a network inside", DISCOVERY, named("https://10.0.0.1/keys")),
        ("the cloud's own address", DISCOVERY, named("http://169.254.169.254/keys")),
        ("a name inside", DISCOVERY, named("http://localhost.:1/keys")),
        ("no keys", KEYS, Answer::json(&json!({ "keys": [] }))),
        ("a secret key", KEYS, Answer::json(&json!({ "keys": [{ "kty": "oct", "kid": "ed", "k": "AAAA" }] }))),
        ("an error", KEYS, Answer::Raw("HTTP/1.1 500 Oh no\r\ncontent-length: 2\r\n\r\n{}".into())),
    ] {
        issuer.answer(DISCOVERY, Answer::json(&issuer.discovery()));
        issuer.give(&[&key]);
        issuer.answer(path, answer);
        let began = Instant::now();
        assert!(!lets_in(&app, &jwt).await, "{why}");
        assert!(began.elapsed() < Duration::from_secs(20), "{why}: {:?}", began.elapsed());
        app.clock_only_by(30);
    }
    assert_eq!((elsewhere.asked(DISCOVERY), elsewhere.asked(KEYS)), (0, 0));
    issuer.answer(DISCOVERY, Answer::json(&issuer.discovery()));
    issuer.give(&[&key]);
    let later = key.jwt(&issuer.claims(&app));
    assert!(lets_in(&app, &later).await);
    // The keys that were read last stay, whatever becomes of the issuer.
    issuer.answer(DISCOVERY, Answer::Down);
    app.clock_only_by(30);
    assert!(!lets_in(&app, &SigningKey::ed("unknown").jwt(&issuer.claims(&app))).await);
    assert!(lets_in(&app, &later).await);
}

#[tokio::test]
async fn r70_an_issuer_on_an_address_inside_is_asked_only_if_the_operator_allows_it() {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = TestApp::new().await;
    let jwt = key.jwt(&issuer.claims(&app));
    for (networks, accepted) in [(vec![], false), (vec!["10.0.0.0/8"], false), (vec!["127.0.0.0/8"], true)] {
        let networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
        let options = OutboundOptions {
            allowed: AllowedNetworks::new(networks),
            refusal_after: Duration::from_millis(20),
            ..OutboundOptions::default()
        };
        let pipelines = Pipelines::new(pipelines(&[&issuer.url]), Outbound::new(options).expect("TLS"));
        let proved = pipelines.prove(&jwt, app.now()).await;
        if accepted {
            assert_eq!(proved.expect("a proof").subject, "repo:acme/orders:ref:refs/heads/main");
        } else {
            assert_eq!((proved, issuer.asked(DISCOVERY)), (Err(JwtRefusal::UnknownKey), 0));
        }
    }
}

#[tokio::test]
async fn r70_a_server_reads_the_keys_when_it_starts_and_again_and_again() {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = TestApp::new().await;
    let mut settings = pipelines(&[&issuer.url, "http://127.0.0.1:9"]);
    settings.refresh = Duration::from_millis(30);
    let options = OutboundOptions { allowed: AllowedNetworks::default().with_loopback(), ..OutboundOptions::default() };
    let pipelines = std::sync::Arc::new(Pipelines::new(settings, Outbound::new(options).expect("TLS")));
    let (end, ending) = tokio::sync::watch::channel(false);
    let now = app.now();
    let running = tokio::spawn(pipelines.clone().run(move || now, ending));
    let read = async {
        while issuer.asked(KEYS) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the keys are read again and again");
    end.send_replace(true);
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends with the server").expect("well");
    issuer.answer(DISCOVERY, Answer::Down);
    assert!(pipelines.prove(&key.jwt(&issuer.claims(&app)), app.now()).await.is_ok());
}
