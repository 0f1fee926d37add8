//! JWTs of an identity provider: which are accepted, and what they allow (R1, R4).

use packwright::jwt::{JwtSettings, Source};
use serde_json::{Value, json};

use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::support::{At, Setup, TestApp, instant, uuid_of};

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "packwright";
const VIEWER: &str =
    "{ viewer { role token { id name expiresAt createdBy { name } isCurrent viewerCanRevoke } account { id name } } }";

/// Settings that accept JWTs of these keys with every algorithm.
pub(crate) fn settings(source: Source) -> JwtSettings {
    let algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
    JwtSettings {
        source,
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        types: vec!["at+jwt".into(), "JWT".into()],
        algorithms: algorithms.iter().map(|name| name.parse().expect("an algorithm")).collect(),
        account_claim: "packwright_account".into(),
        role_claim: "packwright_role".into(),
        leeway: chrono::Duration::seconds(30),
        refresh: std::time::Duration::from_secs(300),
    }
}

/// An app that accepts JWTs of some keys, read from a file.
pub(crate) struct World {
    pub(crate) app: TestApp,
    _file: tempfile::TempDir,
}

pub(crate) async fn world(keys: &Value, change: impl FnOnce(&mut JwtSettings)) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, keys.to_string()).expect("written");
    let mut jwt = settings(Source::File(file));
    change(&mut jwt);
    World { app: TestApp::with(Setup { jwt: Some(jwt), ..Setup::default() }).await, _file: folder }
}

/// The claims of a JWT that is valid for an hour.
pub(crate) async fn claims(app: &TestApp, admin: &str, role: &str) -> Value {
    let own = app.gql(admin, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id");
    let now = app.now().timestamp();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice@example.com", "iat": now, "nbf": now, "exp": now + 3600,
        "packwright_account": uuid_of(&own), "packwright_role": role,
    })
}

pub(crate) async fn lets_in(app: &TestApp, token: &str) -> bool {
    let answer = app.gql_raw(Some(token), "{ viewer { role } }", json!(null)).await;
    match answer.pointer("/errors/0/extensions/code").and_then(Value::as_str) {
        None => true,
        Some("UNAUTHENTICATED") => false,
        Some(other) => panic!("{other}: {answer:#}"),
    }
}

pub(crate) fn with(claims: &Value, changed: &[(&str, Value)]) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changed {
        claims[*name] = value.clone();
    }
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().expect("claims").remove(name);
    claims
}

#[tokio::test]
async fn r04_a_jwt_signed_by_a_known_key_authenticates() {
    let keys = [SigningKey::ed("ed"), SigningKey::ec("ec"), SigningKey::rsa("rsa")];
    let World { app, .. } = &world(&key_set(&keys.each_ref()), |_| {}).await;
    let acme = app.managed("Acme").await;
    let claims = claims(app, &acme.token, "STANDARD_USER").await;
    for key in &keys {
        let viewer = app.gql(&key.jwt(&claims), VIEWER, json!(null)).await;
        assert_eq!(
            (viewer.text("/viewer/role"), viewer.text("/viewer/account/name")),
            ("STANDARD_USER".into(), "Acme".into())
        );
        let token = viewer.at("/viewer/token");
        assert_eq!(token.text("/name"), "alice@example.com");
        assert_eq!(instant(&token.text("/expiresAt")), app.now() + chrono::Duration::hours(1));
        assert_eq!((token.at("/isCurrent"), token.at("/viewerCanRevoke")), (&json!(true), &json!(false)));
        assert_eq!(token.text("/createdBy/name"), ISSUER);
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let read = app.gql(&key.jwt(&claims), node, json!({ "id": token.at("/id") })).await;
        assert_eq!(read.at("/node/id"), token.at("/id"), "it can be read again");
    }
    let ps = keys[2].jwt_with(&json!({ "typ": "JWT", "alg": "PS256", "kid": "rsa" }), &claims);
    assert!(lets_in(app, &ps).await, "RSA-PSS");
}

