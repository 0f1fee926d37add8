//! JWTs of pipelines: which are tokens, and of which account (R70).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use entity::trusted_publisher;
use packwright::domain::accounts::{TrustedClaim, TrustedPublisher, lookup_key};
use packwright::jwt::Source;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};
use serde_json::{Value, json};

use crate::accounts::jwt::{lets_in, settings, with};
use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::accounts::pipeline_issuer::PipelineIssuer;
use crate::support::rows::tables;
use crate::support::{Ask, At as _, Dice, Server, Setup, TestApp, pipelines, uuid_of};

const VIEWER: &str = "{ viewer { role privileges account { id name }
    token { id name createdAt expiresAt isCurrent viewerCanRevoke createdBy { name } } } }";
const OF_MAIN: &[(&str, &str)] = &[("repository", "acme/orders"), ("ref", "refs/heads/main")];

/// An issuer with one key, and an app whose accounts may trust it.
async fn world() -> (PipelineIssuer, SigningKey, TestApp) {
    let key = SigningKey::ed("ed");
    let issuer = PipelineIssuer::start(&[&key]).await;
    let app = issuer.app().await;
    (issuer, key, app)
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().expect("claims").remove(name);
    claims
}

async fn own_id(app: &TestApp, token: &str) -> String {
    app.gql(token, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id")
}

#[tokio::test]
async fn r70_a_pipelines_jwt_is_a_token_of_the_account_and_the_role() {
    let (issuer, key, app) = world().await;
    let acme = app.managed("Acme").await;
    let trusted = app.trust(&acme.token, "Deploy", &issuer.url, OF_MAIN, "STANDARD_USER").await;
    let jwt = key.jwt(&issuer.claims(&app));
    let read = app.gql(&jwt, VIEWER, json!(null)).await;
    assert_eq!(read.at("/viewer/account/id"), &json!(own_id(&app, &acme.token).await));
    assert_eq!(read.text("/viewer/role"), "STANDARD_USER");
    let token = read.at("/viewer/token");
    assert_eq!(token.text("/name"), "Deploy (repo:acme/orders:ref:refs/heads/main)");
    assert_eq!(uuid_of(&token.text("/id")), uuid_of(&trusted));
    assert_eq!(
        (token.text("/createdAt"), token.text("/expiresAt")),
        ("2026-11-22T09:00:00.000000Z".to_owned(), "2026-11-22T09:10:00.000000Z".to_owned())
    );
    assert_eq!((token.at("/isCurrent"), token.at("/viewerCanRevoke")), (&json!(true), &json!(false)));
    assert_eq!(app.denied(&jwt, "createApiToken", json!({ "name": "more", "role": "SUPPORT" })).await, "FORBIDDEN");
    assert_eq!(app.denied(&jwt, "createComponent", json!({ "name": "Import", "type": "PROCESS" })).await, "FORBIDDEN");

    app.trust(&app.publisher, "Package", &issuer.url, &[("environment", "staging")], "STANDARD_USER").await;
    let staging = with(&without(&issuer.claims(&app), "repository"), &[("environment", json!("staging"))]);
    app.ok(&key.jwt(&staging), "createComponent", json!({ "name": "Import", "type": "PROCESS" }), "").await;
}

#[tokio::test]
async fn r70_it_is_told_when_a_pipeline_was_last_used() {
    let (issuer, key, app) = world().await;
    app.trust(&app.publisher, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    app.trust(&app.publisher, "Other", &issuer.url, &[("repository", "acme/other")], "SUPPORT").await;
    assert!(lets_in(&app, &key.jwt(&issuer.claims(&app))).await);
    app.tick().await;
    let list = "{ trustedPublishers { edges { node { name lastUsedAt } } } }";
    let listed = app.gql(&app.publisher, list, json!(null)).await.nodes("/trustedPublishers");
    assert_eq!(listed[0].text("/lastUsedAt"), "2026-11-22T09:00:00.000000Z");
    assert_eq!(listed[1].at("/lastUsedAt"), &json!(null));
}

#[tokio::test]
async fn r70_each_claim_has_exactly_the_text() {
    let (issuer, key, app) = world().await;
    let claims = [
        ("sub", "repo:acme/orders:ref:refs/heads/main"),
        ("repository", "acme/orders"),
        ("run_attempt", "1"),
        ("protected", "true"),
    ];
    app.trust(&app.publisher, "Deploy", &issuer.url, &claims, "SUPPORT").await;
    let good = issuer.claims(&app);
    assert!(lets_in(&app, &key.jwt(&good)).await);
    assert!(lets_in(&app, &key.jwt(&with(&good, &[("protected", json!("true")), ("run_attempt", json!("1"))]))).await);
    assert!(lets_in(&app, &key.jwt(&with(&good, &[("more", json!({ "a": 1 }))]))).await);
    for (name, value) in [
        ("repository", json!("acme/orders2")),
        ("repository", json!("acme/order")),
        ("repository", json!("Acme/orders")),
        ("repository", json!("acme/orders ")),
        ("repository", json!("acme/*")),
        ("repository", json!(["acme/orders"])),
        ("repository", json!({ "acme/orders": "acme/orders" })),
        ("repository", json!(null)),
        ("repository", json!("")),
        ("run_attempt", json!(2)),
        ("run_attempt", json!(1.5)),
        ("run_attempt", json!("01")),
        ("protected", json!(false)),
        ("protected", json!("TRUE")),
        ("sub", json!("repo:acme/orders:ref:refs/heads/other")),
    ] {
        assert!(!lets_in(&app, &key.jwt(&with(&good, &[(name, value.clone())]))).await, "{name}: {value}");
    }
    for name in ["repository", "run_attempt", "protected"] {
        assert!(!lets_in(&app, &key.jwt(&without(&good, name))).await, "{name}");
    }
}

#[tokio::test]
async fn r70_whatever_is_wrong_gets_one_answer() {
    let (issuer, key, app) = world().await;
    let (stranger, unknown, ec) = (SigningKey::ed("ed"), SigningKey::ed("unknown"), SigningKey::ec("ec"));
    app.trust(&app.publisher, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    let good = issuer.claims(&app);
    let now = app.now().timestamp();
    assert!(lets_in(&app, &key.jwt(&good)).await);
    let mut refused = vec![("another key of the same id", stranger.jwt(&good)), ("an unknown key", unknown.jwt(&good))];
    for (why, claims) in [
        ("trusted by nobody", with(&good, &[("repository", json!("acme/other"))])),
        ("an issuer that isn't allowed", with(&good, &[("iss", json!("https://gitlab.com"))])),
        ("a slash more", with(&good, &[("iss", json!(format!("{}/", issuer.url)))])),
        ("several issuers", with(&good, &[("iss", json!([issuer.url]))])),
        ("no issuer", without(&good, "iss")),
        ("another audience", with(&good, &[("aud", json!("https://packs.example.com"))])),
        ("no audience of ours", with(&good, &[("aud", json!(["one", "two"]))])),
        ("no audience", without(&good, "aud")),
        ("expired", with(&good, &[("exp", json!(now - 30))])),
        ("no end", without(&good, "exp")),
        ("an end beyond time", with(&good, &[("exp", json!(1e300))])),
        ("no beginning", without(&good, "iat")),
        ("issued an hour ago", with(&good, &[("iat", json!(now - 3_600))])),
        ("issued in the future", with(&good, &[("iat", json!(now + 31))])),
        ("not yet", with(&good, &[("nbf", json!(now + 31))])),
        ("no subject", without(&good, "sub")),
        ("a subject that can't be seen", with(&good, &[("sub", json!("\u{200b}"))])),
        ("too long", with(&good, &[("more", json!("x".repeat(20_000)))])),
    ] {
        refused.push((why, key.jwt(&claims)));
    }
    for (why, header) in [
        ("a type of another use", json!({ "typ": "logout+jwt", "alg": "EdDSA", "kid": "ed" })),
        ("a critical header", json!({ "typ": "JWT", "alg": "EdDSA", "kid": "ed", "crit": ["exp"] })),
        ("an algorithm that isn't allowed", json!({ "typ": "JWT", "alg": "RS512", "kid": "ed" })),
        ("an algorithm of another key", json!({ "typ": "JWT", "alg": "ES256", "kid": "ed" })),
    ] {
        refused.push((why, key.jwt_with(&header, &good)));
    }
    refused.push((
        "a key that comes along",
        ec.jwt_with(&json!({ "typ": "JWT", "alg": "ES256", "kid": "ed", "jwk": ec.jwk(), "jku": issuer.url }), &good),
    ));
    let body = B64.encode(good.to_string());
    for alg in ["none", "None", ""] {
        let header = B64.encode(json!({ "typ": "JWT", "alg": alg, "kid": "ed" }).to_string());
        refused.push(("no signature", format!("{header}.{body}.")));
    }
    for secret in [B64.decode(key.jwk().text("/x")).expect("bytes"), key.jwk().to_string().into_bytes()] {
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": "ed" }).to_string();
        let message = format!("{}.{body}", B64.encode(header));
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), message.as_bytes());
        refused.push(("the public key as a secret", format!("{message}.{}", B64.encode(tag))));
    }
    refused.extend([("no JWT", "a.b.c".to_owned()), ("empty", "..".to_owned()), ("objects", "e30.e30.".to_owned())]);
    let first = app.gql_raw(Some(&refused[0].1), "{ viewer { role } }", json!(null)).await;
    assert_eq!(first.pointer("/errors/0/extensions/code"), Some(&json!("UNAUTHENTICATED")), "{first:#}");
    for (why, token) in refused {
        assert_eq!(app.gql_raw(Some(&token), "{ viewer { role } }", json!(null)).await, first, "{why}");
    }
    for (why, claims) in [
        ("one audience of several", with(&good, &[("aud", json!(["one", crate::support::AUDIENCE]))])),
        ("within the leeway", with(&good, &[("exp", json!(now - 29)), ("iat", json!(now - 600))])),
        ("a clock ahead", with(&good, &[("nbf", json!(now + 29)), ("iat", json!(now + 29))])),
        ("without nbf", without(&good, "nbf")),
    ] {
        assert!(lets_in(&app, &key.jwt(&claims)).await, "{why}");
    }
    let untyped = json!({ "alg": "EdDSA", "kid": "ed" });
    assert!(lets_in(&app, &key.jwt_with(&untyped, &good)).await, "some issuers give no type");
}

#[tokio::test]
async fn r70_a_jwt_is_good_until_it_expires_and_for_an_hour_at_most() {
    let (issuer, key, app) = world().await;
    app.trust(&app.publisher, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    let good = issuer.claims(&app);
    let short = key.jwt(&good);
    let long = key.jwt(&with(&good, &[("exp", json!(app.now().timestamp() + 86_400))]));
    let ends = app.gql(&long, VIEWER, json!(null)).await.text("/viewer/token/expiresAt");
    assert_eq!(ends, "2026-11-22T10:00:00.000000Z");
    app.clock_only("2026-11-22T09:10:29Z");
    assert!(lets_in(&app, &short).await && lets_in(&app, &long).await);
    app.clock_only("2026-11-22T09:10:30Z");
    assert!(!lets_in(&app, &short).await);
    app.clock_only("2026-11-22T09:59:59Z");
    assert!(lets_in(&app, &long).await);
    app.clock_only("2026-11-22T10:00:00Z");
    assert!(!lets_in(&app, &long).await);
}

#[tokio::test]
async fn r70_accounts_that_trust_other_claims_of_an_issuer_have_each_their_own() {
    let (issuer, key, app) = world().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    app.trust(&acme.token, "Deploy", &issuer.url, &[("repository", "acme/orders")], "SUPPORT").await;
    app.trust(&globex.token, "Deploy", &issuer.url, &[("repository", "globex/orders")], "PRODUCTION_SUPPORT").await;
    let good = issuer.claims(&app);
    for (repository, account, role) in
        [("acme/orders", "Acme", "SUPPORT"), ("globex/orders", "Globex", "PRODUCTION_SUPPORT")]
    {
        let jwt = key.jwt(&with(&good, &[("repository", json!(repository))]));
        let read = app.gql(&jwt, VIEWER, json!(null)).await;
        assert_eq!(
            (read.text("/viewer/account/name"), read.text("/viewer/role")),
            (account.to_owned(), role.to_owned())
        );
    }
}

#[tokio::test]
async fn r70_a_jwt_that_two_accounts_trust_names_one_of_them() {
    let (issuer, key, app) = world().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    app.trust(&acme.token, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    app.trust(&app.publisher, "Deploy", &issuer.url, &[("repository", "acme/orders")], "SUPPORT").await;
    let jwt = key.jwt(&issuer.claims(&app));
    let server = Server::start(&app).await;
    let ask = || Ask::query("{ viewer { account { name } } }");
    let (own, publisher) = (own_id(&app, &acme.token).await, own_id(&app, &app.publisher).await);
    for (named, seen) in [
        (own.clone(), Some("Acme")),
        (acme.id.clone(), Some("Acme")),
        (uuid_of(&own).to_string(), Some("Acme")),
        (publisher.clone(), Some("Northwind")),
        (globex.id.clone(), None),
        ("Acme".into(), None),
        (String::new(), None),
        (own.replacen("own_", "pack_", 1), None),
    ] {
        let reply = server.send(&ask().token(&jwt).with("X-Packwright-Account", &named)).await;
        let name = reply.json().pointer("/data/viewer/account/name").cloned();
        assert_eq!(name, seen.map(|name| json!(name)), "{named}: {}", reply.text());
        assert_eq!(reply.status, if seen.is_some() { 200 } else { 401 }, "{named}");
    }
    assert_eq!(server.send(&ask().token(&jwt)).await.status, 401, "which one?");
    let two = ask().token(&jwt).with("x-packwright-account", &own).with("x-packwright-account", &own);
    assert_eq!(server.send(&two).await.status, 401, "named twice");
    let api_token = ask().token(&app.publisher).with("x-packwright-account", &own);
    assert_eq!(server.send(&api_token).await.json().text("/data/viewer/account/name"), "Northwind", "a token has one");
    // An account that is named must be the one that trusts the pipeline, also when it is the only one.
    let only = key.jwt(&with(&issuer.claims(&app), &[("ref", json!("refs/heads/other"))]));
    assert_eq!(server.send(&ask().token(&only).with("x-packwright-account", &acme.id)).await.status, 401);
    assert_eq!(server.send(&ask().token(&only)).await.status, 200);
}

#[tokio::test]
async fn r70_a_jwt_reads_a_bounded_number_of_trusted_publishers() {
    let (issuer, key, app) = world().await;
    let acme = app.managed("Acme").await;
    let trusted = app.trust(&acme.token, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    let jwt = key.jwt(&issuer.claims(&app));
    assert!(lets_in(&app, &jwt).await);
    // Somebody with very many accounts trusts what has one claim of the JWT.
    let row = trusted_publisher::Entity::find_by_id(uuid_of(&trusted)).one(tables(&app)).await.expect("read");
    let row = row.expect("a trusted publisher");
    let other = uuid_of(&own_id(&app, &app.publisher).await);
    let rows = (0..1_000_u128).map(|number| trusted_publisher::ActiveModel {
        id: Set(sea_orm::prelude::Uuid::from_u128(number + 1)),
        account_id: Set(other),
        name_key: Set(format!("{number}")),
        claims: Set(row.claims.replace("refs/heads/main", "refs/heads/other")),
        ..row.clone().into_active_model().reset_all()
    });
    for chunk in rows.collect::<Vec<_>>().chunks(200) {
        let inserted =
            trusted_publisher::Entity::insert_many(chunk.to_vec()).exec_without_returning(tables(&app)).await;
        inserted.expect("inserted");
    }
    assert!(!lets_in(&app, &jwt).await, "a request that names no account");
    let server = Server::start(&app).await;
    let ask = Ask::query("{ viewer { role } }").token(&jwt);
    let named = server.send(&ask.with("x-packwright-account", &own_id(&app, &acme.token).await)).await.json();
    assert_eq!(named.text("/data/viewer/role"), "SUPPORT", "{named:#}");
}

#[tokio::test]
async fn r70_of_an_accounts_pipelines_that_match_the_most_exact_counts() {
    let (issuer, key, app) = world().await;
    app.trust(&app.publisher, "Any branch", &issuer.url, &[("repository", "acme/orders")], "SUPPORT").await;
    let exact = app.trust(&app.publisher, "Main", &issuer.url, OF_MAIN, "STANDARD_USER").await;
    app.clock_only("2026-11-22T09:00:01Z");
    app.trust(&app.publisher, "Later", &issuer.url, &[("environment", "production"), OF_MAIN[0]], "SUPPORT").await;
    let jwt = key.jwt(&issuer.claims(&app));
    let name = async || app.gql(&jwt, VIEWER, json!(null)).await.text("/viewer/token/name");
    assert!(name().await.starts_with("Main ("), "the older one of two");
    app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": exact }), "").await;
    assert!(name().await.starts_with("Later ("));
}

#[tokio::test]
async fn r04_a_suspended_account_keeps_its_pipelines_out() {
    let (issuer, key, app) = world().await;
    let acme = app.managed("Acme").await;
    app.trust(&acme.token, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    let jwt = key.jwt(&issuer.claims(&app));
    assert!(lets_in(&app, &jwt).await);
    app.suspend(&acme).await;
    assert_eq!(app.error_code(Some(&jwt), "{ __typename }", json!(null)).await, "FORBIDDEN");
}

#[tokio::test]
async fn r51_a_pipelines_entries_name_it_and_the_subject_and_are_found_by_it() {
    let (issuer, key, app) = world().await;
    let acme = app.managed("Acme").await;
    let trusted = app.trust(&app.publisher, "Deploy", &issuer.url, OF_MAIN, "STANDARD_USER").await;
    let other = app.trust(&acme.token, "Deploy", &issuer.url, &[("environment", "none")], "SUPPORT").await;
    let jwt = key.jwt(&with(&issuer.claims(&app), &[("sub", json!("repo:acme/orders:\u{7}environment:\u{202e}live"))]));
    app.ok(&jwt, "createComponent", json!({ "name": "Import", "type": "PROCESS" }), "").await;
    for gone in [false, true] {
        if gone {
            app.ok(&app.publisher, "deleteTrustedPublisher", json!({ "trustedPublisherId": trusted }), "").await;
        }
        let entries = app.audit(&app.publisher, json!({ "tokenId": trusted })).await;
        assert_eq!(entries.len(), 1, "{entries:#?}");
        assert_eq!(entries[0].text("/action"), "createComponent");
        assert_eq!(entries[0].text("/actor/name"), "Deploy (repo:acme/orders:environment:live)");
        assert_eq!(entries[0].text("/actor/kind"), "API_TOKEN");
        let log = "query($id: ID) { auditLog(filter: { tokenId: $id }) { totalCount } }";
        let read = app.gql_raw(Some(&app.publisher), log, json!({ "id": other })).await;
        assert_eq!(read.pointer("/errors/0/extensions/code"), Some(&json!("NOT_FOUND")), "another account's");
    }
}

#[tokio::test]
async fn r70_pipelines_are_let_in_beside_the_identity_provider() {
    let (key, of_provider) = (SigningKey::ed("ed"), SigningKey::ed("provider"));
    let issuer = PipelineIssuer::start(&[&key]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set(&[&of_provider]).to_string()).expect("written");
    let (jwt, pipelines) = (Some(settings(Source::File(file))), Some(pipelines(&[&issuer.url])));
    let app = TestApp::with(Setup { jwt, pipelines, ..Setup::default() }).await;
    app.trust(&app.publisher, "Deploy", &issuer.url, OF_MAIN, "SUPPORT").await;
    let pipelines = issuer.claims(&app);
    let provider = crate::accounts::jwt::claims(&app, &app.publisher, "ADMINISTRATOR").await;
    assert!(lets_in(&app, &key.jwt(&pipelines)).await);
    assert!(lets_in(&app, &of_provider.jwt(&provider)).await);
    // Neither signs for the other, and a pipeline's claims never name the account and the role.
    assert!(!lets_in(&app, &of_provider.jwt(&pipelines)).await);
    assert!(!lets_in(&app, &key.jwt(&provider)).await);
    let (account, role) = (provider.at("/packwright_account"), json!("ADMINISTRATOR"));
    let named = with(&pipelines, &[("packwright_account", account.clone()), ("packwright_role", role)]);
    assert_eq!(app.gql(&key.jwt(&named), VIEWER, json!(null)).await.text("/viewer/role"), "SUPPORT");
}

/// What a JWT is looked up by finds each trusted publisher that it matches.
#[test]
fn r70_a_look_up_misses_no_trusted_publisher() {
    let mut dice = Dice::new("pipelines");
    for _ in 0..2_000 {
        let texts = ["a", "bb", "ccc", "acme/orders", "ü"];
        let claims =
            (0..=dice.below(9)).map(|n| TrustedClaim { name: format!("claim {n}"), value: (*dice.one(&texts)).into() });
        let claims: Vec<_> = claims.collect();
        let publisher = TrustedPublisher {
            id: uuid::Uuid::nil().into(),
            account_id: uuid::Uuid::nil().into(),
            name: "Deploy".into(),
            issuer: "https://ci.example".into(),
            claims: claims.clone(),
            role: packwright::domain::accounts::Role::Support,
            created_at: crate::support::instant(crate::support::START),
            created_by: packwright::domain::accounts::Actor::command_line(),
            last_used_at: None,
        };
        let mut of_jwt: std::collections::BTreeMap<_, _> =
            claims.into_iter().map(|claim| (claim.name, claim.value)).collect();
        of_jwt.insert("more".into(), "x".into());
        assert!(publisher.matches("https://ci.example", &of_jwt));
        assert!(!publisher.matches("https://ci2.example", &of_jwt));
        let mut keys = of_jwt.iter().map(|(name, value)| lookup_key("https://ci.example", name, value));
        assert!(keys.any(|key| key == publisher.stored_key()));
        of_jwt.remove("claim 0");
        assert!(!publisher.matches("https://ci.example", &of_jwt));
    }
}