#[tokio::test]
async fn r01_a_jwt_may_do_what_its_role_allows_in_its_account() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let support = key.jwt(&claims(app, &acme.token, "SUPPORT").await);
    let input = json!({ "installationId": installed.installations[0] });
    assert_eq!(app.denied(&support, "uninstallPack", input.clone()).await, "FORBIDDEN");
    let user = key.jwt(&claims(app, &acme.token, "STANDARD_USER").await);
    let other = json!({ "installationId": installed.installations[1] });
    assert_eq!(app.denied(&user, "uninstallPack", other).await, "NOT_FOUND");
    app.ok(&user, "uninstallPack", input, "uninstalledId").await;
    let entries = app.audit(&acme.token, json!({ "actions": ["uninstallPack"] })).await;
    let actor = json!({ "kind": "API_TOKEN", "name": "alice@example.com", "token": null });
    assert_eq!(entries[0].at("/actor"), &actor);
    let uninstalled = app.audit(&app.publisher, json!({ "actions": ["uninstallPack"] })).await;
    assert_eq!(uninstalled[0].text("/actor/name"), "Acme");
}

#[tokio::test]
async fn r51_entries_of_a_jwt_are_found_by_its_id() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let jwt = key.jwt(&claims(app, &app.publisher, "ADMINISTRATOR").await);
    let input = json!({ "name": "Import", "type": "PROCESS" });
    app.ok(&jwt, "createComponent", input, "component { id }").await;
    let own = app.gql(&jwt, VIEWER, json!(null)).await.text("/viewer/token/id");
    let entries = app.audit(&jwt, json!({ "tokenId": own })).await;
    assert_eq!(entries.len(), 1, "{entries:#?}");
    assert_eq!(entries[0].text("/action"), "createComponent");
    assert_eq!(entries[0].text("/actor/name"), "alice@example.com");
}

#[tokio::test]
async fn r04_a_jwt_with_any_fault_is_refused() {
    let (key, stranger) = (SigningKey::ed("ed"), SigningKey::ed("ed"));
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let good = claims(app, &app.publisher, "ADMINISTRATOR").await;
    let now = app.now().timestamp();
    assert!(lets_in(app, &key.jwt(&good)).await);
    assert!(!lets_in(app, &stranger.jwt(&good)).await, "signed by another key of the same id");
    let unknown = uuid::Uuid::nil();
    for (why, claims) in [
        ("another issuer", with(&good, &[("iss", json!("https://id.example.com"))])),
        ("another audience", with(&good, &[("aud", json!("somebody else"))])),
        ("no audience of ours", with(&good, &[("aud", json!(["one", "two"]))])),
        ("expired", with(&good, &[("exp", json!(now - 30))])),
        ("not yet", with(&good, &[("nbf", json!(now + 31))])),
        ("made in the future", with(&good, &[("iat", json!(now + 31))])),
        ("no end", without(&good, "exp")),
        ("an end that is none", with(&good, &[("exp", json!("never"))])),
        ("an end beyond time", with(&good, &[("exp", json!(1e300))])),
        ("no issuer", without(&good, "iss")),
        ("no audience", without(&good, "aud")),
        ("nobody", without(&good, "sub")),
        ("no account", without(&good, "packwright_account")),
        ("an unknown account", with(&good, &[("packwright_account", json!(unknown))])),
        ("an account by name", with(&good, &[("packwright_account", json!("Northwind"))])),
        ("no role", without(&good, "packwright_role")),
        ("an unknown role", with(&good, &[("packwright_role", json!("OWNER"))])),
        ("two roles", with(&good, &[("packwright_role", json!(["SUPPORT", "ADMINISTRATOR"]))])),
        ("no roles", with(&good, &[("packwright_role", json!([]))])),
    ] {
        assert!(!lets_in(app, &key.jwt(&claims)).await, "{why}");
    }
    for (why, claims) in [
        ("one audience of several", with(&good, &[("aud", json!(["one", AUDIENCE]))])),
        ("one role", with(&good, &[("packwright_role", json!(["SUPPORT"]))])),
        (
            "within the leeway",
            with(&good, &[("exp", json!(now - 29)), ("nbf", json!(now + 29)), ("iat", json!(now + 29))]),
        ),
        ("a fraction", with(&good, &[("exp", json!(now as f64 + 0.5))])),
        ("without a beginning", without(&without(&good, "nbf"), "iat")),
    ] {
        assert!(lets_in(app, &key.jwt(&claims)).await, "{why}");
    }
}

#[tokio::test]
async fn r04_a_jwt_is_signed_by_an_algorithm_of_the_list_with_a_key_for_it() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    let (ed, ec, rsa) = (SigningKey::ed("ed"), SigningKey::ec("ec"), SigningKey::rsa("rsa"));
    let World { app, .. } = &world(&key_set(&[&ed, &ec, &rsa]), |_| {}).await;
    let good = claims(app, &app.publisher, "ADMINISTRATOR").await;
    let body = B64.encode(good.to_string());
    let unsigned = |header: Value, signature: &[u8]| {
        format!("{}.{body}.{}", B64.encode(header.to_string()), B64.encode(signature))
    };
    for none in ["none", "None", "NONE", ""] {
        assert!(!lets_in(app, &unsigned(json!({ "typ": "JWT", "alg": none }), b"")).await, "{none}");
        assert!(!lets_in(app, &unsigned(json!({ "typ": "JWT", "alg": none, "kid": "ed" }), b"signed")).await, "{none}");
    }
    // The public key used as a shared secret.
    for key in [&ed, &ec, &rsa] {
        let jwk = key.jwk();
        let secret = B64.decode(jwk.get("n").or(jwk.get("x")).expect("a key").as_str().expect("text")).expect("bytes");
        for secret in [secret, jwk.to_string().into_bytes()] {
            let message = format!(
                "{}.{body}",
                B64.encode(json!({ "typ": "JWT", "alg": "HS256", "kid": jwk["kid"] }).to_string())
            );
            let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), message.as_bytes());
            assert!(!lets_in(app, &format!("{message}.{}", B64.encode(tag))).await, "{jwk}");
        }
    }
    for (header, why) in [
        (json!({ "typ": "JWT", "alg": "RS256", "kid": "ed" }), "a key of another kind"),
        (json!({ "typ": "JWT", "alg": "ES256", "kid": "ed" }), "a key of another kind"),
        (json!({ "typ": "JWT", "alg": "EdDSA", "kid": "ec" }), "another key"),
        (json!({ "typ": "JWT", "alg": "EdDSA", "kid": "unknown" }), "an unknown key"),
        (json!({ "typ": "JWT", "alg": "EdDSA", "kid": "ed", "crit": ["exp"] }), "a critical header"),
        (json!({ "typ": "JWT", "alg": "EdDSA", "kid": "ed", "jwk": ed.jwk(), "crit": [] }), "a critical header"),
        (json!({ "typ": "JWT", "alg": "RS512", "kid": "rsa" }), "not on the list"),
        (json!({ "typ": "JWT", "kid": "ed" }), "no algorithm"),
        (json!({ "typ": "JWT", "alg": "EdDSA", "kid": 7 }), "no id"),
    ] {
        assert!(!lets_in(app, &ed.jwt_with(&header, &good)).await, "{why}: {header}");
    }
    assert!(
        lets_in(app, &ed.jwt_with(&json!({ "typ": "JWT", "alg": "EdDSA" }), &good)).await,
        "the only one that fits"
    );
    for (nonsense, why) in [("..", "empty"), ("a.b.c", "no base64"), ("e30.e30.", "empty objects"), ("x.x.", "short")] {
        assert!(!lets_in(app, nonsense).await, "{why}");
    }
    assert!(!lets_in(app, &ed.jwt(&with(&good, &[("more", json!("x".repeat(20_000)))]))).await, "too long");
}

#[tokio::test]
async fn r04_two_keys_that_fit_a_jwt_without_an_id_are_none() {
    let (one, two) = (SigningKey::ed("one"), SigningKey::ed("two"));
    let World { app, .. } = &world(&key_set(&[&one, &two]), |_| {}).await;
    let good = claims(app, &app.publisher, "SUPPORT").await;
    assert!(lets_in(app, &one.jwt(&good)).await && lets_in(app, &two.jwt(&good)).await);
    assert!(!lets_in(app, &one.jwt_with(&json!({ "typ": "JWT", "alg": "EdDSA" }), &good)).await);
}

#[tokio::test]
async fn r04_keys_that_are_not_for_signatures_are_passed_over() {
    let (ed, ec) = (SigningKey::ed("ed"), SigningKey::ec("ec"));
    let mut for_encryption = ec.jwk();
    for_encryption["use"] = json!("enc");
    let shared = json!({ "kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256" });
    let odd = json!({ "kty": "RSA", "kid": "odd", "alg": "RSA-OAEP-256", "n": "AQAB", "e": "AQAB" });
    let mut other = SigningKey::ed("other");
    let mut of_other = other.jwk();
    of_other["alg"] = json!("ES256");
    let set = json!({ "keys": [for_encryption, shared, odd, { "kty": "new" }, 7, of_other, ed.jwk()] });
    let World { app, .. } = &world(&set, |_| {}).await;
    let good = claims(app, &app.publisher, "SUPPORT").await;
    assert!(lets_in(app, &ed.jwt(&good)).await);
    assert!(!lets_in(app, &ec.jwt(&good)).await && !lets_in(app, &other.jwt(&good)).await);
    other = SigningKey::ed("shared");
    assert!(!lets_in(app, &other.jwt(&good)).await);
}

#[tokio::test]
async fn r04_the_allow_list_is_what_the_operator_says() {
    let (ed, ec) = (SigningKey::ed("ed"), SigningKey::ec("ec"));
    let keys = key_set(&[&ed, &ec]);
    let World { app, .. } = &world(&keys, |jwt| jwt.algorithms = vec!["ES256".parse().expect("one")]).await;
    let good = claims(app, &app.publisher, "SUPPORT").await;
    assert!(!lets_in(app, &ed.jwt(&good)).await && lets_in(app, &ec.jwt(&good)).await);
}

#[tokio::test]
async fn r04_a_suspended_account_keeps_its_jwts_out() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let acme = app.managed("Acme").await;
    let jwt = key.jwt(&claims(app, &acme.token, "SUPPORT").await);
    assert!(lets_in(app, &jwt).await);
    app.suspend(&acme).await;
    assert_eq!(app.error_code(Some(&jwt), "{ __typename }", json!(null)).await, "FORBIDDEN");
}

#[tokio::test]
async fn r04_a_subscription_ends_with_its_jwt() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let jwt = key.jwt(&claims(app, &app.publisher, "SUPPORT").await);
    let after = json!({ "after": app.cursor(&jwt).await });
    let mut listener =
        app.subscribe(&jwt, "subscription($after: String) { events(after: $after) { kind } }", after).await;
    let pack = app.pack_with("Orders", &["Import"]).await;
    app.share_with_all(&pack.id).await;
    while listener.next().await.text("/events/kind") != "PACK_SHARED" {}
    // After an hour and the leeway.
    app.clock_only("2026-11-22T10:00:30Z");
    app.release_now(&pack.id).await;
    let rest = listener.until_the_end().await;
    assert!(rest.iter().all(|item| item.pointer("/errors").is_some()), "{rest:#?}");
    assert!(!lets_in(app, &jwt).await);
}

#[tokio::test]
async fn r04_without_an_issuer_no_jwt_is_taken() {
    let app = TestApp::new().await;
    let key = SigningKey::ed("ed");
    assert!(!lets_in(&app, &key.jwt(&claims(&app, &app.publisher, "ADMINISTRATOR").await)).await);
}
